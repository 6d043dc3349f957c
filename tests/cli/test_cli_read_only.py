"""A home that can only be read, such as an auditor's copy: every command that looks works, every other says why not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from runplane_mcp.app import open_gate
from runplane_mcp.errors import RunplaneError
from runplane_mcp.settings import load_settings
from tests.cli.conftest import DANA, DANAS, Ask, Run, refund
from tests.powerless import as_auditor, everybodys, read_only

AS_DANA = ("--as", DANA, "--secret-stdin")


def looking(reference: str) -> list[tuple[str, ...]]:
    """What they say does not hang on the moment."""
    return [
        ("requests", "list"),
        ("requests", "show", reference),
        ("why", reference),
        ("why", "re_none"),
        ("people", "list"),
        ("audit", "prove", reference),
        ("audit", "export", "--from", "2026-03-01", "--to", "2026-03-31", "--json-lines"),
        ("audit", "checkpoint"),
        ("policy", "explain", reference),
        ("policy", "diff"),
    ]


def looking_at_this_moment(reference: str) -> list[tuple[str, ...]]:
    return [
        ("status",),
        ("limits",),
        ("approvals", "list"),
        ("approvals", "show", reference),
        ("audit", "verify"),
        ("audit", "coverage", "--month", "2026-03"),
    ]


def changing(reference: str) -> list[tuple[str, ...]]:
    return [
        ("approve", reference, "--digest", "0" * 64, *AS_DANA),
        ("deny", reference, "--digest", "0" * 64, *AS_DANA),
        ("freeze",),
        ("unfreeze", *AS_DANA),
        ("people", "add", "lee", "--group", "finance", *AS_DANA),
        ("requests", "resolve", reference, "--outcome", "failed", "--note", "No.", *AS_DANA),
        ("stop", reference),
        ("policy", "activate", *AS_DANA),
        ("audit", "rotate-key", *AS_DANA),
        ("audit", "accept", "txn_1", "--reason", "Mine.", *AS_DANA),
        ("audit", "coverage", "--alarm"),
        ("erase", "--customer", "cus_ben", *AS_DANA),
    ]


@pytest.fixture
def reference(ask: Ask) -> str:
    """A refund that waits, in a home with a policy, people and a simulated world."""
    (held,) = ask(refund())
    return held.reference


@pytest.fixture
def copy(home: Path, reference: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of that home, where every user can go; the commands work on it."""
    with everybodys() as folder:
        shutil.copytree(home, folder / "home")
        monkeypatch.setenv("RUNPLANE_HOME", str(folder / "home"))
        yield folder / "home"


def said(run: Run, commands: Sequence[Sequence[str]]) -> list[Any]:
    """What programs are told: the command's first words, its exit code, and all that it printed."""
    told = []
    for command in commands:
        done = run(*command, *(() if "--json-lines" in command else ("--json",)), stdin=f"{DANAS}\n{DANAS}\n")
        told.append([" ".join(command[:2]), done.code, done.out])
    return told


def test_every_command_that_looks_works_and_says_the_same(copy: Path, run: Run, reference: str) -> None:
    before, of_the_moment = said(run, looking(reference)), looking_at_this_moment(reference)
    codes = [code for _, code, _ in said(run, of_the_moment)]
    with read_only(copy):
        same, now = as_auditor(lambda: [said(run, looking(reference)), said(run, of_the_moment)])

    assert same == before
    assert [code for _, code, _ in same] == [0, 0, 0, 1, *[0] * 6]
    assert ([code for _, code, _ in now], codes) == ([0] * len(now), [0] * len(now))


@pytest.mark.slow
@pytest.mark.parametrize("command", [("shadow",), ("replay", "policies.yaml"), ("backtest", "--days", "3")])
def test_what_is_told_of_the_policy_there_is_told_here(
    copy: Path, run: Run, reference: str, command: tuple[str, ...]
) -> None:
    assert run("policy", *command).code == 0
    with read_only(copy):
        assert as_auditor(lambda: run("policy", *command).code) == 0


def test_people_are_told_that_it_can_only_be_read(copy: Path, run: Run, reference: str) -> None:
    run("doctor", "--json")
    with read_only(copy):
        status, doctor = as_auditor(lambda: [run("status").out, run("doctor", "--json").json])
        programs = as_auditor(lambda: run("status", "--json").json["read_only"])

    assert "can only be read" in status
    modes = [each for each in doctor["checks"] if each["check"] == "modes"]
    assert [each["level"] for each in modes if "can only be read" in each["said"]] == ["warn"]
    assert [each["said"] for each in doctor["checks"] if each["level"] == "problem"] == []
    assert programs is True


def test_what_would_change_it_is_refused_with_what_to_do(copy: Path, run: Run, reference: str) -> None:
    run("freeze", "--agent", "other")

    with read_only(copy):
        found = as_auditor(lambda: said(run, changing(reference)))
    refusals = [(command, code, json.loads(out)["error"]) for command, code, out in found]

    assert [(command, code, error["code"]) for command, code, error in refusals] == [
        (" ".join(each[:2]), 1, "store.readonly") for each in changing(reference)
    ]
    assert all("Looking works" in error["next_step"] for _, _, error in refusals)


def test_no_gate_starts_in_it_and_nothing_is_restored(copy: Path, run: Run) -> None:
    settings = load_settings()

    async def start() -> str:
        try:
            async with open_gate(settings, simulator=True):
                return "started"
        except RunplaneError as error:
            return error.code

    run("restore", "--here", *AS_DANA, "--json", stdin="not Dana's\n")  # imports what the auditor's process needs
    with read_only(copy):
        started = as_auditor(lambda: anyio.run(start))
        restored = as_auditor(lambda: run("restore", "--here", *AS_DANA, "--json", stdin=f"{DANAS}\n").error)

    assert (started, restored) == ("settings.home", "store.readonly")
