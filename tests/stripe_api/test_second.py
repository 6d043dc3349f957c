"""What became of a request whose answer was lost, where Stripe's events do not tell: the object that carries its mark.
THREATS row 18: what others can write proves nothing of another request, and absence proves nothing at all."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from runplane_mcp.core.catalog import load
from runplane_mcp.core.marks import Seen
from runplane_mcp.core.whereabouts import whereabouts
from runplane_mcp.core.wire import Value, WireRequest, encode
from runplane_mcp.simulator import SEED, SIMULATOR_KEY, Fault, FaultKind, Simulator
from runplane_mcp.stripe_api.client import Done, Lost, Refused, StripeConnection
from runplane_mcp.stripe_api.evidence import MOST_PAGES, Absent, Evidence, Proven, Unclear
from runplane_mcp.stripe_api.reconcile import evidence
from runplane_mcp.stripe_api.second import Second
from tests.stripe_api.conftest import Recorder

CATALOG = load()
MARK = "rpr_1"
#: In milliseconds: around everything that a test does.
SINCE, UNTIL = 1_700_000_000_000, 4_000_000_000_000
#: For a restricted key without the permission.
NO_EVENTS = Fault(FaultKind.FORBIDDEN_403, method="GET", path_prefix="/v1/events", times=1_000)


def asked(operation_id: str, /, **parameters: Value) -> WireRequest:
    """What runs: with our mark, or with another one or none where `mark` says so."""
    operation = CATALOG.by_id(operation_id)
    assert operation is not None
    mark = parameters.pop("mark", MARK)
    if mark:
        parameters["metadata"] = {"runplane_request": mark}
    return encode(operation.method, operation.path, parameters)


async def found_of(
    connection: StripeConnection,
    wire: WireRequest,
    *,
    since: int = SINCE,
    key: str = "rp_1",
    account: str | None = None,
) -> Evidence:
    operation = CATALOG.classify(wire).operation
    second = Second.of(CATALOG, operation, wire, MARK, since=since // 1000, until=UNTIL // 1000)
    return await evidence(connection, wire, operation, key, since, until=UNTIL, account=account, second=second)


REFUND = asked("PostRefunds", charge=SEED.charge_900, amount=500)
PAYOUT = asked("PostPayouts", amount=5_000, currency="usd")
LATER = asked(
    "PostSubscriptionsSubscriptionExposedId",
    subscription_exposed_id=SEED.subscription_monthly,
    cancel_at_period_end=True,
)
CAPTURE = asked("PostPaymentIntentsIntentCapture", intent=SEED.payment_intent_held_180, amount_to_capture=9_000)
RELEASE = asked("PostPaymentIntentsIntentCancel", mark="", intent=SEED.payment_intent_held_180)
PAY: dict[str, Value] = {"amount": 500, "currency": "usd", "confirm": True}


#: Each with the kind and the amount of what it makes or changes.
LOST: list[tuple[WireRequest, str, int | None]] = [
    (REFUND, "refund", 500),
    (asked("PostChargesChargeRefund", charge=SEED.charge_120, amount=500), "refund", 500),
    (PAYOUT, "payout", 5_000),
    (asked("PostTransfers", amount=5, currency="usd", destination=SEED.connected_account_new), "transfer", 5),
    (asked("PostTransfersIdReversals", id=SEED.transfer_past, amount=500), "transfer_reversal", 500),
    (asked("PostCreditNotes", invoice=SEED.invoice_paid, refund_amount=500), "credit_note", 500),
    (
        asked("PostCustomersCustomerBalanceTransactions", customer="cus_ada", amount=-500, currency="usd"),
        "customer_balance_transaction",
        -500,
    ),
    (asked("PostPaymentIntents", **PAY, payment_method="pm_card_visa"), "payment_intent", 500),
    (asked("PostInvoiceitems", customer="cus_ada", amount=-500, currency="usd"), "invoiceitem", -500),
    (asked("PostInvoices", customer="cus_ada"), "invoice", None),
    (asked("PostCoupons", percent_off="10"), "coupon", None),
    (asked("PostCustomers", name="Nia"), "customer", None),
    (LATER, "subscription", None),
    (CAPTURE, "payment_intent", 18_000),
]


async def test_a_lost_answer_is_proven_by_its_mark_where_events_may_not_be_read(
    connection: StripeConnection, world: Simulator
) -> None:
    """What others carry the same mark proves none of them: each is of another kind, or of another payment."""
    world.add_fault(NO_EVENTS)
    for number, (wire, kind, money) in enumerate(LOST):
        before = await found_of(connection, wire)
        world.add_fault(Fault(FaultKind.DROP_ANSWER, method="POST"))
        answer = await connection.send(wire, idempotency_key=f"rp_{number}")
        found = await found_of(connection, wire)

        assert isinstance(answer, Lost)
        assert not isinstance(before, Proven)
        assert isinstance(found, Proven), wire.path
        assert found.body["object"] == kind
        assert money is None or found.body["amount"] == money


async def test_it_is_looked_for_where_events_have_nothing_too(connection: StripeConnection) -> None:
    """Under another key: what events tell of it is nobody's."""
    assert isinstance(await connection.send(REFUND, idempotency_key="rp_other"), Done)

    assert isinstance(await found_of(connection, REFUND), Proven)


