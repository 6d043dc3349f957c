from __future__ import annotations

from typing import Any

import pytest
import stripe

from runplane_mcp.simulator import SEED
from tests.simulator.world import World, error_of

PATH = "/v1/payment_intents"


def pending(world: World) -> int:
    return int(world.get("/v1/balance")["pending"][0]["amount"])


def test_an_intent_is_changed_and_then_confirmed(sdk: stripe.StripeClient, world: World) -> None:
    before = pending(world)
    intent = sdk.v1.payment_intents.create({"amount": 10_000, "currency": "usd"})
    sdk.v1.payment_intents.update(intent.id, {"amount": 20_000, "description": "more", "metadata": {"a": "1"}})

    paid = sdk.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})

    assert (paid.status, paid.amount_received, paid.description) == ("succeeded", 20_000, "more")
    assert pending(world) == before + 20_000 - 610
    types = [event["type"] for event in world.get("/v1/events", limit=4)["data"]]
    assert types == [
        "payment_intent.succeeded",
        "charge.succeeded",
        "payment_intent.updated",
        "payment_intent.created",
    ]


def test_the_seeded_unpaid_intent_can_be_paid(world: World) -> None:
    method = world.post("/v1/payment_methods/pm_card_visa/attach", customer="cus_petra")

    paid = world.post(f"{PATH}/{SEED.payment_intent_unpaid}/confirm", payment_method=method["id"], off_session=True)

    assert (paid["status"], paid["amount_received"]) == ("succeeded", 7_500)


@pytest.mark.parametrize(
    ("id", "parameters"),
    [
        (SEED.payment_intent_40, {"amount": 1}),
        (SEED.payment_intent_held_180, {"amount": 1}),
        (SEED.payment_intent_held_180, {"payment_method": "pm_card_visa"}),
        (SEED.payment_intent_40, {"application_fee_amount": 1}),
    ],
)
def test_what_is_paid_or_held_keeps_its_terms(world: World, id: str, parameters: dict[str, object]) -> None:
    status, error = world.refused("POST", f"{PATH}/{id}", **parameters)

    assert (status, error["code"]) == (400, "payment_intent_unexpected_state")
    assert world.post(f"{PATH}/{id}", description="only words")["description"] == "only words"


@pytest.mark.parametrize("id", [SEED.payment_intent_40, SEED.payment_intent_held_180, SEED.payment_intent_unpaid])
def test_an_intent_that_cannot_be_confirmed_says_so(world: World, id: str) -> None:
    status, error = world.refused("POST", f"{PATH}/{id}/confirm")

    assert (status, error["code"]) == (400, "payment_intent_unexpected_state")


def test_a_saved_card_is_charged_without_its_holder(sdk: stripe.StripeClient, world: World) -> None:
    saved = sdk.v1.setup_intents.create(
        {"customer": SEED.customer_ada, "payment_method": "pm_card_visa", "confirm": True, "usage": "off_session"}
    )
    asked: dict[str, Any] = {
        "amount": 5_000,
        "currency": "usd",
        "payment_method": saved.payment_method,
        "off_session": True,
        "confirm": True,
    }

    intent = sdk.v1.payment_intents.create(
        {
            "amount": 5_000,
            "currency": "usd",
            "customer": SEED.customer_ada,
            "payment_method": str(saved.payment_method),
            "off_session": True,
            "confirm": True,
        }
    )

    assert (saved.status, intent.status) == ("succeeded", "succeeded")
    newest, *_ = sdk.v1.payment_methods.list({"customer": SEED.customer_ada}).data
    assert newest.id == saved.payment_method
    assert world.refused("POST", PATH, **asked)[1]["param"] == "payment_method"
    assert world.refused("POST", PATH, **asked, customer=SEED.customer_ben)[1]["param"] == "payment_method"


def test_a_payment_can_save_its_card(world: World) -> None:
    intent = world.post(
        PATH,
        amount=500,
        currency="usd",
        customer=SEED.customer_ada,
        payment_method="pm_card_mastercard",
        setup_future_usage="off_session",
        confirm=True,
        expand=["payment_method", "latest_charge"],
    )

    assert intent["payment_method"]["customer"] == SEED.customer_ada
    assert intent["latest_charge"]["payment_method"] == intent["payment_method"]["id"]


