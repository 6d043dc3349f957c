"""What became of a request whose answer was lost. THREATS row 18: evidence that no agent can write, and that its absence
never proves failure."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import unquote

import pytest

from runplane_mcp.core.catalog import load
from runplane_mcp.core.effects import deletion_of
from runplane_mcp.core.operation import Operation
from runplane_mcp.core.wire import Value, WireRequest, encode
from runplane_mcp.simulator import SEED, SIMULATOR_KEY, Fault, FaultKind, Simulator, SimulatorServer
from runplane_mcp.stripe_api import reconcile
from runplane_mcp.stripe_api.client import Done, Lost, Refused, StripeConnection
from runplane_mcp.stripe_api.reconcile import Absent, Evidence, Proven, Unclear, evidence
from runplane_mcp.stripe_api.resolve import resolve
from tests.stripe_api.conftest import Recorder

CATALOG = load()
#: In milliseconds, before anything a test does.
SINCE = 1_700_000_000_000


def operation(id: str) -> Operation:
    found = CATALOG.by_id(id)
    assert found is not None
    return found


REFUND = encode(
    "POST", "/v1/refunds", {"charge": SEED.charge_900, "amount": 500, "metadata": {"runplane_request": "rpr_1"}}
)
PAYOUT = encode("POST", "/v1/payouts", {"amount": 5_000, "currency": "usd"})
TRANSFER = encode("POST", "/v1/transfers", {"amount": 5, "currency": "usd", "destination": SEED.connected_account_new})
LATER = encode("POST", f"/v1/subscriptions/{SEED.subscription_monthly}", {"cancel_at_period_end": True})
CUSTOMER = encode("POST", f"/v1/customers/{SEED.customer_ben}", {"balance": -500})
CAPTURE = encode("POST", f"/v1/payment_intents/{SEED.payment_intent_held_180}/capture", {})
RELEASE = encode("POST", f"/v1/payment_intents/{SEED.payment_intent_held_180}/cancel", {})
REVERSAL = encode(
    "POST",
    f"/v1/transfers/{SEED.transfer_past}/reversals",
    {"amount": 500, "metadata": {"runplane_request": "rpr_1"}},
)
ANSWER = encode("POST", f"/v1/disputes/{SEED.dispute}", {"evidence": {"uncategorized_text": "winning_evidence"}})
LINK = encode("POST", "/v1/payment_links", {"line_items": [{"price": SEED.price_monthly, "quantity": 1}]})
SEATS = encode(
    "POST",
    f"/v1/subscriptions/{SEED.subscription_office}",
    {"items": [{"id": "si_cleo_office_2", "quantity": 6}], "proration_behavior": "always_invoice"},
)
ITEM = encode("POST", "/v1/invoiceitems", {"customer": "cus_ada", "amount": -500, "currency": "usd"})
FINALIZE = encode("POST", f"/v1/invoices/{SEED.invoice_draft}/finalize", {})
PAY_DRAFT = encode("POST", f"/v1/invoices/{SEED.invoice_draft}/pay", {})
NOTE = encode("POST", "/v1/credit_notes", {"invoice": SEED.invoice_paid, "refund_amount": 500})
PRODUCT = encode(
    "POST", "/v1/products", {"name": "Kettle", "default_price_data": {"currency": "usd", "unit_amount": 4_900}}
)
PRICE = encode("POST", "/v1/prices", {"currency": "usd", "unit_amount": 900, "product_data": {"name": "Cup"}})
CHARGE = encode(
    "POST", "/v1/payment_intents", {"amount": 500, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
)
CANCEL = encode("DELETE", f"/v1/subscriptions/{SEED.subscription_monthly}", {})
DELETE = encode("DELETE", f"/v1/customers/{SEED.customer_gbp}", {})


async def found_of(
    connection: StripeConnection, wire: WireRequest, id: str, key: str = "rp_1", since: int = SINCE
) -> Evidence:
    return await evidence(connection, wire, operation(id), key, since)


async def snapshot(connection: StripeConnection, wire: WireRequest) -> str:
    """What there is for a DELETE to take away."""
    found = (await resolve(connection, CATALOG.classify(wire))).snapshot
    assert found is not None
    return found


async def deleted(connection: StripeConnection, wire: WireRequest, id: str, before: str | None) -> Evidence:
    deletion = deletion_of(CATALOG.classify(wire))
    return await evidence(connection, wire, operation(id), "rp_1", SINCE, deletion=deletion, before=before)


@pytest.mark.parametrize(
    ("wire", "id", "kind"),
    [
        (REFUND, "PostRefunds", "refund"),
        (PAYOUT, "PostPayouts", "payout"),
        (TRANSFER, "PostTransfers", "transfer"),
        (LATER, "PostSubscriptionsSubscriptionExposedId", "subscription"),
        (REVERSAL, "PostTransfersIdReversals", "transfer_reversal"),
        (encode("POST", f"/v1/payouts/{SEED.payout_pending}/cancel", {}), "PostPayoutsPayoutCancel", "payout"),
        (CAPTURE, "PostPaymentIntentsIntentCapture", "payment_intent"),
        (RELEASE, "PostPaymentIntentsIntentCancel", "payment_intent"),
        (ANSWER, "PostDisputesDispute", "dispute"),
        (LINK, "PostPaymentLinks", "payment_link"),
        (CUSTOMER, "PostCustomersCustomer", "customer"),
        (encode("POST", "/v1/customers", {"name": "Nia"}), "PostCustomers", "customer"),
        (SEATS, "PostSubscriptionsSubscriptionExposedId", "subscription"),
        (encode("POST", "/v1/invoices", {"customer": "cus_ada"}), "PostInvoices", "invoice"),
        (ITEM, "PostInvoiceitems", "invoiceitem"),
        (FINALIZE, "PostInvoicesInvoiceFinalize", "invoice"),
        (PAY_DRAFT, "PostInvoicesInvoicePay", "invoice"),
        (encode("POST", f"/v1/invoices/{SEED.invoice_open}/void", {}), "PostInvoicesInvoiceVoid", "invoice"),
        (NOTE, "PostCreditNotes", "credit_note"),
        (encode("POST", "/v1/coupons", {"percent_off": "10"}), "PostCoupons", "coupon"),
        (PRODUCT, "PostProducts", "product"),
        (PRICE, "PostPrices", "price"),
        (CHARGE, "PostPaymentIntents", "payment_intent"),
    ],
)
async def test_a_lost_answer_is_proven_by_its_events(
    connection: StripeConnection, world: Simulator, wire: WireRequest, id: str, kind: str
) -> None:
    world.add_fault(Fault(FaultKind.DROP_ANSWER, method="POST"))
    answer = await connection.send(wire, idempotency_key="rp_1")
    found = await found_of(connection, wire, id)

    assert isinstance(answer, Lost)
    assert isinstance(found, Proven)
    assert found.body["object"] == kind
    assert str(found.body["id"])


async def test_an_invoice_that_was_finalized_to_be_paid_and_declined_is_no_proof_of_the_payment(
    connection: StripeConnection, world: Simulator
) -> None:
    """The invoice's own event has our key, and yet no money moved."""
    world.add_fault(Fault(FaultKind.DECLINE_402, path_prefix="/v1/invoices"))
    answer = await connection.send(PAY_DRAFT, idempotency_key="rp_1")

    assert isinstance(answer, Refused)
    assert answer.failure.effect_id is not None
    assert isinstance(await found_of(connection, PAY_DRAFT, "PostInvoicesInvoicePay"), Unclear)