async def test_events_decide_where_they_show_a_failure(connection: StripeConnection) -> None:
    """The payment was declined, and its intent paid later: what carries the mark has succeeded, and we have not."""
    wire = asked("PostPaymentIntents", payment_method="pm_card_chargeDeclined", **PAY)
    declined = await connection.send(wire, idempotency_key="rp_1")
    assert isinstance(declined, Refused)
    failed = await found_of(connection, wire)
    intent = declined.failure.effect_id
    paid = encode("POST", f"/v1/payment_intents/{intent}/confirm", {"payment_method": "pm_card_visa"})
    assert isinstance(await connection.send(paid, idempotency_key="rp_2"), Done)
    later = await found_of(connection, wire)

    assert isinstance(failed, Unclear)
    assert isinstance(later, Unclear)
    assert later.seen is None


async def test_a_payment_that_was_made_and_declined_is_no_proof_by_its_mark_either(
    connection: StripeConnection, world: Simulator
) -> None:
    world.add_fault(NO_EVENTS)
    wire = asked("PostPaymentIntents", payment_method="pm_card_chargeDeclined", **PAY)
    await connection.send(wire, idempotency_key="rp_1")
    found = await found_of(connection, wire)

    assert isinstance(found, Unclear)
    assert found.seen is not None
    assert (found.seen.kind, found.seen.status, found.seen.marked) == (
        "payment_intent",
        "requires_payment_method",
        True,
    )


#: By whoever has a key of their own: another charge, another amount, another kind, another's mark, or none.
FORGED = [
    asked("PostRefunds", charge=SEED.charge_120, amount=500),
    asked("PostRefunds", charge=SEED.charge_900, amount=501),
    asked("PostTransfers", amount=500, currency="usd", destination=SEED.connected_account_new),
    asked("PostRefunds", mark="rpr_2", charge=SEED.charge_900, amount=500),
    asked("PostRefunds", mark="", charge=SEED.charge_900, amount=500),
    asked("PostChargesCharge", charge=SEED.charge_900),
]


async def test_a_mark_that_was_copied_or_forged_proves_nothing_of_another(
    connection: StripeConnection, world: Simulator
) -> None:
    world.add_fault(NO_EVENTS)
    for number, forged in enumerate(FORGED):
        assert isinstance(await connection.send(forged, idempotency_key=f"rp_forged{number}"), Done)

        assert not isinstance(await found_of(connection, REFUND), Proven)


async def test_what_was_there_before_the_first_send_proves_nothing(
    connection: StripeConnection, world: Simulator
) -> None:
    world.add_fault(NO_EVENTS)
    await connection.send(REFUND, idempotency_key="rp_forged")

    assert not isinstance(await found_of(connection, REFUND, since=UNTIL - 1_000), Proven)
    assert isinstance(await found_of(connection, REFUND), Proven)


async def test_a_mark_on_two_of_them_proves_neither(connection: StripeConnection, world: Simulator) -> None:
    world.add_fault(NO_EVENTS)
    await connection.send(REFUND, idempotency_key="rp_1")
    first = await found_of(connection, REFUND)
    await connection.send(REFUND, idempotency_key="rp_forged")
    found = await found_of(connection, REFUND)

    assert isinstance(first, Proven)
    assert isinstance(found, Unclear)
    assert found.seen == Seen("refund", str(first.body["id"]), "succeeded", marked=True)


async def test_a_mark_that_a_later_request_has_taken_the_place_of_proves_nothing(
    connection: StripeConnection, world: Simulator
) -> None:
    world.add_fault(NO_EVENTS)
    await connection.send(LATER, idempotency_key="rp_1")
    newer = asked(
        "PostSubscriptionsSubscriptionExposedId", mark="rpr_2", subscription_exposed_id=SEED.subscription_monthly
    )
    await connection.send(newer, idempotency_key="rp_2")
    found = await found_of(connection, LATER)

    assert isinstance(found, Unclear)
    assert found.seen == Seen("subscription", SEED.subscription_monthly, "active", marked=False)


async def test_what_carries_no_mark_is_shown_and_proves_nothing(connection: StripeConnection, world: Simulator) -> None:
    """The payment is canceled: somebody has done it."""
    world.add_fault(NO_EVENTS)
    await connection.send(RELEASE, idempotency_key="rp_somebody")
    found = await found_of(connection, RELEASE)

    assert isinstance(found, Unclear)
    assert found.seen == Seen("payment_intent", SEED.payment_intent_held_180, "canceled", marked=False)


def test_what_makes_an_object_without_a_mark_is_not_looked_for() -> None:
    """Nothing tells it from another's."""
    wire = encode("POST", "/v1/payment_methods/pm_1/attach", {"customer": "cus_ada"})
    operation = CATALOG.classify(wire).operation
    bare = encode("POST", "/v1/refunds", {"charge": SEED.charge_900})
    refunds = CATALOG.classify(bare).operation

    assert Second.of(CATALOG, refunds, bare, MARK, since=0, until=9) is None
    attached = Second.of(CATALOG, operation, wire, MARK, since=0, until=9)
    assert attached is not None
    assert attached.marked is None


