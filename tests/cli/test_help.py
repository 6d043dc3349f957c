"""Help that teaches by example, on every command, and `--json` on every one of them."""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path
from typing import Any

import anyio
import pexpect
import pytest

from runplane_mcp import errors
from runplane_mcp.app import open_desk
from runplane_mcp.cli.root import SECTIONS
from runplane_mcp.core.approval import Role
from runplane_mcp.settings import Settings
from runplane_mcp.simulator import SEED
from tests.cli.conftest import CHECKOUT, COMMAND, DANA, DANAS, Ask, Run, cancellation, refund
from tests.cli.tree import examples, leaves, words
from tests.gate.scheduling import held_back

LEAVES = leaves()
IDS = [" ".join(path) for path, _ in LEAVES]
EXAMPLES = [(path, example) for path, command in [*LEAVES, ((), COMMAND)] for example in examples(command)]
#: They serve until they are ended, or tell a story of their own that other tests watch.
STAY = {("mcp",), ("simulator",), ("demo",), ("approvals", "watch")}
#: Need an outcome that nobody knows, and a day (`test_cli_resolve.py` has both), or a line that nothing explains
#: (`test_cli_coverage.py`).
LATER = {("requests", "resolve"), ("audit", "accept")}
MARIA = "maria"


@pytest.mark.parametrize(("path", "command"), LEAVES, ids=IDS)
def test_every_command_shows_itself_at_work(path: tuple[str, ...], command: Any, run: Run) -> None:
    shown = run(*path, "--help").out
    own = [example for example in examples(command) if words(example)[: len(path)] == list(path)]

    assert own, "no example"
    assert all(example in shown for example in own)
    assert re.match(r"[A-Z][^.]{5,70}\.(?: |$)", " ".join(command.help.split())), "one line that says what it does"


@pytest.mark.parametrize("example", [example for _, example in EXAMPLES])
def test_every_example_is_a_command_line_that_runplane_takes(example: str) -> None:
    command, rest, context = COMMAND, words(example), None
    while True:
        context = command.make_context(command.name or "runplane", list(rest), parent=context)
        below = getattr(command, "commands", None)
        if not below:
            break
        name, *rest = [*context._protected_args, *context.args]
        command = below[name]


@pytest.mark.parametrize(("path", "command"), LEAVES, ids=IDS)
def test_every_command_speaks_to_programs_too(path: tuple[str, ...], command: Any) -> None:
    options = {option for parameter in command.params for option in parameter.opts}

    # What it prints is the protocol itself.
    assert "--json" in options or path == ("mcp",)


def test_the_first_page_has_every_command_in_its_section_and_the_exit_codes(run: Run) -> None:
    shown = run("--help").out
    listed = [name for section in SECTIONS.values() for name in section]
    names = {path[0] for path, _ in LEAVES}

    assert [name for name in sorted(names) if not re.search(rf"^  {name} ", shown, re.MULTILINE)] == []
    assert len(listed) == len(set(listed))
    assert "More:" not in shown
    for code, words_for_it in (
        (errors.EXIT_DONE, "done"),
        (errors.EXIT_REFUSED, "refused or failed"),
        (errors.EXIT_USAGE, "usage"),
        (errors.EXIT_AUDIT_MISMATCH, "the audit log does not match"),
    ):
        assert f"{code} {words_for_it}" in " ".join(shown.split())


def test_help_fits_a_narrow_terminal(process: Run) -> None:
    for path in ((), ("approvals", "watch"), ("requests", "list")):
        shown = process(*path, "--help", COLUMNS="60").out

        # Examples are kept whole, to be copied; so is the choice among many words.
        text = shown.partition("Examples:")[0]
        assert [line for line in text.splitlines() if len(line) > 60 and "|" not in line] == []


# ── the examples as people type them ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def maria(home: Path, settings: Settings) -> Path:
    """A home with an administrator who is called as in the examples."""

    async def add() -> None:
        async with open_desk(settings, scrypt_n=2**4) as desk:
            groups = frozenset({"finance"})
            await desk.add_person(MARIA, role=Role.ADMIN, groups=groups, secret=DANAS, as_person=DANA, as_secret=DANAS)

    anyio.run(add)
    return home


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("example", [example for path, example in EXAMPLES if path and path not in STAY | LATER])
def test_every_example_works_as_printed(example: str, maria: Path, ask: Ask, run: Run, tmp_path: Path) -> None:
    """In a shell, on a terminal, by a person who answers what is asked. RP-7F3K, G-7F3K and the ids of Stripe stand for
    some."""
    stops = words(example)[0] == "stop"
    if stops:
        held_back(maria)
    held, made, ending = ask(
        refund(SEED.payment_intents_235[0]) if stops else refund(), refund(SEED.payment_intent_40), cancellation()
    )
    result = run("requests", "show", made.reference, "--json").json["execution"]
    group = ""
    if "G-7F3K" in example:
        ask(*(refund(each) for each in SEED.payment_intents_235[:3]))
        group = run("approvals", "list", "--groups", "--json").json[0]["group"]
    command = example
    for printed, real in {
        "G-7F3K": group,
        "RP-7F3K": held.reference,
        "RP-2M9X": ending.reference,
        "re_3MtwBwLkdIwHu7ix28a3tqPd": result["object_id"],
        "req_Fj0BNPtS2SDmmt": result["stripe_request_id"],
        "/mnt/backups": str(tmp_path),
        "/mnt/elsewhere": str(tmp_path),
    }.items():
        command = command.replace(printed, real)
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "runplane").write_text(f'#!/bin/sh\nPYTHONPATH={CHECKOUT} exec {sys.executable} -m runplane_mcp "$@"\n')
    (programs / "runplane").chmod(stat.S_IRWXU)
    (tmp_path / "secret").write_text(f"{DANAS}\n{DANAS}\n")
    (tmp_path / "kept.txt").write_text((maria / "runplane.db.checkpoint").read_text())
    (tmp_path / "policies.yaml").write_text((maria / "policies.yaml").read_text())
    digest = run("approvals", "show", held.reference, "--json").json["digest"]
    variables = {"PATH": f"{programs}:{os.environ['PATH']}", "TERM": "xterm", "DIGEST": digest}
    if words(example)[0] == "unfreeze":
        run("freeze")
        run("freeze", "--action", "refunds")
    if "--lost" in words(example):
        (maria / "log-signing-key").unlink()
    if words(example)[0] == "restore":
        for name in ("runplane-2026-03-03.db", "today.db"):
            run("backup", str(tmp_path / name))
    if words(example)[0] == "init":
        variables["RUNPLANE_HOME"] = str(tmp_path / "new home")
    shell = pexpect.spawn(
        "/bin/sh",
        ["-c", command],
        cwd=str(tmp_path),
        env={**os.environ, **variables},
        encoding="utf-8",
        dimensions=(60, 100),
        timeout=60,
    )
    said = ""
    answers = {
        pexpect.EOF: "",
        r"exactly this\? \[y/N\]: ": "y",
        "Your name.*: ": MARIA,
        "The group you approve for.*: ": "",
        "[Ss]ecret.*: ": DANAS,
        "The same again: ": DANAS,
        r"\[y/N\]: ": "y",
    }
    try:
        while (asked := shell.expect(list(answers))) != 0:
            said += f"{shell.before}{shell.after}"
            shell.sendline(list(answers.values())[asked])
        said += str(shell.before)
    finally:
        shell.close()

    assert shell.exitstatus == 0, said
