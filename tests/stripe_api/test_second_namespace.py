"""/v2 over the wire: JSON bodies, keys on deletions, errors and lists of another shape, events that only point.

THREATS row 6 (exactly the stored bytes), row 18 (a lost answer), row 21 (objects that are not there).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import unquote

import pytest
import stripe

from runplane_mcp.core.catalog import load
from runplane_mcp.core.effect import UNAVAILABLE, NotThere
from runplane_mcp.core.operation import Operation
from runplane_mcp.core.wire import JSON, Parameters, WireRequest, encode
from runplane_mcp.errors import InternalError
from runplane_mcp.simulator import SIMULATOR_KEY
from runplane_mcp.stripe_api import reconcile
from runplane_mcp.stripe_api.answers import read_answer
from runplane_mcp.stripe_api.client import API_VERSION, Busy, Done, Lost, Refused, StripeConnection
from runplane_mcp.stripe_api.reconcile import Absent, Evidence, Proven, Unclear, evidence
from runplane_mcp.stripe_api.resolve import looked_up
from tests.stripe_api.conftest import Recorder

CATALOG = load()
KEY = "sk_test_51AbCdEfGhIjKl"
#: In milliseconds.
SINCE = 1_800_000_000_000
PAYMENT: Parameters = {
    "amount": {"value": 150_000, "currency": "usd"},
    "to": {"recipient": "acct_2", "payout_method": "usba_1"},
    "description": 'Rent, März \\ "x" 😀',
    "metadata": {"order no": "A&B"},
}
PAY = encode("POST", "/v2/money_management/outbound_payments", PAYMENT)
CANCEL = encode("POST", "/v2/money_management/outbound_payments/{id}/cancel", {"id": "obp_1"})
READ = encode("GET", "/v2/core/accounts/{id}", {"id": "acct_2", "include": ["identity", "defaults"]})
LIST = encode(
    "GET", "/v2/core/events", {"created": {"gte": "2026-03-03T12:00:00Z"}, "types": ["a.b", "c.d"], "limit": 9}
)
DELETE = encode("DELETE", "/v2/core/event_destinations/{id}", {"id": "ed_1"})
FOUND = b'{"id": "x_1", "object": "v2.core.account"}'


def connected(recorder: Recorder) -> StripeConnection:
    return StripeConnection(KEY, base=recorder.base_url)


@pytest.mark.parametrize("wire", [PAY, CANCEL, READ, LIST, DELETE], ids=lambda wire: f"{wire.method} {wire.path[:25]}")
async def test_the_bytes_that_leave_are_the_bytes_that_are_stored(recorder: Recorder, wire: WireRequest) -> None:
    recorder.body = FOUND
    async with connected(recorder) as connection:
        answer = await connection.send(wire, idempotency_key="rp_1" if wire.keyed else None)
    first, headers, body = recorder.sent()

    assert isinstance(answer, Done)
    assert first == f"{wire.method} {wire.url} HTTP/1.1"
    assert body == wire.body
    assert headers.get("content-type") == (JSON if wire.method == "POST" else None)
    assert headers["stripe-version"] == API_VERSION
    assert headers.get("idempotency-key") == (None if wire.method == "GET" else "rp_1")


CALLS: dict[str, tuple[WireRequest, Callable[[stripe.StripeClient], object]]] = {
    "pay": (PAY, lambda sdk: sdk.v2.money_management.outbound_payments.create(PAYMENT)),  # type: ignore[arg-type]
    "cancel": (CANCEL, lambda sdk: sdk.v2.money_management.outbound_payments.cancel("obp_1")),
    "read": (READ, lambda sdk: sdk.v2.core.accounts.retrieve("acct_2", {"include": ["identity", "defaults"]})),
    "list": (
        LIST,
        lambda sdk: sdk.v2.core.events.list(
            {"created": {"gte": "2026-03-03T12:00:00Z"}, "types": ["a.b", "c.d"], "limit": 9}
        ),
    ),
    "delete": (DELETE, lambda sdk: sdk.v2.core.event_destinations.delete("ed_1")),
}


@pytest.mark.parametrize("name", CALLS)
async def test_it_is_what_stripes_own_sdk_would_say(recorder: Recorder, name: str) -> None:
    """But for the order of names and for brackets that its HTTP library quotes: the same address, kind and JSON."""
    wire, call = CALLS[name]
    recorder.body = b'{"object": "list", "data": [], "next_page_url": null}' if name == "list" else FOUND
    sdk = stripe.StripeClient(KEY, base_addresses={"api": recorder.base_url}, max_network_retries=0)
    await asyncio.to_thread(call, sdk)
    first, headers, body = recorder.sent()
    method, address, _ = first.split(" ")
    path, _, query = address.partition("?")

    assert (method, path) == (wire.method, wire.path)
    assert sorted(unquote(query).split("&")) == sorted(unquote(wire.query).split("&"))
    assert headers.get("content-type", "") == wire.content_type
    assert ("idempotency-key" in headers) is wire.keyed
    assert (json.loads(body) if body else None) == (json.loads(wire.body) if wire.body else None)


@pytest.mark.parametrize("wire", [PAY, CANCEL, DELETE], ids=lambda wire: f"{wire.method} {wire.path[:25]}")
async def test_a_write_without_a_key_is_not_sent(recorder: Recorder, wire: WireRequest) -> None:
    """The SDK would invent one, for a deletion too, and a repeat would be a second effect."""
    async with connected(recorder) as connection:
        for key in (None, ""):
            with pytest.raises(InternalError) as caught:
                await connection.send(wire, idempotency_key=key)
            assert caught.value.code == "internal.key"

    assert recorder.requests == []


# ── what comes of it ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("wire", "body", "done"),
    [
        (PAY, {"id": "obp_1", "object": "v2.money_management.outbound_payment"}, True),
        (LIST, {"data": [], "next_page_url": None, "previous_page_url": None}, True),
        (DELETE, {"id": "ed_1"}, True),
        (DELETE, {"id": "ed_1", "object": "v2.core.event_destination"}, True),
        (PAY, {"id": "obp_1"}, False),
        (PAY, {"data": [], "next_page_url": None}, False),
        (PAY, {}, False),
        (READ, {"id": "acct_2"}, False),
        (LIST, {"data": []}, False),
        (LIST, {"data": "x", "next_page_url": None}, False),
        (DELETE, {}, False),
        (DELETE, {"id": "ed_1", "error": {}}, False),
        (encode("GET", "/v1/refunds", {}), {"data": [], "next_page_url": None}, False),
        (encode("DELETE", "/v1/customers/{customer}", {"customer": "cus_1"}), {"id": "cus_1"}, False),
    ],
)
def test_a_page_and_a_deletion_need_not_say_what_they_are(wire: WireRequest, body: object, done: bool) -> None:
    seen = read_answer(200, {}, json.dumps(body).encode(), wire=wire)

    assert isinstance(seen, Done if done else Lost)


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (400, {"type": "insufficient_funds", "code": "outbound_payment_insufficient_funds", "message": "No."},
         "stripe.outbound_payment_insufficient_funds"),
        (400, {"code": "invalid_fields", "message": "No."}, "stripe.invalid_fields"),  # without a type
        (404, {"code": "not_found", "message": "No."}, "stripe.not_found"),
        (404, {"type": "not_found", "message": "No."}, "stripe.not_found"),
        (400, {"type": "idempotency_error", "message": "No."}, "stripe.idempotency_error"),
        (409, {"type": "already_canceled", "code": "already_canceled", "message": "No."}, "stripe.already_canceled"),
    ],
)  # fmt: skip
def test_stripes_own_no_is_a_refusal_with_its_code(status: int, error: dict[str, str], code: str) -> None:
    seen = read_answer(status, {"request-id": "req_1"}, json.dumps({"error": error}).encode(), wire=PAY)

    assert isinstance(seen, Refused)
    assert (seen.failure.code, seen.failure.message, seen.failure.stripe_request_id) == (code, "No.", "req_1")


def test_the_field_that_is_wrong_is_named() -> None:
    error = {"type": "invalid_payment_method", "code": "x", "message": "No.", "invalid_param": "to.payout_method"}
    seen = read_answer(400, {}, json.dumps({"error": error}).encode(), wire=PAY)

    assert isinstance(seen, Refused)
    assert seen.failure.param == "to.payout_method"


@pytest.mark.parametrize("status", [400, 429])
def test_over_the_limits_is_not_now(status: int) -> None:
    error = {"error": {"type": "rate_limit", "code": "too_many", "message": "No."}}

    seen = read_answer(status, {}, json.dumps(error).encode(), wire=PAY)

    assert isinstance(seen, Busy)
    assert seen.limited


@pytest.mark.parametrize("content", [b'{"error": {"message": "no"}}', b'{"error": "not_found"}', b"<html>", b"{}"])
def test_a_no_that_is_not_stripes_own_proves_nothing(content: bytes) -> None:
    assert isinstance(read_answer(404, {}, content, wire=READ), Lost)


@pytest.mark.parametrize(
    ("status", "error", "gone"),
    [
        (404, {"code": "not_found"}, True),
        (404, {"type": "not_found"}, True),
        (404, {"type": "invalid_request_error", "code": "resource_missing"}, True),
        (400, {"code": "not_found"}, False),
        (404, {"code": "feature_not_enabled"}, False),
        (403, {"code": "not_found"}, False),
    ],
)
def test_only_stripes_own_word_says_that_an_object_is_not_there(status: int, error: dict[str, str], gone: bool) -> None:
    answer = read_answer(status, {}, json.dumps({"error": error}).encode(), wire=READ)
    told = looked_up(answer)

    assert isinstance(told, NotThere) if gone else told is UNAVAILABLE


# ── what became of a lost answer ─────────────────────────────────────────────────────────────────────────────────────

KIND = "v2.money_management.outbound_payment"
PLACE = "/v2/money_management/outbound_payments/obp_1"
PAYMENT_OBJECT = {"id": "obp_1", "object": KIND, "status": "processing"}


def paying() -> Operation:
    """The operation with what it is answered by, whether somebody has judged it yet or not."""
    found = CATALOG.by_id("PostV2MoneyManagementOutboundPayments")
    assert found is not None
    return replace(found, answers=KIND)


def event(key: object, type: str = f"{KIND}.created", url: object = PLACE, kind: str = KIND) -> dict[str, object]:
    request = {"id": "req_1", "idempotency_key": key}
    return {"id": "evt_1", "object": "v2.core.event", "type": type, "reason": {"type": "request", "request": request},
            "related_object": {"id": "obp_1", "type": kind, "url": url}}  # fmt: skip


def page(*events: object, following: object = None) -> bytes:
    return json.dumps({"data": events, "next_page_url": following}).encode()


async def shown(recorder: Recorder, wire: WireRequest = PAY) -> Evidence:
    async with StripeConnection(SIMULATOR_KEY, base=recorder.base_url) as connection:
        return await evidence(connection, wire, paying(), "rp_1", SINCE)


async def test_a_lost_answer_is_proven_by_its_event_and_looked_up(recorder: Recorder) -> None:
    recorder.bodies = {
        "/v2/core/events?page": page(event("rp_1")),
        "/v2/core/events": page(event("rp_2"), following="/v2/core/events?page=abc%3D&limit=100"),
        PLACE: json.dumps(PAYMENT_OBJECT).encode(),
    }

    assert await shown(recorder) == Proven(PAYMENT_OBJECT)
    assert [recorder.sent(number)[0] for number in range(3)] == [
        "GET /v2/core/events?created[gte]=2027-01-15T07%3A55%3A00Z&limit=100 HTTP/1.1",
        "GET /v2/core/events?page=abc%3D&limit=100 HTTP/1.1",
        f"GET {PLACE} HTTP/1.1",
    ]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([event("rp_1", url="https://evil.example/x")], Proven),
        ([event("rp_1", url="//evil.example/x")], Proven),
        ([event("rp_1", url="/v2/../v1/refunds")], Proven),
        ([event("rp_1", url=7)], Proven),
        ([event("rp_1", kind="v2.core.account")], Proven),
        ([event("rp_1"), event("rp_1", type=f"{KIND}.failed")], Unclear),
        ([event("rp_2"), event(None)], Absent),
        ([{"object": "v2.core.event", "reason": None}, {}], Absent),
        ([], Absent),
    ],
)
async def test_what_events_say_of_a_request(recorder: Recorder, events: list[object], expected: type) -> None:
    recorder.body = page(*events)
    found = await shown(recorder)

    assert isinstance(found, expected)
    assert not isinstance(found, Proven) or not found.body
    assert all(request.startswith(b"GET /v2/") for request in recorder.requests)


@pytest.mark.parametrize(
    "following",
    ["https://evil.example/v2/core/events?page=1", "/v1/refunds?a=b", "/v2/core/events/../x?a", "/v2/core/events?a b"],
)
async def test_a_next_page_elsewhere_is_not_asked_for(recorder: Recorder, following: str) -> None:
    recorder.body = page(event("rp_1"), following=following)

    assert isinstance(await shown(recorder), Unclear)
    assert len(recorder.requests) == 1


async def test_pages_without_end_say_nothing(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "MOST_PAGES", 3)
    recorder.body = page(event("rp_2"), following="/v2/core/events?page=again")

    assert isinstance(await shown(recorder), Unclear)
    assert len(recorder.requests) == 3


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        ("404 No", b'{"error": {"code": "not_found", "message": "No."}}', Proven),
        ("404 No", b'{"error": {"code": "feature_not_enabled", "message": "No."}}', Unclear),
        ("200 OK", b'{"id": "ed_1", "object": "v2.core.event_destination", "status": "enabled"}', Absent),
        ("500 Oops", b"", Unclear),
    ],
)
async def test_a_deletion_is_looked_for_in_the_object_itself(
    recorder: Recorder, status: str, body: bytes, expected: type
) -> None:
    recorder.status, recorder.body = status, body

    assert isinstance(await shown(recorder, DELETE), expected)
