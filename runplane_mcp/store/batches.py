"""Reads in the audit log: one event for all that ended in a second, with a root over them.

What the policy lets an agent look at asks nobody and changes nothing, and there is very much of it. Such a read stands in
its own row, durable before its answer leaves; when it has ended, table `read` gives it the next number and its leaf, and
a batch event soon takes in all numbers since the last one. Between these, and while it runs, no event speaks of it yet.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.merkle import leaf_hash, root
from runplane_mcp.store.policies import SELECT_EVENT, PolicyReads
from runplane_mcp.store.records import READS, Event
from runplane_mcp.store.rows import DECISION_COLUMNS, REQUEST_COLUMNS, Value, insert, listed, row_digest

# ruff: noqa: S608 - column names of our own; every value is bound.

#: A batch is read as a whole wherever it is checked.
MOST_IN_A_BATCH: Final = 10_000

#: The event that a request with events of its own begins with. Others can be about a quiet read too: that it was erased.
ARRIVAL: Final = "type = 'request.received'"

_LAST: Final = "(SELECT coalesce(max(last), 0) FROM read_batch)"
_PENDING = f"""
SELECT n, leaf, principal, agent FROM read JOIN request USING (number) WHERE n > {_LAST} ORDER BY n LIMIT ?
"""
_BATCH_OF = f"""
{SELECT_EVENT} WHERE seq = (
  SELECT event_seq FROM read_batch
  WHERE last >= (SELECT n FROM read JOIN request USING (number) WHERE request.id = ?) ORDER BY last LIMIT 1
)
"""
_IN_BATCH = "SELECT request.id FROM read JOIN request USING (number) WHERE n BETWEEN ? AND ? ORDER BY n"
_IN_NONE = f"SELECT request.id FROM read JOIN request USING (number) WHERE n > {_LAST} ORDER BY n"
_DECISIONS = f"SELECT {listed(DECISION_COLUMNS)} FROM decision WHERE request_id = ? ORDER BY n"

_INSERT_READ = """
INSERT INTO read (n, number, at, leaf)
SELECT (SELECT coalesce(max(n), 0) + 1 FROM read), number, ?, ? FROM request WHERE id = ?
"""


def read_leaf(request: Sequence[Value], decisions: Sequence[Sequence[Value]]) -> bytes:
    """What a read that has ended puts under its batch's root: SHA-256(0x00 || lines), where the lines are the words
    `runplane.read/1`, its request id, and the digests of its row and of the rows of its decisions, in their order."""
    return leaf_over(str(request[_ID]), read_digests(request, decisions))


def read_digests(request: Sequence[Value], decisions: Sequence[Sequence[Value]]) -> list[str]:
    """Those of its row and of the rows of its decisions."""
    return [row_digest(REQUEST_COLUMNS, request), *(row_digest(DECISION_COLUMNS, each) for each in decisions)]


def leaf_over(request_id: str, digests: Sequence[str]) -> bytes:
    """`read_leaf` from what `read_digests` returned."""
    return leaf_hash("\n".join(("runplane.read/1", request_id, *digests)).encode())


_ID: Final = REQUEST_COLUMNS.index("id")


class BatchReads(PolicyReads):
    """Methods as `store/base.py` says."""

    def reads_pending(self) -> bool:
        return self._one(f"SELECT 1 FROM read WHERE n > {_LAST} LIMIT 1") is not None

    def batch_of(self, request_id: str) -> list[Event]:
        return [Event(*row) for row in self._all(_BATCH_OF, request_id)]

    def reads_of(self, batch: Event | None) -> list[str]:
        if batch is None:
            return [row[0] for row in self._all(_IN_NONE)]
        said = json.loads(batch.body)
        return [row[0] for row in self._all(_IN_BATCH, said["first"], said["last"])]


class BatchWrites(BatchReads):
    """The same for a transaction, which holds the events of a quiet read back until it is clear that none is needed."""

    _quiet: dict[str, list[Callable[[], object]]]

    @abstractmethod
    def append(self, type: str, body: Mapping[str, Json], *, at: int, request_id: str | None = None) -> int: ...

    def batch_reads(self, *, at: int) -> int:
        rows = self._all(_PENDING, MOST_IN_A_BATCH)
        if not rows:
            return 0
        agents = Counter((principal, agent) for _, _, principal, agent in rows)
        body: dict[str, Json] = {
            "first": rows[0][0],
            "last": rows[-1][0],
            "root": root([leaf for _, leaf, _, _ in rows]).hex(),
            "agents": batch_counts(agents),
        }
        seq = self.append(READS, body, at=at)
        self._all(insert("read_batch", ("last", "event_seq")), rows[-1][0], seq)
        return len(rows)

    def _tell(self, request_id: str, write: Callable[[], object]) -> None:
        """Writes an event of a request, or holds it back while nobody knows whether the request has events of its own."""
        held = self._quiet.get(request_id)
        if held is None:
            write()
        else:
            held.append(write)

    def _tell_held(self, request_id: str) -> None:
        """It has: writes those held back, in their order."""
        for write in self._quiet.pop(request_id):
            write()

    def _is_quiet(self, request_id: str) -> bool:
        """Whether a read of an earlier transaction is quiet: where it has events of its own, its arrival is the first."""
        return self._one(f"SELECT 1 FROM event WHERE request_id = ? AND {ARRIVAL} LIMIT 1", request_id) is None

    def _ended(self, request: Sequence[Value], *, at: int) -> None:
        """Gives a quiet read that has ended its number and its leaf."""
        leaf = read_leaf(request, self._all(_DECISIONS, request[_ID]))
        self._all(_INSERT_READ, at, leaf, request[_ID])


def batch_counts(agents: Mapping[tuple[str, str], int]) -> list[Json]:
    """How many of a batch's reads each agent had, in a fixed order."""
    return [
        {"principal": principal, "agent": agent, "count": count} for (principal, agent), count in sorted(agents.items())
    ]
