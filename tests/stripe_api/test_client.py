"""Sending: the stored bytes and our headers leave, nothing else, and once.

THREATS row 6: what an agent sent never becomes an option of Stripe's SDK. Row 23: no secret reaches a log.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runplane_mcp.core.request import StripeIdentity
from runplane_mcp.core.wire import FORM, JSON, WireRequest, encode
from runplane_mcp.errors import InternalError, StripeError
from runplane_mcp.simulator import SEED, SIMULATOR_KEY, Fault, FaultKind, Simulator, SimulatorServer
from runplane_mcp.stripe_api.client import API_VERSION, Busy, Done, Lost, NotSent, Refused, StripeConnection
from tests.stripe_api.conftest import Recorder, never_answering

KEY = "sk_test_51AbCdEfGhIjKl"
REFUND = encode("POST", "/v1/refunds", {"payment_intent": SEED.payment_intent_40, "metadata": {"note": "[a] & b=c é"}})


def refusing(message: str) -> bytes:
    return json.dumps({"error": {"type": "invalid_request_error", "message": message}}).encode()


def connected(recorder: Recorder, timeout: float = 10.0) -> StripeConnection:
    return StripeConnection(KEY, base=recorder.base_url, timeout=timeout)


# ── exactly the stored bytes ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "wire",
    [
        REFUND,
        encode("POST", "/v1/refunds", {}),
        encode("POST", "/v1/coupons/{coupon}", {"coupon": "50&off=é:'()*~", "metadata": {"x": "%5Bnot%5D[quoted]"}}),
        encode(
            "GET", "/v1/customers", {"email": "a+b@example.com", "created": {"gte": 5}, "expand": ["data.x", "data.y"]}
        ),
        encode("GET", "/v1/balance", {}),
        encode("DELETE", "/v1/subscriptions/{id}", {"id": "sub_1", "prorate": True}),
    ],
    ids=lambda wire: f"{wire.method} {wire.path[:20]}",
)
async def test_the_bytes_that_leave_are_the_bytes_that_are_stored(recorder: Recorder, wire: WireRequest) -> None:
    async with connected(recorder) as connection:
        await connection.send(wire, idempotency_key="rp_1")
    first, headers, body = recorder.sent()

    assert first == f"{wire.method} {wire.url} HTTP/1.1"
    assert body == wire.body
    assert headers.get("content-type", "") == wire.content_type


async def test_only_our_headers_leave(recorder: Recorder) -> None:
    async with connected(recorder) as connection:
        await connection.send(REFUND, idempotency_key="rp_1", account="acct_2")
        _, headers, _ = recorder.sent()

    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["idempotency-key"] == "rp_1"
    assert headers["stripe-version"] == API_VERSION == "2026-10-28.endive"
    assert headers["stripe-account"] == "acct_2"
    assert set(headers) == {
        *("authorization", "idempotency-key", "stripe-version", "stripe-account", "content-type", "content-length"),
        *("host", "accept", "accept-encoding", "connection", "user-agent", "x-stripe-client-user-agent"),
    }
    assert "telemetry" not in headers["x-stripe-client-user-agent"]


async def test_a_read_has_no_key_and_acts_on_our_own_account(recorder: Recorder) -> None:
    async with connected(recorder) as connection:
        await connection.send(encode("GET", "/v1/balance", {}), idempotency_key=None)
    _, headers, _ = recorder.sent()

    assert not {"idempotency-key", "stripe-account", "stripe-context", "content-type"} & headers.keys()


@pytest.mark.parametrize(
    "name",
    [
        *("api_key", "stripe_account", "stripe_context", "stripe_version", "idempotency_key", "max_network_retries"),
        *("content_type", "headers", "base", "usage", "method_", "url_", "self", "params", "options", "api_mode"),
    ],
)
async def test_an_option_of_the_sdk_as_a_parameter_is_only_a_parameter(recorder: Recorder, name: str) -> None:
    """THREATS row 6: given to the SDK as keywords, these went out as another key and another account."""
    wire = encode("POST", "/v1/refunds", {name: "sk_test_evil_evil_evil", "headers": {"Stripe-Account": "acct_evil"}})
    async with connected(recorder) as connection:
        await connection.send(wire, idempotency_key="rp_1")
    _, headers, body = recorder.sent()

    assert body == wire.body
    assert "evil" not in str(headers)
    assert (headers["authorization"], headers["idempotency-key"]) == (f"Bearer {KEY}", "rp_1")
    assert headers["content-type"] == FORM


async def test_an_empty_post_needs_a_key_too(recorder: Recorder) -> None:
    """Without one the SDK would invent a new key for each attempt, and a repeat would be a second effect."""
    async with connected(recorder) as connection:
        for key in (None, ""):
            with pytest.raises(InternalError) as caught:
                await connection.send(REFUND, idempotency_key=key)
            assert caught.value.code == "internal.key"

    assert recorder.requests == []


@pytest.mark.parametrize(
    "wire",
    [
        WireRequest("POST", "/v1/refunds/../charges", content_type=FORM),
        WireRequest("POST", "//evil.example/v1/refunds", content_type=FORM),
        WireRequest("POST", "@evil.example/v1/refunds", content_type=FORM),
        WireRequest("POST", ".evil.example/v1/refunds", content_type=FORM),
        WireRequest("GET", "/v1/refunds#x"),
        WireRequest("GET", "/v1/refunds x"),
        WireRequest("GET", "/v1/é"),
        WireRequest("GET", "/v1/refunds", body=b"a=b"),
        WireRequest("POST", "/v1/refunds", content_type="application/json"),
        WireRequest("POST", "/v2/refunds", content_type=FORM),
        WireRequest("POST", "/v1/refunds", content_type=JSON),
        WireRequest("POST", "/v2/refunds", body=b"{}"),
        WireRequest("GET", "/v2/refunds", body=b"{}"),
        WireRequest("PUT", "/v1/refunds"),
    ],
    ids=lambda wire: f"{wire.method} {wire.path}",
)
async def test_a_request_that_anything_would_change_on_the_way_is_not_sent(
    recorder: Recorder, wire: WireRequest
) -> None:
    async with connected(recorder) as connection:
        with pytest.raises(InternalError):
            await connection.send(wire, idempotency_key="rp_1")

    assert recorder.requests == []


async def test_sends_at_once_do_not_mix(recorder: Recorder) -> None:
    wires = [encode("POST", "/v1/refunds", {"charge": f"ch_{number}"}) for number in range(20)]
    async with connected(recorder) as connection:
        await asyncio.gather(*(connection.send(wire, idempotency_key=f"rp_{wire.body.decode()}") for wire in wires))
    sent = [recorder.sent(number) for number in range(20)]

    assert sorted(body for _, _, body in sent) == sorted(wire.body for wire in wires)
    assert all(headers["idempotency-key"] == f"rp_{body.decode()}" for _, headers, body in sent)


@pytest.mark.parametrize("status", ["500 Oops", "409 Conflict", "429 Slow down", "302 Found"])
async def test_nothing_is_sent_a_second_time(recorder: Recorder, status: str) -> None:
    recorder.status, recorder.headers = status, "Stripe-Should-Retry: true\r\nLocation: /v1/elsewhere\r\n"
    async with connected(recorder) as connection:
        await connection.send(REFUND, idempotency_key="rp_1")

    assert len(recorder.requests) == 1


async def test_the_environment_redirects_nothing(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with connected(recorder) as connection:
        answer = await connection.send(REFUND, idempotency_key="rp_1")

    assert isinstance(answer, Done)


# ── what comes of it ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_refund_is_done_once_however_often_it_is_sent(connection: StripeConnection, world: Simulator) -> None:
    first = await connection.send(REFUND, idempotency_key="rp_1")
    again = await connection.send(REFUND, idempotency_key="rp_1")

    assert isinstance(first, Done)
    assert isinstance(again, Done)
    assert (first.replayed, again.replayed) == (False, True)
    assert first.body == again.body
    assert first.body["object"] == "refund"
    assert first.request_id is not None


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(FaultKind.DROP_REQUEST), Lost),
        (Fault(FaultKind.DROP_ANSWER), Lost),
        (Fault(FaultKind.RESET), Lost),
        (Fault(FaultKind.RESET, effect=True), Lost),
        (Fault(FaultKind.GARBAGE), Lost),
        (Fault(FaultKind.GARBAGE, body="{}"), Lost),
        (Fault(FaultKind.ERROR_500), Lost),
        (Fault(FaultKind.ERROR_500, effect=True), Lost),
        (Fault(FaultKind.LIMIT_429), Busy),
        (Fault(FaultKind.CONFLICT_409), Busy),
        (Fault(FaultKind.DECLINE_402), Refused),
        (Fault(FaultKind.DELAY, seconds=60), Lost),
    ],
    ids=lambda value: value.kind.value if isinstance(value, Fault) else value.__name__,
)
async def test_each_fault_is_told_apart(
    server: SimulatorServer, world: Simulator, fault: Fault, expected: type
) -> None:
    world.add_fault(fault)
    async with StripeConnection(SIMULATOR_KEY, base=server.base_url, timeout=0.5) as connection:
        answer = await connection.send(REFUND, idempotency_key="rp_1")

    assert isinstance(answer, expected)


async def test_a_remembered_fault_says_that_asking_again_is_no_use(
    connection: StripeConnection, world: Simulator
) -> None:
    world.add_fault(Fault(FaultKind.ERROR_500))
    first = await connection.send(REFUND, idempotency_key="rp_1")
    again = await connection.send(REFUND, idempotency_key="rp_1")

    assert isinstance(first, Lost)
    assert isinstance(again, Lost)
    assert (first.replayed, again.replayed, again.status) == (False, True, 500)


async def test_the_same_key_with_other_parameters_is_refused(connection: StripeConnection) -> None:
    await connection.send(REFUND, idempotency_key="rp_1")
    other = encode("POST", "/v1/refunds", {"charge": SEED.charge_900, "amount": 5})
    answer = await connection.send(other, idempotency_key="rp_1")

    assert isinstance(answer, Refused)
    assert answer.error_type == "idempotency_error"
    assert answer.of_the_key


async def test_stripes_no_comes_with_its_code(connection: StripeConnection) -> None:
    wire = encode("POST", "/v1/refunds", {"charge": SEED.charge_refunded})
    answer = await connection.send(wire, idempotency_key="rp_1")

    assert isinstance(answer, Refused)
    assert answer.failure.code == "stripe.charge_already_refunded"
    assert (answer.failure.stripe_request_id or "").startswith("req_")


async def test_a_connection_that_was_never_made_proves_that_nothing_was_sent(recorder: Recorder) -> None:
    async with connected(recorder) as connection:
        await connection.send(REFUND, idempotency_key="rp_1")
        refused = recorder.base_url
    async with StripeConnection(KEY, base=refused.rsplit(":", 1)[0] + ":1") as nobody:
        answer = await nobody.send(REFUND, idempotency_key="rp_1")

    assert answer == NotSent("No connection to Stripe could be made.")


async def test_what_is_too_late_once_the_connection_is_there_does_not_leave(recorder: Recorder) -> None:
    """A laptop that falls asleep while it connects goes on connecting on Monday: THREATS 18."""
    async with connected(recorder) as connection:
        late = await connection.send(REFUND, idempotency_key="rp_1", in_time=lambda: False)
        after = await connection.send(REFUND, idempotency_key="rp_1", in_time=lambda: True)

    assert late == NotSent("It was too late to send it when the connection was there.", late=True)
    assert isinstance(after, Done)
    assert len(recorder.requests) == 1


async def test_a_remembered_no_is_told_from_one_of_now(connection: StripeConnection, world: Simulator) -> None:
    """What Stripe remembers under our key is what became of every send with it."""
    world.add_fault(Fault(FaultKind.DECLINE_402))
    first = await connection.send(REFUND, idempotency_key="rp_1")
    again = await connection.send(REFUND, idempotency_key="rp_1")

    assert isinstance(first, Refused)
    assert isinstance(again, Refused)
    assert (first.replayed, again.replayed) == (False, True)


async def test_a_server_that_says_nothing_is_given_up_on() -> None:
    async with never_answering() as base, StripeConnection(KEY, base=base, timeout=0.2) as connection:
        answer = await connection.send(REFUND, idempotency_key="rp_1")

    assert answer == Lost("Stripe did not answer in time.")


async def test_an_answer_that_never_ends_is_given_up_on(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runplane_mcp.stripe_api.transport.LARGEST_ANSWER", 1_000)
    recorder.body = b'{"object": "refund", "x": "' + b"y" * 2_000 + b'"}'
    async with connected(recorder) as connection:
        answer = await connection.send(REFUND, idempotency_key="rp_1")

    assert isinstance(answer, Lost)


async def test_a_dripping_answer_is_given_up_on() -> None:
    """Each byte comes in time, all of them never do."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
    dripping = never_answering(head, b" ", every=0.02)
    async with dripping as base, StripeConnection(KEY, base=base, timeout=0.3) as connection:
        answer = await connection.send(REFUND, idempotency_key="rp_1")

    assert answer == Lost("Stripe did not answer in time.")


