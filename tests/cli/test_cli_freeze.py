"""`runplane freeze` and `unfreeze`: anybody stops, an administrator lets go on, and every listing says so."""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
from pathlib import Path

import pexpect
import pytest

from runplane_mcp.core.request import FINAL, State
from runplane_mcp.simulator import SEED
from tests.cli.conftest import CHECKOUT, DANA, DANAS, Ask, OpenGate, Run, refund

SECRET = f"{DANAS}\n"
LIFT = ("unfreeze", "--as", DANA, "--secret-stdin", "--json")


def test_anybody_freezes_without_a_secret_and_everything_says_so(ask: Ask, run: Run) -> None:
    (held,) = ask(refund())
    frozen = run("freeze", "--action", "refunds", "--reason", "prices are wrong", "--json")
    status, told = run("status", "--json").json, run("status")

    assert frozen.code == 0
    assert frozen.json["freeze_id"].startswith("frz_")
    assert {
        name: frozen.json[name] for name in ("scope", "agent", "action", "principal", "reason", "held", "again")
    } == {
        "scope": "refunds",
        "agent": None,
        "action": "refunds",
        "principal": None,
        "reason": "prices are wrong",
        "held": 1,
        "again": False,
    }
    assert frozen.json["said_by"] == getpass.getuser()
    assert [each["freeze_id"] for each in status["frozen"]] == [frozen.json["freeze_id"]]
    assert told.out.startswith("FROZEN: refunds, said to be by")
    assert "prices are wrong" in told.out
    assert run("approvals", "list", "--json").json[0]["frozen"] is True
    assert "All of these: held by a freeze" in run("approvals", "list").out
    assert "Frozen: refunds" in run("approvals", "show").out
    assert run("requests", "list", "--json").json[0]["frozen"] is True
    assert "frozen" in run("requests", "list").out
    assert run("requests", "show", held.reference, "--json").json["request"]["frozen"] is True
    assert "Frozen: refunds" in run("requests", "show", held.reference).out


def test_an_approval_under_a_freeze_says_that_it_does_not_run(ask: Ask, run: Run) -> None:
    (held,) = ask(refund())
    run("freeze")
    digest = run("approvals", "show", "--json").json["digest"]
    vote = ("approve", held.reference, "--digest", digest, "--as", DANA, "--secret-stdin")
    told = run(*vote, stdin=SECRET)

    assert "Approved, but frozen." in told.out
    assert run("requests", "list", "--json").json[0]["frozen"] is True


def test_an_administrator_lifts_and_names_what_was_lifted(home: Path, run: Run) -> None:
    run("freeze", "--action", "refunds")
    run("freeze", "--agent", "support-bot")
    one = run("unfreeze", "--action", "refunds", *LIFT[1:], stdin=SECRET)
    rest = run("unfreeze", "--as", DANA, "--secret-stdin", stdin=SECRET)

    assert [each["scope"] for each in one.json["lifted"]] == ["refunds"]
    assert [each["scope"] for each in one.json["standing"]] == ["everything of agent support-bot"]
    assert one.json["by"] == DANA
    assert "Lifted: everything of agent support-bot." in rest.out
    assert "Nothing is frozen any more." in rest.out
    assert run("status", "--json").json["frozen"] == []
    assert run("audit", "verify", "--json").json["ok"]


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "exit_code"),
    [
        (("unfreeze", "--secret-stdin"), SECRET, "usage.admin_missing", 2),
        (("unfreeze", "--as", DANA, "--secret-stdin"), "a wrong secret\n", "person.secret", 1),
        (("unfreeze", "--as", DANA, "--secret-stdin"), "", "person.secret_missing", 1),
        (("unfreeze", "--as", "eve", "--secret-stdin"), SECRET, "person.unknown", 1),
        (("unfreeze", "--action", "payouts", "--as", DANA, "--secret-stdin"), SECRET, "freeze.none", 1),
        (("freeze", "--action", "refund"), "", "freeze.action", 1),
        (("freeze", "--agent", ""), "", "freeze.name", 1),
        (("freeze", "--reason", "x" * 600), "", "freeze.reason", 1),
    ],
)
def test_what_cannot_be_is_refused_with_its_code_and_the_freeze_stands(
    arguments: tuple[str, ...], stdin: str, code: str, exit_code: int, home: Path, run: Run
) -> None:
    run("freeze", "--action", "refunds")
    refused = run(*arguments, "--json", stdin=stdin)

    assert (refused.code, refused.error) == (exit_code, code)
    assert [each["scope"] for each in run("status", "--json").json["frozen"]] == ["refunds"]


