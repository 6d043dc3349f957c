"""The people of the demo, and how they decide: maria and tom of finance. Every yes and no is given by the real command
line with the digest of the card that was shown; on a terminal it is the viewer who says which of the two."""

from __future__ import annotations

import os
import secrets
import sys
import termios
from dataclasses import dataclass

import anyio

from runplane_mcp.cli.card import card_view
from runplane_mcp.cli.demo.report import Report
from runplane_mcp.cli.demo.stage import Home
from runplane_mcp.core.approval import Answer
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.card import Card

GROUP = "finance"
#: How long the viewer may think (seconds). As everywhere in Runplane, no answer means no.
VIEWER_PATIENCE = 300.0


@dataclass(frozen=True, slots=True)
class Person:
    """One who may vote. The secret is made up for this run and kept nowhere."""

    name: str
    secret: str


@dataclass(frozen=True, slots=True)
class Ruling:
    """A yes or a no, and the words that go to the agent with it."""

    answer: Answer
    note: str | None = None


async def enrol(home: Home) -> tuple[Person, Person]:
    """Two people of finance: with only one there would be nobody to check the one who says yes."""
    maria, tom = (Person(name, secrets.token_urlsafe(18)) for name in ("maria", "tom"))
    as_group = ("--group", GROUP, "--secret-stdin")
    await home.command("people", "add", maria.name, "--role", "admin", *as_group, stdin=[maria.secret])
    await home.command(
        "people", "add", tom.name, "--role", "approver", "--as", maria.name, *as_group, stdin=[maria.secret, tom.secret]
    )
    return maria, tom


async def vote(
    home: Home, report: Report, card: Card, person: Person, ruling: Ruling, *, by_viewer: bool = False
) -> Json:
    """Gives the ruling as `person`, on exactly the card. Returns the status that the request has then."""
    verb = "approve" if ruling.answer is Answer.YES else "deny"
    words = [verb, card.reference, "--digest", card.digest, "--as", person.name]
    who = f"you run, as {person.name}" if by_viewer else f"{person.name} runs"
    shown = f"{who}: runplane {verb} {card.reference} --digest {card.digest[:8]}… --as {person.name}"
    if ruling.note is not None:
        words += ["--note", ruling.note]
        shown += f' --note "{ruling.note}"'
    report.line("finance", shown)
    result = await home.command(*words, "--secret-stdin", stdin=[person.secret])
    return result["status"]


async def ask_viewer(report: Report, card: Card, *, otherwise: str) -> Ruling:
    """Lets the viewer decide, who has the card before their eyes. `otherwise` are the words to the agent of a no."""
    report.show(card_view(card))
    report.say()
    fd = sys.stdin.fileno()
    # A key that was hit before there was a question is no answer to it.
    termios.tcflush(fd, termios.TCIFLUSH)
    with anyio.move_on_after(VIEWER_PATIENCE):
        while True:
            report.console.print("You are finance. Approve exactly this? [y/n] ", end="", style="bold yellow")
            sys.stdout.flush()
            answered = await _line(fd)
            if answered is None:
                break
            if answered.lower() in {"y", "yes"}:
                return Ruling(Answer.YES)
            if answered.lower() in {"n", "no"}:
                return Ruling(Answer.NO, otherwise)
    report.say("\nNo answer means no.")
    return Ruling(Answer.NO, otherwise)


async def _line(fd: int) -> str | None:
    """A line from the terminal, None at its end. Waiting for it can be interrupted, which a read in a thread cannot."""
    await anyio.wait_readable(fd)
    data = os.read(fd, 4096)
    return data.decode(errors="replace").strip() if data else None
