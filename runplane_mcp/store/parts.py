"""The log in parts: so many events, checked by themselves with all that they speak of. What the parts vouch for is put
together in their order, and is then what one pass over the whole log would have found."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from runplane_mcp.core.merkle import Frontier
from runplane_mcp.store.commitments import Commitments
from runplane_mcp.store.evidence import AT, LEAF, SELECT_EVENT, SEQ, Evidence
from runplane_mcp.store.mismatch import Mismatch
from runplane_mcp.store.rows import Row
from runplane_mcp.store.vouched import Vouched

#: Events in a part: a power of two, so that each but the last is a whole subtree of the log's tree.
PART: Final = 1 << 14
#: How many events are read and checked together.
AT_ONCE: Final = 500
#: Among so many events at the beginning of a part, one that names a payload is looked for.
_LOOKED_AT: Final = 100

_EVENTS = f"{SELECT_EVENT} WHERE seq BETWEEN ? AND ? ORDER BY seq"


@dataclass(frozen=True, slots=True)
class Part:
    """Events `first` to `last`. Payloads whose number is at least the first of `payloads` and below the second are read in
    their order; wherever payloads stand, each event finds its own."""

    first: int
    last: int
    payloads: tuple[int, int]


@dataclass(slots=True)
class Checked:
    """What a part came to: the tree over its events, up to where one is wrong."""

    frontier: Frontier = field(default_factory=Frontier)
    newest_at: int = 0
    vouched: Vouched = field(default_factory=Vouched)
    last_read: int = 0
    changed: str | None = None
    mismatch: tuple[str, int | None] | None = None

    def then(self, later: Checked) -> Checked:
        """Of this part and the one behind it. ValueError where that one does not begin at a border of the tree."""
        self.vouched.add(later.vouched)
        return Checked(
            frontier=self.frontier.joined(later.frontier),
            newest_at=max(self.newest_at, later.newest_at),
            vouched=self.vouched,
            last_read=max(self.last_read, later.last_read),
            changed=self.changed or later.changed,
            mismatch=later.mismatch,
        )


def parts_of(connection: sqlite3.Connection, events: int) -> list[Part]:
    """All of a log of so many events, the last part open towards what should not be there."""
    firsts = list(range(1, events + 1, PART)) or [1]
    borders = [0]
    for first in firsts[1:]:
        borders.append(max(borders[-1], _first_payload(connection, first)))
    ends = [*(first - 1 for first in firsts[1:]), _NO_END]
    return [
        Part(first, last, payloads)
        for first, last, payloads in zip(firsts, ends, zip(borders, [*borders[1:], _NO_END], strict=True), strict=True)
    ]


_NO_END: Final = 2**62


def together(found: Sequence[Checked]) -> Checked:
    """Of parts that follow each other, up to the first that is not right. What comes behind it does not count."""
    checked, *rest = found
    for later in rest:
        if checked.mismatch is not None:
            break
        checked = checked.then(later)
    return checked


def whole(connection: sqlite3.Connection, progress: Callable[[int], None]) -> Checked:
    """The whole log at once."""
    return check_part(connection, Part(1, _NO_END, (0, _NO_END)), progress)


def check_part(connection: sqlite3.Connection, part: Part, progress: Callable[[int], None] = lambda _: None) -> Checked:
    """`progress` hears how many events of the part are done."""
    checked = Checked()
    try:
        commitments = Commitments(connection, *part.payloads)
        evidence = Evidence(connection, commitments, checked.vouched)
        if part.first > 1:
            evidence.reads.begin_before(part.first)
        rows = connection.execute(_EVENTS, (part.first, part.last))
        while events := rows.fetchmany(AT_ONCE):
            _some(checked, evidence, events, part.first)
            progress(checked.frontier.size)
        checked.last_read = evidence.reads.last
        checked.changed = commitments.read_all()
    except Mismatch as mismatch:
        checked.mismatch = mismatch.problem, mismatch.seq
    except sqlite3.Error as error:
        reached = part.first + checked.frontier.size
        checked.mismatch = f"The database cannot be read from here on: {error}.", reached
    return checked


def _some(checked: Checked, evidence: Evidence, events: Sequence[Row], first: int) -> None:
    """Where there is a gap, only after what stands before it: the first that is wrong is told."""
    next_ = first + checked.frontier.size
    missing = next((seq for seq, event in enumerate(events, start=next_) if event[SEQ] != seq), None)
    if missing is not None:
        events = events[: missing - next_]
    evidence.check(events)
    checked.frontier = checked.frontier.extended([event[LEAF] for event in events])
    checked.newest_at = max(checked.newest_at, max((event[AT] for event in events), default=0))
    if missing is not None:
        raise Mismatch(f"Event {missing} is missing.", missing)


def _first_payload(connection: sqlite3.Connection, first: int) -> int:
    """Where in the order of payloads the events from `first` on begin; 0 where they do not tell."""
    rows = connection.execute("SELECT body FROM event WHERE seq >= ? ORDER BY seq LIMIT ?", (first, _LOOKED_AT))
    for (body,) in rows:
        try:
            names = [str(name) for name in json.loads(body)["payloads"].values()][:1] or [""]
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            continue
        numbers = connection.execute("SELECT number FROM payload WHERE commitment = ?", names).fetchall()
        if numbers:
            return int(numbers[0][0])
    return 0
