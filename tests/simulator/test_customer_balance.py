"""A customer's balance is a ledger: every change of it is a transaction that says why."""

from __future__ import annotations

import pytest
import stripe

from tests.simulator.world import World

ADA = "/v1/customers/cus_ada/balance_transactions"


def test_the_sdk_gives_credit_and_says_why(sdk: stripe.StripeClient, world: World) -> None:
    made = sdk.v1.customers.balance_transactions.create(
        "cus_ada", {"amount": -2_500, "currency": "usd", "description": "Sorry", "metadata": {"case": "7"}}
    )
    owed = sdk.v1.customers.balance_transactions.create("cus_ada", {"amount": 500, "currency": "usd"})

    assert (made.amount, made.ending_balance, made.type, owed.ending_balance) == (-2_500, -2_500, "adjustment", -2_000)
    assert world.get("/v1/customers/cus_ada")["balance"] == -2_000
    assert [each.id for each in sdk.v1.customers.balance_transactions.list("cus_ada").data] == [owed.id, made.id]
    changed = sdk.v1.customers.balance_transactions.update("cus_ada", made.id, {"description": "Very sorry"})
    assert (changed.description, changed.amount) == ("Very sorry", -2_500)
    assert sdk.v1.customers.balance_transactions.retrieve("cus_ada", made.id).to_dict()["metadata"] == {"case": "7"}
    (event,) = world.get("/v1/events", type="customer.updated", limit=1)["data"]
    assert event["data"]["previous_attributes"]["balance"] == -2_500


def test_setting_a_balance_is_a_transaction_too(world: World) -> None:
    new = world.post("/v1/customers", balance=-300)["id"]
    world.post(f"/v1/customers/{new}", balance=-100)
    world.post(f"/v1/customers/{new}", balance=-100)
    found = world.get(f"/v1/customers/{new}/balance_transactions")["data"]

    assert [(each["type"], each["amount"], each["ending_balance"]) for each in found] == [
        ("adjustment", 200, -100),
        ("initial", -300, -300),
    ]


@pytest.mark.parametrize(
    "asked",
    [
        {"amount": -5},
        {"currency": "usd"},
        {"amount": 0, "currency": "usd"},
        {"amount": -5, "currency": "eur"},
        {"amount": "many", "currency": "usd"},
        {"amount": -5, "currency": "usd", "type": "initial"},
    ],
)
def test_a_transaction_that_can_not_be_is_refused(world: World, asked: dict[str, object]) -> None:
    """Ada's first money was in dollars."""
    world.post(ADA, amount=-100, currency="usd")

    assert world.refused("POST", ADA, **asked)[0] == 400
    assert world.get("/v1/customers/cus_ada")["balance"] == -100


def test_another_customers_transaction_is_not_there(world: World) -> None:
    made = world.post(ADA, amount=-100, currency="usd")["id"]

    assert world.refused("GET", f"/v1/customers/cus_ben/balance_transactions/{made}")[0] == 404
    assert world.refused("POST", "/v1/customers/cus_nobody/balance_transactions", amount=-1, currency="usd")[0] == 404
    assert world.refused("POST", f"{ADA}/{made}", amount=-200)[1]["code"] == "parameter_unknown"


def test_nobody_sent_money_ahead(sdk: stripe.StripeClient) -> None:
    held = sdk.v1.customers.cash_balance.retrieve("cus_ada")

    assert (held.available, held.customer) == (None, "cus_ada")
    assert sdk.v1.customers.cash_balance_transactions.list("cus_ada").data == []
