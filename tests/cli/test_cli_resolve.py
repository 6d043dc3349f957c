"""`runplane requests resolve`: what became of a request that nobody knows about, on an administrator's word."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import anyio
import pexpect
import pytest

from runplane_mcp.app import open_gate
from runplane_mcp.core.marks import Seen
from runplane_mcp.core.request import State
from runplane_mcp.gate.clock import SystemClock
from runplane_mcp.gate.sightings import note
from runplane_mcp.settings import Settings
from runplane_mcp.simulator import SEED, Fault, FaultKind, Simulator
from runplane_mcp.store.base import Transaction
from runplane_mcp.stripe_api.evidence import Absent
from tests.cli.conftest import CHECKOUT, DANA, DANAS, Ask, Run, refund
from tests.cli.doctoring import write

SECRET = f"{DANAS}\n"
DAYS_AGO = 3 * 24 * 3600 * 1000
WORDS = ("--note", "No refund of ch_cleo_120 in Stripe.", "--as", DANA, "--secret-stdin")


@dataclass(frozen=True, slots=True)
class Earlier:
    """The clock of another machine's boot, some time ago."""

    by: int

    def wall(self) -> int:
        return SystemClock().wall() - self.by

    def policy(self) -> int:
        return self.wall()

    def boot(self) -> tuple[str, int]:
        return "an earlier boot", 1

    @property
    def simulated(self) -> bool:
        return False


def unknown(settings: Settings, ago: int) -> str:
    """The reference of a refund whose outcome became unknown some milliseconds ago."""

    async def work() -> str:
        async with open_gate(settings, simulator=True, clock=Earlier(ago)) as gate:
            world = Simulator(settings.simulator_file)
            world.add_fault(Fault(FaultKind.ERROR_500, method="POST", path_prefix="/v1/refunds", remembered=True))
            world.close()
            view = await gate.submit(refund(SEED.payment_intent_40))
            assert view.status is State.OUTCOME_UNKNOWN
            return view.reference

    return anyio.run(work)


def test_a_failure_of_days_ago_is_written_down_with_its_evidence(home: Path, settings: Settings, run: Run) -> None:
    reference = unknown(settings, DAYS_AGO)
    done = run("requests", "resolve", reference, "--outcome", "failed", *WORDS, "--json", stdin=SECRET)
    life = run("requests", "show", reference, "--json").json
    told = run("requests", "show", reference)

    assert done.code == 0
    assert (done.json["reference"], done.json["status"], done.json["by"]) == (reference, "failed", DANA)
    assert life["status"] == "failed"
    assert life["request"]["error"]["code"] == "request.not_done"
    assert life["resolution"]["by"] == DANA
    assert life["resolution"]["evidence"] == WORDS[1]
    assert f"{DANA} said on" in told.out
    assert run("audit", "verify", "--json").json["ok"]
    again = run("requests", "resolve", reference, "--outcome", "failed", *WORDS, "--json", stdin=SECRET)
    assert (again.code, again.error) == (1, "request.not_unknown")


def test_what_was_seen_at_stripe_is_shown_to_whoever_has_to_say(home: Path, settings: Settings, run: Run) -> None:
    """It proves nothing; and once somebody has said what became of it, it is no question any more."""
    reference = unknown(settings, DAYS_AGO)

    def see(tx: Transaction) -> None:
        request = tx.request_by_reference(reference)
        assert request is not None
        note(
            tx,
            request,
            Absent(Seen("payment_intent", "pi_cleo_120", "canceled", marked=False)),
            at=SystemClock().wall(),
        )

    before = run("requests", "show", reference, "--json").json
    write(home, see)
    shown, page = run("requests", "show", reference), run("why", reference)
    seen = run("requests", "show", reference, "--json").json["execution"]["seen"]
    run("requests", "resolve", reference, "--outcome", "failed", *WORDS, stdin=SECRET)
    after = run("requests", "show", reference, "--json").json

    for told in (shown, page):
        assert "At Stripe payment intent pi_cleo_120, canceled. That proves nothing" in " ".join(told.out.split())
    assert seen == {"object": "payment_intent", "id": "pi_cleo_120", "status": "canceled", "marked": False}
    assert (before["execution"]["seen"], after["execution"]["seen"], after["status"]) == (None, None, "failed")


