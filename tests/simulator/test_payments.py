from __future__ import annotations

import pytest
import stripe

from runplane_mcp.simulator import SEED
from tests.simulator.world import DAY, World, error_of


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


def pending(world: World) -> int:
    return int(world.get("/v1/balance")["pending"][0]["amount"])


def test_a_payment_held_ready_moves_money_only_when_it_is_captured(world: World) -> None:
    before = pending(world)
    intent = world.post(
        "/v1/payment_intents",
        amount=10_000,
        currency="usd",
        confirm=True,
        payment_method="pm_card_visa",
        capture_method="manual",
    )
    held = pending(world)
    captured = world.post(f"/v1/payment_intents/{intent['id']}/capture")

    assert (intent["status"], intent["amount_capturable"], held) == ("requires_capture", 10_000, before)
    assert (captured["status"], captured["amount_capturable"], captured["amount_received"]) == ("succeeded", 0, 10_000)
    assert pending(world) == before + 10_000 - 320


def test_what_is_not_captured_is_released_and_can_not_be_refunded(world: World) -> None:
    before = pending(world)
    captured = world.post(f"/v1/payment_intents/{SEED.payment_intent_held_900}/capture", amount_to_capture=60_000)
    charge = world.get(f"/v1/charges/{SEED.charge_held_900}")

    assert (captured["amount"], captured["amount_received"]) == (90_000, 60_000)
    assert (charge["amount_captured"], charge["amount_refunded"], charge["refunded"]) == (60_000, 30_000, False)
    assert pending(world) == before + 60_000 - 1_770
    status, _ = world.refused("POST", "/v1/refunds", charge=SEED.charge_held_900, amount=60_001)
    assert status == 400
    assert world.post("/v1/refunds", charge=SEED.charge_held_900)["amount"] == 60_000
    assert world.get(f"/v1/charges/{SEED.charge_held_900}")["refunded"] is True


@pytest.mark.parametrize(
    ("id", "parameters", "code"),
    [
        (SEED.payment_intent_40, {}, "payment_intent_unexpected_state"),
        (SEED.payment_intent_unpaid, {}, "payment_intent_unexpected_state"),
        (SEED.payment_intent_held_180, {"amount_to_capture": 18_001}, "amount_too_large"),
        (SEED.payment_intent_held_180, {"amount_to_capture": 0}, "parameter_invalid_integer"),
        (SEED.payment_intent_held_180, {"final_capture": False}, None),
        ("pi_none", {}, "resource_missing"),
    ],
)
def test_a_capture_that_is_not_possible_is_refused(
    world: World, id: str, parameters: dict[str, object], code: str | None
) -> None:
    status, error = world.refused("POST", f"/v1/payment_intents/{id}/capture", **parameters)

    assert (status, error.get("code")) == (404 if code == "resource_missing" else 400, code)


def test_a_canceled_payment_lets_the_money_go(sdk: stripe.StripeClient) -> None:
    gone = sdk.v1.payment_intents.cancel(SEED.payment_intent_held_180, {"cancellation_reason": "duplicate"})
    unpaid = sdk.v1.payment_intents.cancel(SEED.payment_intent_unpaid)
    charge = sdk.v1.charges.retrieve(SEED.charge_held_180)

    assert (gone.status, gone.amount_capturable, gone.cancellation_reason) == ("canceled", 0, "duplicate")
    assert (unpaid.status, unpaid.latest_charge) == ("canceled", None)
    assert (charge.captured, charge.refunded, charge.amount_captured) == (False, True, 0)
    for id in (SEED.payment_intent_held_180, SEED.payment_intent_40):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            sdk.v1.payment_intents.cancel(id)
        assert refused.value.code == "payment_intent_unexpected_state"


def test_what_nobody_captures_is_released_after_a_week(world: World) -> None:
    world.clock.now += 7 * DAY
    intent = world.get(f"/v1/payment_intents/{SEED.payment_intent_held_180}")
    (event,) = world.get("/v1/events", type="charge.expired", limit=1)["data"]

    assert (intent["status"], intent["cancellation_reason"]) == ("canceled", "automatic")
    assert event["request"] == {"id": None, "idempotency_key": None}


def test_a_charge_that_is_not_captured_can_not_be_refunded(world: World) -> None:
    for name, id in (("charge", SEED.charge_held_180), ("payment_intent", SEED.payment_intent_held_180)):
        status, error = world.refused("POST", "/v1/refunds", **{name: id})

        assert (status, error["code"]) == (400, "payment_intent_unexpected_state")


def test_payments_are_listed_by_customer(sdk: stripe.StripeClient) -> None:
    intents = sdk.v1.payment_intents.list({"customer": SEED.customer_ada})
    charges = sdk.v1.charges.list({"payment_intent": SEED.payment_intent_900})

    assert [intent.id for intent in intents.data] == [SEED.payment_intent_900]
    assert [charge.id for charge in charges.data] == [SEED.charge_900]


def test_a_dispute_is_found_by_its_charge(sdk: stripe.StripeClient) -> None:
    (dispute,) = sdk.v1.disputes.list({"charge": SEED.charge_disputed}).data

    assert (dispute.id, dispute.status, dispute.is_charge_refundable) == (SEED.dispute, "needs_response", False)
