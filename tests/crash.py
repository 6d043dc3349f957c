"""Real processes for tests: one that is killed at a named point, and several that race.

Children are forked from the test process with everything already imported, which takes milliseconds where a fresh
interpreter takes seconds. Fork before the parent opens a store or starts threads of its own: neither survives a fork.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

Probe = Callable[[str], None]

#: How long a child may take before it is killed and the test fails.
PATIENCE = 20.0


@dataclass(frozen=True)
class Passed:
    """The named points that a child passed, in order; the last one is where it was killed."""

    points: tuple[str, ...]

    def said(self, prefix: str) -> list[str]:
        """What the work said on its way: the rests of the points that begin with `prefix`."""
        return [point.removeprefix(prefix) for point in self.points if point.startswith(prefix)]


def run_and_kill(work: Callable[[Probe], None], at: str) -> Passed:
    """Runs `work` in a child that kills itself, as a power cut would, when it passes the point named `at` (`name#3`: for
    the third time). The work may call its probe too, to say what it knows by then. Fails when the point is not passed."""
    name, _, nth = at.partition("#")
    points, status = _finish(_fork(lambda say: work(_killer(say, name, int(nth or 1)))))
    assert os.WIFSIGNALED(status), f"{at} was not passed, but {points}"
    assert os.WTERMSIG(status) == signal.SIGKILL, f"the child died of signal {os.WTERMSIG(status)} after {points}"
    return Passed(tuple(points))


def cut(work: Callable[[Probe], None], at: str) -> bool:
    """Like `run_and_kill`, where it is not certain that the point is passed: tasks that run at once share commits. Says
    whether it was, and so whether the child was killed."""
    name, _, nth = at.partition("#")
    points, status = _finish(_fork(lambda say: work(_killer(say, name, int(nth or 1)))))
    killed = os.WIFSIGNALED(status)
    assert killed or status == 0, f"the child ended with {status} after {points}"
    return killed


def every_point_of(work: Callable[[Probe], None]) -> list[str]:
    """Every named point that `work` passes, each time that it does, in order, as `cut` takes them."""
    points, status = _finish(_fork(work))
    assert status == 0, f"the child ended with {status} after {points}"
    heard: Counter[str] = Counter()
    found = []
    for point in points:
        heard[point] += 1
        found.append(f"{point}#{heard[point]}")
    return found


def kill_all_after(works: Sequence[Callable[[Probe], None]], lines: Sequence[int]) -> list[list[str]]:
    """Runs each function in a process of its own, all at once, and kills each when it has said so many lines, wherever it
    is by then. Gives what each had said."""
    children = [_fork(work) for work in works]
    said = [b""] * len(children)
    open_ones = {reading: number for number, (_, reading) in enumerate(children)}
    end = time.monotonic() + PATIENCE * 3
    while open_ones:
        readable, _, _ = select.select(list(open_ones), [], [], max(0.0, end - time.monotonic()))
        assert readable, f"children were still running; they had said {said}"
        for reading in readable:
            number = open_ones[reading]
            chunk = os.read(reading, 65536)
            said[number] += chunk
            if not chunk:
                del open_ones[reading]
            elif said[number].count(b"\n") >= lines[number]:
                os.kill(children[number][0], signal.SIGKILL)
    for pid, reading in children:
        os.close(reading)
        os.waitpid(pid, 0)
    found = [each.decode().splitlines() for each in said]
    raised = [json.loads(line.removeprefix("raised: ")) for lines in found for line in lines if line[:8] == "raised: "]
    assert not raised, raised[0]
    return found


def points_of(work: Callable[[Probe], None]) -> tuple[str, ...]:
    """Every named point that `work` passes when nobody kills it, once each, in order: where `run_and_kill` can cut."""
    points, status = _finish(_fork(work))
    assert status == 0, f"the child ended with {status} after {points}"
    return tuple(dict.fromkeys(points))


@dataclass
class Stopped:
    """A child that stands still in the middle of its work, as one does that is suspended or swapped out."""

    pid: int
    reading: int

    def go_on(self) -> Passed:
        """Lets it end; gives what it said until then."""
        os.kill(self.pid, signal.SIGCONT)
        points, status = _finish((self.pid, self.reading))
        assert status == 0, f"the child ended with {status} after {points}"
        return Passed(tuple(points))


@contextmanager
def stopped(work: Callable[[Probe], None], at: str) -> Iterator[Stopped]:
    """Runs `work` in a child that stops itself when it passes the point named `at` for the first time. Whoever leaves
    without letting it go on kills it."""
    child = Stopped(*_fork(lambda say: work(_stopper(say, at))))
    end = time.monotonic() + PATIENCE
    try:
        # It says what it passed before it stands still, or its end.
        while os.waitpid(child.pid, os.WUNTRACED | os.WNOHANG) == (0, 0):
            assert time.monotonic() < end, f"{at} was not passed within {PATIENCE} s"
            select.select([child.reading], [], [], 0.01)
        yield child
    finally:
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)


def race(works: Sequence[Callable[[], Any]]) -> list[Any]:
    """Runs each function in a process of its own, all starting at once, and returns their results (as JSON carries
    them) in order."""
    gate, opener = os.pipe()

    def begin(work: Callable[[], Any]) -> Callable[[Probe], None]:
        def run(say: Probe) -> None:
            os.close(opener)
            os.read(gate, 1)  # returns when the parent has closed its end: everybody starts
            say(json.dumps(work()))

        return run

    children = [_fork(begin(work)) for work in works]
    os.close(opener)
    os.close(gate)
    results = []
    for child in children:
        said, status = _finish(child)
        assert status == 0, f"a child ended with {status} after {said}"
        results.append(json.loads(said[-1]))
    return results


def _killer(say: Probe, name: str, nth: int) -> Probe:
    heard: Counter[str] = Counter()

    def probe(point: str) -> None:
        say(point)
        heard[point] += 1
        if point == name and heard[point] == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    return probe


def _stopper(say: Probe, name: str) -> Probe:
    passed: list[str] = []

    def probe(point: str) -> None:
        say(point)
        if point == name and not passed:
            passed.append(point)
            os.kill(os.getpid(), signal.SIGSTOP)

    return probe


def _fork(work: Callable[[Probe], None]) -> tuple[int, int]:
    """Process id and the reading end of what the child says, one line each."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # From Python 3.12 on a fork beside other threads warns; the test runner's threads hold nothing the child needs.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    os.close(reading)
    ended = 1
    try:
        work(lambda line: _say(writing, line))
        ended = 0
    except BaseException:  # noqa: BLE001 - the parent raises it
        _say(writing, "raised: " + json.dumps(traceback.format_exc()))
    finally:
        os._exit(ended)  # never back into the test runner


def _say(descriptor: int, line: str) -> None:
    os.write(descriptor, f"{line}\n".encode())


def _finish(child: tuple[int, int]) -> tuple[list[str], int]:
    """All that a child said, and its wait status. A child that takes too long is killed, and the test fails."""
    pid, reading = child
    end = time.monotonic() + PATIENCE
    said = b""
    late = False
    while True:
        readable, _, _ = select.select([reading], [], [], max(0.0, end - time.monotonic()))
        if not readable:
            late = True
            os.kill(pid, signal.SIGKILL)
            break
        chunk = os.read(reading, 65536)
        if not chunk:
            break
        said += chunk
    os.close(reading)
    _, status = os.waitpid(pid, 0)
    lines = said.decode().splitlines()
    assert not late, f"the child was still running after {PATIENCE} s; it had said {lines}"
    raised = [json.loads(line.removeprefix("raised: ")) for line in lines if line.startswith("raised: ")]
    assert not raised, raised[0]
    return lines, status