def test_a_card_whose_holder_must_agree_waits_or_fails(sdk: stripe.StripeClient, world: World) -> None:
    method = "pm_card_authenticationRequired"
    asked: dict[str, Any] = {"amount": 500, "currency": "usd", "payment_method": method, "confirm": True}
    waiting = world.post(PATH, **asked)
    moto = world.post(PATH, **asked, **{"payment_method_options[card][moto]": True})

    with pytest.raises(stripe.CardError) as refused:
        sdk.v1.payment_intents.create(
            {"amount": 500, "currency": "usd", "payment_method": method, "confirm": True, "off_session": True}
        )

    assert (waiting["status"], waiting["next_action"]["type"]) == ("requires_action", "use_stripe_sdk")
    assert moto["status"] == "succeeded"
    assert refused.value.code == "authentication_required"
    assert world.refused("POST", PATH, amount=500, currency="usd", off_session=True)[1]["param"] == "off_session"


def test_a_decline_leaves_the_intent_and_a_failed_charge(world: World) -> None:
    intent = world.post(PATH, amount=500, currency="usd")

    status, error = world.refused("POST", f"{PATH}/{intent['id']}/confirm", payment_method="pm_card_chargeDeclined")
    left = world.get(f"{PATH}/{intent['id']}", expand=["latest_charge"])

    assert (status, error["code"], error["payment_intent"]["id"]) == (402, "card_declined", intent["id"])
    assert (left["status"], left["payment_method"]) == ("requires_payment_method", None)
    assert (left["latest_charge"]["status"], left["latest_charge"]["paid"]) == ("failed", False)
    assert left["last_payment_error"]["decline_code"] == "generic_decline"
    again = world.post(f"{PATH}/{intent['id']}/confirm", payment_method="pm_card_visa")
    assert again["status"] == "succeeded"


def test_a_decline_is_what_its_key_remembers(world: World) -> None:
    method = "pm_card_chargeDeclined"
    asked: dict[str, Any] = {"amount": 500, "currency": "usd", "payment_method": method, "confirm": True}
    first = world.answer("POST", PATH, key="k1", **asked)
    again = world.answer("POST", PATH, key="k1", **asked)

    assert (first.status, again.status, again.headers["Idempotent-Replayed"]) == (402, 402, "true")
    assert first.body == again.body


def test_an_authorization_grows_only_if_it_was_made_to(sdk: stripe.StripeClient, world: World) -> None:
    intent = sdk.v1.payment_intents.create(
        {
            "amount": 10_000,
            "currency": "usd",
            "payment_method": "pm_card_visa",
            "confirm": True,
            "capture_method": "manual",
            "payment_method_options": {"card": {"request_incremental_authorization": "if_available"}},
        }
    )
    before = pending(world)

    grown = sdk.v1.payment_intents.increment_authorization(intent.id, {"amount": 15_000})
    less = world.refused("POST", f"{PATH}/{intent.id}/increment_authorization", amount=15_000)
    taken = sdk.v1.payment_intents.capture(intent.id)

    assert (grown.amount, grown.amount_capturable) == (15_000, 15_000)
    assert less[1]["param"] == "amount"
    assert (taken.amount_received, pending(world)) == (15_000, before + 15_000 - 465)
    other = f"{PATH}/{SEED.payment_intent_held_180}/increment_authorization"
    assert world.refused("POST", other, amount=20_000)[0] == 400


def test_methods_are_attached_and_detached(sdk: stripe.StripeClient, world: World) -> None:
    made = sdk.v1.payment_methods.create({"type": "card", "card": {"token": "tok_amex"}})
    attached = sdk.v1.payment_methods.attach(made.id, {"customer": SEED.customer_cleo})
    listed = world.get(f"/v1/customers/{SEED.customer_cleo}/payment_methods", type="card")
    gone = sdk.v1.payment_methods.detach(made.id)

    assert (attached.customer, gone.customer) == (SEED.customer_cleo, None)
    assert made.id in [found["id"] for found in listed["data"]]
    assert world.get(f"/v1/payment_methods/{made.id}")["customer"] is None
    used = world.refused("POST", PATH, amount=500, currency="usd", payment_method=made.id, confirm=True)
    again = world.refused("POST", f"/v1/payment_methods/{made.id}/attach", customer=SEED.customer_cleo)
    assert (used[1]["code"], again[0]) == ("payment_method_unexpected_state", 400)


