"""`runplane approvals watch` as people and programs start it: on a terminal, and as lines of JSON."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pexpect
import pytest

from runplane_mcp.core.request import State
from runplane_mcp.simulator import SEED
from tests.cli.conftest import CHECKOUT, DANA, DANAS, Ask, OpenGate, Run, refund

WATCH = [sys.executable, "-m", "runplane_mcp", "approvals", "watch"]
#: The bound of every wait, not an expectation: these are whole processes on a machine that may be busy.
PATIENCE = 50
pytestmark = pytest.mark.timeout(3 * PATIENCE)

Line = dict[str, Any]


# ── lines of JSON ─────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def watching(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*WATCH, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=CHECKOUT
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


async def next_line(process: subprocess.Popen[str]) -> Line:
    stream: IO[str] | None = process.stdout
    assert stream is not None
    async with asyncio.timeout(PATIENCE):
        line: Line = json.loads(await asyncio.to_thread(stream.readline))
    return line


async def test_programs_hear_of_each_change_of_any_process_in_a_line_of_its_own(
    gate: OpenGate, process: Run, run: Run
) -> None:
    async with gate() as living:
        first = await living.submit(refund(words="The parcel\nnever arrived.\x1b[2J\u202e"))
        with watching() as watch:
            there = await next_line(watch)
            second = await living.submit(refund(SEED.payment_intent_hostile))
            came = await next_line(watch)
            digest = there["card"]["digest"]
            vote = ("deny", first.reference, "--digest", digest, "--as", DANA, "--secret-stdin", "--json")
            denied = await asyncio.to_thread(process, *vote, stdin=f"{DANAS}\n")
            gone = await next_line(watch)
            await living.cancel("stdio", second.request_id)
            canceled = await next_line(watch)
            watch.send_signal(signal.SIGTERM)
            rest, err = await asyncio.to_thread(watch.communicate, timeout=PATIENCE)

    assert [(each["change"], each["reference"], each["status"]) for each in (there, came, gone, canceled)] == [
        ("waiting", first.reference, "waiting"),
        ("waiting", second.reference, "waiting"),
        ("moved", first.reference, "denied"),
        ("moved", second.reference, "canceled"),
    ]
    assert there["card"]["not_checked"]["justification"] == "The parcel\nnever arrived.\x1b[2J\u202e"
    assert (gone["amount"], gone["currency"], gone["action"]) == (90_000, "usd", "refund.create")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", gone["at"])
    assert denied.code == 0
    assert (watch.returncode, rest, err) == (0, "", "")


async def test_an_approved_request_is_followed_to_its_end(gate: OpenGate, process: Run) -> None:
    async with gate() as living:
        held = await living.submit(refund())
        with watching("--json") as watch:
            card = (await next_line(watch))["card"]
            vote = ("approve", held.reference, "--digest", card["digest"], "--as", DANA, "--secret-stdin", "--json")
            await asyncio.to_thread(process, *vote, stdin=f"{DANAS}\n")
            told = [await next_line(watch)]
            while told[-1]["status"] != State.SUCCEEDED:
                told.append(await next_line(watch))

    assert {each["change"] for each in told} == {"moved"}
    assert [each["status"] for each in told] == sorted(
        {each["status"] for each in told}, key=["approved", "executing", "succeeded"].index
    )


def test_what_expires_by_time_alone_is_told(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """THREATS 12: no process wrote anything, and it has expired all the same."""
    (held,) = ask(refund())
    monkeypatch.setenv("RUNPLANE_SIMULATOR_NOW", "2026-03-04T13:59:57")
    with watching() as watch:
        there, gone = (asyncio.run(next_line(watch)) for _ in range(2))

    assert (there["change"], there["reference"]) == ("waiting", held.reference)
    assert (gone["change"], gone["reference"], gone["status"]) == ("moved", held.reference, "expired")


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_it_ends_without_a_word_when_it_is_told_to(number: signal.Signals, ask: Ask) -> None:
    ask(refund())
    with watching() as watch:
        asyncio.run(next_line(watch))
        watch.send_signal(number)
        rest, err = watch.communicate(timeout=PATIENCE)

    assert (watch.returncode, rest, err) == (0, "", "")


@pytest.mark.parametrize("something_comes", [False, True])
async def test_it_ends_when_nobody_reads_any_more(something_comes: bool, gate: OpenGate) -> None:
    async with gate() as living:
        await living.submit(refund())
        with watching() as watch:
            await next_line(watch)
            assert watch.stdout is not None
            assert watch.stderr is not None
            watch.stdout.close()
            if something_comes:
                await living.submit(refund(SEED.payment_intent_hostile))
            async with asyncio.timeout(PATIENCE):
                code = await asyncio.to_thread(watch.wait)
            err = watch.stderr.read()

    assert (code, err) == (0, "")


def test_without_a_home_it_points_to_init(environment: Path, process: Run) -> None:
    missing = process("approvals", "watch")

    assert (missing.code, missing.out) == (2, "")
    assert "runplane init" in missing.err


# ── on a terminal ─────────────────────────────────────────────────────────────────────────────────────────────────────


class Terminal:
    """The watch on a pseudo-terminal, whose screen is put together from what was sent to it."""

    def __init__(self, *arguments: str, columns: int = 100, rows: int = 30, **variables: str) -> None:
        self.child = pexpect.spawn(
            WATCH[0],
            [*WATCH[1:], *arguments],
            cwd=str(CHECKOUT),
            env={**os.environ, "TERM": "xterm-256color", **variables},
            encoding="utf-8",
            dimensions=(rows, columns),
            timeout=PATIENCE,
        )
        self.raw = ""

    def sees(self, words: str) -> str:
        """Waits until the words are drawn; returns what was sent up to then."""
        self.child.expect_exact(words)
        sent = f"{self.child.before}{self.child.after}"
        self.raw += sent
        return sent

    def types(self, keys: str) -> None:
        self.child.send(keys)

    def ended(self) -> int | None:
        self.child.expect(pexpect.EOF)
        self.raw += str(self.child.before)
        self.child.close()
        status: int | None = self.child.exitstatus
        return status


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(*arguments: str, **options: Any) -> Terminal:
        opened.append(Terminal(*arguments, **options))
        return opened[-1]

    yield start
    for each in opened:
        each.child.close(force=True)


def test_a_person_looks_at_a_card_and_approves_it_from_the_screen(
    ask: Ask, run: Run, terminal: Callable[..., Terminal]
) -> None:
    (held,) = ask(refund(words="APPROVED\u202e by CFO\x1b[2J"))
    digest = run("approvals", "show", "--json").json["digest"]
    fingerprint = run("approvals", "show", "--json").json["fingerprint"]
    watch = terminal(rows=60)
    watch.sees("1 waits for people")
    watch.sees(held.reference)
    watch.types("\r")
    watch.sees("APPROVED⟨U+202E⟩ by CFO⟨U+001B⟩[2J")
    watch.sees(fingerprint)
    watch.types("a")
    watch.sees("Your name [dana]: ")
    watch.types("\r")
    watch.sees("Secret of dana (not shown): ")
    watch.types("not the secret\r")
    watch.sees("That is not the secret of dana.")
    watch.sees("Secret of dana (not shown): ")
    watch.types(f"{DANAS}\r")
    watch.sees(f"Approved. {held.reference} runs when")
    watch.sees("Nothing waits")
    watch.types("q")
    code = watch.ended()
    (vote,) = run("requests", "show", held.reference, "--json").json["votes"]

    assert code == 0
    assert (vote["person"], vote["answer"], vote["digest"]) == (DANA, "yes", digest)
    assert DANAS not in watch.raw
    assert "not the secret\r" not in watch.raw
    assert "\u202e" not in watch.raw
    assert "\x1b[2J\x1b" not in watch.raw.replace("\x1b[2J\x1b[H", "")


def test_a_no_with_words_reaches_the_agent(ask: Ask, run: Run, terminal: Callable[..., Terminal]) -> None:
    (held,) = ask(refund())
    watch = terminal("--as", DANA)
    watch.sees(held.reference)
    watch.types("\rd")
    watch.sees("Words to the agent")
    watch.types("Ask for $450.\r")
    watch.sees("Secret of dana")
    watch.types(f"{DANAS}\r")
    watch.sees(f"Denied. {held.reference} will not run.")
    watch.types("q")
    code = watch.ended()
    life = run("requests", "show", held.reference, "--json").json

    assert (code, life["status"], life["votes"][0]["note"]) == (0, "denied", "Ask for $450.")


@pytest.mark.slow
def test_a_flood_is_frozen_looked_through_and_denied_from_the_screen(
    ask: Ask, run: Run, terminal: Callable[..., Terminal]
) -> None:
    """THREATS 15: what one limit holds takes one passphrase."""
    ask(*(refund(each) for each in SEED.payment_intents_235[:16]))
    (group,) = run("approvals", "list", "--groups", "--json").json
    watch = terminal("--as", DANA, rows=60)
    watch.sees(group["group"])
    watch.sees("12 requests")
    watch.types("\r")
    watch.sees(group["fingerprint"])
    watch.types("f")
    watch.sees("FREEZE support-bot")
    watch.types("\r")
    watch.sees("support-bot is frozen: 12 requests held")
    watch.types("\r")
    watch.sees("b back to the group")
    watch.types("b")
    watch.sees(group["fingerprint"])
    watch.types("ad")
    watch.sees("Words to the agent")
    watch.types("Not these.\r")
    watch.sees("Secret of dana")
    watch.types(f"{DANAS}\r")
    watch.sees(f"Denied all 12 of {group['group']}.")
    watch.sees("Nothing waits for people")
    watch.types("q")
    code = watch.ended()
    lives = [run("requests", "show", each["reference"], "--json").json for each in group["members"]]

    assert code == 0
    assert {life["status"] for life in lives} == {"denied"}
    assert [life["votes"][0]["digest"] for life in lives] == [each["digest"] for each in group["members"]]
    assert {life["votes"][0]["note"] for life in lives} == {"Not these."}
    assert [each["agent"] for each in run("status", "--json").json["frozen"]] == ["support-bot"]


async def test_what_another_process_does_shows_with_a_bell_while_nobody_types(
    gate: OpenGate, terminal: Callable[..., Terminal]
) -> None:
    async with gate() as living:
        watch = terminal()
        await asyncio.to_thread(watch.sees, "Nothing waits for people")
        held = await living.submit(refund())
        before = await asyncio.to_thread(watch.sees, held.reference)
        await asyncio.to_thread(watch.sees, "NEW")
        await living.cancel("stdio", held.request_id)
        await asyncio.to_thread(watch.sees, "Nothing waits for people")
        await asyncio.to_thread(watch.sees, "canceled")
        watch.types("\x03")
        code = await asyncio.to_thread(watch.ended)

    assert "\x07" in before
    assert code == 0


def test_a_vote_on_a_card_that_somebody_else_answered_meanwhile_is_not_given(
    ask: Ask, run: Run, terminal: Callable[..., Terminal]
) -> None:
    """THREATS 9."""
    (held,) = ask(refund())
    digest = run("approvals", "show", "--json").json["digest"]
    watch = terminal("--as", DANA)
    watch.sees(held.reference)
    watch.types("\ra")
    watch.sees("Secret of dana")
    watch.types("correct ho")
    run("deny", held.reference, "--digest", digest, "--as", DANA, "--secret-stdin", stdin=f"{DANAS}\n")
    watch.sees("No vote is given")
    watch.types("rse battery\r")
    watch.sees("it is denied")
    watch.types("bq")

    assert watch.ended() == 0
    assert len(run("requests", "show", held.reference, "--json").json["votes"]) == 1


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, *(pytest.param(each, marks=pytest.mark.slow) for each in (signal.SIGINT, signal.SIGHUP))]
)
def test_a_signal_ends_it_and_the_terminal_is_as_it_was(
    number: signal.Signals, ask: Ask, terminal: Callable[..., Terminal]
) -> None:
    ask(refund())
    watch = terminal("--as", DANA)
    watch.sees("1 waits")
    watch.types("\ra")
    watch.sees("Secret of dana")
    os.kill(watch.child.pid, number)

    assert watch.ended() == 0
    assert watch.raw.count("\x1b[?1049h") == watch.raw.count("\x1b[?1049l") == 1
    assert watch.raw.rstrip().endswith(("\x1b[?25h", "\x1b[?1049l"))


def test_the_shell_behind_it_gets_back_its_echo_and_nothing_that_was_typed(ask: Ask) -> None:
    """THREATS 23: half a passphrase in the shell's history is a passphrase lost."""
    ask(refund())
    command = " ".join(WATCH)
    shell = pexpect.spawn(
        "/bin/sh",
        ["-c", f'{command} --as dana; stty -a; read left; echo "left=[$left]"'],
        cwd=str(CHECKOUT),
        env={**os.environ, "TERM": "xterm"},
        encoding="utf-8",
        dimensions=(30, 100),
        timeout=PATIENCE,
    )
    try:
        shell.expect_exact("1 waits")
        shell.send("\ra")
        shell.expect_exact("Secret of dana")
        shell.send("half a secret\x1b")
        shell.expect_exact("No vote was given")
        shell.send("q")
        shell.expect(r"[^-]icanon[^-]*[^-]echo ")
        shell.send("\r")
        shell.expect_exact("left=[]")
        shell.expect(pexpect.EOF)
    finally:
        shell.close(force=True)


@pytest.mark.slow
@pytest.mark.parametrize("columns", [40, 160])
def test_narrow_and_wide_and_without_colours(columns: int, ask: Ask, terminal: Callable[..., Terminal]) -> None:
    (held,) = ask(refund(SEED.payment_intent_hostile, agent="bot\x1b]0;t\x07\u202e", words="x" * 100_000))
    watch = terminal(columns=columns, rows=60, NO_COLOR="1")
    watch.sees(held.reference)
    watch.sees("needs finance")
    watch.types("\r")
    watch.sees("a approve · d deny")
    watch.types("bq")

    assert watch.ended() == 0
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", watch.raw), "a colour"
    assert "\x1b]0;" not in watch.raw
    assert "\u202e" not in watch.raw


def test_on_a_terminal_json_is_lines_too(ask: Ask, terminal: Callable[..., Terminal]) -> None:
    (held,) = ask(refund())
    watch = terminal("--json")
    watch.sees(f'"reference":"{held.reference}"')
    watch.types("\x03")

    assert watch.ended() == 0
    assert "\x1b[?1049h" not in watch.raw
