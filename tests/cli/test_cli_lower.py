"""`runplane lower`: amounts are typed with their currency, echoed in both readings, and the smaller request waits anew."""

from __future__ import annotations

import asyncio
import os
import sys

import pexpect
import pytest

from runplane_mcp.core.request import FINAL, State
from runplane_mcp.gate.view import Submission
from tests.cli.conftest import CHECKOUT, DANA, DANAS, Ask, OpenGate, Run, balance, cancellation, refund

SECRET = f"{DANAS}\n"


def lower_card(run: Run, *to: str) -> tuple[str, ...]:
    """The arguments that lower the newest card as a script does."""
    digest = run("approvals", "show", "--json").json["digest"]
    return ("lower", *to, "--digest", digest, "--as", DANA, "--secret-stdin")


def test_a_script_lowers_the_digest_it_saw_and_gets_the_new_id(ask: Ask, run: Run) -> None:
    (held,) = ask(refund())
    done = run(*lower_card(run, held.reference, "--amount", "$650"), "--note", "No shipping.", "--json", stdin=SECRET)

    assert done.code == 0
    assert done.json["replaces"] == held.request_id
    assert done.json["request_id"].startswith("rpr_")
    assert done.json["request_id"] != held.request_id
    assert (done.json["amount"], done.json["currency"]) == (65_000, "usd")
    assert (done.json["status"], done.json["gates_running"]) == ("received", False)
    assert (done.json["one_person"], done.json["others"]) == (True, [])
    old = run("requests", "show", held.reference, "--json").json
    assert old["status"] == "replaced"
    assert old["request"]["replaced_by"] == done.json["request_id"]
    assert old["request"]["message_to_agent"] == "No shipping."
    assert "It was replaced by" in run("requests", "show", held.reference).out
    ask(balance())  # a gate that lives again looks the smaller one up
    (card,) = run("approvals", "list", "--json").json
    assert (card["request_id"], card["amount"], card["replaces"]) == (
        done.json["request_id"],
        65_000,
        held.request_id,
    )
    assert run("audit", "verify", "--json").json["ok"]


def test_the_echo_has_both_readings(ask: Ask, run: Run) -> None:
    ask(refund())
    done = run(*lower_card(run, "--amount", "650 usd"), stdin=SECRET)

    assert "Lowered from $900.00 USD (90000) to $650.00 USD (65000)." in done.out
    assert "One-person mode" in done.out
    assert "when `runplane mcp` next runs" in done.out


def test_a_cancellation_is_put_off(ask: Ask, run: Run) -> None:
    ask(cancellation())
    done = run(*lower_card(run, "--at-period-end"), "--json", stdin=SECRET)
    ask(balance())
    card = run("approvals", "show", "--json").json

    assert (done.json["amount"], done.json["currency"]) == (None, None)
    assert card["request_id"] == done.json["request_id"]
    assert "at the end of its period" in card["headline"]


@pytest.mark.parametrize(
    ("options", "stdin", "code", "exit_code"),
    [
        (["--amount", "650"], SECRET, "parameter.amount", 2),
        (["--amount", "65000"], SECRET, "parameter.amount", 2),
        (["--amount", "6.50"], SECRET, "parameter.amount", 2),
        (["--amount", "lots"], SECRET, "parameter.amount", 2),
        (["--amount", "$900"], SECRET, "approval.not_lower", 1),
        (["--amount", "$0"], SECRET, "approval.not_lower", 1),
        (["--amount", "€650"], SECRET, "approval.currency", 1),
        (["--at-period-end"], SECRET, "approval.not_lowerable", 1),
        ([], SECRET, "usage.lower_to", 2),
        (["--amount", "$650", "--at-period-end"], SECRET, "usage.lower_to", 2),
        (["--amount", "$650"], "a wrong secret\n", "person.secret", 1),
        (["--amount", "$650"], "", "person.secret_missing", 1),
        (["--amount", "$650", "--digest", "ab" * 32], SECRET, "approval.changed", 1),
        (["--amount", "$650", "--as", "eve"], SECRET, "person.unknown", 1),
        (["--amount", "$650", "--note", "x" * 600], SECRET, "approval.note", 1),
    ],
)
def test_what_is_not_less_or_not_proven_is_refused_and_the_request_still_waits(
    options: list[str], stdin: str, code: str, exit_code: int, ask: Ask, run: Run
) -> None:
    ask(refund())
    refused = run(*lower_card(run), *options, "--json", stdin=stdin)

    assert (refused.code, refused.error) == (exit_code, code)
    assert run("approvals", "show", "--json").json["status"] == "waiting"


