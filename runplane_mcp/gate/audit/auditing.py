"""The whole audit of a home's log: what is in the database against itself, against the checkpoint beside it and copies of
it kept elsewhere, and every signature. It says what it compared with, since that is what it proves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

from runplane_mcp.core.checkpoint import Note, Signed, fingerprint, parse_all, who_signed
from runplane_mcp.errors import CheckpointError
from runplane_mcp.gate.audit.signatures import Signatures, check_signatures
from runplane_mcp.store.anchors import LogState, ends, log_of, read_file, roots_at
from runplane_mcp.store.verify import Verification, verify

#: In bytes. A note an hour for a year fits.
LARGEST_COPY: Final = 8 << 20


class Said(StrEnum):
    """What a checkpoint says of the database."""

    #: Signed by the log's key, and the events up to its size have its root.
    SAME = "same"
    #: Of an earlier epoch, and about events that a restore left behind: it says nothing of this log.
    LEFT_BEHIND = "left_behind"
    #: No checkpoint, or not one that the log's key signed.
    UNSIGNED = "unsigned"
    #: The database has fewer events.
    SHORTER = "shorter"
    #: The database has other events.
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Compared:
    """One checkpoint and what came of comparing with it. `at` is when the last event under it was written by the log's
    own word (wall time, milliseconds), `key` the fingerprint of the key that signed, `problem` a sentence."""

    file: Path
    beside: bool
    said: Said
    origin: str | None = None
    size: int | None = None
    at: int | None = None
    key: str | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Audit:
    """`ok`: nothing that was looked at contradicts anything. `anchored`: at least one checkpoint says the same. `first_bad`
    is the first event that cannot be right where one can be named; else `between` are the first and last that it can be.
    `expected`: the log says that checkpoints are kept, so that one should have been there."""

    ok: bool
    anchored: bool
    verification: Verification
    signatures: Signatures
    compared: tuple[Compared, ...]
    first_bad: int | None
    between: tuple[int, int] | None
    problem: str | None
    expected: bool

    @property
    def covered(self) -> int:
        """How many events lie under a checkpoint that says the same."""
        return max((each.size or 0 for each in self.compared if each.said is Said.SAME), default=0)


def audit(
    database: Path,
    checkpoint: Path,
    *,
    copies: Sequence[Path] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Audit:
    """Audits the store at `database` with the checkpoint beside it, where there is one, and with every note in the files
    `copies`. CheckpointError `checkpoint.malformed`, `checkpoint.missing` for a copy that is none; StoreError."""
    kept = [(file, note) for file in copies for note in _notes(file)]
    # Before the log is read: what these say was durable by then.
    beside = read_file(checkpoint)
    found = verify(database, progress)
    state, begun = log_of(database)
    compared = _compare(database, state, begun, _beside(checkpoint, beside), kept, found)
    signatures = check_signatures(database)
    return _judge(found, signatures, compared, _epoch(state, begun), expected=bool(state.keys) and not state.backup)


def _notes(file: Path) -> tuple[Note, ...]:
    try:
        with file.open("rb") as opened:
            data = opened.read(LARGEST_COPY + 1)
    except OSError as error:
        raise CheckpointError(
            "checkpoint.missing",
            f"{file} cannot be read: {error.strerror or type(error).__name__}.",
            next_step="Name the file that you keep checkpoints of this log in.",
        ) from None
    if len(data) > LARGEST_COPY:
        raise CheckpointError(
            "checkpoint.malformed",
            f"{file} is too long to be a file of checkpoints.",
            next_step=f"The newest ones are enough: at most {LARGEST_COPY >> 20} MiB.",
        )
    try:
        return parse_all(data, most=1 + LARGEST_COPY // 200)
    except CheckpointError as error:
        raise CheckpointError(error.code, f"{file}: {error.message}", next_step=error.next_step) from None


def _beside(file: Path, data: bytes | None) -> tuple[Path, Note | CheckpointError] | None:
    if data is None:
        return None
    try:
        notes = parse_all(data, most=1)
    except CheckpointError as error:
        return file, error
    return file, notes[0]


def _compare(
    database: Path,
    state: LogState,
    begun: Mapping[int, int],
    beside: tuple[Path, Note | CheckpointError] | None,
    kept: Sequence[tuple[Path, Note]],
    found: Verification,
) -> tuple[Compared, ...]:
    notes = [note for _, note in kept]
    if beside is not None and isinstance(beside[1], Note):
        notes.append(beside[1])
    wanted = {note.checkpoint.size for note in notes if note.checkpoint.size <= found.events}
    # The root of all that was read is there already; usually that is all that is asked for.
    roots = {found.events: bytes.fromhex(found.root)}
    if wanted - roots.keys():
        roots |= roots_at(database, wanted)
    last = ends(database, wanted)
    passed = {size: (roots[size], *last[size]) for size in wanted if size in roots and size in last}
    compared: list[Compared] = []
    if beside is not None:
        file, what = beside
        if isinstance(what, Note):
            compared.append(_one(file, what, state, begun, passed, events=found.events, beside=True))
        else:
            compared.append(Compared(file, True, Said.UNSIGNED, problem=what.message))
    compared.extend(_one(file, note, state, begun, passed, events=found.events, beside=False) for file, note in kept)
    return tuple(compared)


def _one(
    file: Path,
    note: Note,
    state: LogState,
    begun: Mapping[int, int],
    passed: Mapping[int, tuple[bytes, bytes, int]],
    *,
    events: int,
    beside: bool,
) -> Compared:
    there = note.checkpoint
    here = passed.get(there.size)
    at = None if here is None else here[2]
    plain = Compared(file, beside, Said.OTHER, there.origin, there.size, at)
    if there.store != state.store:
        return replace(plain, at=None, problem=f"It is of the store {there.store}, and this is {state.store}.")
    signed, key = who_signed(note, [each.public for each in state.keys])
    if key is None:
        why = (
            "A signature in the name of the log's key is not by it."
            if signed is Signed.WRONG
            else "No key that this log knows has signed it: it was forged, or the log was given another key."
        )
        return replace(plain, said=Said.UNSIGNED, problem=why)
    plain = replace(plain, key=fingerprint(key))
    used = next(place for place, each in enumerate(state.keys) if each.public == key)
    if used and there.size >= state.keys[used - 1].seq:
        since = state.keys[used - 1].seq
        return replace(
            plain, said=Said.UNSIGNED, problem=f"It is signed by a key that was replaced before it, at event {since:,}."
        )
    if there.epoch > state.epoch:
        problem = f"It is of epoch {there.epoch}, and the database of epoch {state.epoch}."
        return replace(plain, said=Said.SHORTER, problem=problem)
    left_at = min((seq for epoch, seq in begun.items() if epoch > there.epoch), default=None)
    if left_at is not None and there.size >= left_at:
        return replace(plain, said=Said.LEFT_BEHIND, at=None)
    if there.size and here is None:
        return replace(
            plain,
            said=Said.SHORTER,
            problem=f"It knows {there.size:,} events, and the database has {events:,}.",
        )
    if here is not None and (here[0], here[1]) != (there.root, there.last_leaf):
        return replace(plain, problem=f"Among the first {there.size:,} events one is another than it was.")
    return replace(plain, said=Said.SAME)


def _epoch(state: LogState, begun: Mapping[int, int]) -> str | None:
    if state.epoch == max(begun, default=1):
        return None
    return f"The database says that it is of epoch {state.epoch}, and its log knows of no restore that began it."


def _judge(
    found: Verification, signatures: Signatures, compared: tuple[Compared, ...], epoch: str | None, *, expected: bool
) -> Audit:
    bad = [each for each in compared if each.said not in {Said.SAME, Said.LEFT_BEHIND}]
    anchored = any(each.said is Said.SAME for each in compared)
    first_bad: int | None = None
    between: tuple[int, int] | None = None
    problem = found.problem
    if not found.ok:
        first_bad = found.first_bad
    elif bad:
        problem = _sentence(bad[0])
        first_bad, between = _where(found.events, compared)
    elif signatures.problem is not None:
        problem, first_bad = signatures.problem, signatures.first_bad
    elif epoch is not None:
        problem = epoch
    ok = problem is None
    return Audit(ok, ok and anchored, found, signatures, compared, first_bad, between, problem, expected)


def _sentence(bad: Compared) -> str:
    where = "the checkpoint beside the database" if bad.beside else "a checkpoint kept elsewhere"
    return f"The log is not what {where} says ({bad.file}). {bad.problem}"


def _where(events: int, compared: Sequence[Compared]) -> tuple[int | None, tuple[int, int] | None]:
    """The first event that cannot be right, or the first and last that it may be: after the longest checkpoint that says
    the same, and before the end of the shortest that does not."""
    good = max((each.size or 0 for each in compared if each.said is Said.SAME), default=0)
    others = [each.size or 0 for each in compared if each.said is Said.OTHER and each.key is not None]
    if others:
        first, last = good + 1, min(others)
        if first > last:
            return None, None
        return (last, None) if first == last else (None, (first, last))
    if any(each.said is Said.SHORTER and each.size is not None and each.size > events for each in compared):
        return events + 1, None
    return None, None
