from __future__ import annotations

import pytest
import stripe

from runplane_mcp.simulator import SEED, Fault, FaultKind
from tests.simulator.world import DAY, World, error_of


def pending(world: World) -> int:
    return int(world.get("/v1/balance")["pending"][0]["amount"])


def test_a_token_is_charged_at_once(sdk: stripe.StripeClient, world: World) -> None:
    before = pending(world)

    charge = sdk.v1.charges.create({"amount": 10_000, "currency": "usd", "source": "tok_visa", "description": "beans"})

    assert (charge.status, charge.captured, charge.payment_intent) == ("succeeded", True, None)
    assert pending(world) == before + 10_000 - 320
    assert sdk.v1.refunds.create({"charge": charge.id}).amount == 10_000


def test_a_customers_default_card_is_charged_without_naming_it(sdk: stripe.StripeClient, world: World) -> None:
    with pytest.raises(stripe.CardError) as refused:
        sdk.v1.charges.create({"amount": 500, "currency": "usd", "customer": SEED.customer_ada})
    source = sdk.v1.customers.payment_sources.create(SEED.customer_ada, {"source": "tok_mastercard"})

    charge = sdk.v1.charges.create({"amount": 500, "currency": "usd", "customer": SEED.customer_ada})

    assert refused.value.code == "missing"
    assert (charge.customer, charge.payment_method) == (SEED.customer_ada, source.id)
    assert world.get(f"/v1/customers/{SEED.customer_ada}")["default_source"] == source.id


def test_a_declined_card_leaves_a_failed_charge(sdk: stripe.StripeClient, world: World) -> None:
    with pytest.raises(stripe.CardError) as refused:
        sdk.v1.charges.create({"amount": 500, "currency": "usd", "source": "tok_chargeDeclinedInsufficientFunds"})

    error = error_of(refused.value)
    left = world.get(f"/v1/charges/{error['charge']['id']}")
    assert (error["code"], error["decline_code"]) == ("card_declined", "insufficient_funds")
    assert (left["status"], left["paid"], left["failure_code"]) == ("failed", False, "card_declined")
    assert world.refused("POST", "/v1/refunds", charge=left["id"])[0] == 400


def test_a_charge_that_is_only_held_is_captured_in_part(sdk: stripe.StripeClient, world: World) -> None:
    before = pending(world)
    held = sdk.v1.charges.create({"amount": 10_000, "currency": "usd", "source": "tok_visa", "capture": False})
    meanwhile = pending(world)

    taken = sdk.v1.charges.capture(held.id, {"amount": 4_000})

    assert (held.captured, meanwhile) == (False, before)
    assert (taken.captured, taken.amount_captured, taken.amount_refunded) == (True, 4_000, 6_000)
    assert pending(world) == before + 4_000 - 146
    assert world.refused("POST", f"/v1/charges/{held.id}/capture")[1]["code"] == "charge_already_captured"


def test_a_held_charge_is_let_go_after_a_week(world: World) -> None:
    held = world.post("/v1/charges", amount=10_000, currency="usd", source="tok_visa", capture=False)

    world.clock.now += 7 * DAY

    assert world.get(f"/v1/charges/{held['id']}")["refunded"] is True
    assert world.refused("POST", f"/v1/charges/{held['id']}/capture")[1]["code"] == "charge_expired_for_capture"


def test_words_of_a_charge_can_change_and_its_money_cannot(world: World) -> None:
    path = f"/v1/charges/{SEED.charge_900}"

    changed = world.post(path, description="mended", metadata={"a": "1"}, fraud_details={"user_report": "safe"})

    assert (changed["description"], changed["metadata"]) == ("mended", {"a": "1"})
    assert changed["fraud_details"] == {"user_report": "safe"}
    assert world.refused("POST", path, amount=1)[1]["code"] == "parameter_unknown"
    assert world.refused("POST", path, customer=SEED.customer_ben)[1]["param"] == "customer"