async def test_a_payment_that_was_made_and_declined_in_one_request_is_no_success(connection: StripeConnection) -> None:
    """That it was made has our key as well as that it failed."""
    asked: dict[str, Value] = {"amount": 500, "currency": "usd", "confirm": True}
    wire = encode("POST", "/v1/payment_intents", {**asked, "payment_method": "pm_card_chargeDeclined"})
    answer = await connection.send(wire, idempotency_key="rp_1")

    assert isinstance(answer, Refused)
    assert isinstance(await found_of(connection, wire, "PostPaymentIntents"), Unclear)


async def test_no_event_is_no_proof(connection: StripeConnection, world: Simulator) -> None:
    world.add_fault(Fault(FaultKind.DROP_REQUEST, method="POST"))
    await connection.send(REFUND, idempotency_key="rp_1")

    assert await found_of(connection, REFUND, "PostRefunds") == Absent()


async def test_another_keys_refund_proves_nothing(connection: StripeConnection) -> None:
    """The same refund under another key, with our words in its metadata: an agent could have made it."""
    assert isinstance(await connection.send(REFUND, idempotency_key="rp_other"), Done)

    assert await found_of(connection, REFUND, "PostRefunds") == Absent()


async def test_the_right_one_is_found_among_many(connection: StripeConnection) -> None:
    await connection.send(REFUND, idempotency_key="rp_1")
    others = [encode("POST", "/v1/refunds", {"charge": charge, "amount": 5}) for charge in SEED.charges_235[:60]]
    await asyncio.gather(
        *(connection.send(wire, idempotency_key=f"rp_x{number}") for number, wire in enumerate(others))
    )
    found = await found_of(connection, REFUND, "PostRefunds")

    assert isinstance(found, Proven)
    assert (found.body["charge"], found.body["amount"]) == (SEED.charge_900, 500)


