from __future__ import annotations

import pytest
import stripe

from runplane_mcp.simulator import SEED
from tests.simulator.world import World

BAKERY = SEED.connected_account_paid
PRINTER = SEED.connected_account_new


def test_a_transfer_moves_money_from_the_platform_to_the_connected_account(sdk: stripe.StripeClient) -> None:
    transfer = sdk.v1.transfers.create({"amount": 25_000, "currency": "usd", "destination": PRINTER})

    assert (transfer.amount, transfer.destination, transfer.amount_reversed) == (25_000, PRINTER, 0)
    there = sdk.v1.balance.retrieve(options={"stripe_account": PRINTER})
    assert there.available[0].amount == 25_000
    assert sdk.v1.balance.retrieve().available[0].amount == SEED.available_usd - 25_000


def test_a_transfer_of_more_than_is_available_is_refused(world: World) -> None:
    asked = {"amount": SEED.available_usd + 1, "currency": "usd", "destination": PRINTER}
    status, error = world.refused("POST", "/v1/transfers", **asked)

    assert (status, error["code"]) == (400, "balance_insufficient")


@pytest.mark.parametrize("destination", ["acct_nobody", SEED.account, "ba_checking_usd"])
def test_a_transfer_goes_to_a_connected_account_only(world: World, destination: str) -> None:
    asked = {"amount": 100, "currency": "usd", "destination": destination}
    status, error = world.refused("POST", "/v1/transfers", **asked)

    assert (status, error["code"], error["param"]) == (400, "resource_missing", "destination")


def test_a_transfer_needs_an_amount_unless_a_charge_gives_it(world: World) -> None:
    status, error = world.refused("POST", "/v1/transfers", currency="usd", destination=PRINTER)
    assert (status, error["code"], error["param"]) == (400, "parameter_missing", "amount")

    whole = world.post("/v1/transfers", currency="usd", destination=PRINTER, source_transaction=SEED.charge_900)

    assert (whole["amount"], whole["source_transaction"]) == (90_000, SEED.charge_900)


def test_transfers_of_one_charge_never_exceed_it(world: World) -> None:
    asked = {"currency": "usd", "destination": PRINTER, "source_transaction": SEED.charge_120}
    world.post("/v1/transfers", amount=10_000, **asked)

    assert world.refused("POST", "/v1/transfers", amount=2_001, **asked)[1]["param"] == "amount"
    assert world.refused("POST", "/v1/transfers", **asked)[1]["param"] == "amount"
    assert world.post("/v1/transfers", amount=2_000, **asked)["amount"] == 2_000


def test_only_what_was_captured_of_a_charge_can_be_transferred(world: World) -> None:
    asked = {"currency": "usd", "destination": PRINTER, "source_transaction": SEED.charge_held_900}
    held = world.refused("POST", "/v1/transfers", **asked)
    world.post(f"/v1/payment_intents/{SEED.payment_intent_held_900}/capture", amount_to_capture=20_000)

    assert (held[0], held[1]["param"]) == (400, "source_transaction")
    assert world.refused("POST", "/v1/transfers", amount=20_001, **asked)[1]["param"] == "amount"
    assert world.post("/v1/transfers", **asked)["amount"] == 20_000


def test_a_transfer_has_the_currency_of_its_charge(world: World) -> None:
    asked = {"currency": "usd", "destination": PRINTER, "source_transaction": SEED.charge_eur}

    assert world.refused("POST", "/v1/transfers", **asked)[1]["param"] == "currency"


def test_reversals_add_up_to_the_transfer_and_no_further(sdk: stripe.StripeClient) -> None:
    first = sdk.v1.transfers.reversals.create(SEED.transfer_past, {"amount": 20_000})
    rest = sdk.v1.transfers.reversals.create(SEED.transfer_past)

    assert (first.amount, rest.amount) == (20_000, 30_000)
    transfer = sdk.v1.transfers.retrieve(SEED.transfer_past)
    assert (transfer.amount_reversed, transfer.reversed) == (50_000, True)
    assert {reversal.id for reversal in transfer.reversals.data} == {first.id, rest.id}
    with pytest.raises(stripe.InvalidRequestError):
        sdk.v1.transfers.reversals.create(SEED.transfer_past, {"amount": 1})


def test_a_reversal_beyond_what_is_left_is_refused(world: World) -> None:
    status, error = world.refused("POST", f"/v1/transfers/{SEED.transfer_past}/reversals", amount=50_001)

    assert (status, error["param"]) == (400, "amount")


def test_a_reversal_needs_the_money_to_be_there_still(world: World) -> None:
    world.post("/v1/payouts", account=BAKERY, amount=60_000, currency="usd")

    status, error = world.refused("POST", f"/v1/transfers/{SEED.transfer_past}/reversals")

    assert (status, error["code"]) == (400, "balance_insufficient")


def test_transfers_are_listed_by_destination(sdk: stripe.StripeClient) -> None:
    paid_before = sdk.v1.transfers.list({"destination": BAKERY})
    never = sdk.v1.transfers.list({"destination": PRINTER})

    assert {transfer.id for transfer in paid_before.data} == {SEED.transfer_past, SEED.transfer_of_charge}
    assert never.data == []


def test_reversals_of_a_transfer_are_listed(world: World) -> None:
    made = world.post(f"/v1/transfers/{SEED.transfer_past}/reversals", amount=1_000)

    listed = world.get(f"/v1/transfers/{SEED.transfer_past}/reversals")

    assert [reversal["id"] for reversal in listed["data"]] == [made["id"]]
    assert world.refused("GET", "/v1/transfers/tr_nobody/reversals")[0] == 404


def test_words_of_a_transfer_can_change_and_its_money_cannot(world: World) -> None:
    path = f"/v1/transfers/{SEED.transfer_past}"

    changed = world.post(path, description="for flour", metadata={"a": "1"})

    assert (changed["description"], changed["metadata"], changed["amount"]) == ("for flour", {"a": "1"}, 50_000)
    assert world.refused("POST", path, amount=1)[1]["code"] == "parameter_unknown"