def test_nothing_frozen_is_said_before_a_secret_is_asked_for(home: Path, run: Run) -> None:
    assert run(*LIFT).error == "freeze.none"


def test_the_hints_say_what_a_freeze_does_not_hold(ask: Ask, run: Run) -> None:
    ask(refund())
    label = run("freeze", "--agent", "suport-bot")
    front_door = run("freeze", "--action", "refund.create")
    group = run("freeze", "--action", "refunds")

    assert "is it spelt so?" in label.out
    assert "--principal" in label.out
    assert "they are in refunds." in front_door.out
    assert "Other ways" not in group.out


def test_what_somebody_typed_does_nothing_to_the_screen(home: Path, run: Run) -> None:
    """THREATS 14."""
    screens = [run("freeze", "--agent", "bot\x1b[2J\u202e", "--reason", "\x1b]0;lifted\x07"), run("status")]

    for screen in screens:
        assert "\x1b" not in screen.out
        assert "\u202e" not in screen.out
    assert "⟨U+001B⟩[2J⟨U+202E⟩" in screens[1].out


async def test_a_freeze_of_one_process_holds_the_agents_of_another_at_once(gate: OpenGate, process: Run) -> None:
    async with gate() as living:
        before = await living.submit(refund(SEED.payment_intent_40))
        frozen = await asyncio.to_thread(process, "freeze", "--json")
        held = await living.submit(refund(SEED.payment_intent_120))
        lifted = await asyncio.to_thread(process, *LIFT, stdin=SECRET)
        after = await living.submit(refund(SEED.payment_intent_guest))

    assert before.status is State.SUCCEEDED
    assert frozen.code == 0
    assert held.status is State.BLOCKED
    assert held.failure is not None
    assert held.failure.code == "frozen"
    assert (lifted.code, len(lifted.json["lifted"])) == (0, 1)
    assert after.status is not State.BLOCKED


@pytest.mark.slow
async def test_what_was_approved_meanwhile_runs_when_another_process_lifts(gate: OpenGate, process: Run) -> None:
    async with gate() as living:
        held = await living.submit(refund())
        await asyncio.to_thread(process, "freeze", "--agent", "support-bot")
        card = (await asyncio.to_thread(process, "approvals", "show", "--json")).json
        vote = ("approve", held.reference, "--digest", card["digest"], "--as", DANA, "--secret-stdin", "--json")
        voted = await asyncio.to_thread(process, *vote, stdin=SECRET)
        waited = await living.wait("stdio", held.request_id, 1.0)
        await asyncio.to_thread(process, *LIFT, stdin=SECRET)
        async with asyncio.timeout(20):
            done = waited
            while done.status not in FINAL:
                done = await living.wait("stdio", held.request_id, 5)

    assert voted.json["frozen"] is True
    assert waited.status is State.APPROVED
    assert done.status is State.SUCCEEDED


def test_on_a_terminal_the_person_sees_what_they_lift(home: Path, run: Run) -> None:
    run("freeze", "--action", "payouts", "--reason", "bank changed")
    child = pexpect.spawn(
        sys.executable,
        ["-m", "runplane_mcp", "unfreeze"],
        cwd=str(CHECKOUT),
        env={**os.environ, "TERM": "xterm"},
        encoding="utf-8",
        dimensions=(40, 200),
        timeout=20,
    )
    child.expect("Lift exactly this")
    shown = child.before or ""
    child.sendline("y")
    child.expect("Your name")
    child.sendline(DANA)
    child.expect("Secret of dana: ")
    child.sendline(DANAS)
    child.expect("Lifted: payouts")
    child.expect(pexpect.EOF)
    child.close()

    assert child.exitstatus == 0
    assert "Frozen: payouts" in shown
    assert "bank changed" in shown
    assert run("status", "--json").json["frozen"] == []
