"""Serving one client over stdin and stdout.

Protocol and nothing else may reach stdout, so the real stdin and stdout are moved aside first, before anything that could
print is built. They are read and written without threads: a thread that blocks in a read cannot be ended, and a server
that cannot end is killed by its host in the middle of something.
"""

from __future__ import annotations

import fcntl
import gc
import os
import select
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import cast

import anyio
import anyio.lowlevel
from mcp.server.lowlevel.server import NotificationOptions
from mcp.server.stdio import stdio_server
from mcp.server.subscriptions import InMemorySubscriptionBus

from runplane_mcp.errors import SettingsError
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.interfaces.logs import log_to_stderr
from runplane_mcp.interfaces.mcp.governance import STDIO, Governance
from runplane_mcp.interfaces.mcp.listing import Listing
from runplane_mcp.interfaces.mcp.server import build_server
from runplane_mcp.interfaces.mcp.toolset import Toolset

#: After a signal, running operations get this long to answer (seconds). The gate then gives them a little longer to end,
#: unanswered; what is left after that is another gate's to finish.
DRAIN = 0.2
#: Between the last operation's end and its answer on the wire (seconds).
LAST_ANSWER = 0.05
#: After a signal the process ends this late at the latest, whatever hangs (seconds). Nothing is lost by that: what counts
#: is durable before it happens, and a gate that ended in the middle is what the completer is for.
AT_THE_LATEST = 1.8
#: One message of a client, in bytes; a longer one is dropped without being kept.
LONGEST_FRAME = 8 * 1024 * 1024
_CHUNK = 64 * 1024


async def serve_stdio(
    opening: AbstractAsyncContextManager[Gate], *, agent: str, toolset: Toolset = Toolset.DEFAULT
) -> None:
    """Opens the gate and serves it on stdin and stdout until the client closes stdin, or SIGINT or SIGTERM comes.

    Returns normally in all three cases; after a signal the process ends within two seconds, whatever its caller still
    does. Errors of opening the gate come out as they are. File descriptor 1 is stderr from here on, also afterwards.
    SettingsError `settings.stdio` when the process has no stdin, stdout or stderr.
    """
    log_to_stderr()
    source, sink = _take_stdio()
    stopping = _Stopping()
    failure: Exception | None = None
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        stopping.limit()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stopping.watch, signals)
            try:
                with stopping.scope:
                    async with opening as gate:
                        await _serve(gate, agent, toolset, source, sink, stopping)
            except Exception as error:  # noqa: BLE001 - raised below, where no task group wraps it
                failure = error
            tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _serve(gate: Gate, agent: str, toolset: Toolset, source: Source, sink: Sink, stopping: _Stopping) -> None:
    governance = Governance(gate, agent=agent, toolset=toolset)
    listing, bus = Listing(gate, agent=agent, principal=STDIO), InMemorySubscriptionBus()
    # The SDK has no public way to serve given streams on the server that it lets tools be added to.
    wire = build_server(governance, listing, toolset, bus)._lowlevel_server
    # What is there by now stays: the collector, which a start may have switched off, begins behind it.
    gc.freeze()
    gc.enable()
    options = wire.create_initialization_options(NotificationOptions(tools_changed=True))
    with stopping.serving(governance):
        async with (
            stdio_server(cast("anyio.AsyncFile[str]", source), cast("anyio.AsyncFile[str]", sink)) as (received, sent),
            anyio.create_task_group() as beside,
        ):
            beside.start_soon(listing.announce, bus)
            await wire.run(received, sent, options)
            beside.cancel_scope.cancel()


class _Stopping:
    """What a signal does: no more calls, a moment for those that run, then the end of serving. `scope` is what a signal
    ends: first the opening of the gate, then the serving, never the gate's own orderly end."""

    def __init__(self) -> None:
        self.scope = anyio.CancelScope()
        self._governance: Governance | None = None
        self._asked = False
        self._deadline: threading.Timer | None = None

    def limit(self) -> None:
        """Makes a signal set its own deadline, in the interpreter and before the loop hears of it: a loop that hangs hears
        of nothing. To be called where signals are being received already; that goes on beside it."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._set_deadline)

    def _set_deadline(self, *_: object) -> None:
        if self._deadline is None:
            # Never taken back: it must end the process also when what comes after the loop hangs.
            self._deadline = threading.Timer(AT_THE_LATEST, os._exit, (0,))
            self._deadline.daemon = True
            self._deadline.start()

    def serving(self, governance: Governance) -> anyio.CancelScope:
        self._governance = governance
        self.scope = anyio.CancelScope()
        if self._asked:
            self.scope.cancel()
        return self.scope

    async def watch(self, signals: AsyncIterator[signal.Signals]) -> None:
        async for _ in signals:
            if self._asked:
                continue
            self._asked = True
            if self._governance is not None:
                self._governance.stop()
                with anyio.move_on_after(DRAIN):
                    await self._governance.quiet()
                    await anyio.sleep(LAST_ANSWER)
            self.scope.cancel()


class Source:
    """Lines from a file descriptor, as text; anything that is not UTF-8 is replaced, as the SDK does."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._held = bytearray()
        self._searched = 0
        self._dropping = False
        self._ended = False

    def __aiter__(self) -> Source:
        return self

    async def __anext__(self) -> str:
        while True:
            end = self._held.find(b"\n", self._searched)
            if end >= 0 or (self._ended and self._held):
                line = bytes(self._held[: end + 1] if end >= 0 else self._held)
                del self._held[: len(line)]
                self._searched = 0
                if self._dropping:
                    self._dropping = False
                    continue
                return line.decode("utf-8", "replace")
            if self._ended:
                raise StopAsyncIteration
            if len(self._held) > LONGEST_FRAME:
                self._dropping = True
            if self._dropping:
                self._held.clear()
            self._searched = len(self._held)
            await self._more()

    async def _more(self) -> None:
        try:
            await anyio.wait_readable(self._fd)
        except PermissionError:
            # A regular file or the null device cannot be waited for, and never makes anybody wait.
            await anyio.lowlevel.checkpoint()
        try:
            data = os.read(self._fd, _CHUNK)
        except ConnectionResetError:
            # Some hosts give a socket for a pipe. One that dies with answers unread resets it: that is its end.
            data = b""
        self._held += data
        self._ended = not data


class Sink:
    """Text to a file descriptor. When nobody reads any more, what is written is dropped: the client's end of stdin, or its
    host's signal, is what ends serving."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._gone = False

    async def write(self, text: str) -> None:
        left = memoryview(text.encode("utf-8", "replace"))
        while left and not self._gone:
            try:
                await anyio.wait_writable(self._fd)
            except PermissionError:
                await anyio.lowlevel.checkpoint()
            try:
                # This much never blocks where a pipe said that it is ready.
                left = left[os.write(self._fd, left[: select.PIPE_BUF]) :]
            except (BrokenPipeError, ConnectionResetError):
                self._gone = True

    async def flush(self) -> None:
        """Nothing is held back."""


def _take_stdio() -> tuple[Source, Sink]:
    """Moves stdin and stdout to descriptors of their own. In their places stand the null device and stderr, so that a
    child process reads nothing of the protocol and a stray print reaches the log."""
    try:
        source, sink = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3) for fd in (0, 1))
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        os.dup2(2, 1)
    except OSError as error:
        raise SettingsError(
            "settings.stdio",
            f"stdin, stdout and stderr must be open to serve MCP on them: {error.strerror}.",
            next_step="Let an MCP client start this command.",
        ) from None
    return Source(source), Sink(sink)
