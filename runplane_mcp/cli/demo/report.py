"""What the demo says and what it checks: lines for people as it goes, every step with what was expected for programs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from runplane_mcp.cli.card import Hanging
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.text import visible
from runplane_mcp.errors import RunplaneError

#: Lines are this wide at most, on any terminal and in any file.
WIDTH = 80
_INDENT = 3


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was checked. It is as it should be when `got` is what was `expected`."""

    act: int
    step: str
    expected: Json
    got: Json

    @property
    def ok(self) -> bool:
        return self.got == self.expected


class Report:
    """Collects the steps and prints the story. `quiet` prints nothing: the JSON value is all there is then."""

    def __init__(self, *, quiet: bool) -> None:
        console = Console(file=sys.stdout, markup=False, emoji=False, highlight=False, quiet=quiet)
        console.width = min(console.width, WIDTH) if console.is_terminal else WIDTH
        self.console = console
        self.steps: list[Step] = []
        self.totals: dict[str, Json] = {}
        self.home: str | None = None
        self.next: list[str] = []
        self._began = time.monotonic()
        self._act = 0
        self._doing = "set-up"

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began

    # ── the story ─────────────────────────────────────────────────────────────────────────────────────────────────

    def say(self, text: str = "", style: str = "") -> None:
        self.console.print(Text(text, style=style))

    def copyable(self, command: str) -> None:
        """A command, in one line however wide the terminal is."""
        self.console.print(Text(f"  {command}", style="cyan"), soft_wrap=True)

    def act(self, number: int, title: str) -> None:
        self._act, self._doing = number, title
        self.console.print()
        self.console.print(Text.assemble((f"ACT {number}  ", "bold cyan"), (title, "bold")))

    def set_up(self, text: str) -> None:
        """One line for one stage of setting up."""
        self._doing = text
        self.console.print(Text(f"set-up   {text}", style="dim"))

    def moment(self, text: str) -> None:
        """When the next scenes play. Each begins with a server that is started."""
        self._doing = text
        self.console.print()
        self.console.print(Text(text, style="bold magenta"))

    def scene(self, title: str) -> None:
        self._doing = title
        self.console.print()
        self.console.print(Text(title, style="bold"))

    def line(self, who: str, text: str, style: str = "") -> None:
        """What somebody does or says, in two columns. Whatever the text is, it is shown as text."""
        self._hanging(f"{who:<9}", Text(visible(text, 2_000), style=style), "dim")

    def say_so(self, text: str, *, ok: bool) -> None:
        """What came of it."""
        style = "green" if ok else "bold red"
        self._hanging("✓ " if ok else "✗ ", Text(text, style=style), style)

    def show(self, what: RenderableType) -> None:
        self.console.print(Padding(what, (0, 0, 0, _INDENT), expand=False))

    @contextmanager
    def busy(self, text: str) -> Iterator[None]:
        """While something takes a moment, a terminal says what."""
        if not self.console.is_terminal or self.console.quiet:
            yield
            return
        with self.console.status(Text(text)):
            yield

    def _hanging(self, first: str, text: Text, style: str) -> None:
        margin = " " * _INDENT
        self.console.print(Hanging(margin + first, margin + " " * len(first), text, style))

    # ── the checks ────────────────────────────────────────────────────────────────────────────────────────────────

    def check(self, step: str, expected: Json, got: Json, *, shown: str | None = None) -> bool:
        """Compares one step and says it, to people as `shown`. What is not as it should be is said at once."""
        found = Step(self._act, step, expected, got)
        self.steps.append(found)
        wrong = f"{step}: expected {words(expected)}, got {words(got)}"
        self.say_so((shown or step) if found.ok else wrong, ok=found.ok)
        return found.ok

    def broke(self, error: BaseException) -> None:
        """Something kept the act from going on; what was being done is the step that failed."""
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if isinstance(error, RunplaneError):
            what = str(error)
        elif isinstance(error, TimeoutError):
            what = "it took too long"
        else:
            what = f"{type(error).__name__}: {error}"
        self.check(self._doing, "done", visible(what, 1_000))

    @property
    def ok(self) -> bool:
        return bool(self.steps) and all(step.ok for step in self.steps)

    @property
    def wrong(self) -> list[Step]:
        return [step for step in self.steps if not step.ok]

    def as_json(self) -> dict[str, Json]:
        return {
            "ok": self.ok,
            "steps": [
                {"act": each.act, "step": each.step, "expected": each.expected, "got": each.got, "ok": each.ok}
                for each in self.steps
            ],
            "totals": self.totals,
            "seconds": round(self.seconds),
            "home": self.home,
            "next": list(self.next),
        }


def words(value: Json) -> str:
    """A value as a step shows it when it is wrong."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