def test_a_bad_card_cannot_be_kept(sdk: stripe.StripeClient, world: World) -> None:
    with pytest.raises(stripe.CardError):
        sdk.v1.payment_methods.attach("pm_card_chargeDeclined", {"customer": SEED.customer_ada})

    kept = world.post("/v1/payment_methods/pm_card_chargeCustomerFail/attach", customer=SEED.customer_ada)
    status, error = world.refused(
        "POST",
        PATH,
        amount=500,
        currency="usd",
        customer=SEED.customer_ada,
        payment_method=kept["id"],
        confirm=True,
    )
    assert (status, error["code"]) == (402, "card_declined")


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"card[token]": "tok_visa"}, "type"),
        ({"type": "card"}, "card[number]"),
        ({"type": "card", "card[number]": "4242424242424242"}, "card[exp_month]"),
        ({"type": "cash"}, "type"),
        ({"type": "multibanco"}, "billing_details[email]"),
        ({"type": "card", "card[token]": "tok_visa", "color": "red"}, "color"),
    ],
)
def test_a_payment_method_with_wrong_parameters_says_which(
    world: World, parameters: dict[str, object], param: str
) -> None:
    status, error = world.refused("POST", "/v1/payment_methods", **parameters)

    assert (status, error["param"]) == (400, param)


def test_only_numbers_of_test_cards_are_cards(world: World) -> None:
    card = {"type": "card", "card[number]": "4111111111111112", "card[exp_month]": 1, "card[exp_year]": 2030}

    status, error = world.refused("POST", "/v1/payment_methods", **card)

    assert (status, error["code"]) == (402, "incorrect_number")


def test_a_setup_is_declined_canceled_or_done_once(sdk: stripe.StripeClient, world: World) -> None:
    open_ = sdk.v1.setup_intents.create({"customer": SEED.customer_ben})
    with pytest.raises(stripe.CardError) as refused:
        sdk.v1.setup_intents.confirm(open_.id, {"payment_method": "pm_card_chargeDeclined"})
    canceled = sdk.v1.setup_intents.cancel(open_.id, {"cancellation_reason": "abandoned"})

    assert error_of(refused.value)["setup_intent"]["id"] == open_.id
    assert (open_.status, canceled.status) == ("requires_payment_method", "canceled")
    status, error = world.refused("POST", f"/v1/setup_intents/{open_.id}/confirm", payment_method="pm_card_visa")
    assert (status, error["code"]) == (400, "setup_intent_unexpected_state")


def test_a_refund_may_wait_fail_or_be_canceled(sdk: stripe.StripeClient, world: World) -> None:
    def paid(method: str, code: str = "usd") -> str:
        made = world.post(PATH, amount=1_000, currency=code, payment_method=method, confirm=True)
        return str(made["latest_charge"])

    waiting = world.post("/v1/refunds", charge=paid("pm_card_pendingRefund"))
    failing = world.post("/v1/refunds", charge=paid("pm_card_refundFail"))
    reference = world.post("/v1/payment_methods", type="multibanco", **{"billing_details[email]": "a@example.com"})
    charge = paid(reference["id"], "eur")
    missing = world.refused("POST", "/v1/refunds", charge=charge)
    asked = world.post("/v1/refunds", charge=charge, instructions_email="a@example.com")
    before = world.available("eur")
    canceled = sdk.v1.refunds.cancel(asked["id"])

    assert missing[1]["param"] == "instructions_email"
    assert (waiting["status"], failing["status"], asked["status"]) == ("pending", "succeeded", "requires_action")
    assert (canceled.status, world.available("eur")) == ("canceled", before + 1_000)
    assert world.get(f"/v1/charges/{charge}")["amount_refunded"] == 0
    assert world.refused("POST", f"/v1/refunds/{waiting['id']}/cancel")[0] == 400
    world.clock.now += 86_400
    assert world.get(f"/v1/refunds/{waiting['id']}")["status"] == "succeeded"
    failed = world.get(f"/v1/refunds/{failing['id']}")
    assert (failed["status"], failed["failure_reason"]) == ("failed", "lost_or_stolen_card")
    assert world.get(f"/v1/charges/{failing['charge']}")["refunded"] is False


def test_closing_a_dispute_gives_it_up(sdk: stripe.StripeClient, world: World) -> None:
    lost = sdk.v1.disputes.close(SEED.dispute)
    inquiry = world.post(f"/v1/charges/{SEED.charge_inquiry}/dispute/close")

    assert (lost.status, inquiry["status"]) == ("lost", "warning_closed")
    assert world.refused("POST", f"/v1/disputes/{SEED.dispute}/close")[0] == 400
    assert world.get("/v1/events", type="charge.dispute.closed")["data"][-1]["data"]["object"]["id"] == SEED.dispute
