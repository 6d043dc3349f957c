"""The watch on a terminal: keys in, a drawing out, votes on exactly the card that is up."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.live import Live

from runplane_mcp.cli.output import console
from runplane_mcp.cli.watch.acts import give, stop
from runplane_mcp.cli.watch.draw import Drawing
from runplane_mcp.cli.watch.entries import Stop, StopScheduled
from runplane_mcp.cli.watch.keys import Keys, read, unbuffered
from runplane_mcp.cli.watch.model import Quit, Screen
from runplane_mcp.cli.watch.pace import boards
from runplane_mcp.cli.watch.prompt import Vote
from runplane_mcp.errors import RunplaneError

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from runplane_mcp.gate.desk import Desk

#: How long the rest of a key's sequence may take; after it, it was the escape key (seconds).
_ESCAPE: Final = 0.05
#: Ages and remaining times are drawn again this often (seconds).
_CLOCK: Final = 1.0


async def live(desk: Desk, gates: Path, *, voter: str | None, bell: bool) -> None:
    """Until the person quits, a signal comes, or the terminal goes away."""
    import anyio

    able = [person.id for person in await desk.people() if person.may_vote]
    screen = Screen(voter, able[0] if len(able) == 1 else None)
    descriptor = sys.stdin.fileno()
    with unbuffered(descriptor):
        view = Live(
            Drawing(screen),
            console=console(),
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        with view:
            async with anyio.create_task_group() as group:
                _Terminal(desk, gates, screen, view, group, bell=bell).begin(descriptor)


class _Terminal:
    def __init__(self, desk: Desk, gates: Path, screen: Screen, view: Live, group: TaskGroup, *, bell: bool) -> None:
        self._desk = desk
        self._gates = gates
        self._screen = screen
        self._view = view
        self._group = group
        self._bell = bell
        self._keys = Keys()
        self._dirty = asyncio.Event()

    def begin(self, descriptor: int) -> None:
        for work in (self._boards, self._signals, self._draw, self._clock):
            self._group.start_soon(work)
        self._group.start_soon(self._typing, descriptor)

    async def _boards(self) -> None:
        async for board in boards(self._desk, self._gates):
            if self._screen.show(board) and self._bell:
                self._view.console.bell()
            self._dirty.set()

    async def _signals(self) -> None:
        import anyio

        end = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        with anyio.open_signal_receiver(*end, signal.SIGWINCH) as signals:
            async for number in signals:
                if number in end:
                    self._group.cancel_scope.cancel()
                self._dirty.set()

    async def _draw(self) -> None:
        while True:
            self._dirty.clear()
            self._view.refresh()
            await self._dirty.wait()

    async def _clock(self) -> None:
        while True:
            await asyncio.sleep(_CLOCK)
            self._dirty.set()

    async def _typing(self, descriptor: int) -> None:
        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[bytes] = asyncio.Queue()
        loop.add_reader(descriptor, lambda: arrived.put_nowait(read(descriptor)))
        try:
            while True:
                try:
                    async with asyncio.timeout(_ESCAPE if self._keys.waits else None):
                        data = await arrived.get()
                except TimeoutError:
                    keys = self._keys.flush()
                else:
                    if not data:
                        self._group.cancel_scope.cancel()  # the terminal has gone
                        return
                    keys = self._keys.feed(data)
                for key in keys:
                    self._press(key)
                self._dirty.set()
        finally:
            loop.remove_reader(descriptor)

    def _press(self, key: str) -> None:
        match self._screen.press(key):
            case Quit.QUIT:
                self._group.cancel_scope.cancel()
            case StopScheduled(ids):
                self._group.start_soon(self._halt, ids)
            case Vote() as vote:
                self._group.start_soon(self._vote, vote)
            case Stop() as wanted:
                self._group.start_soon(self._stop, wanted)
            case None:
                pass

    async def _halt(self, ids: tuple[str, ...]) -> None:
        from runplane_mcp.cli.freeze import system_user
        from runplane_mcp.gate.stopping import stop as stop_these

        try:
            stopped = await stop_these(self._desk, ids, said_by=system_user())
        except RunplaneError as error:
            self._screen.say(error.message, "bold red")
        else:
            names = ", ".join(each.reference for each in stopped[:5])
            more = f" and {len(stopped) - 5} more" if len(stopped) > 5 else ""
            self._screen.say(f"Stopped. {names}{more} will not run.", "red")
        self._dirty.set()

    async def _vote(self, vote: Vote) -> None:
        try:
            message, style = await give(self._desk, vote)
        except RunplaneError as error:
            mistyped = error.code == "person.secret"
            said = error.message if mistyped else f"{error.message} {error.next_step}".strip()
            self._screen.refused(said, mistyped=mistyped)
        else:
            self._screen.voted(message, style, vote.person)
        self._dirty.set()

    async def _stop(self, wanted: Stop) -> None:
        try:
            message, style = await stop(self._desk, wanted)
        except RunplaneError as error:
            message, style = f"{error.message} {error.next_step}".strip(), "bold red"
        self._screen.stopped(message, style)
        self._dirty.set()