def test_of_today_only_a_success_is_taken(home: Path, settings: Settings, run: Run) -> None:
    reference = unknown(settings, 60_000)
    early = run("requests", "resolve", reference, "--outcome", "failed", *WORDS, "--json", stdin=SECRET)
    done = run("requests", "resolve", reference, "--outcome", "succeeded", "--object", "re_3Q1", *WORDS, stdin=SECRET)

    assert (early.code, early.error) == (1, "request.too_early")
    assert "Look again after" in early.json["error"]["next_step"]
    assert f"{reference} has succeeded, as {DANA} says." in done.out
    assert run("requests", "show", reference, "--json").json["resolution"]["object_id"] == "re_3Q1"


@pytest.mark.parametrize(
    ("options", "stdin", "code", "exit_code"),
    [
        (["--outcome", "failed", "--as", DANA], SECRET, "usage.outcome_missing", 2),
        (["--note", "seen", "--as", DANA], SECRET, "usage.outcome_missing", 2),
        (["--outcome", "failed", "--note", "seen"], SECRET, "usage.admin_missing", 2),
        (["--outcome", "perhaps", "--note", "seen", "--as", DANA], SECRET, "usage.invalid", 2),
        (["--outcome", "failed", "--note", "", "--as", DANA], SECRET, "request.evidence", 1),
        (["--outcome", "failed", "--note", "seen", "--as", DANA, "--object", "../re"], SECRET, "request.object", 1),
        (["--outcome", "failed", "--note", "seen", "--as", "eve"], SECRET, "request.not_unknown", 1),
        (["--outcome", "failed", "--note", "seen", "--as", DANA], "", "person.secret_missing", 1),
    ],
)
def test_what_cannot_be_is_refused_with_its_code(
    options: list[str], stdin: str, code: str, exit_code: int, ask: Ask, run: Run
) -> None:
    (held,) = ask(refund())
    refused = run("requests", "resolve", held.reference, *options, "--secret-stdin", "--json", stdin=stdin)

    assert (refused.code, refused.error) == (exit_code, code)
    assert run("requests", "show", held.reference, "--json").json["status"] == "waiting"


def test_an_unknown_request_and_a_wrong_secret_are_said(home: Path, settings: Settings, run: Run) -> None:
    reference = unknown(settings, DAYS_AGO)
    nobody = run("requests", "resolve", "RP-NONE", "--outcome", "failed", *WORDS, "--json", stdin=SECRET)
    wrong = run("requests", "resolve", reference, "--outcome", "failed", *WORDS, "--json", stdin="guess it\n")

    assert nobody.error == "request.not_found"
    assert wrong.error == "person.secret"
    assert run("requests", "show", reference, "--json").json["status"] == "outcome_unknown"


def test_on_a_terminal_the_person_sees_the_request_and_is_asked(home: Path, settings: Settings, run: Run) -> None:
    reference = unknown(settings, DAYS_AGO)
    child = pexpect.spawn(
        sys.executable,
        ["-m", "runplane_mcp", "requests", "resolve", reference],
        cwd=str(CHECKOUT),
        env={**os.environ, "TERM": "xterm"},
        encoding="utf-8",
        dimensions=(60, 160),
        timeout=20,
    )
    child.expect("What became of it")
    shown = child.before or ""
    child.sendline("failed")
    child.expect("What shows it")
    child.sendline("Looked in the Dashboard on Friday.")
    child.expect("for good that it failed")
    child.sendline("y")
    child.expect("Your name")
    child.sendline(DANA)
    child.expect("Secret of dana: ")
    child.sendline(DANAS)
    child.expect("That is final")
    child.expect(pexpect.EOF)
    child.close()

    assert child.exitstatus == 0
    assert "outcome_unknown" in shown
    assert run("requests", "show", reference, "--json").json["status"] == "failed"
