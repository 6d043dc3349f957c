"""Work that a signal ends and that leaves nothing behind then: one signal is enough, whatever it comes in the middle of."""

from __future__ import annotations

import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

T = TypeVar("T")

#: Ctrl-C, an orderly end, and a terminal that was closed.
ENDINGS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """A signal came, and the work has ended."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number

    @property
    def exit_code(self) -> int:
        """What a shell says of a program that the signal ended."""
        return 128 + self.number


def run(work: Callable[..., Awaitable[T]], *arguments: object) -> T:
    """Runs `work(*arguments)` in an event loop of its own. Stopped when a signal ended it; what it has begun is then taken
    down by its own `finally`.

    A signal is heard where work waits, and told again at every wait until the work has ended. Told once only, as asyncio
    tells Ctrl-C, it is lost when something else goes wrong in that moment; and something does where a terminal sends the
    signal to every process that the work has started. A signal that comes after the last wait changes nothing any more.
    """
    import asyncio

    import anyio

    told: list[int] = []

    async def until_told() -> T:
        loop = asyncio.get_running_loop()
        with anyio.CancelScope() as scope:

            def stop(number: int) -> None:
                told.append(number)
                scope.cancel()

            for number in _heard():
                loop.add_signal_handler(number, stop, number)
            return await work(*arguments)
        raise Stopped(told[0])

    try:
        return anyio.run(until_told)
    except KeyboardInterrupt:
        # Before the loop heard signals, or after.
        raise Stopped(told[0] if told else signal.SIGINT) from None
    except Exception as error:
        # What goes wrong while it is taken down is no news.
        if told:
            raise Stopped(told[0]) from error
        raise


def _heard() -> list[int]:
    """What was to be ignored when the program started (`nohup`, a script's `&`) stays ignored. At a terminal nothing is:
    whoever sits there has Ctrl-C, also where a script started its programs beside one another."""
    at_terminal = sys.stdin is not None and sys.stdin.isatty()
    return [number for number in ENDINGS if at_terminal or signal.getsignal(number) is not signal.SIG_IGN]
