"""Checking the parts of a long log in several processes, one for each core.

Each has its own snapshot of the database. That these are one and the same is seen by the log's head in each: no change
is without its event. Writers are kept waiting for the moment in which the snapshots are taken.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Final, TypeAlias

from runplane_mcp.store.files import connect_for_reading, lock_path
from runplane_mcp.store.parts import Checked, Part, check_part, parts_of, together

_Channel: TypeAlias = "Connection[Any, Any]"
#: What a helper runs, with the places of modules that this process has and nothing else of it: no second run of whatever
#: program asked for the check.
_BEGIN: Final = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from runplane_mcp.store.helpers import help_out
help_out(sys.argv[2], int(sys.argv[3]))
"""
#: So long a helper may take to start, and writers to let the snapshots be taken (seconds).
_START, _LOCK = 30.0, 1.0


class Unhelped(Exception):
    """There are no helpers with this snapshot: whoever asked has to do it alone."""


def check_in_processes(
    connection: sqlite3.Connection, path: Path, processes: int, progress: Callable[[int, int], None]
) -> Checked:
    """What one pass over the whole log would find. The connection's transaction is begun anew. Unhelped where helpers
    could not be had, or one of them ended early."""
    try:
        with _helpers(path, processes) as channels:
            events = _same_snapshot(connection, path, channels)
            return _by(channels, parts_of(connection, events), events, progress)
    except (OSError, EOFError) as error:
        raise Unhelped from error


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _helpers(path: Path, count: int) -> Iterator[list[_Channel]]:
    processes: list[subprocess.Popen[bytes]] = []
    channels: list[_Channel] = []
    try:
        for _ in range(count):
            ours, theirs = Pipe()
            channels.append(ours)
            with closing(theirs):
                processes.append(
                    subprocess.Popen(
                        [sys.executable, "-I", "-c", _BEGIN, json.dumps(sys.path), str(path), str(theirs.fileno())],
                        pass_fds=[theirs.fileno()],
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL,
                    )
                )
        yield channels
    finally:
        for channel in channels:
            channel.close()
        for process in processes:
            # Nothing that it does has an effect.
            process.kill()
            process.wait()


def help_out(path: str, descriptor: int) -> None:
    """All of a helper's life. A Ctrl-C at the terminal is its parent's to hear."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel: _Channel = Connection(descriptor)
    with contextlib.suppress(OSError, EOFError), closing(connect_for_reading(Path(path))) as connection:
        channel.send(None)
        channel.recv()
        channel.send(_begin(connection))
        while True:
            channel.send(check_part(connection, channel.recv()))


def _same_snapshot(connection: sqlite3.Connection, path: Path, channels: Sequence[_Channel]) -> int:
    """The number of events in the snapshot that all have taken now."""
    for channel in channels:
        _answer(channel)
    with _writers_waiting(path):
        # Its own first: whatever becomes of the helpers, there is a snapshot to go on with.
        connection.execute("ROLLBACK")
        own = _begin(connection)
        for channel in channels:
            channel.send(None)
        if any(_answer(channel) != own for channel in channels):
            raise Unhelped
    return int(connection.execute("SELECT count(*) FROM event").fetchone()[0])


def _begin(connection: sqlite3.Connection) -> tuple[Any, ...]:
    """Takes the snapshot, and tells in a moment which one it is, however long the log."""
    connection.execute("BEGIN")
    newest = connection.execute("SELECT seq, leaf FROM event ORDER BY seq DESC LIMIT 1").fetchone()
    return newest, connection.execute("SELECT root FROM head").fetchone()


@contextmanager
def _writers_waiting(path: Path) -> Iterator[None]:
    """Holds the lock that writers take, where it can be had: without it, a writer's commit may lie between two
    snapshots, which shows."""
    try:
        lock = os.open(lock_path(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        end = time.monotonic() + _LOCK
        while time.monotonic() < end:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.002)
            except OSError:
                break
        yield
    finally:
        os.close(lock)


def _answer(channel: _Channel) -> Any:
    if not channel.poll(_START):
        raise Unhelped
    return channel.recv()


def _by(
    channels: Sequence[_Channel], parts: Sequence[Part], events: int, progress: Callable[[int, int], None]
) -> Checked:
    """Parts are given out in their order, a next one to whoever is done, and none behind one that is wrong."""
    found: dict[int, Checked] = {}
    waiting = iter(enumerate(parts))
    at_work: dict[_Channel, int] = {}

    def give(channel: _Channel) -> None:
        following = next(waiting, None) if all(each.mismatch is None for each in found.values()) else None
        if following is not None:
            at_work[channel], part = following
            channel.send(part)

    for channel in channels:
        give(channel)
    while at_work:
        ready = wait(list(at_work))
        for channel in [each for each in at_work if each in ready]:
            found[at_work.pop(channel)] = channel.recv()
            progress(sum(each.frontier.size for each in found.values()), events)
            give(channel)
    return together([found[place] for place in sorted(found)])