# ── whose key it is ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_identity_is_asked_of_stripe(connection: StripeConnection, world: Simulator) -> None:
    identity = await connection.identity()

    assert identity == StripeIdentity(f"simulator:{world.world_id}", SEED.account, livemode=False)
    assert identity.simulator
    assert (await connection.identity(account=SEED.connected_account_new)).account == SEED.connected_account_new


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        ("401 No", refusing("Invalid API Key: sk_test_51AbCdEfGhIjKl"), "stripe.key_rejected"),
        ("403 No", refusing("rk_test_51AbCdEfGhIjKl may not"), "stripe.key_forbidden"),
        ("429 Slow", b"", "stripe.unreachable"),
        ("503 Down", b"", "stripe.unreachable"),
        ("200 OK", b"<html>", "stripe.bad_answer"),
        ("302 Found", b"", "stripe.bad_answer"),
        ("200 OK", b'{"object": "account"}', "stripe.bad_answer"),
        ("200 OK", b'{"object": "account", "id": "acct_1", "livemode": "false"}', "stripe.bad_answer"),
        ("200 OK", b'{"object": "account", "id": "acct_1", "livemode": true}', "stripe.mode"),
    ],
)
async def test_a_key_that_is_not_usable_is_said_with_what_to_do(
    recorder: Recorder, status: str, body: bytes, code: str
) -> None:
    """THREATS rows 21 and 23."""
    recorder.status, recorder.body = status, body
    async with connected(recorder) as connection:
        with pytest.raises(StripeError) as caught:
            await connection.identity()

    assert caught.value.code == code
    assert caught.value.next_step
    assert "51AbCd" not in str(caught.value)


