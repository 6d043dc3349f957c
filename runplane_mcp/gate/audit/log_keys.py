"""The key that signs the log's checkpoints, as administrators see it: the newest checkpoint, and another key in its
place."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from runplane_mcp.core.approval import Person
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.checkpoint import Note, Signed, fingerprint, parse, who_signed
from runplane_mcp.core.log_key import CURRENT, ROTATED, LogKey, key_of, key_statement, rotation
from runplane_mcp.errors import PersonError, StoreError
from runplane_mcp.gate.acts import said, signed_body
from runplane_mcp.gate.desk import Desk
from runplane_mcp.gate.execution import no_probe
from runplane_mcp.gate.people import trusted
from runplane_mcp.store import faults
from runplane_mcp.store.anchors import log_of, read_file
from runplane_mcp.store.base import Reader, Transaction
from runplane_mcp.store.checkpoints import Checkpoints, Kept
from runplane_mcp.store.covering import covering
from runplane_mcp.store.log_key import PRIVATE, key_in_force, next_key_path, public_hex, put_in_force, write_key
from runplane_mcp.store.placed import Placed


@dataclass(frozen=True, slots=True)
class Rotated:
    """The fingerprints of the key now in use and of the one before, the event that tells of it, and who did it."""

    key: str
    previous: str
    seq: int
    by: str


def newest_checkpoint(database: Path, kept: Kept, *, keep: bool = True) -> tuple[Note, bytes]:
    """Brings the checkpoint up to what is durable now: the note, and the public key that signed it. Without `keep` no
    file is written, for a home that can only be read. StoreError where there is no key to sign with, or what lies there is
    none of this history."""
    if not keep:
        state, _ = log_of(database)
        note, signer = covering(database, kept, state.size)
        return note, signer.public
    Checkpoints(Placed.at(database), kept, every=0.0, probe=no_probe).write()
    state, _ = log_of(database)
    data = read_file(kept.file)
    there = None if data is None else parse(data)
    signed, key = (Signed.UNKNOWN, None) if there is None else who_signed(there, [each.public for each in state.keys])
    if there is None or key is None:
        raise StoreError(
            "store.checkpoint_broken",
            f"There is no checkpoint of this log at {kept.file}, signed: {signed.value}.",
            next_step="A backup keeps none; else see `runplane audit verify`.",
        )
    return there, key


async def rotate(
    desk: Desk,
    path: Path,
    *,
    admin: str | None,
    secret: str,
    lost: bool = False,
    probe: Callable[[str], None] = no_probe,
) -> Rotated:
    """Puts a new key in the place of the one at `path`. `lost`: there is none to sign that it gives way.

    The new key lies on the disk before the log names it, and takes the old one's place after: whenever it is cut, the key
    that the log names is there. PersonError as `Keys` says; StoreError `store.log_key_*`, `store.log_key_busy` while
    another one is under way, and `store.log_key_there` where the key that is said to be lost is not.
    """
    person = await desk.keys.administrator(admin, "Changing the log's key")
    their_key = await desk.keys.unlock(person, secret)
    with _alone(path):
        before = await desk.store.read(key_in_log)
        old = _old(path, before, lost=lost)
        new = Ed25519PrivateKey.generate()
        upcoming = next_key_path(path)
        # Of a rotation that was cut before the log told of it: nobody knows that key.
        upcoming.unlink(missing_ok=True)
        write_key(upcoming, new)
        probe("rotate.written")
        at = desk.clock.wall()

        def work(tx: Transaction) -> int:
            if trusted(tx).get(person.id) != person or key_in_log(tx) != before:
                raise PersonError("person.not_admin", f"{person.id} has changed meanwhile.", next_step="Try it again.")
            return tell_rotation(tx, new, old, before, person, their_key, at=at)

        try:
            seq = await desk.store.write(work)
        except PersonError:
            upcoming.unlink(missing_ok=True)
            raise
        probe("rotate.told")
        put_in_force(path)
        probe("rotate.in_force")
    return Rotated(fingerprint(new.public_key().public_bytes_raw()), fingerprint(before.public), seq, person.id)


def tell_rotation(
    tx: Transaction,
    new: Ed25519PrivateKey,
    old: Ed25519PrivateKey | None,
    before: LogKey,
    person: Person,
    their_key: Ed25519PrivateKey,
    *,
    at: int,
) -> int:
    """The event that puts `new` in the place of `before`, whose private half `old` is None where it is lost."""
    store, public, previous = tx.store_id(), public_hex(new), before.public.hex()
    statement = key_statement(store=store, public_key=public, previous=previous, at=at)
    content = rotation(public_key=public, previous=previous, lost=old is None)
    body: dict[str, Json] = {
        **content,
        **signed_body(their_key, person, store=store, act=ROTATED, content=content, at=at),
        "previous_seq": before.seq,
        "proof": new.sign(statement).hex(),
        "previous_proof": None if old is None else old.sign(statement).hex(),
    }
    seq = tx.append(ROTATED, body, at=at)
    tx.set_meta(CURRENT, str(seq))
    return seq


def key_in_log(reader: Reader) -> LogKey:
    """The key that the log says is in force. StoreError `store.log_key_untold`."""
    noted = reader.meta(CURRENT)
    event = reader.event(int(noted)) if noted is not None and noted.isdecimal() else None
    key = None if event is None else key_of(event.seq, event.type, said(event))
    if key is None:
        raise StoreError(
            "store.log_key_untold",
            "The audit log does not say which key signs it.",
            next_step="See what became of it: runplane audit verify",
        )
    return key


def _old(path: Path, before: LogKey, *, lost: bool) -> Ed25519PrivateKey | None:
    try:
        old = key_in_force(path, before.public)
    except StoreError:
        if not lost:
            raise
        return None
    if lost:
        raise StoreError(
            "store.log_key_there",
            f"The key in {path} is the one that the log names: it can sign that it gives way.",
            next_step="Leave --lost out.",
        )
    return old


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One rotation at a time: a second one would take away the key that the first is about to tell of."""
    try:
        lock = os.open(
            path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE
        )
    except OSError as error:
        raise faults.from_os(error, path) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise StoreError(
            "store.log_key_busy", "Somebody is changing the log's key right now.", next_step="Try again in a moment."
        ) from None
    finally:
        os.close(lock)
