"""Whether an object that carries a request's mark proves the request. THREATS row 18: the mark alone proves nothing, since
whoever has a key of their own can write it and Stripe copies it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runplane_mcp.core.catalog import load
from runplane_mcp.core.marks import Bears, Marked, Seen, marked, seen_in
from runplane_mcp.core.whereabouts import whereabouts
from runplane_mcp.core.wire import Value, encode

CATALOG = load()
MARK = "rpr_1"
SENT = 1_000


def request(operation_id: str, asked: Mapping[str, Value], *, mark: str = MARK) -> Marked | None:
    parameters = dict(asked)
    operation = CATALOG.by_id(operation_id)
    assert operation is not None
    if operation.takes_metadata:
        parameters["metadata"] = {"order": "7", "runplane_request": mark}
    wire = encode(operation.method, operation.path, parameters)
    place = whereabouts(CATALOG, operation, wire)
    assert place is not None
    return marked(operation, wire, MARK, listed=place.listed, verb=place.verb, since=SENT)


def thing(kind: str, id: str, **fields: object) -> dict[str, object]:
    return {"id": id, "object": kind, "created": SENT + 5, "metadata": {"runplane_request": MARK}, **fields}


Asked: TypeAlias = tuple[str, dict[str, Value]]
REFUND: Asked = ("PostRefunds", {"charge": "ch_1", "amount": 500})
MADE = thing("refund", "re_1", charge="ch_1", payment_intent="pi_1", amount=500, currency="usd", status="succeeded")
PAYOUT: Asked = ("PostPayouts", {"amount": 500, "currency": "USD", "method": "instant"})
PAID_OUT = thing("payout", "po_1", amount=500, currency="usd", status="in_transit", original_payout=None)
TRANSFER: Asked = ("PostTransfers", {"amount": 500, "currency": "usd", "destination": "acct_1"})
SENT_ON = thing("transfer", "tr_1", amount=500, currency="usd", destination="acct_1", reversed=False)
REVERSAL: Asked = ("PostTransfersIdReversals", {"id": "tr_1", "amount": 500})
TAKEN_BACK = thing("transfer_reversal", "trr_1", amount=500, currency="usd", transfer="tr_1")
PAYOUT_BACK: Asked = ("PostPayoutsPayoutReverse", {"payout": "po_1"})
RETURNED = thing("payout", "po_2", amount=-500, currency="usd", status="pending", original_payout="po_1")
FEE_BACK: Asked = ("PostApplicationFeesIdRefunds", {"id": "fee_1", "amount": 5})
FEE = thing("fee_refund", "fr_1", amount=5, currency="usd", fee="fee_1")
NOTE: Asked = ("PostCreditNotes", {"invoice": "in_1", "refund_amount": 300, "credit_amount": 200})
ISSUED = thing("credit_note", "cn_1", invoice="in_1", amount=500, currency="usd", status="issued")
INTENT: Asked = (
    "PostPaymentIntents",
    {"amount": 500, "currency": "usd", "customer": "cus_1", "payment_method": "pm_card"},
)
AT_REST = thing("payment_intent", "pi_1", amount=500, currency="usd", customer="cus_1", status="requires_confirmation")
CHARGE: Asked = ("PostPaymentIntents", {**INTENT[1], "confirm": True})
CHARGED = {**AT_REST, "status": "succeeded", "payment_method": "pm_1"}
CAPTURE: Asked = ("PostPaymentIntentsIntentCapture", {"intent": "pi_1", "amount_to_capture": 400})
CAPTURED = {**CHARGED, "created": 5, "amount_received": 400}
LATER: Asked = (
    "PostSubscriptionsSubscriptionExposedId",
    {"subscription_exposed_id": "sub_1", "cancel_at_period_end": True},
)
ENDS = thing("subscription", "sub_1", created=5, cancel_at_period_end=True, status="active", pending_update=None)
SEATS: Asked = (LATER[0], {"subscription_exposed_id": "sub_1", "items": [{"id": "si_1", "quantity": 6}]})
START: Asked = ("PostSubscriptions", {"customer": "cus_1", "items": [{"price": "price_1"}]})
STARTED = thing("subscription", "sub_2", customer="cus_1", status="active")
BILL: Asked = ("PostInvoices", {"customer": "cus_1", "auto_advance": False})
BILLED = thing("invoice", "in_1", customer="cus_1", auto_advance=False, status="draft")
SHARE: Asked = ("PostPaymentIntents", {"amount": 5, "currency": "usd", "transfer_data": {"destination": "acct_1"}})
SHARED = thing("payment_intent", "pi_2", amount=5, currency="usd", transfer_data={"destination": "acct_1"})
COUPON: Asked = ("PostCoupons", {"percent_off": 50, "duration": "once"})
HALF_OFF = thing("coupon", "co_1", percent_off=50.0, duration="once")
DONE: list[tuple[Asked, dict[str, object]]] = [
    (REFUND, MADE),
    (("PostChargesChargeRefund", {"charge": "ch_1", "amount": 500}), MADE),
    (PAYOUT, PAID_OUT),
    (TRANSFER, SENT_ON),
    (REVERSAL, TAKEN_BACK),
    (PAYOUT_BACK, RETURNED),
    (FEE_BACK, FEE),
    (NOTE, ISSUED),
    (INTENT, AT_REST),
    (CHARGE, CHARGED),
    (CAPTURE, CAPTURED),
    (LATER, ENDS),
    (SEATS, ENDS),
    (START, STARTED),
    (BILL, BILLED),
    (SHARE, SHARED),
    (COUPON, HALF_OFF),
]


@pytest.mark.parametrize(("asked", "found"), DONE)
def test_what_a_request_left_behind_proves_it(asked: Asked, found: dict[str, object]) -> None:
    sought = request(*asked)

    assert sought is not None
    assert sought.borne_out_by(found) is Bears.PROOF
    assert sought.borne_out_by({**found, "metadata": {"runplane_request": "rpr_2"}}) is Bears.NOTHING
    assert sought.borne_out_by({**found, "metadata": {}}) is Bears.NOTHING
    assert sought.borne_out_by({**found, "id": None}) is Bears.MARK
    assert sought.borne_out_by({**found, "object": "charge"}) is Bears.MARK
    assert sought.borne_out_by({**found, "deleted": True}) is Bears.MARK


@pytest.mark.parametrize(
    ("asked", "found", "otherwise"),
    [
        (REFUND, MADE, {"charge": "ch_2"}),
        (REFUND, MADE, {"charge": None}),
        (REFUND, MADE, {"amount": 499}),
        (REFUND, MADE, {"amount": "500"}),
        (REFUND, MADE, {"created": SENT - 1}),
        (REFUND, MADE, {"created": None}),
        *((REFUND, MADE, {"status": status}) for status in ("failed", "canceled")),
        (PAYOUT, PAID_OUT, {"currency": "eur"}),
        (PAYOUT, PAID_OUT, {"currency": None}),
        (PAYOUT, PAID_OUT, {"amount": 5_000}),
        *((PAYOUT, PAID_OUT, {"status": status}) for status in ("failed", "canceled")),
        (TRANSFER, SENT_ON, {"destination": "acct_2"}),
        (REVERSAL, TAKEN_BACK, {"transfer": "tr_2"}),
        (PAYOUT_BACK, RETURNED, {"original_payout": "po_3"}),
        (PAYOUT_BACK, RETURNED, {"original_payout": None}),
        (FEE_BACK, FEE, {"fee": "fee_2"}),
        (NOTE, ISSUED, {"invoice": "in_2"}),
        (NOTE, ISSUED, {"amount": 300}),
        (INTENT, AT_REST, {"customer": "cus_2"}),
        (INTENT, AT_REST, {"status": "canceled"}),
        *((CHARGE, CHARGED, {"status": f"requires_{what}"}) for what in ("payment_method", "confirmation")),
        (CAPTURE, CAPTURED, {"status": "requires_capture"}),
        (CAPTURE, CAPTURED, {"amount_received": 500}),
        (CAPTURE, CAPTURED, {"id": "pi_2"}),
        (LATER, ENDS, {"id": "sub_2"}),
        (LATER, ENDS, {"cancel_at_period_end": False}),
        (SEATS, ENDS, {"status": "past_due"}),
        (SEATS, ENDS, {"pending_update": {"expires_at": 5}}),
        *((START, STARTED, {"status": status}) for status in ("incomplete", "incomplete_expired", "canceled")),
        (SHARE, SHARED, {"transfer_data": {"destination": "acct_2"}}),
        (COUPON, HALF_OFF, {"percent_off": 100.0}),
    ],
)
def test_another_object_or_one_in_another_state_proves_nothing(
    asked: Asked, found: dict[str, object], otherwise: dict[str, object]
) -> None:
    """A mark that was copied, or forged by whoever has a key of their own."""
    sought = request(*asked)

    assert sought is not None
    assert sought.borne_out_by({**found, **otherwise}) is Bears.MARK


@pytest.mark.parametrize("name", ["amount", "currency"])
def test_money_that_is_not_told_does_not_fit(name: str) -> None:
    sought = request(*PAYOUT)

    assert sought is not None
    assert sought.borne_out_by({key: value for key, value in PAID_OUT.items() if key != name}) is Bears.MARK


@pytest.mark.parametrize(
    ("asked", "found", "later"),
    [
        (BILL, BILLED, {"status": "void"}),
        (BILL, BILLED, {"status": "paid", "auto_advance": True}),
        (BILL, BILLED, {"status": "uncollectible"}),
        (TRANSFER, SENT_ON, {"reversed": True, "amount_reversed": 500}),
        (LATER, ENDS, {"status": "canceled"}),
        (LATER, ENDS, {"status": "past_due"}),
        (CHARGE, CHARGED, {"status": "requires_action"}),
        (CHARGE, CHARGED, {"status": "requires_capture"}),
    ],
)
def test_what_only_a_later_act_brings_about_does_not_speak_against_it(
    asked: Asked, found: dict[str, object], later: dict[str, object]
) -> None:
    """An invoice must have been made to be voided."""
    sought = request(*asked)

    assert sought is not None
    assert sought.borne_out_by({**found, **later}) is Bears.PROOF


def test_a_verb_of_which_nobody_said_how_it_ends_is_never_proven() -> None:
    sought = request("PostIssuingAuthorizationsAuthorizationApprove", {"authorization": "iauth_1"})

    assert sought is not None
    assert sought.borne_out_by(thing("issuing.authorization", "iauth_1", status="closed")) is Bears.MARK


def test_a_credit_note_of_more_than_plain_amounts_is_at_least_their_sum() -> None:
    sought = request("PostCreditNotes", {"invoice": "in_1", "refund_amount": 300, "refunds": [{"refund": "re_1"}]})

    assert sought is not None
    assert sought.borne_out_by(ISSUED) is Bears.PROOF
    assert sought.borne_out_by({**ISSUED, "amount": 299}) is Bears.MARK


def test_only_the_mark_of_the_request_itself_is_looked_for() -> None:
    """Whatever stands in the bytes: another request's object is no proof of this one."""
    assert request("PostRefunds", {"charge": "ch_1"}, mark="rpr_2") is None
    assert request("PostPaymentIntentsIntentCancel", {"intent": "pi_1"}) is None


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([MARK, "usd", "ch_1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60)
@given(
    case=st.sampled_from(DONE), changes=st.dictionaries(st.sampled_from([*MADE, *ENDS, *CAPTURED]), _JSON, max_size=4)
)
def test_nothing_but_this_very_request_is_ever_proven(
    case: tuple[Asked, dict[str, object]], changes: dict[str, Any]
) -> None:
    """Whatever an object holds: a proof has the mark, the kind, the money and the parent that were asked for."""
    (operation_id, asked), whole = case
    sought = request(operation_id, asked)
    found: Mapping[str, Any] = {**whole, **changes}

    assert sought is not None
    bears = sought.borne_out_by(found)
    if bears is Bears.PROOF:
        assert found["metadata"]["runplane_request"] == MARK
        assert found["object"] == whole["object"]
        assert found["id"]
        if "amount" in asked:
            assert found["amount"] == asked["amount"]
        if "currency" in asked:
            assert found["currency"].lower() == whole["currency"]
        for name in ("charge", "destination", "transfer", "invoice", "original_payout", "fee"):
            if name in changes and name in whole and (name in asked or (sought.listed and "id" in asked)):
                assert found[name] == whole[name] or found[name]["id"] == whole[name]
        assert not sought.listed or found["created"] >= SENT
    seen_in(found, marked=True)


@pytest.mark.parametrize(
    ("found", "seen"),
    [
        (MADE, Seen("refund", "re_1", "succeeded", marked=False)),
        ({**MADE, "status": "\x1b[2J"}, Seen("refund", "re_1", None, marked=False)),
        ({**MADE, "status": 5}, Seen("refund", "re_1", None, marked=False)),
        ({**MADE, "id": "re 1"}, None),
        ({**MADE, "object": "Refund!"}, None),
        ({}, None),
    ],
)
def test_people_are_shown_what_stripe_says_and_nobodys_words(found: dict[str, object], seen: Seen | None) -> None:
    assert seen_in(found, marked=False) == seen


def test_a_sighting_says_that_it_is_no_proof() -> None:
    canceled = Seen("payment_intent", "pi_1", "canceled", marked=False)
    failed = Seen("refund", "re_1", "failed", marked=True)

    assert canceled.sentence().startswith("At Stripe payment intent pi_1, canceled. That proves nothing")
    assert failed.sentence().startswith("At Stripe refund re_1, failed, carries its mark, but does not plainly show")