def test_a_bare_number_is_refused_with_both_readings_in_the_requests_own_currency(ask: Ask, run: Run) -> None:
    ask(Submission("stdio", "support-bot", "mcp", "PostPayouts", {"amount": 4_000, "currency": "eur"}))
    refused = run(*lower_card(run, "--amount", "25"), stdin=SECRET)

    assert "could be €25 or €0.25" in refused.err


def test_without_a_terminal_it_must_say_what_was_seen_and_who(ask: Ask, run: Run) -> None:
    ask(refund())

    assert run("lower", "--amount", "$650", "--as", DANA, "--json").error == "usage.digest_missing"
    assert run("lower", "--amount", "$650", "--digest", "ab", "--json").error == "usage.voter_missing"


def test_nothing_but_what_waits_is_lowered(ask: Ask, run: Run) -> None:
    (held,) = ask(refund())
    arguments = lower_card(run, held.reference, "--amount", "$650")
    run(*arguments, stdin=SECRET)
    again = run(*arguments, "--json", stdin=SECRET)

    assert again.error == "approval.not_waiting"
    assert "replaced" in again.json["error"]["message"]


async def test_the_agent_sees_replaced_and_the_new_request_runs_once_approved(gate: OpenGate, process: Run) -> None:
    """Real processes: one lowers, another approves, and the gate between them looks it up and runs it."""
    async with gate() as living:
        held = await living.submit(refund())
        digest = (await asyncio.to_thread(process, "approvals", "show", "--json")).json["digest"]
        arguments = ("lower", held.reference, "--amount", "$650", "--digest", digest, "--as", DANA, "--secret-stdin")
        done = await asyncio.to_thread(process, *arguments, "--json", stdin=SECRET)
        old = await living.wait("stdio", held.request_id, 10)
        new = await living.get("stdio", done.json["request_id"])
        async with asyncio.timeout(20):
            while new.status is State.RECEIVED:
                new = await living.wait("stdio", new.request_id, 5)
        (card,) = (await asyncio.to_thread(process, "approvals", "list", "--json")).json
        vote = ("approve", new.reference, "--digest", card["digest"], "--as", DANA, "--secret-stdin", "--json")
        voted = await asyncio.to_thread(process, *vote, stdin=SECRET)
        async with asyncio.timeout(20):
            while new.status not in FINAL:
                new = await living.wait("stdio", new.request_id, 5)

    assert done.json["gates_running"] is True
    assert (old.status, old.replaced_by) == (State.REPLACED, done.json["request_id"])
    assert voted.json["status"] == "approved"
    assert new.status is State.SUCCEEDED
    assert new.result is not None
    assert new.result["amount"] == 65_000


def test_on_a_terminal_the_person_sees_the_card_and_both_amounts(ask: Ask, run: Run) -> None:
    (held,) = ask(refund())
    child = pexpect.spawn(
        sys.executable,
        ["-m", "runplane_mcp", "lower"],
        cwd=str(CHECKOUT),
        env={**os.environ, "TERM": "xterm"},
        encoding="utf-8",
        dimensions=(60, 120),
        timeout=20,
    )
    child.expect("Lower it to")
    card = child.before or ""
    child.sendline("$650")
    child.expect(r"Lower \$900\.00 USD \(90000\) to \$650\.00 USD \(65000\)\?")
    child.sendline("y")
    child.expect("Your name")
    child.sendline(DANA)
    child.expect("Secret of dana: ")
    child.sendline(DANAS)
    child.expect("takes the place of")
    child.expect(pexpect.EOF)
    child.close()

    assert child.exitstatus == 0
    assert "Refund $900.00 USD" in card
    assert run("requests", "show", held.reference, "--json").json["status"] == "replaced"


def test_on_a_terminal_no_is_the_default(ask: Ask, run: Run) -> None:
    ask(refund())
    child = pexpect.spawn(
        sys.executable,
        ["-m", "runplane_mcp", "lower", "--amount", "$650", "--as", DANA],
        cwd=str(CHECKOUT),
        encoding="utf-8",
        dimensions=(60, 120),
        timeout=20,
    )
    child.expect("Lower .*to")
    child.sendline("")
    child.expect("still waits")
    child.expect(pexpect.EOF)
    child.close()

    assert child.exitstatus == 1
    assert run("approvals", "show", "--json").json["status"] == "waiting"
