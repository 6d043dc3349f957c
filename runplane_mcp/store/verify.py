"""Whether the audit log and the state tables still say what was written: reads only, in one pass over the events, of which
several processes take parts where the log is long.

Checked: the sequence without gaps, each event's leaf and its columns against its body, the root against the head; each
request, decision, vote, repeat, person, freeze and policy against the event that wrote it, in both directions; what a
request counts into limits, is about and is found by, against the digests in its row, which its newest event vouches for;
every payload against its commitment, where none may be missing but what an event `erased` names; the sums that limits are
measured by against their rows; the tables and triggers themselves; every page, and every index against its table. Not
checked: what is kept beside the rows of requests from before the sixth version, as far as it has not changed since.

This proves only the absence of accidents and of clumsy hands: whoever rewrites everything consistently is found by
signatures, and by checkpoints that are kept outside the database (`gate/audit/auditing.py`).
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from runplane_mcp.core.merkle import HASH_BYTES, Frontier
from runplane_mcp.core.request import FINAL, ONCE_RESTORED, State, may_follow
from runplane_mcp.store.batches import ARRIVAL
from runplane_mcp.store.beside_evidence import NOBODYS, WITH_NUMBERS
from runplane_mcp.store.commitments import Commitments
from runplane_mcp.store.evidence import LEAF, SELECT_EVENT, SEQ, TYPE, Evidence
from runplane_mcp.store.files import snapshot, version_of
from runplane_mcp.store.helpers import Unhelped, check_in_processes, cores
from runplane_mcp.store.in_place import check_in_place
from runplane_mcp.store.mismatch import Mismatch
from runplane_mcp.store.parts import PART, Checked, whole
from runplane_mcp.store.read_evidence import WITH_BATCHES, ReadEvidence
from runplane_mcp.store.rows import Row
from runplane_mcp.store.schema import expected_form, form_of
from runplane_mcp.store.sums import unlike_rows
from runplane_mcp.store.vouched import Vouched

# ruff: noqa: S608 - table names of our own; every value is bound.

#: How many events lie between two calls of `progress`.
STRIDE: Final = 10_000
#: From so many events on it is worth starting processes.
_WORTH_HELPERS: Final = 4 * PART

_VERSION = "SELECT version FROM request WHERE id = ?"
_QUIET = f"""
SELECT 1 FROM request WHERE id = ?1 AND kind = 'read'
AND NOT EXISTS (SELECT 1 FROM event WHERE request_id = ?1 AND {ARRIVAL})
"""


@dataclass(frozen=True, slots=True)
class Verification:
    """`events` were read and `root` (hex) is theirs. `first_bad` is the first event that cannot be right, None where all
    are or where no single one can be named; `problem` says what is wrong in one sentence. `pending_reads` run, or have
    ended a moment ago: they stand in their tables, and no event speaks for them yet. `erasures` are the events that say
    that something was erased: whether an administrator signed them is asked of the people's side."""

    ok: bool
    events: int
    root: str
    first_bad: int | None
    problem: str | None
    events_per_second: int
    pending_reads: int
    erasures: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RequestProof:
    """What the log has of one request: the sequence numbers of its events and the leaf (hex) of the newest of them. Of a
    read without events of its own it is the one that speaks for it and others; while none does, there are no numbers, and
    the leaf is the read's own, empty while it runs. `ok` where each event hashes to its leaf, and the request, its
    decisions, its votes and their payloads are as these events left them. Whether the leaves are under the head's root
    only `verify` tells, which reads all of them."""

    seqs: tuple[int, ...]
    leaf: str
    ok: bool
    first_bad: int | None
    problem: str | None


def verify(
    path: Path, progress: Callable[[int, int], None] | None = None, *, processes: int | None = None
) -> Verification:
    """Checks the store at `path` from one snapshot, also while others write. `progress` hears how many events of how many
    are done. A long log is checked by as many `processes`, by default one for each core. StoreError when there is no
    store, or none that this program knows."""
    with snapshot(path) as (connection, version):
        return _Check(connection, version, path, progress, cores() if processes is None else processes).run()


def verify_requests(path: Path, request_ids: Sequence[str]) -> dict[str, RequestProof]:
    """The same for single requests, from their own events alone: quick however long the log is."""
    with snapshot(path) as (connection, version):
        return {each: _Check(connection, version, path).one(each) for each in request_ids}


