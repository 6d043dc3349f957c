from __future__ import annotations

import pytest
import stripe

from runplane_mcp.simulator import SEED
from tests.simulator.world import World


def test_an_id_becomes_the_object_it_names(sdk: stripe.StripeClient) -> None:
    intent = sdk.v1.payment_intents.retrieve(SEED.payment_intent_900, {"expand": ["latest_charge.balance_transaction"]})

    charge = intent.latest_charge
    assert isinstance(charge, stripe.Charge)
    assert charge.amount == 90_000
    assert isinstance(charge.balance_transaction, stripe.BalanceTransaction)


def test_what_is_in_a_list_is_expanded_by_data(world: World) -> None:
    page = world.get("/v1/charges", customer=SEED.customer_ada, expand=["data.customer", "data.payment_intent"])

    (charge,) = page["data"]
    assert charge["customer"]["name"] == "Ada Moreno"
    assert charge["payment_intent"]["id"] == SEED.payment_intent_900


def test_expansion_reaches_through_embedded_objects(world: World) -> None:
    path = f"/v1/subscriptions/{SEED.subscription_office}"

    subscription = world.get(path, expand=["items.data.price.product", "customer"])

    names = [item["price"]["product"]["name"] for item in subscription["items"]["data"]]
    assert names == ["Coffee club", "Office coffee"]
    assert subscription["customer"]["id"] == SEED.customer_cleo


def test_lists_that_come_only_when_asked_for(world: World) -> None:
    charge = world.get(f"/v1/charges/{SEED.charge_partly_refunded}", expand=["refunds"])
    customer = world.get(f"/v1/customers/{SEED.customer_ada}", expand=["subscriptions"])

    assert "refunds" not in world.get(f"/v1/charges/{SEED.charge_partly_refunded}")
    assert [refund["id"] for refund in charge["refunds"]["data"]] == [SEED.refund_partial]
    assert [held["id"] for held in customer["subscriptions"]["data"]] == [SEED.subscription_monthly]


def test_a_write_is_answered_expanded(sdk: stripe.StripeClient) -> None:
    refund = sdk.v1.refunds.create({"charge": SEED.charge_900, "amount": 100, "expand": ["charge", "payment_intent"]})

    assert isinstance(refund.charge, stripe.Charge)
    assert refund.charge.amount_refunded == 100


def test_the_destination_of_payouts_and_transfers_can_be_expanded(world: World) -> None:
    payout = world.get(f"/v1/payouts/{SEED.payouts_past[0]}", expand=["destination"])
    transfer = world.get(f"/v1/transfers/{SEED.transfer_past}", expand=["destination"])

    assert payout["destination"]["fingerprint"].startswith("bank6789")
    assert transfer["destination"]["id"] == SEED.connected_account_paid


def test_a_list_in_brackets_with_and_without_numbers_is_the_same(world: World) -> None:
    numbered = world.get(f"/v1/charges/{SEED.charge_900}", **{"expand[0]": "customer", "expand[1]": "payment_intent"})

    assert numbered == world.get(f"/v1/charges/{SEED.charge_900}", expand=["customer", "payment_intent"])


@pytest.mark.parametrize("path", ["amount", "nothing", "customer.name", "billing_details", "data.customer"])
def test_what_cannot_be_expanded_is_refused(world: World, path: str) -> None:
    status, error = world.refused("GET", f"/v1/charges/{SEED.charge_900}", expand=[path])

    assert (status, error["param"]) == (400, "expand")


def test_expansion_is_four_levels_deep_at_most(world: World) -> None:
    deep = "data.charge.payment_intent.latest_charge.customer"

    assert world.refused("GET", "/v1/refunds", expand=[deep])[1]["param"] == "expand"
    assert world.get("/v1/refunds", expand=[deep.removesuffix(".customer")])["data"]


def test_a_write_with_a_wrong_expansion_does_nothing(world: World) -> None:
    assert world.refused("POST", "/v1/refunds", charge=SEED.charge_900, expand=["nothing"])[0] == 400

    assert world.get(f"/v1/charges/{SEED.charge_900}")["amount_refunded"] == 0
    assert world.simulator.summary()["effects"] == 0