async def test_what_can_not_be_read_says_nothing(connection: StripeConnection, world: Simulator) -> None:
    await connection.send(REFUND, idempotency_key="rp_1")
    world.add_fault(NO_EVENTS)
    for kind in (FaultKind.FORBIDDEN_403, FaultKind.ERROR_500, FaultKind.GARBAGE, FaultKind.DROP_ANSWER):
        world.add_fault(Fault(kind, method="GET", path_prefix="/v1/refunds"))

        assert isinstance(await found_of(connection, REFUND), Unclear)


async def test_a_connected_account_is_looked_at_there(connection: StripeConnection, world: Simulator) -> None:
    world.add_fault(NO_EVENTS)
    account = SEED.connected_account_paid
    wire = asked("PostPayouts", amount=100, currency="usd")
    await connection.send(wire, idempotency_key="rp_1", account=account)

    assert isinstance(await found_of(connection, wire, account=account), Proven)
    assert not isinstance(await found_of(connection, wire), Proven)


def refunds(*objects: dict[str, Any], has_more: bool = False) -> bytes:
    whole = {
        "object": "refund",
        "created": 1_800_000_000,
        "charge": SEED.charge_900,
        "amount": 500,
        "status": "succeeded",
    }
    return json.dumps(
        {"object": "list", "data": [{**whole, **each} for each in objects], "has_more": has_more}
    ).encode()


async def test_two_thousand_newer_ones_are_as_far_as_it_looks(recorder: Recorder) -> None:
    """Bounded, and no proof of anything; in the stretch of its sends alone."""
    recorder.bodies["/v1/refunds"] = refunds(*({"id": f"re_{number}"} for number in range(100)), has_more=True)
    async with StripeConnection(SIMULATOR_KEY, base=recorder.base_url) as connection:
        found = await found_of(connection, REFUND)

    sent = [unquote(recorder.sent(number)[0]) for number in range(len(recorder.requests))]
    pages = [line for line in sent if "/v1/refunds" in line]
    assert isinstance(found, Unclear)
    assert len(pages) == MOST_PAGES == 20
    assert "charge=" + SEED.charge_900 in pages[0]
    assert "created[gte]=1700000000&created[lte]=4000000000" in pages[0]
    assert "starting_after=re_99" in pages[1]
    assert not any("search" in line for line in pages)


async def test_the_one_that_is_ours_is_found_behind_many_newer_ones(recorder: Recorder) -> None:
    ours = {"id": "re_ours", "metadata": {"runplane_request": MARK}}
    place = whereabouts(CATALOG, CATALOG.classify(REFUND).operation, REFUND)
    assert place is not None
    next_page = place.page(since=SINCE // 1000, until=UNTIL // 1000, after="re_1")
    recorder.bodies[next_page.url] = refunds(ours)
    recorder.bodies["/v1/refunds"] = refunds({"id": "re_1"}, has_more=True)
    async with StripeConnection(SIMULATOR_KEY, base=recorder.base_url) as connection:
        found = await found_of(connection, REFUND)

    assert isinstance(found, Proven)
    assert found.body["id"] == "re_ours"


async def test_traces_in_events_are_given_their_object(recorder: Recorder) -> None:
    """Stripe's event of a refund is about the charge: what moved stands in the refund."""
    request = {"id": "req_1", "idempotency_key": "rp_1"}
    event = {"id": "evt_1", "object": "event", "created": 1_800_000_000, "type": "charge.refunded", "request": request,
             "data": {"object": {"id": "ch_1", "object": "charge"}}}  # fmt: skip
    recorder.bodies["/v1/events"] = json.dumps({"object": "list", "data": [event], "has_more": False}).encode()
    recorder.bodies["/v1/refunds"] = refunds({"id": "re_ours", "metadata": {"runplane_request": MARK}})
    async with StripeConnection(SIMULATOR_KEY, base=recorder.base_url) as connection:
        found = await found_of(connection, REFUND)
        recorder.bodies["/v1/refunds"] = refunds()
        traces = await found_of(connection, REFUND)

    assert isinstance(found, Proven)
    assert found.body["id"] == "re_ours"
    assert traces == Proven()


async def test_every_read_waits_for_its_turn(recorder: Recorder) -> None:
    """The budget of whoever asked for the request."""
    recorder.body = refunds()
    turns = 0

    async def turn() -> None:
        nonlocal turns
        turns += 1

    operation = CATALOG.classify(REFUND).operation
    second = Second.of(CATALOG, operation, REFUND, MARK, since=SINCE // 1000, until=UNTIL // 1000)
    async with StripeConnection(SIMULATOR_KEY, base=recorder.base_url) as connection:
        found = await evidence(connection, REFUND, operation, "rp_1", SINCE, second=second, turn=turn)

    assert found == Absent()
    assert turns == len(recorder.requests) == 2
