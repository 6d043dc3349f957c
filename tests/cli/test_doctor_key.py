"""`runplane doctor` and the Stripe key: what it may read is asked, and the key itself is never shown."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from runplane_mcp.cli.doctor.account import EVENTS, LINES, READS
from runplane_mcp.core.request import State
from runplane_mcp.simulator import Simulator
from runplane_mcp.simulator.faults import Fault, FaultKind
from runplane_mcp.store.base import Transaction
from tests.cli.conftest import Ask, Run, refund
from tests.cli.doctoring import levels, lines, write
from tests.store.things import brought_to

KEY = "rk_test_51AbCdEfGhIjKlMn"


@contextmanager
def stand_in(refused: frozenset[str]) -> Iterator[str]:
    """A Stripe that knows one restricted key, which may not read what is in `refused`. Its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            status, body = 200, self._body(path)
            if self.headers["Authorization"] != f"Bearer {KEY}":
                status, body = 401, {"error": {"type": "invalid_request_error", "message": "Invalid API Key provided"}}
            elif path in refused:
                status, body = 403, {"error": {"type": "invalid_request_error", "message": "The key lacks permission"}}
            sent = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def _body(self, path: str) -> dict[str, Any]:
            if path == "/v1/account":
                return {"id": "acct_1Real", "object": "account"}
            if path == "/v1/balance":
                return {"object": "balance", "livemode": False, "available": [], "pending": []}
            return {"object": "list", "url": path, "has_more": False, "data": []}

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def with_key(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Sets a key and an address for Stripe; real money keeps real time."""

    def use(key: str, base: str) -> None:
        monkeypatch.delenv("RUNPLANE_SIMULATOR_NOW")
        monkeypatch.setenv("STRIPE_API_KEY", key)
        monkeypatch.setenv("RUNPLANE_STRIPE_API_BASE", base)

    return use


def test_what_a_restricted_key_may_not_read_is_said_events_loudest(
    with_key: Callable[[str, str], None], run: Run
) -> None:
    with stand_in(frozenset({"/v1/events", "/v1/payouts", "/v1/balance_transactions"})) as base:
        with_key(KEY, base)
        looked = run("doctor", "--json")
    found: dict[str, str] = {}
    for level, said, advice in lines(looked, "permissions"):
        found[level] = f"{found.get(level, '')} {said} {advice}"

    assert looked.code == 1
    assert lines(looked, "key") == [("ok", "a restricted key, test mode, no real money", None)]
    assert "acct_1Real" in lines(looked, "account")[0][1]
    assert "payouts" in found["warn"]
    assert "balance transactions: without, nobody sees what goes around Runplane" in found["warn"]
    assert "events" in found["problem"]
    assert (
        "only by what carries the request's own mark and the key may read (charges, payment intents, refunds, customers,"
        " subscriptions, transfers, credit notes, and whatever else takes metadata)" in found["problem"]
    )
    assert "payouts" not in found["ok"]
    assert KEY not in looked.out + looked.err


def test_without_events_and_lists_no_lost_answer_is_proven(with_key: Callable[[str, str], None], run: Run) -> None:
    with stand_in(frozenset({EVENTS, *(path for _, path in (*READS, *LINES))})) as base:
        with_key(KEY, base)
        looked = run("doctor", "--json")
    problems = [said for level, said, _ in lines(looked, "permissions") if level == "problem"]

    assert len(problems) == 1
    assert "Without them none is proven" in problems[0]


def test_a_key_that_may_read_all_is_ok(with_key: Callable[[str, str], None], run: Run) -> None:
    with stand_in(frozenset()) as base:
        with_key(KEY, base)
        looked = run("doctor", "--json")

    assert (looked.code, levels(looked, "permissions")) == (0, ["ok", "ok"])


@pytest.mark.parametrize("key", ["rk_test_wrongwrongwrong", "sk_test_wrongwrongwrong"])
def test_a_wrong_key_is_a_line(key: str, with_key: Callable[[str, str], None], run: Run) -> None:
    with stand_in(frozenset()) as base:
        with_key(key, base)
        looked = run("doctor", "--json")

    assert looked.code == 1
    assert lines(looked, "account")[0][:2] == ("problem", "Stripe does not accept the key.")
    assert levels(looked, "key") == ["ok" if key.startswith("rk") else "warn"]
    assert key not in looked.out + looked.err


@pytest.mark.parametrize("key", ["pk_test_51AbCdEfGhIjKlMn", "nonsense\x1b[2J", "rk_runplane_0123456789"])
def test_what_is_no_key_is_a_line_that_does_not_show_it(
    key: str, with_key: Callable[[str, str], None], run: Run
) -> None:
    with_key(key, "")
    looked = run("doctor", "--json")

    assert (looked.code, levels(looked, "key")) == (1, ["problem"])
    assert key not in looked.out + looked.err


def test_without_a_network_it_is_a_line(with_key: Callable[[str, str], None], run: Run) -> None:
    with stand_in(frozenset()) as base:
        pass  # nobody listens there any more
    with_key(KEY, base)
    looked = run("doctor", "--json")
    offline = run("doctor", "--offline", "--json")

    assert (looked.code, levels(looked, "account")) == (1, ["problem"])
    assert (offline.code, levels(offline, "account")) == (0, [])


def test_a_live_key_in_trial_mode_is_a_problem_unless_it_is_meant(
    with_key: Callable[[str, str], None], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_key("rk_live_" + "a" * 24, "")
    refused = run("doctor", "--json")
    monkeypatch.setenv("RUNPLANE_ALLOW_LIVE_IN_TRIAL", "yes")
    meant = run("doctor", "--offline", "--json")

    assert refused.code == 1
    assert "live key in trial mode" in lines(refused, "account")[0][1]
    assert "LIVE, real money" in lines(refused, "key")[0][1]
    assert levels(meant, "key") == ["ok", "warn"]
    assert "a" * 24 not in refused.out + meant.out


def test_the_simulator_is_asked_as_stripe_is(ask: Ask, home: Path, run: Run) -> None:
    ask(refund())
    world = Simulator(home / "simulator.db")
    world.add_fault(Fault(FaultKind.LIMIT_429, path_prefix="/v1/events"))
    world.close()
    looked = run("doctor", "--json")

    assert looked.code == 1
    assert [level for level, said, _ in lines(looked, "permissions") if "events" in said] == ["problem"]


def test_a_home_that_lost_its_key_is_a_problem(home: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, lambda tx: tx.set_meta("target", "stripe"))
    monkeypatch.delenv("RUNPLANE_SIMULATOR_NOW")
    looked = run("doctor", "--json")

    assert (looked.code, levels(looked, "key")) == (1, ["problem"])
    assert levels(looked, "account") == []


def test_another_accounts_key_is_said(with_key: Callable[[str, str], None], home: Path, run: Run) -> None:
    """THREATS 21."""
    with stand_in(frozenset()) as base:

        def work(tx: Transaction) -> None:
            tx.set_meta("target", base)
            brought_to(tx, State.FAILED)

        write(home, work)
        with_key(KEY, base)
        looked = run("doctor", "--json")

    assert levels(looked, "account") == ["ok", "warn"]
