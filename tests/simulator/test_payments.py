from __future__ import annotations

import pytest
import stripe

from runplane_mcp.simulator import SEED
from tests.simulator.world import World, error_of


def test_a_confirmed_payment_makes_a_charge_and_pending_money(world: World) -> None:
    before = world.get("/v1/balance")["pending"][0]["amount"]

    intent = world.post(
        "/v1/payment_intents", amount=10_000, currency="usd", confirm=True, payment_method="pm_card_visa"
    )

    charge = world.get(f"/v1/charges/{intent['latest_charge']}")
    assert (intent["status"], charge["paid"], charge["amount"]) == ("succeeded", True, 10_000)
    assert world.get("/v1/balance")["pending"][0]["amount"] == before + 10_000 - 320


def test_a_declined_card_leaves_its_payment_intent_behind(sdk: stripe.StripeClient) -> None:
    with pytest.raises(stripe.CardError) as refused:
        sdk.v1.payment_intents.create(
            {"amount": 5_000, "currency": "usd", "confirm": True, "payment_method": "pm_card_chargeDeclined"}
        )

    assert refused.value.http_status == 402
    assert refused.value.code == "card_declined"
    left = error_of(refused.value)["payment_intent"]["id"]
    intent = sdk.v1.payment_intents.retrieve(left)
    assert (intent.status, intent.amount_received) == ("requires_payment_method", 0)


def test_an_unconfirmed_payment_cannot_be_refunded(world: World) -> None:
    intent = world.post("/v1/payment_intents", amount=10_000, currency="usd")

    status, error = world.refused("POST", "/v1/refunds", payment_intent=intent["id"])

    assert intent["status"] == "requires_payment_method"
    assert (status, error["code"]) == (400, "payment_intent_unexpected_state")


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"amount": 100_000_000, "currency": "usd"}, "amount_too_large"),
        ({"amount": 150, "currency": "isk"}, "parameter_invalid_integer"),
        ({"amount": 500, "currency": "usd", "customer": "cus_nobody"}, "resource_missing"),
        ({"amount": 500, "currency": "usd", "payment_method": "pm_other"}, "resource_missing"),
        ({"amount": 500, "currency": "usd", "confirm": True}, "parameter_missing"),
    ],
)
def test_a_payment_with_wrong_parameters_is_refused(world: World, parameters: dict[str, object], code: str) -> None:
    status, error = world.refused("POST", "/v1/payment_intents", **parameters)

    assert (status, error["code"]) == (400, code)


def test_payments_are_listed_by_customer(sdk: stripe.StripeClient) -> None:
    intents = sdk.v1.payment_intents.list({"customer": SEED.customer_ada})
    charges = sdk.v1.charges.list({"payment_intent": SEED.payment_intent_900})

    assert [intent.id for intent in intents.data] == [SEED.payment_intent_900]
    assert [charge.id for charge in charges.data] == [SEED.charge_900]


def test_a_dispute_is_found_by_its_charge(sdk: stripe.StripeClient) -> None:
    (dispute,) = sdk.v1.disputes.list({"charge": SEED.charge_disputed}).data

    assert (dispute.id, dispute.status, dispute.is_charge_refundable) == (SEED.dispute, "needs_response", False)
