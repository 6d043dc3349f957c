from __future__ import annotations

import pytest
import stripe

from runplane_mcp.simulator import SEED
from tests.simulator.world import DAY, Clock, World


def test_a_payout_goes_to_the_default_bank_account_of_its_currency(sdk: stripe.StripeClient) -> None:
    dollars = sdk.v1.payouts.create({"amount": 100_000, "currency": "usd"})
    euros = sdk.v1.payouts.create({"amount": 50_000, "currency": "eur"})

    assert (dollars.destination, dollars.status) == (SEED.bank_account_usd, "pending")
    assert euros.destination == SEED.bank_account_eur


def test_a_payout_lowers_the_available_balance(world: World) -> None:
    world.post("/v1/payouts", amount=1_500_000, currency="usd")

    assert world.available() == SEED.available_usd - 1_500_000


def test_a_payout_of_more_than_is_available_is_refused(sdk: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        sdk.v1.payouts.create({"amount": SEED.available_usd + 1, "currency": "usd"})

    assert refused.value.code == "balance_insufficient"


def test_the_whole_balance_can_be_paid_out_once(world: World) -> None:
    world.post("/v1/payouts", amount=SEED.available_usd, currency="usd")

    assert world.available() == 0
    assert world.refused("POST", "/v1/payouts", amount=100, currency="usd")[1]["code"] == "balance_insufficient"


def test_pending_money_cannot_be_paid_out_until_it_settles(world: World, clock: Clock) -> None:
    pending = world.get("/v1/balance")["pending"][0]["amount"]
    assert pending > 0

    clock.now += 2 * DAY

    assert world.available() == SEED.available_usd + pending
    assert world.get("/v1/balance")["pending"][0]["amount"] == 0


def test_a_pending_payout_can_be_canceled_and_the_money_comes_back(sdk: stripe.StripeClient) -> None:
    payout = sdk.v1.payouts.create({"amount": 70_000, "currency": "usd"})

    canceled = sdk.v1.payouts.cancel(payout.id)

    assert canceled.status == "canceled"
    assert sdk.v1.balance.retrieve().available[0].amount == SEED.available_usd
    with pytest.raises(stripe.InvalidRequestError):
        sdk.v1.payouts.cancel(payout.id)


def test_a_payout_arrives_after_two_days_and_says_so(world: World, clock: Clock) -> None:
    payout = world.post("/v1/payouts", amount=70_000, currency="usd", key="k1")

    clock.now += 2 * DAY

    assert world.get(f"/v1/payouts/{payout['id']}")["status"] == "paid"
    assert world.refused("POST", f"/v1/payouts/{payout['id']}/cancel")[0] == 400
    (event, *_) = world.get("/v1/events", type="payout.paid")["data"]
    assert event["request"] == {"id": None, "idempotency_key": None}
    assert event["created"] == payout["arrival_date"]


def test_an_instant_payout_costs_a_fee_and_cannot_be_canceled(world: World) -> None:
    payout = world.post("/v1/payouts", amount=100_000, currency="usd", method="instant")

    assert world.available() == SEED.available_usd - 101_000
    assert world.refused("POST", f"/v1/payouts/{payout['id']}/cancel")[0] == 400
    entire = {"amount": world.available(), "currency": "usd", "method": "instant"}
    assert world.refused("POST", "/v1/payouts", **entire)[1]["code"] == "balance_insufficient"


def test_a_paid_payout_can_be_reversed_once(world: World) -> None:
    paid = SEED.payouts_past[0]

    back = world.post(f"/v1/payouts/{paid}/reverse")

    assert (back["amount"], back["original_payout"]) == (-250_000, paid)
    assert world.get(f"/v1/payouts/{paid}")["reversed_by"] == back["id"]
    assert world.refused("POST", f"/v1/payouts/{paid}/reverse")[0] == 400
    assert world.refused("POST", f"/v1/payouts/{back['id']}/cancel")[0] == 400


def test_payouts_are_listed_by_destination_and_status(sdk: stripe.StripeClient) -> None:
    made = sdk.v1.payouts.create({"amount": 500, "currency": "eur"})

    pending = sdk.v1.payouts.list({"status": "pending", "limit": 1})
    dollars = sdk.v1.payouts.list({"destination": SEED.bank_account_usd})

    assert [payout.id for payout in pending.data] == [made.id]
    assert {payout.id for payout in dollars.data} == {*SEED.payouts_past, SEED.payout_pending}


@pytest.mark.parametrize(
    ("parameters", "param", "code"),
    [
        ({"currency": "usd"}, "amount", "parameter_missing"),
        ({"amount": 500}, "currency", "parameter_missing"),
        ({"amount": 99, "currency": "usd"}, "amount", "amount_too_small"),
        ({"amount": 500, "currency": "usd", "destination": "ba_nobody"}, "destination", "resource_missing"),
        ({"amount": 500, "currency": "usd", "destination": SEED.bank_account_eur}, "destination", None),
        ({"amount": 500, "currency": "usd", "destination": "ba_maple_usd"}, "destination", "resource_missing"),
        ({"amount": 500, "currency": "gbp"}, "currency", None),
        ({"amount": 500, "currency": "xxx"}, "currency", None),
        ({"amount": 12_345, "currency": "huf"}, "amount", "parameter_invalid_integer"),
        ({"amount": 500, "currency": "usd", "method": "now"}, "method", None),
    ],
)
def test_a_payout_with_wrong_parameters_says_which(
    world: World, parameters: dict[str, object], param: str, code: str | None
) -> None:
    status, error = world.refused("POST", "/v1/payouts", **parameters)

    assert status == 400
    assert (error["param"], error.get("code")) == (param, code)


def test_metadata_of_a_payout_can_be_set_afterwards(world: World) -> None:
    payout = world.post("/v1/payouts", amount=500, currency="usd", metadata={"a": "1"})

    changed = world.post(f"/v1/payouts/{payout['id']}", metadata={"b": "2"})

    assert changed["metadata"] == {"a": "1", "b": "2"}