@pytest.mark.parametrize("kind", [FaultKind.ERROR_500, FaultKind.GARBAGE, FaultKind.DROP_ANSWER, FaultKind.LIMIT_429])
async def test_events_that_can_not_be_read_say_nothing(
    connection: StripeConnection, world: Simulator, kind: FaultKind
) -> None:
    await connection.send(REFUND, idempotency_key="rp_1")
    world.add_fault(Fault(kind, path_prefix="/v1/events"))

    assert isinstance(await found_of(connection, REFUND, "PostRefunds"), Unclear)


def event(key: str | None, kind: str, type: str, created: int = 1_800_000_000) -> dict[str, object]:
    request = {"id": "req_1", "idempotency_key": key}
    return {"id": "evt_1", "object": "event", "created": created, "type": type, "request": request,
            "data": {"object": {"id": "x_1", "object": kind}}}  # fmt: skip


@pytest.mark.parametrize(
    ("events", "has_more", "expected"),
    [
        ([event("rp_1", "refund", "refund.created")], True, Proven),
        ([event("rp_1", "charge", "charge.refunded")], False, Proven),
        ([event("rp_1", "refund", "refund.failed")], False, Unclear),
        ([event("rp_1", "charge", "charge.failed")], False, Unclear),
        ([event("rp_2", "refund", "refund.created")], False, Absent),
        ([event(None, "refund", "refund.created")], False, Absent),
        ([], False, Absent),
        ([event("rp_2", "refund", "refund.created", created=5)], True, Absent),  # older than the request
        ([event("rp_2", "refund", "refund.created")], True, Unclear),  # and so on without end
        ([{"object": "event", "request": "rp_1"}], False, Absent),
    ],
)
async def test_what_events_say_of_a_request(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, events: list[object], has_more: bool, expected: type
) -> None:
    monkeypatch.setattr(reconcile, "MOST_PAGES", 3)
    recorder.body = json.dumps({"object": "list", "data": events, "has_more": has_more}).encode()
    async with StripeConnection(SIMULATOR_KEY, base=recorder.base_url) as connection:
        found = await found_of(connection, REFUND, "PostRefunds")

    assert isinstance(found, expected)


