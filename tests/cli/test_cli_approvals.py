"""`runplane approve deny approvals`: people see a card and answer exactly that card."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pexpect
import pytest

from runplane_mcp.core.request import FINAL, State
from runplane_mcp.simulator import SEED
from tests.cli.conftest import CHECKOUT, DANA, DANAS, Ask, OpenGate, Run, refund

SECRET = f"{DANAS}\n"


def test_the_list_has_the_fields_of_the_contract(ask: Ask, run: Run) -> None:
    (held,) = ask(refund(words="The parcel never arrived."))
    (card,) = run("approvals", "list", "--json").json

    assert card["request_id"] == held.request_id
    assert card["reference"] == held.reference
    assert card["action"] == "refund.create"
    assert (card["amount"], card["currency"]) == (90_000, "usd")
    assert card["agent"] == "support-bot"
    assert card["risk"] in {"low", "medium", "high", "critical"}
    assert re.fullmatch("[0-9a-f]{64}", card["digest"])
    assert card["expires_at"] == "2026-03-04T19:00:00Z"
    assert card["simulator"] is True


def test_people_read_a_list_and_a_card(ask: Ask, run: Run) -> None:
    (held,) = ask(refund(words="The parcel never arrived."))
    listed, shown = run("approvals", "list"), run("approvals", "show")

    assert held.reference in listed.out
    assert "$900.00 USD" in listed.out
    assert "Refund $900.00 USD" in shown.out
    assert "One-person mode" in shown.out
    assert "The parcel never arrived." in shown.out
    assert "\x1b" not in listed.out + shown.out


def test_a_card_is_named_by_reference_in_any_case_by_id_or_not_at_all(ask: Ask, run: Run) -> None:
    first, second = ask(refund(), refund(SEED.payment_intent_hostile))

    assert run("approvals", "show", first.reference.lower(), "--json").json["request_id"] == first.request_id
    assert run("approvals", "show", first.request_id, "--json").json["request_id"] == first.request_id
    assert run("approvals", "show", "--json").json["request_id"] == second.request_id


def test_nothing_waiting_is_said(home: Path, run: Run) -> None:
    assert run("approvals", "list", "--json").json == []
    assert "Nothing waits" in run("approvals", "list").out
    assert run("approvals", "show", "--json").error == "request.not_found"
    assert run("approvals", "show", "RP-NONE", "--json").error == "request.not_found"


def test_a_script_approves_the_digest_it_saw(ask: Ask, run: Run) -> None:
    (held,) = ask(refund())
    digest = run("approvals", "list", "--json").json[0]["digest"]
    done = run("approve", held.reference, "--digest", digest, "--as", DANA, "--secret-stdin", "--json", stdin=SECRET)

    assert done.code == 0
    assert {name: done.json[name] for name in ("request_id", "status", "votes", "needed")} == {
        "request_id": held.request_id,
        "status": "approved",
        "votes": 1,
        "needed": 0,
    }
    assert done.json["gates_running"] is False


def test_without_a_gate_it_says_when_the_request_will_run(ask: Ask, run: Run) -> None:
    (held,) = ask(refund())
    digest = run("approvals", "show", "--json").json["digest"]
    done = run("approve", held.reference, "--digest", digest, "--as", DANA, "--secret-stdin", stdin=SECRET)

    assert "runs when `runplane mcp` next runs" in done.out
    assert "4 Mar 2026" in done.out


@pytest.mark.parametrize(
    ("options", "stdin", "code", "exit_code"),
    [
        (["--as", DANA], SECRET, "usage.digest_missing", 2),
        (["--digest", "ab" * 32], SECRET, "usage.voter_missing", 2),
        (["--as", DANA, "--digest", "ab" * 32], SECRET, "approval.changed", 1),
        (["--as", DANA, "--digest", "RIGHT"], "a wrong secret\n", "person.secret", 1),
        (["--as", DANA, "--digest", "RIGHT"], "", "person.secret_missing", 1),
        (["--as", "eve", "--digest", "RIGHT"], SECRET, "person.unknown", 1),
        (["--as", DANA, "--digest", "RIGHT", "--note", "x" * 600], SECRET, "approval.note", 1),
    ],
)
def test_what_cannot_count_is_refused_and_the_request_still_waits(
    options: list[str], stdin: str, code: str, exit_code: int, ask: Ask, run: Run
) -> None:
    """THREATS 9: a vote names what was seen and proves whose it is."""
    ask(refund())
    (card,) = run("approvals", "list", "--json").json
    given = [card["digest"] if each == "RIGHT" else each for each in options]
    refused = run("approve", card["reference"], *given, "--secret-stdin", "--json", stdin=stdin)

    assert (refused.code, refused.error) == (exit_code, code)
    assert run("approvals", "show", "--json").json["status"] == "waiting"


def test_who_is_not_asked_cannot_answer(ask: Ask, run: Run) -> None:
    ask(refund())
    run("people", "add", "li", "--group", "leads", "--as", DANA, "--secret-stdin", stdin=f"{DANAS}\nlis own secret\n")
    digest = run("approvals", "show", "--json").json["digest"]
    refused = run("approve", "--digest", digest, "--as", "li", "--secret-stdin", "--json", stdin="lis own secret\n")

    assert (refused.code, refused.error) == (1, "approval.not_eligible")


def test_an_answer_is_given_once(ask: Ask, run: Run) -> None:
    (held,) = ask(refund())
    digest = run("approvals", "show", "--json").json["digest"]
    vote = [held.reference, "--digest", digest, "--as", DANA, "--secret-stdin", "--json"]
    run("deny", *vote, stdin=SECRET)

    assert run("approve", *vote, stdin=SECRET).error == "approval.not_waiting"
    assert run("approvals", "list", "--json").json == []


def test_an_approval_that_came_too_late_is_refused(ask: Ask, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """THREATS 12: expiry counts although no gate was running."""
    (held,) = ask(refund())
    digest = run("approvals", "show", "--json").json["digest"]
    monkeypatch.setenv("RUNPLANE_SIMULATOR_NOW", "2026-03-05T09:00")
    vote = (held.reference, "--digest", digest, "--as", DANA, "--secret-stdin", "--json")

    assert run("approvals", "list", "--json").json == []
    assert run("approve", *vote, stdin=SECRET).error == "approval.expired"
    assert run("requests", "show", held.reference, "--json").json["status"] == "expired"


async def test_a_denial_reaches_the_agent_with_its_note(gate: OpenGate, run: Run) -> None:
    async with gate() as living:
        held = await living.submit(refund())
        card = (await asyncio.to_thread(run, "approvals", "show", "--json")).json
        vote = ("deny", held.reference, "--digest", card["digest"], "--as", DANA, "--note", "Ask for $450.")
        denied = await asyncio.to_thread(run, *vote, "--secret-stdin", "--json", stdin=SECRET)
        told = await living.wait("stdio", held.request_id, 10)

    assert (denied.code, denied.json["status"]) == (0, "denied")
    assert told.status is State.DENIED
    assert told.tell_agent == "Ask for $450."


async def test_a_second_process_approves_what_a_first_ones_agent_waits_for(gate: OpenGate, process: Run) -> None:
    async with gate() as living:
        held = await living.submit(refund())
        card = (await asyncio.to_thread(process, "approvals", "show", "--json")).json
        vote = ("approve", held.reference, "--digest", card["digest"], "--as", DANA, "--secret-stdin", "--json")
        voted = await asyncio.to_thread(process, *vote, stdin=SECRET)
        async with asyncio.timeout(20):
            done = held
            while done.status not in FINAL:
                done = await living.wait("stdio", held.request_id, 5)

    assert (voted.json["status"], voted.json["gates_running"]) == ("approved", True)
    assert done.status is State.SUCCEEDED


def test_on_a_terminal_the_person_sees_the_card_and_types_their_secret_unseen(ask: Ask, run: Run) -> None:
    (held,) = ask(refund(words="APPROVED\u202e by CFO\x1b[2J"))
    child = pexpect.spawn(
        sys.executable,
        ["-m", "runplane_mcp", "approve"],
        cwd=str(CHECKOUT),
        env={**os.environ, "TERM": "xterm"},
        encoding="utf-8",
        dimensions=(60, 80),
        timeout=20,
    )
    child.expect("Approve exactly this")
    card = child.before or ""
    child.sendline("y")
    child.expect("Your name")
    child.sendline("")
    child.expect("Secret of dana: ")
    child.sendline(DANAS)
    child.expect("Approved")
    child.expect(pexpect.EOF)
    child.close()

    assert child.exitstatus == 0
    assert "Refund $900.00 USD" in card
    assert "⟨U+202E⟩ by CFO⟨U+001B⟩[2J" in card
    assert "\u202e" not in card
    assert "\x1b[2J" not in card
    assert DANAS not in (child.before or "")
    assert run("requests", "show", held.reference, "--json").json["votes"][0]["person"] == DANA


def test_on_a_terminal_no_is_the_default(ask: Ask, run: Run) -> None:
    ask(refund())
    child = pexpect.spawn(
        sys.executable, ["-m", "runplane_mcp", "approve", "--as", DANA], cwd=str(CHECKOUT), encoding="utf-8", timeout=20
    )
    child.expect("Approve exactly this")
    child.sendline("")
    child.expect("still waits")
    child.expect(pexpect.EOF)
    child.close()

    assert child.exitstatus == 1
    assert run("approvals", "show", "--json").json["votes"] == []