@pytest.mark.parametrize(
    ("parameters", "param", "code"),
    [
        ({"amount": 500, "currency": "usd"}, "source", "parameter_missing"),
        ({"amount": 500, "currency": "usd", "source": "tok_nobody"}, "source", "resource_missing"),
        ({"amount": 500, "currency": "usd", "customer": "cus_nobody"}, "customer", "resource_missing"),
        ({"amount": 500, "source": "tok_visa"}, "currency", "parameter_missing"),
        ({"amount": 0, "currency": "usd", "source": "tok_visa"}, "amount", "parameter_invalid_integer"),
        ({"amount": 500, "currency": "usd", "source": "tok_visa", "x": 1}, "x", "parameter_unknown"),
    ],
)
def test_a_charge_with_wrong_parameters_says_which(
    world: World, parameters: dict[str, object], param: str, code: str
) -> None:
    status, error = world.refused("POST", "/v1/charges", **parameters)

    assert (status, error["param"], error["code"]) == (400, param, code)


def test_a_payment_intents_charge_is_captured_by_the_intent(world: World) -> None:
    assert world.refused("POST", f"/v1/charges/{SEED.charge_held_180}/capture")[1]["param"] == "charge"


def test_a_told_decline_leaves_a_failed_charge_and_moves_nothing(world: World) -> None:
    world.simulator.add_fault(Fault(FaultKind.DECLINE_402, path_prefix="/v1/charges"))
    before = pending(world)

    status, error = world.refused("POST", "/v1/charges", amount=500, currency="usd", source="tok_visa")

    assert (status, error["charge"]["status"], pending(world)) == (402, "failed", before)


def test_a_token_serves_once(sdk: stripe.StripeClient, world: World) -> None:
    token = sdk.v1.tokens.create(
        {"card": {"number": "4242424242424242", "exp_month": "8", "exp_year": "2029", "cvc": "123"}}
    )
    charge = sdk.v1.charges.create({"amount": 500, "currency": "usd", "source": token.id})
    again = world.refused("POST", "/v1/charges", amount=500, currency="usd", source=token.id)

    assert (charge.status, token.used) == ("succeeded", False)
    assert (again[0], again[1]["code"]) == (400, "token_already_used")


def test_a_payment_may_be_disputed_or_looked_at_at_once(sdk: stripe.StripeClient, world: World) -> None:
    disputed = world.post("/v1/charges", amount=500, currency="usd", source="tok_createDispute")
    doubtful = world.post("/v1/charges", amount=500, currency="usd", source="tok_riskLevelElevated")

    (dispute,) = sdk.v1.disputes.list({"charge": disputed["id"]}).data
    review = sdk.v1.reviews.approve(doubtful["review"])

    assert (dispute.status, dispute.amount) == ("needs_response", 500)
    assert world.refused("POST", "/v1/refunds", charge=disputed["id"])[1]["code"] == "charge_disputed"
    assert (review.open, review.reason, review.charge) == (False, "approved", doubtful["id"])
    assert world.refused("POST", f"/v1/reviews/{review.id}/approve")[0] == 400


def test_customers_keep_and_lose_old_cards_and_bank_accounts(sdk: stripe.StripeClient, world: World) -> None:
    sources = sdk.v1.customers.payment_sources
    card = sources.create(SEED.customer_ben, {"source": "tok_visa"})
    bank = sources.create(SEED.customer_ben, {"source": "btok_us"})
    path = f"/v1/customers/{SEED.customer_ben}"

    wrong = world.refused("POST", f"{path}/bank_accounts/{bank.id}/verify", amounts=[1, 2])
    verified = sources.verify(SEED.customer_ben, bank.id, {"amounts": [32, 45]})

    assert [found.id for found in sources.list(SEED.customer_ben).data] == [bank.id, card.id]
    assert (wrong[1]["code"], verified.to_dict()["status"]) == ("amounts_not_matching", "verified")
    assert world.get(path)["default_source"] == card.id
    assert world.ask("DELETE", f"{path}/cards/{card.id}")[1]["deleted"] is True
    assert world.get(path)["default_source"] == bank.id
    assert world.refused("GET", f"/v1/customers/{SEED.customer_ada}/sources/{bank.id}")[0] == 404
    assert world.refused("POST", f"{path}/cards", source="tok_chargeDeclined")[0] == 402