async def test_what_lies_behind_a_busy_weekend_is_found_in_the_time_of_its_send(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More newer events than are looked through: then the hour of the send alone."""
    monkeypatch.setattr(reconcile, "MOST_PAGES", 2)
    others, ours = event("rp_2", "refund", "refund.created"), event("rp_1", "refund", "refund.created")
    recorder.body = json.dumps({"object": "list", "data": [others], "has_more": True}).encode()
    then = json.dumps({"object": "list", "data": [ours], "has_more": False}).encode()
    recorder.bodies["/v1/events?created"] = then
    async with StripeConnection(SIMULATOR_KEY, base=recorder.base_url) as connection:
        first = await evidence(connection, REFUND, operation("PostRefunds"), "rp_1", SINCE)
        found = await evidence(connection, REFUND, operation("PostRefunds"), "rp_1", SINCE, until=SINCE + 60_000)

    assert isinstance(first, Unclear)
    assert isinstance(found, Proven)
    assert "created[gte]=1699999700&created[lte]=1700003660" in unquote(recorder.sent()[0])


@pytest.mark.parametrize(
    ("wire", "id", "type"),
    [
        (CHARGE, "PostPaymentIntents", "payment_intent.created"),
        (PAY_DRAFT, "PostInvoicesInvoicePay", "invoice.finalized"),
    ],
)
async def test_the_first_of_several_steps_proves_nothing_of_the_last(
    recorder: Recorder, wire: WireRequest, id: str, type: str
) -> None:
    """Stripe was still at it, or its other events had not come yet."""
    events = [event("rp_1", operation(id).answers, type)]
    recorder.body = json.dumps({"object": "list", "data": events, "has_more": False}).encode()
    async with StripeConnection(SIMULATOR_KEY, base=recorder.base_url) as connection:
        assert isinstance(await found_of(connection, wire, id), Unclear)


async def test_traces_alone_prove_it_without_the_object(recorder: Recorder) -> None:
    events = [event("rp_1", "charge", "charge.refunded")]
    recorder.body = json.dumps({"object": "list", "data": events, "has_more": False}).encode()
    async with StripeConnection(SIMULATOR_KEY, base=recorder.base_url) as connection:
        assert await found_of(connection, REFUND, "PostRefunds") == Proven()


@pytest.mark.parametrize("inside", [{}, {"reversals": "none"}, {"reversals": {"data": [{"object": "charge"}]}}])
async def test_a_reversal_that_its_event_does_not_carry_is_proven_all_the_same(
    recorder: Recorder, inside: dict[str, object]
) -> None:
    found = event("rp_1", "transfer", "transfer.reversed")
    found["data"] = {"object": {"id": "tr_1", "object": "transfer", **inside}}
    recorder.body = json.dumps({"object": "list", "data": [found], "has_more": False}).encode()
    async with StripeConnection(SIMULATOR_KEY, base=recorder.base_url) as connection:
        assert await found_of(connection, REVERSAL, "PostTransfersIdReversals") == Proven()


async def test_the_reversal_is_ours_and_no_other_of_the_same_transfer(recorder: Recorder) -> None:
    def reversal(id: str, mark: str) -> dict[str, object]:
        return {"id": id, "object": "transfer_reversal", "metadata": {"runplane_request": mark}}

    found = event("rp_1", "transfer", "transfer.reversed")
    reversals = {"data": [reversal("trr_2", "rpr_2"), reversal("trr_1", "rpr_1")]}
    found["data"] = {"object": {"id": "tr_1", "object": "transfer", "reversals": reversals}}
    recorder.body = json.dumps({"object": "list", "data": [found], "has_more": False}).encode()
    async with StripeConnection(SIMULATOR_KEY, base=recorder.base_url) as connection:
        seen = await found_of(connection, REVERSAL, "PostTransfersIdReversals")

    assert isinstance(seen, Proven)
    assert seen.body["id"] == "trr_1"


async def test_a_clock_set_ahead_of_stripes_still_finds_the_newest(connection: StripeConnection) -> None:
    await connection.send(REFUND, idempotency_key="rp_1")

    assert isinstance(await found_of(connection, REFUND, "PostRefunds", since=4_000_000_000_000), Proven)


@pytest.mark.parametrize(
    ("wire", "id"),
    [(CANCEL, "DeleteSubscriptionsSubscriptionExposedId"), (DELETE, "DeleteCustomersCustomer")],
)
async def test_a_deletion_is_looked_for_in_the_object_itself(
    connection: StripeConnection, world: Simulator, wire: WireRequest, id: str
) -> None:
    """v1 DELETE takes no idempotency key: it is repeated only where its effect is not there."""
    before = await snapshot(connection, wire)
    assert await deleted(connection, wire, id, before) == Absent()
    assert isinstance(await deleted(connection, wire, id, None), Unclear)

    world.add_fault(Fault(FaultKind.DROP_ANSWER, method="DELETE"))
    assert isinstance(await connection.send(wire, idempotency_key=None), Lost)
    found = await deleted(connection, wire, id, before)

    assert isinstance(found, Proven)
    assert found.body["id"] == wire.path.rsplit("/", 1)[1]


async def test_what_is_not_there_has_been_deleted(connection: StripeConnection) -> None:
    wire = encode("DELETE", "/v1/subscriptions/sub_none", {})

    assert await found_of(connection, wire, "DeleteSubscriptionsSubscriptionExposedId") == Proven()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        ("500 Oops", b""),
        ("403 No", b'{"error": {"type": "invalid_request_error"}}'),
        ("404 No", b"<html>"),
        ("200 OK", b'{"object": "subscription", "id": "sub_1", "status": "incomplete_expired"}'),
        ("200 OK", b'{"object": "subscription", "id": "sub_1"}'),
    ],
)
async def test_a_deletion_that_can_not_be_seen_is_unclear(recorder: Recorder, status: str, body: bytes) -> None:
    recorder.status, recorder.body = status, body
    async with StripeConnection(SIMULATOR_KEY, base=recorder.base_url) as connection:
        found = await found_of(connection, CANCEL, "DeleteSubscriptionsSubscriptionExposedId")

    assert isinstance(found, Unclear)


async def test_a_key_of_another_account_is_looked_for_there(
    server: SimulatorServer, connection: StripeConnection
) -> None:
    account = SEED.connected_account_paid
    wire = encode("POST", "/v1/payouts", {"amount": 100, "currency": "usd"})
    answer = await connection.send(wire, idempotency_key="rp_1", account=account)
    there = await evidence(connection, wire, operation("PostPayouts"), "rp_1", SINCE, account=account)
    here = await found_of(connection, wire, "PostPayouts")

    assert isinstance(answer, Done)
    assert isinstance(there, Proven)
    assert here == Absent()
