"""What the events `reads` say, against the reads that they speak for, and what no such event speaks for yet."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any, Final

from runplane_mcp.core.merkle import root
from runplane_mcp.core.request import FINAL, Kind
from runplane_mcp.store.batches import ARRIVAL, MOST_IN_A_BATCH, batch_counts, leaf_over, read_digests
from runplane_mcp.store.beside_evidence import listed_beside, problem_beside
from runplane_mcp.store.commitments import Commitments
from runplane_mcp.store.conditions import UNFINISHED
from runplane_mcp.store.mismatch import Mismatch
from runplane_mcp.store.rows import DECISION_COLUMNS, REQUEST_COLUMNS, Row, listed, listed_as_made
from runplane_mcp.store.vouched import Vouched

# ruff: noqa: S608 - column names of our own; every value is bound.

#: The schema that has tables for reads.
WITH_BATCHES: Final = 4
_AT_ONCE: Final = 1_000
_READS = """
SELECT read.n, read.leaf, {} FROM read JOIN request USING (number)
WHERE read.n BETWEEN ? AND ? ORDER BY read.n
"""
_DECISIONS = f"""
SELECT {listed(DECISION_COLUMNS, "decision")} FROM read JOIN request USING (number)
JOIN decision ON decision.request_id = request.id WHERE read.n BETWEEN ? AND ? ORDER BY read.n, decision.n
"""
#: Reads that run and have no event of their own.
_RUNNING = f"""
request WHERE {UNFINISHED} AND kind = 'read' AND (state = 'executing' OR state = 'outcome_unknown')
AND NOT EXISTS (SELECT 1 FROM event WHERE request_id = request.id AND {ARRIVAL})
"""
_RUNNING_DECISIONS = f"SELECT count(*) FROM decision WHERE request_id IN (SELECT id FROM {_RUNNING})"
_ID, _KIND, _STATE = (REQUEST_COLUMNS.index(column) for column in ("id", "kind", "state"))
_PRINCIPAL, _AGENT = REQUEST_COLUMNS.index("principal"), REQUEST_COLUMNS.index("agent")
_PAYLOADS: Final = tuple(REQUEST_COLUMNS.index(column) for column in ("asked", "effective", "told", "result"))
_REQUEST_ID, _CONTENT = DECISION_COLUMNS.index("request_id"), DECISION_COLUMNS.index("content")
_FINAL: Final = frozenset(state.value for state in FINAL)


class ReadEvidence:
    """Of batches that are given in their order. `last` is the number of the last read of the last of them."""

    def __init__(self, connection: sqlite3.Connection, commitments: Commitments, vouched: Vouched) -> None:
        self._connection = connection
        self._of_reads = _READS.format(
            f"{listed_as_made(connection, REQUEST_COLUMNS, 'request')}, {listed_beside(connection)}"
        )
        self._commitments = commitments
        self._vouched = vouched
        self._seen = vouched.seen
        self.last = 0

    def begin_before(self, seq: int) -> None:
        """Where the batches of earlier events are checked by somebody else: these go on where those end by their rows,
        which whoever checks those holds against them."""
        [version] = self._one("PRAGMA user_version")
        if version >= WITH_BATCHES:
            self.last = self._one("SELECT coalesce(max(last), 0) FROM read_batch WHERE event_seq < ?", seq)[0]

    def batch(self, seq: int, said: Mapping[str, Any]) -> None:
        """Mismatch where the batch of this event is not what it was, or does not go on where the last one ended."""
        first, last = said.get("first"), said.get("last")
        if first != self.last + 1 or not isinstance(last, int) or not first <= last < first + MOST_IN_A_BATCH:
            raise Mismatch(f"Event {seq} does not go on with the reads where the one before it ended.", seq)
        leaves: list[bytes] = []
        agents: Counter[tuple[str, str]] = Counter()
        for leaf, request in self._reads(first, last, seq):
            leaves.append(leaf)
            agents[request[_PRINCIPAL], request[_AGENT]] += 1
        if len(leaves) != last - first + 1:
            raise Mismatch(f"Of the reads that event {seq} speaks for, some are missing.", seq)
        if root(leaves).hex() != said.get("root") or batch_counts(agents) != said.get("agents"):
            raise Mismatch(f"The reads of event {seq} are not those that it spoke for.", seq)
        if self._one("SELECT last FROM read_batch WHERE event_seq = ?", seq) != (last,):
            raise Mismatch(f"Where the batch of event {seq} ends was changed.", seq)
        self._seen["read_batch"] += 1
        self.last = last

    def pending(self) -> int:
        """How many reads have ended, or run, and no event speaks for them yet. Mismatch where one was changed."""
        ended = sum(1 for _ in self._reads(self.last + 1, 2**62, None))
        running = self._one(f"SELECT count(*) FROM {_RUNNING}")[0]
        self._seen["request"] += running
        self._seen["decision"] += self._one(_RUNNING_DECISIONS)[0]
        return ended + int(running)

    def alone(self, request_id: str) -> tuple[int | None, str | None]:
        """The sequence number of the event that speaks for this read, and the read's own leaf (hex), as far as there are
        any; `last` is then where that event's batch begins. Mismatch where the read was changed."""
        n = self._one("SELECT n FROM read JOIN request USING (number) WHERE request.id = ?", request_id)
        if n is None:
            return None, None
        [(leaf, _)] = self._reads(n[0], n[0], None)
        batch = self._one("SELECT event_seq FROM read_batch WHERE last >= ? ORDER BY last LIMIT 1", *n)
        self.last = self._one("SELECT coalesce(max(last), 0) FROM read_batch WHERE last < ?", *n)[0]
        return None if batch is None else batch[0], leaf.hex()

    def running(self, request_id: str) -> bool:
        return bool(self._one(f"SELECT count(*) FROM {_RUNNING} AND id = ?", request_id)[0])

    def _reads(self, first: int, last: int, seq: int | None) -> Iterator[tuple[bytes, Row]]:
        """Leaf and request of each read of this range, checked."""
        rows = self._connection.execute(self._of_reads, (first, last))
        made = groupby(self._connection.execute(_DECISIONS, (first, last)), key=lambda row: row[_REQUEST_ID])
        ahead: tuple[object, list[Row]] | None = None
        while some := rows.fetchmany(_AT_ONCE):
            found: list[tuple[int, bytes, Row, list[Row]]] = []
            names: list[object] = []
            for n, leaf, *values in some:
                request = tuple(values)
                if ahead is None and (following := next(made, None)) is not None:
                    ahead = following[0], list(following[1])
                decisions: list[Row] = []
                if ahead is not None and ahead[0] == request[_ID]:
                    decisions, ahead = ahead[1], None
                found.append((n, leaf, request, decisions))
                names += (request[place] for place in _PAYLOADS)
                names += (decision[_CONTENT] for decision in decisions)
            kept = self._commitments.look_up(names)
            for expected, (n, leaf, request, decisions) in enumerate(found, start=first):
                contents = [decision[_CONTENT] for decision in decisions]
                named = [request[place] for place in _PAYLOADS if request[place] is not None] + contents
                read = n == expected and request[_KIND] == Kind.READ and request[_STATE] in _FINAL
                its_own = True, request[_ID]
                whole = all(kept.get(name, its_own) == its_own for name in named)
                digests = read_digests(request, decisions)
                if not read or leaf_over(str(request[_ID]), digests) != leaf or not whole:
                    raise Mismatch(f"The read {request[_ID]}, number {n}, was changed.", seq)
                problem = problem_beside(request)
                if problem is not None:
                    raise Mismatch(f"{problem} was changed.", seq)
                for name in named:
                    if name not in kept:
                        self._vouched.missing(
                            name, f"A payload of the read {request[_ID]}, number {n}, is missing.", seq
                        )
                for digest in digests:
                    self._vouched.row(digest)
                self._seen["request"] += 1
                self._seen["decision"] += len(decisions)
                self._seen["read"] += 1
                yield leaf, request
            first += len(found)

    def _one(self, sql: str, *values: object) -> Any:
        return self._connection.execute(sql, values).fetchone()
