"""What an HTTP answer means. The one question is whether the request can have had an effect."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runplane_mcp.stripe_api.answers import Answer, Busy, Done, Lost, Refused, read_answer

HEADERS = {"request-id": "req_1"}


def answer(status: int, body: object, **headers: str) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_answer(status, HEADERS | {name.replace("_", "-"): value for name, value in headers.items()}, content)


def error(type: str = "invalid_request_error", **fields: object) -> dict[str, object]:
    return {"error": {"type": type, "message": "No.", **fields}}


def test_a_stripe_object_is_done() -> None:
    seen = answer(200, {"id": "re_1", "object": "refund"}, idempotent_replayed="true")

    assert seen == Done(200, {"id": "re_1", "object": "refund"}, "req_1", replayed=True)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"<html>", b"null", b"[]", b'"refund"', b"{}", b'{"id": "re_1"}', b'{"object": 7}', b"\xff\xfe", b"[" * 90_000,
        b'{"object": "refund", "amount": ' + b"9" * 5_000 + b"}", b'{"object": "refund", "error": {}}', b'{"object": "re',
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", [200, 201, 204])
def test_an_unreadable_success_is_lost_and_not_failed(status: int, content: bytes) -> None:
    """It may well have moved money."""
    seen = read_answer(status, HEADERS, content)

    assert isinstance(seen, Lost)
    assert seen.status == status


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599])
@pytest.mark.parametrize("content", [b"<html>", b'{"error": {"type": "api_error", "message": "x"}}'])
@pytest.mark.parametrize("replayed", [True, False])
def test_a_fault_of_stripes_is_lost(status: int, content: bytes, replayed: bool) -> None:
    seen = read_answer(status, {"idempotent-replayed": "true"} if replayed else {}, content)

    assert isinstance(seen, Lost)
    assert (seen.status, seen.replayed) == (status, replayed)


@pytest.mark.parametrize("status", [100, 301, 302, 304, 307, 400, 401, 402, 403, 404, 408, 409, 418, 451])
@pytest.mark.parametrize(
    "content", [b"<html>Not found</html>", b"{}", b'{"error": "no"}', b'{"error": {"message": "no"}}']
)
def test_a_no_that_is_not_stripes_own_proves_nothing(status: int, content: bytes) -> None:
    assert isinstance(read_answer(status, {}, content), Lost)


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, error(code="charge_already_refunded"), "stripe.charge_already_refunded"),
        (400, error(type="idempotency_error"), "stripe.idempotency_error"),
        (401, error(), "stripe.invalid_request_error"),
        (402, error(type="card_error", code="card_declined", decline_code="generic_decline"), "stripe.card_declined"),
        (403, error(code="account_invalid"), "stripe.account_invalid"),
        (404, error(code="resource_missing"), "stripe.resource_missing"),
        (409, error(code="resource_already_exists"), "stripe.resource_already_exists"),
        (400, error(code="Not A Code\n"), "stripe.refused"),
        (400, error(code={"a": 1}), "stripe.invalid_request_error"),
    ],
)
def test_stripes_own_no_is_a_refusal_with_its_code(status: int, body: object, code: str) -> None:
    seen = answer(status, body)

    assert isinstance(seen, Refused)
    assert (seen.failure.code, seen.failure.stripe_request_id, seen.status) == (code, "req_1", status)
    assert seen.failure.effect_id is None


@pytest.mark.parametrize(
    "left", [{"payment_intent": {"id": "pi_1"}}, {"payment_intent": "pi_1"}, {"setup_intent": {"id": "pi_1"}}]
)
def test_a_declined_payment_names_what_it_left_behind(left: dict[str, object]) -> None:
    seen = answer(402, error(type="card_error", code="card_declined", **left))

    assert isinstance(seen, Refused)
    assert seen.failure.effect_id == "pi_1"


@pytest.mark.parametrize(
    ("status", "body", "limited"),
    [
        (429, error(code="rate_limit"), True),
        (429, error(code="lock_timeout"), True),
        (429, b"<html>", True),
        (400, error(code="rate_limit"), True),
        (409, error(type="idempotency_error", code="idempotency_key_in_use"), False),
        (409, error(), False),
    ],
)
def test_not_now_is_neither_yes_nor_no(status: int, body: object, limited: bool) -> None:
    seen = answer(status, body)

    assert isinstance(seen, Busy)
    assert seen.limited is limited


@pytest.mark.parametrize(
    ("value", "seconds"), [("2", 2.0), ("0.5", 0.5), ("soon", None), ("-1", None), ("9" * 9, None)]
)
def test_how_long_to_wait_is_said_in_seconds(value: str, seconds: float | None) -> None:
    seen = answer(429, error(), retry_after=value)

    assert isinstance(seen, Busy)
    assert seen.retry_after == seconds


def test_a_refusal_repeats_no_secret() -> None:
    """THREATS row 23."""
    seen = answer(
        401, {"error": {"type": "x_y", "message": "Invalid key sk_live_51AbCdEfGhIjKl and pi_12345_secret_67890"}}
    )

    assert isinstance(seen, Refused)
    assert seen.failure.message == "Invalid key [redacted] and [redacted]"


def test_a_long_message_is_cut() -> None:
    seen = answer(400, {"error": {"type": "x", "message": "é" * 10_000}})

    assert isinstance(seen, Refused)
    assert len(seen.failure.message) == 500


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["error", "code", "type", "message", "object"]), inner)
    ),
)


@settings(deadline=None)
@given(st.integers(100, 599), st.binary(max_size=40) | json_like.map(lambda value: json.dumps(value).encode()))
def test_every_answer_means_something(status: int, content: bytes) -> None:
    seen = read_answer(status, {}, content)

    assert not isinstance(seen, Done) or (200 <= status < 300 and isinstance(seen.body["object"], str))
    assert not isinstance(seen, Refused) or 400 <= status < 500
