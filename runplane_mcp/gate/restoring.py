"""Restoring: an administrator puts a backup, or an old copy that somebody has put there already, in force again.

Nothing of it is trusted for being a file: every page and index, the whole log and every signature are checked, and the
administrator is one of its own people. What was open in it may have run since: nobody knows, so it is set aside and never
sent again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from runplane_mcp.core.approval import Person
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.checkpoint import EPOCH_BEGUN, LARGEST, epoch_of
from runplane_mcp.core.log_key import CURRENT
from runplane_mcp.core.request import ActionRequest, Failure, Kind, State
from runplane_mcp.errors import PersonError, StoreError
from runplane_mcp.gate.acts import signed_body
from runplane_mcp.gate.audit.auditing import Said, audit
from runplane_mcp.gate.audit.log_keys import key_in_log, tell_rotation
from runplane_mcp.gate.desk import Desk
from runplane_mcp.gate.execution import failure_event, no_probe
from runplane_mcp.gate.keys import REFUSED
from runplane_mcp.gate.people import trusted
from runplane_mcp.gate.policies import note_real_money
from runplane_mcp.gate.presence import living_gates
from runplane_mcp.gate.replaced import Replaced, carry_over, outcomes_in, what_is_there
from runplane_mcp.gate.restored import restore_content
from runplane_mcp.store import faults
from runplane_mcp.store.anchors import look, refusal
from runplane_mcp.store.base import Store, Transaction
from runplane_mcp.store.checkpoints import Checkpoints, Kept
from runplane_mcp.store.log_key import key_in_force, make_key, tell_key
from runplane_mcp.store.placed import Placed
from runplane_mcp.store.restoring import Kept as Aside
from runplane_mcp.store.restoring import Source, alone, copy_of, one_file, take_the_place
from runplane_mcp.store.sqlite import open_store

logger = logging.getLogger(__name__)

#: Where a read that was under way ends: it changed nothing, and whoever asked is gone.
_READ_GONE: Final = Failure("request.abandoned", "This home was restored before the answer came.")


@dataclass(frozen=True, slots=True)
class Places:
    """Where a home has what a restore touches. `gates` is the folder in which living gates hold their locks."""

    database: Path
    kept: Kept
    gates: Path


@dataclass(frozen=True, slots=True)
class SetAside:
    """A request that was open in the copy, as it was, and what the replaced database says of it: a hint, no proof."""

    request: ActionRequest
    since: State | None
    object_id: str | None


@dataclass(frozen=True, slots=True)
class Restore:
    """What was done. `mode` is `backup`, `copy` (of a database, without a backup's mark) or `here`. `set_aside` is to be
    gone through; `reads` ended. `freezes` were standing in the replaced database and stand again. `key_changed`: the log's
    key was not the one in the home. `at` is wall time."""

    epoch: int
    mode: str
    at: int
    by: str
    source: Source
    replaced: Replaced
    aside: Aside
    set_aside: tuple[SetAside, ...]
    reads: int
    freezes: int
    key_changed: bool
    checkpoint_problem: StoreError | None


async def restore(
    places: Places,
    file: Path | None,
    desk_of: Callable[[Store], Awaitable[Desk]],
    *,
    admin: str | None,
    secret: str,
    checkpoints: Sequence[Path] = (),
    probe: Callable[[str], None] = no_probe,
) -> Restore:
    """Puts the store in `file` in the place of the home's database, None for what lies there itself. `desk_of` is the
    people's side of the copy.

    `checkpoints` are files with checkpoints of its log that were kept elsewhere: the copy must say what they say, as far as
    it reaches, and the new epoch lies above theirs.

    StoreError `store.gates_running`, `store.in_use`, `store.restore_same` (the file is the home's database),
    `store.other_store`, `store.corrupt`, `store.schema`; CheckpointError for a file that holds none; PersonError as `Keys`
    says. Until the copy has taken its place
    nothing is changed; whenever it is cut, it can be done again.
    """
    if file is not None and _same(file, places.database):
        raise StoreError(
            "store.restore_same",
            f"{file} is this home's database itself.",
            next_step="To go on from it as it lies there: runplane restore --here",
        )
    if living_gates(places.gates):
        raise StoreError(
            "store.gates_running",
            "A gate of this home is running.",
            next_step="End the MCP clients and servers that use it, then try again.",
        )
    desk: Desk | None = None
    try:
        with alone(places.database) as folder:
            probe("restore.alone")
            copy = folder / places.database.name
            source = copy_of(file or places.database, copy)
            probe("restore.copied")
            there = what_is_there(places.database, places.kept, source, here=file is None)
            store = open_store(copy, create=False, probe=probe)
            try:
                desk = await desk_of(store)
                told = await _tell(places, file, copy, source, there, desk, admin, secret, checkpoints, probe)
            finally:
                await store.close()
            one_file(copy)
            probe("restore.ready")
            aside = take_the_place(copy, places.database, places.kept.file, probe=probe)
    except PersonError as error:
        if error.code == "person.secret" and desk is not None:
            # It was counted in the copy, which is thrown away.
            await _count_refused(places, admin, at=desk.clock.wall())
        raise
    problem = _checkpoint(places, told.epoch, probe)
    probe("restore.anchored")
    return Restore(
        told.epoch,
        told.mode,
        told.at,
        told.by,
        source,
        there,
        aside,
        told.set_aside,
        told.reads,
        told.freezes,
        told.key_changed,
        problem,
    )


async def _count_refused(places: Places, person: str | None, *, at: int) -> None:
    """Counts a wrong secret in the log that stays in force; where there is none that can be written, says it."""
    try:
        store = open_store(places.database, create=False, kept=places.kept)
        try:
            await store.write(lambda tx: tx.append(REFUSED, {"person": person, "act": "restore"}, at=at))
        finally:
            await store.close()
    except StoreError as error:
        logger.error("a wrong secret of %s was given to a restore, and no log counts it: %s", person, error)


def _same(file: Path, database: Path) -> bool:
    return file.exists() and database.exists() and file.samefile(database)


@dataclass(frozen=True, slots=True)
class _Told:
    epoch: int
    mode: str
    at: int
    by: str
    set_aside: tuple[SetAside, ...]
    reads: int
    freezes: int
    key_changed: bool


async def _tell(
    places: Places,
    file: Path | None,
    copy: Path,
    source: Source,
    there: Replaced,
    desk: Desk,
    admin: str | None,
    secret: str,
    checkpoints: Sequence[Path],
    probe: Callable[[str], None],
) -> _Told:
    """Checks the copy, and writes into it all that the restore is, in one transaction."""
    person = await desk.keys.administrator(admin, "Restoring")
    their_key = await desk.keys.unlock(person, secret)
    known = await asyncio.to_thread(_check, copy, file or places.database, checkpoints)
    probe("restore.checked")
    own_key = make_key(places.kept.key)
    at = desk.clock.wall()
    epoch = 1 + max(source.state.epoch, there.epoch, known)
    if epoch > LARGEST:
        raise faults.corrupt(places.database, "no epoch comes after the one that its checkpoint names")
    mode = "here" if file is None else "backup" if source.taken_at is not None else "copy"

    def work(tx: Transaction) -> _Told:
        if trusted(tx).get(person.id) != person:
            raise PersonError("person.not_admin", f"{person.id} is not who the log says.", next_step="Try it again.")
        unfinished = tx.unfinished()
        writes = [request for request in unfinished if request.kind is Kind.WRITE]
        content: dict[str, Json] = {
            "epoch": epoch,
            "previous": source.state.epoch,
            "mode": mode,
            "policy_at": desk.clock.policy(),
            "unknown_since": source.newest_at,
            "file": {"size": source.state.size, "root": source.state.root.hex(), "taken_at": source.taken_at},
            "replaced": there.content(),
            "set_aside": len(writes),
        }
        signed = signed_body(
            their_key, person, store=tx.store_id(), act=EPOCH_BEGUN, content=restore_content(content), at=at
        )
        # The first event of the epoch: checkpoints of what was left behind reach no further.
        tx.begin_epoch(epoch, tx.append(EPOCH_BEGUN, {**content, **signed}, at=at))
        key_changed = _change_key(tx, places.kept.key, own_key, person, their_key, at=at)
        for request in writes:
            tx.move(
                request,
                State.OUTCOME_UNKNOWN,
                at=at,
                event={"restored": epoch, "was": request.state.value},
                restored=epoch,
                lease_owner=None,
                lease_until=None,
            )
        for request in unfinished:
            if request.kind is Kind.READ:
                _end_read(tx, request, at=at)
        freezes = carry_over(tx, there, desk.freezes.started(tx), at=at)
        if there.real_money:
            note_real_money(tx, at=at)
        outcomes = outcomes_in(places.database, there, [request.id for request in writes])
        found = tuple(SetAside(request, *outcomes.get(request.id, (None, None))) for request in writes)
        return _Told(epoch, mode, at, person.id, found, len(unfinished) - len(writes), freezes, key_changed)

    done = await desk.store.write(work)
    probe("restore.told")
    return done


def _check(copy: Path, file: Path, checkpoints: Sequence[Path]) -> int:
    """StoreError `store.corrupt` where the log of the copy does not hold, or a signature in it, or where it is not what a
    checkpoint says that it reaches as far as. Returns the highest epoch that these name, 0 for none."""
    found = audit(copy, copy.with_name("no checkpoint"), copies=checkpoints)
    problem = found.verification.problem or found.signatures.problem
    # One that knows more than the copy may be signed by a key that came later: then it only tells its epoch.
    within = (
        each for each in found.compared if each.said is Said.OTHER or (each.size or 0) <= found.verification.events
    )
    other = next((each for each in within if each.said in {Said.OTHER, Said.UNSIGNED}), None)
    if problem is None and other is not None:
        problem = f"A checkpoint in {other.file} says something else. {other.problem}"
    if problem is not None:
        raise StoreError(
            "store.corrupt",
            f"{file} is not what was written: {problem} Nothing was restored.",
            next_step="Restore another backup; what this one still holds: runplane audit verify, in a folder of its own",
        )
    return max((epoch_of(each.origin) for each in found.compared if each.origin is not None), default=0)


def _change_key(
    tx: Transaction, path: Path, own: Ed25519PrivateKey, person: Person, their_key: Ed25519PrivateKey, *, at: int
) -> bool:
    """The home's key takes the place of the log's where it is another one: the copy is older than the key, or comes into a
    new folder."""
    if tx.meta(CURRENT) is None:
        tell_key(tx, own, at=at)
        return False
    before = key_in_log(tx)
    try:
        key_in_force(path, before.public)
    except StoreError:
        tell_rotation(tx, own, None, before, person, their_key, at=at)
        return True
    return False


def _end_read(tx: Transaction, request: ActionRequest, *, at: int) -> None:
    tx.settle(request.id, release=True)
    if request.state in {State.WAITING, State.SCHEDULED, State.APPROVED}:
        tx.move(request, State.CANCELED, at=at, event={"by": "restore"})
        return
    event = failure_event(_READ_GONE)
    tx.move(request, State.FAILED, at=at, event=event, failure=_READ_GONE, lease_owner=None, lease_until=None)


def _checkpoint(places: Places, epoch: int, probe: Callable[[str], None]) -> StoreError | None:
    """The checkpoint of the new epoch, in the place of what was left behind: that lies aside by now. What goes wrong here
    undoes nothing, and is said."""
    try:
        _, found = look(places.database, places.kept.file, None)
        if refusal(found, places.database, places.kept.file) is not None:
            places.kept.file.unlink(missing_ok=True)
        Checkpoints(Placed.at(places.database), places.kept, every=0.0, probe=probe).write()
    except StoreError as error:
        logger.error("no checkpoint of epoch %s is kept yet: %s", epoch, error)
        return error
    except OSError as error:
        return faults.from_os(error, places.kept.file)
    return None