def check_request(connection: sqlite3.Connection, path: Path, request_id: str) -> RequestProof:
    """The same of one request, in whoever's transaction this is. sqlite3.Error for whatever SQLite complains about."""
    return _Check(connection, version_of(connection, path), path).one(request_id)


class _Check:
    def __init__(
        self,
        connection: sqlite3.Connection,
        version: int,
        path: Path,
        progress: Callable[[int, int], None] | None = None,
        processes: int = 1,
    ) -> None:
        self._connection = connection
        self._version = version
        self._path = path
        self._progress = progress
        self._processes = processes
        self._next_told = STRIDE
        self._frontier = Frontier()
        self._newest_at = 0
        self._pending = 0

    def run(self) -> Verification:
        started = time.perf_counter()
        first_bad: int | None = None
        problem: str | None = None
        erasures: tuple[int, ...] = ()
        try:
            checked = self._events()
            self._frontier, self._newest_at = checked.frontier, checked.newest_at
            if checked.mismatch is not None:
                raise Mismatch(*checked.mismatch)
            self._head()
            vouched = checked.vouched
            if self._version >= WITH_BATCHES:
                reads = ReadEvidence(self._connection, Commitments(self._connection), vouched)
                reads.last = checked.last_read
                self._pending = reads.pending()
            self._rows(vouched)
            check_in_place(self._connection, self._version)
            vouched.only_erased_missing()
            if checked.changed is not None:
                raise Mismatch(f"The payload {checked.changed} was changed.")
            self._sums()
            self._form()
            self._pages()
            erasures = tuple(vouched.erasures)
        except Mismatch as mismatch:
            first_bad, problem = mismatch.seq, mismatch.problem
        except sqlite3.Error as error:
            first_bad, problem = self._frontier.size + 1, f"The database cannot be read from here on: {error}."
        seconds = max(time.perf_counter() - started, 1e-9)
        return Verification(
            ok=problem is None,
            events=self._frontier.size,
            root=self._frontier.root().hex(),
            first_bad=first_bad,
            problem=problem,
            events_per_second=int(self._frontier.size / seconds),
            pending_reads=self._pending,
            erasures=erasures,
        )

    def one(self, request_id: str) -> RequestProof:
        """Checks the events of one request and what they wrote."""
        rows = self._connection.execute(f"{SELECT_EVENT} WHERE request_id = ? ORDER BY seq", (request_id,)).fetchall()
        vouched = Vouched()
        evidence = Evidence(self._connection, Commitments(self._connection), vouched)
        first_bad: int | None = None
        problem: str | None = None
        leaf = rows[-1][LEAF].hex() if rows else ""
        try:
            if self._is_quiet(request_id):
                rows, leaf = self._quiet(evidence, request_id, rows)
                return RequestProof(tuple(row[SEQ] for row in rows), leaf, True, None, None)
            evidence.check(rows)
            evidence.vouched.only_erased_missing()
            evidence.vouched.each_once()
            for table in ("decision", "vote"):
                if self._count(table, request_id) != vouched.seen[table]:
                    raise Mismatch(f"There is a {table} in the database that no event made.")
            # Every move counts the version up and has its event: fewer events than that, and one was taken away.
            moves = sum(row[TYPE].startswith("request.") for row in rows)
            request = self._one(_VERSION, request_id)
            if request is None or vouched.seen["request"] != 1 or moves != request[0]:
                raise Mismatch("The request has moved without an event, or an event of it is missing.")
            _in_order([row for row in rows if row[TYPE].startswith("request.")])
        except Mismatch as mismatch:
            first_bad, problem = mismatch.seq, mismatch.problem
        return RequestProof(tuple(row[SEQ] for row in rows), leaf, problem is None, first_bad, problem)

    def _is_quiet(self, request_id: str) -> bool:
        return self._version >= WITH_BATCHES and self._one(_QUIET, request_id) is not None

    def _quiet(self, evidence: Evidence, request_id: str, others: list[Row]) -> tuple[list[Row], str]:
        """The event that speaks for a read without events of its own, with `others` that are about it: that it was
        erased; and the leaf to tell."""
        evidence.check(others)
        seq, own = evidence.reads.alone(request_id)
        if own is None and not evidence.reads.running(request_id):
            raise Mismatch("No event speaks of it.")
        # Before the batch is read: what is missing of its other reads is none of this one's.
        evidence.vouched.only_erased_missing()
        rows = self._connection.execute(f"{SELECT_EVENT} WHERE seq = ?", (seq,)).fetchall()
        if seq is not None and not rows:
            raise Mismatch(f"Event {seq} is missing.", seq)
        evidence.check(rows)
        return [*rows, *others], rows[0][LEAF].hex() if rows else own or ""

    def _events(self) -> Checked:
        events = self._count("event")
        if self._processes > 1 and events >= _WORTH_HELPERS:
            # Where helpers cannot be had it takes longer, that is all.
            with contextlib.suppress(Unhelped):
                checked = check_in_processes(self._connection, self._path, self._processes, self._told)
                # It is another snapshot than before.
                self._version = version_of(self._connection, self._path)
                return checked
            self._version, events = version_of(self._connection, self._path), self._count("event")
        return whole(self._connection, lambda done: self._told(done, events))

    def _told(self, done: int, of: int) -> None:
        if self._progress is not None and (done >= self._next_told or done == of):
            self._next_told = done - done % STRIDE + STRIDE
            self._progress(done, of)

    def _head(self) -> None:
        row = self._one("SELECT size, frontier, root, newest_at FROM head")
        if row is None:
            raise Mismatch("The head of the log is missing.")
        size, frontier, root, newest_at = row
        read = self._frontier.size
        if read < size:
            raise Mismatch(f"The log was cut: events {read + 1} to {size} are missing.", read + 1)
        if read > size:
            raise Mismatch(f"Event {size + 1} is not under the head.", size + 1)
        hashes = [frontier[start : start + HASH_BYTES] for start in range(0, len(frontier), HASH_BYTES)]
        for (first, end), now, then in zip(self._frontier.spans(), self._frontier.hashes, hashes, strict=False):
            if now != then:
                raise Mismatch(f"Among the events {first + 1} to {end} one was changed.", first + 1)
        if root != self._frontier.root() or len(hashes) != len(self._frontier.hashes) or newest_at != self._newest_at:
            raise Mismatch("The head of the log was changed.")

    def _rows(self, vouched: Vouched) -> None:
        vouched.each_once()
        for table, seen in vouched.seen.items():
            if (self._version >= WITH_BATCHES or not table.startswith("read")) and self._count(table) != seen:
                raise Mismatch(f"There is a {table} in the database that no event made.")
        if vouched.moves != vouched.versions:
            raise Mismatch("A request has moved without an event, or an event of one is missing.")
        row = self._one("SELECT count(*) FROM freeze WHERE lifted_seq IS NOT NULL")
        if row is not None and row[0] != vouched.lifted:
            raise Mismatch("A freeze is marked as lifted, but no event lifted it.")

    def _sums(self) -> None:
        if self._version >= WITH_NUMBERS and self._one(NOBODYS) != (0,):
            raise Mismatch("There is a reservation in the database that is no request's.")
        table = unlike_rows(self._connection) if self._version > 1 else None
        if table is not None:
            raise Mismatch(f"The sums kept of the {table}s are not those of their rows.")

    def _form(self) -> None:
        found, expected = form_of(self._connection), expected_form(self._version)
        for name in sorted(found.keys() | expected.keys()):
            if found.get(name) != expected.get(name):
                raise Mismatch(f"The database's own rules were changed: `{name}` is not as it was made.")

    def _pages(self) -> None:
        # An index that lacks a row hides a request from whoever asks for it, and an earlier one from whoever asks whether
        # there was one; every row is in its table all the same.
        found = self._connection.execute("PRAGMA integrity_check(1)").fetchone()
        if found != ("ok",):
            raise Mismatch(f"The database's pages and indexes do not say what its tables do: {str(found[0])[:200]}.")

    def _count(self, table: str, request_id: str | None = None) -> int:
        rows = "" if request_id is None else "WHERE request_id = ?"
        values = () if request_id is None else (request_id,)
        return int(self._connection.execute(f"SELECT count(*) FROM {table} {rows}", values).fetchone()[0])

    def _one(self, sql: str, *values: object) -> Row | None:
        row: Row | None = self._connection.execute(sql, values).fetchone()
        return row


def _in_order(moves: Sequence[Row]) -> None:
    """Mismatch where these events tell of a move that there is not: out of a final state, above all. A restore sets aside
    what is not final, and what it set aside has a list of its own."""
    for earlier, later in pairwise(moves):
        before, after = (State(row[TYPE].removeprefix("request.")) for row in (earlier, later))
        set_aside = before not in FINAL and after is State.OUTCOME_UNKNOWN
        if not (may_follow(before, after) or set_aside or after in ONCE_RESTORED.get(before, frozenset())):
            raise Mismatch(f"No request goes from {before.value} to {after.value}.", later[SEQ])
