"""Payments that connected accounts have a part in: destination and direct charges, application fees and what goes back."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from runplane_mcp.simulator import SEED
from tests.simulator.world import DAY, World

BAKERY, PRINTER = SEED.connected_account_paid, SEED.connected_account_new
SHARED = {"reverse_transfer": True, "refund_application_fee": True}
CARD: dict[str, Any] = {"currency": "usd", "payment_method": "pm_card_visa", "confirm": True}


def settled(world: World, account: str | None = None) -> int:
    """What an account has once everything pending has become available."""
    balance = world.get("/v1/balance", account=account)
    return sum(each["amount"] for part in ("available", "pending") for each in balance[part][:1])


def test_a_destination_charge_passes_the_money_on_and_keeps_a_fee(sdk: stripe.StripeClient, world: World) -> None:
    platform, bakery = settled(world), settled(world, BAKERY)

    intent = sdk.v1.payment_intents.create(
        {
            "amount": 10_000,
            "currency": "usd",
            "payment_method": "pm_card_visa",
            "confirm": True,
            "transfer_data": {"destination": BAKERY},
            "application_fee_amount": 1_500,
            "on_behalf_of": BAKERY,
            "expand": ["latest_charge.transfer", "latest_charge.application_fee"],
        }
    )

    charge: Any = intent.latest_charge
    assert (charge.transfer.amount, charge.transfer.destination, charge.on_behalf_of) == (10_000, BAKERY, BAKERY)
    assert (charge.application_fee.amount, charge.application_fee.account) == (1_500, BAKERY)
    assert settled(world) == platform + 10_000 - 320 - 10_000 + 1_500
    assert settled(world, BAKERY) == bakery + 10_000 - 1_500
    assert world.get("/v1/balance", account=BAKERY)["available"][0]["amount"] == bakery
    world.clock.now += 2 * DAY
    assert world.get("/v1/balance", account=BAKERY)["available"][0]["amount"] == bakery + 8_500


def test_a_destination_charge_may_pass_on_a_part(world: World) -> None:
    intent = world.post(
        "/v1/payment_intents",
        amount=10_000,
        **CARD,
        transfer_data={"destination": PRINTER, "amount": 4_000},
        expand=["latest_charge"],
    )
    (transfer,) = world.get("/v1/transfers", destination=PRINTER)["data"]

    assert (transfer["amount"], transfer["source_transaction"]) == (4_000, intent["latest_charge"]["id"])
    assert transfer["transfer_group"] == intent["latest_charge"]["transfer_group"] == f"group_{intent['id']}"
    assert settled(world, PRINTER) == 4_000


def test_a_direct_charge_is_the_connected_accounts_and_pays_a_fee(sdk: stripe.StripeClient, world: World) -> None:
    platform, printer = settled(world), settled(world, PRINTER)

    charge = sdk.v1.charges.create(
        {"amount": 10_000, "currency": "usd", "source": "tok_visa", "application_fee_amount": 1_000},
        {"stripe_account": PRINTER},
    )
    (fee,) = sdk.v1.application_fees.list({"charge": charge.id}).data

    assert (fee.id, fee.amount, fee.account) == (charge.application_fee, 1_000, PRINTER)
    assert settled(world) == platform + 1_000
    assert settled(world, PRINTER) == printer + 10_000 - 320 - 1_000
    assert world.refused("GET", f"/v1/charges/{charge.id}")[0] == 404


def test_what_is_captured_is_shared_out_not_what_was_held(world: World) -> None:
    held = world.post(
        "/v1/payment_intents",
        amount=10_000,
        **CARD,
        capture_method="manual",
        transfer_data={"destination": PRINTER},
        application_fee_amount=9_000,
    )
    path = f"/v1/payment_intents/{held['id']}"

    assert settled(world, PRINTER) == 0
    assert world.refused("POST", f"{path}/capture", amount_to_capture=5_000)[1]["param"] == "application_fee_amount"
    world.post(f"{path}/capture", amount_to_capture=5_000, application_fee_amount=500)
    assert settled(world, PRINTER) == 4_500


def test_a_fee_and_shipping_can_be_unset_before_the_payment(world: World) -> None:
    address = {"line1": "1 Harbor Street", "city": "Portland"}
    made = world.post(
        "/v1/payment_intents",
        amount=5_000,
        currency="usd",
        transfer_data={"destination": PRINTER},
        application_fee_amount=500,
        shipping={"address": address, "name": "Ada"},
    )

    changed = world.post(f"/v1/payment_intents/{made['id']}", application_fee_amount="", shipping="")

    assert (made["application_fee_amount"], made["shipping"]["address"]["city"]) == (500, "Portland")
    assert (changed["application_fee_amount"], changed["shipping"]) == (None, None)


@pytest.mark.parametrize(
    ("parameters", "param", "code"),
    [
        ({"application_fee_amount": 100}, "application_fee_amount", None),
        (
            {"application_fee_amount": 5_001, "transfer_data[destination]": BAKERY},
            "application_fee_amount",
            None,
        ),
        ({"transfer_data[destination]": BAKERY, "transfer_data[amount]": 5_001}, "transfer_data[amount]", None),
        (
            {"transfer_data[destination]": BAKERY, "transfer_data[amount]": 1, "application_fee_amount": 1},
            "application_fee_amount",
            None,
        ),
        ({"transfer_data[destination]": "acct_nobody"}, "transfer_data[destination]", "resource_missing"),
        ({"transfer_data[destination]": SEED.account}, "transfer_data[destination]", "resource_missing"),
        ({"transfer_data[amount]": 1}, "transfer_data[destination]", "parameter_missing"),
        ({"on_behalf_of": "acct_nobody"}, "on_behalf_of", "resource_missing"),
    ],
)
def test_parts_that_cannot_be_are_refused(
    world: World, parameters: dict[str, object], param: str, code: str | None
) -> None:
    status, error = world.refused("POST", "/v1/payment_intents", amount=5_000, **CARD, **parameters)

    assert (status, error["param"], error.get("code")) == (400, param, code)


def test_a_refund_takes_back_transfer_and_fee_only_if_asked_to(sdk: stripe.StripeClient, world: World) -> None:
    asked = {"transfer_data": {"destination": PRINTER}, "application_fee_amount": 1_000}
    intent = world.post("/v1/payment_intents", amount=10_000, **CARD, **asked)
    platform = settled(world)

    sdk.v1.refunds.create({"payment_intent": intent["id"], "amount": 2_000})
    assert (settled(world), settled(world, PRINTER)) == (platform - 2_000, 9_000)

    world.post("/v1/refunds", payment_intent=intent["id"], amount=3_000, **SHARED)
    assert (settled(world), settled(world, PRINTER)) == (platform - 2_000 - 300, 9_000 - 3_000 + 300)

    world.post("/v1/refunds", payment_intent=intent["id"], **SHARED)
    assert (settled(world), settled(world, PRINTER)) == (platform - 2_000 - 1_000 + 2_000, 0)


def test_a_fee_is_refunded_once_and_no_further(sdk: stripe.StripeClient, world: World) -> None:
    charge = sdk.v1.charges.create(
        {"amount": 10_000, "currency": "usd", "source": "tok_bypassPending", "application_fee_amount": 1_000},
        {"stripe_account": PRINTER},
    )
    fee = str(charge.application_fee)
    printer = settled(world, PRINTER)

    part = sdk.v1.application_fees.refunds.create(fee, {"amount": 300, "metadata": {"why": "late"}})
    more = world.refused("POST", f"/v1/application_fees/{fee}/refunds", amount=701)
    shown = world.post(f"/v1/application_fees/{fee}/refund")
    done = world.refused("POST", f"/v1/application_fees/{fee}/refunds")

    assert (part.amount, part.to_dict()["metadata"]) == (300, {"why": "late"})
    assert (more[0], more[1]["param"], done[0]) == (400, "amount", 400)
    assert (shown["id"], shown["amount_refunded"], shown["refunded"]) == (fee, 1_000, True)
    assert [found["amount"] for found in shown["refunds"]["data"]] == [700, 300]
    assert settled(world, PRINTER) == printer + 1_000
    changed = world.post(f"/v1/application_fees/{fee}/refunds/{part.id}", metadata={"why": "later"})
    assert changed["metadata"] == {"why": "later"}
    assert world.refused("GET", f"/v1/application_fees/{fee}", account=PRINTER)[0] == 404


def test_a_reversal_can_give_the_fee_back_too(world: World) -> None:
    asked = {"transfer_data": {"destination": PRINTER}, "application_fee_amount": 1_000}
    method = {**CARD, "payment_method": "pm_card_bypassPending"}
    world.post("/v1/payment_intents", amount=10_000, **method, **asked)
    (transfer,) = world.get("/v1/transfers", destination=PRINTER)["data"]

    reversal = world.post(f"/v1/transfers/{transfer['id']}/reversals", amount=5_000, refund_application_fee=True)

    assert settled(world, PRINTER) == 10_000 - 1_000 - 5_000 + 500
    path = f"/v1/transfers/{transfer['id']}/reversals/{reversal['id']}"
    assert world.post(path, metadata={"a": "1"})["metadata"] == {"a": "1"}
    assert world.refused("POST", f"/v1/transfers/{SEED.transfer_past}/reversals/{reversal['id']}")[0] == 404
    assert world.refused("POST", f"/v1/transfers/{SEED.transfer_past}/reversals", refund_application_fee=True)[0] == 400


def test_a_top_up_arrives_or_is_canceled(sdk: stripe.StripeClient, world: World) -> None:
    before = world.available()
    coming = sdk.v1.topups.create({"amount": 50_000, "currency": "usd", "description": "top", "source": "btok_us"})
    gone = sdk.v1.topups.cancel(sdk.v1.topups.create({"amount": 1_000, "currency": "usd"}).id)
    big = world.get("/v1/topups", amount={"gte": 2_000})["data"]

    assert (coming.status, gone.status, world.available()) == ("pending", "canceled", before)
    assert [found["id"] for found in big] == [coming.id]
    (yesterday,) = world.get("/v1/balance_transactions", source=SEED.charge_pending)["data"]
    world.clock.now += 3 * DAY
    arrived = sdk.v1.topups.retrieve(coming.id)
    assert (arrived.status, world.available()) == ("succeeded", before + 50_000 + yesterday["net"])
    assert world.refused("POST", f"/v1/topups/{coming.id}/cancel")[0] == 400