async def test_a_stripe_that_can_not_be_reached_is_said() -> None:
    async with StripeConnection(KEY, base="http://127.0.0.1:1") as nobody:
        with pytest.raises(StripeError) as caught:
            await nobody.identity()

    assert caught.value.code == "stripe.unreachable"


# ── secrets and start ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_no_log_of_any_level_holds_a_key_an_address_or_a_body(
    connection: StripeConnection, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """THREATS row 23."""
    await connection.prepare()
    with caplog.at_level(logging.DEBUG):
        await connection.send(REFUND, idempotency_key="rp_1")
        await connection.send(encode("GET", "/v1/customers", {"email": "ada@example.com"}), idempotency_key=None)
        await connection.send(encode("GET", "/v1/charges/{charge}", {"charge": "ch_none"}), idempotency_key=None)
    printed = "".join(capfd.readouterr()) + caplog.text

    for secret in ("simulator", "ada", "rp_1", SEED.payment_intent_40, "/v1/"):
        assert secret not in printed


def test_the_sdks_own_switch_for_printing_is_off(tmp_path: Path) -> None:
    """`STRIPE_LOG=debug` makes the SDK print requests and answers to stderr, past every logger; its telemetry writes a
    file below the home folder."""
    program = f"""
import asyncio
from runplane_mcp.core.wire import encode
from runplane_mcp.simulator import SIMULATOR_KEY, Simulator, SimulatorServer
from runplane_mcp.stripe_api.client import Done, StripeConnection
from pathlib import Path

async def main():
    async with StripeConnection(SIMULATOR_KEY, base=server.base_url) as connection:
        answer = await connection.send(encode("GET", "/v1/customers/cus_ada", {{}}), idempotency_key=None)
        assert isinstance(answer, Done)

with SimulatorServer(Simulator(Path({str(tmp_path / "world")!r}))) as server:
    asyncio.run(main())
"""
    environment = os.environ | {"STRIPE_LOG": "debug", "HOME": str(tmp_path / "home"), "PYTHONPATH": str(Path.cwd())}
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=30)

    assert ran.returncode == 0, ran.stderr
    assert "cus_ada" not in ran.stdout + ran.stderr
    assert not (tmp_path / "home").exists()


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    """An MCP client waits for the server to start; Stripe's SDK takes a third of a second."""
    program = (
        "import sys; import runplane_mcp.stripe_api.client, runplane_mcp.stripe_api.resolve,"
        " runplane_mcp.stripe_api.reconcile; print('stripe' in sys.modules, 'httpx2' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert ran.stdout == "False False\n"
