"""The key that signs the audit log's checkpoints: a file of the home that only its owner may read, made once and replaced
only by a rotation that the log tells of."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from runplane_mcp.core.log_key import ADDED, CURRENT, key_statement
from runplane_mcp.errors import StoreError
from runplane_mcp.store import faults
from runplane_mcp.store.base import Transaction

PRIVATE: Final = 0o600
#: A key in PEM has some hundred bytes.
_LONGEST: Final = 4_096
_ROTATE: Final = "Change it: runplane audit rotate-key --as ADMIN"
_LOST: Final = "Put the file back, or put a new key in its place: runplane audit rotate-key --lost --as ADMIN"


def public_hex(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes_raw().hex()


def make_key(path: Path) -> Ed25519PrivateKey:
    """The key at `path`, made there where there is none. A file that is there is never written over; of several processes
    that make one at once, one does. StoreError as `read_key`, and for a folder that cannot be written."""
    if not os.path.lexists(path):
        fresh = path.with_name(f"{path.name}.{os.urandom(8).hex()}")
        write_key(fresh, Ed25519PrivateKey.generate())
        try:
            # A link appears whole or not at all, and never in the place of another file.
            with contextlib.suppress(FileExistsError):
                os.link(fresh, path)
        except OSError as error:
            raise faults.from_os(error, path) from error
        finally:
            fresh.unlink(missing_ok=True)
        flush_folder(path)
    return read_key(path)


def read_key(path: Path) -> Ed25519PrivateKey:
    """StoreError `store.log_key_missing`, `store.log_key_shared` where others could have read it, and
    `store.log_key_broken`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise StoreError(
            "store.log_key_missing", f"The key that signs the audit log, {path}, is gone.", next_step=_LOST
        ) from None
    except OSError as error:
        raise _broken(path, error.strerror or type(error).__name__) from error
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise _broken(path, "it is no file")
        if found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise StoreError(
                "store.log_key_shared",
                f"Others may read, or own, the key that signs the audit log, {path}: it signs nothing like this.",
                next_step=f"Close it (chmod 600 {path}); whoever may have read it can sign as this log. {_ROTATE}",
            )
        content = file.read(_LONGEST)
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise _broken(path, "it holds no Ed25519 key")
    return key


def write_key(path: Path, key: Ed25519PrivateKey) -> None:
    """Writes a new private file, durably. StoreError where there is one, or it cannot be written."""
    content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        raise faults.from_os(error, path) from error


def next_key_path(path: Path) -> Path:
    """Where the next key lies while a rotation is under way."""
    return path.with_name(f"{path.name}.next")


def key_in_force(path: Path, public_key: bytes) -> Ed25519PrivateKey:
    """The key that the log says is in force. Ends a rotation that was cut after the log had told of it: then the key at
    `path` is the old one, and the right one lies beside it. StoreError as `read_key`, and `store.log_key_wrong`."""
    try:
        key = read_key(path)
    except StoreError as error:
        if error.code != "store.log_key_missing" or not next_key_path(path).exists():
            raise
        key = None
    if key is not None and key.public_key().public_bytes_raw() == public_key:
        return key
    upcoming = next_key_path(path)
    if upcoming.exists():
        key = read_key(upcoming)
        if key.public_key().public_bytes_raw() == public_key:
            put_in_force(path)
            return key
    elif key is not None and (now := read_key(path)).public_key().public_bytes_raw() == public_key:
        return now  # another process ended the rotation between the two looks
    raise StoreError(
        "store.log_key_wrong",
        f"The key in {path} is not the one that the audit log says signs it.",
        next_step=_LOST,
    )


def put_in_force(path: Path) -> None:
    """Puts the next key in the place of the one before, which is gone then. Whoever comes second finds it done."""
    with contextlib.suppress(FileNotFoundError):
        next_key_path(path).replace(path)
    flush_folder(path)


def flush_folder(path: Path) -> None:
    """Makes the names in the folder of `path` durable, where its file system can."""
    with contextlib.suppress(OSError):
        folder = os.open(path.absolute().parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def tell_key(tx: Transaction, key: Ed25519PrivateKey, *, at: int) -> None:
    """Puts the log's first key into it. Nothing where it has one: a second one is never added, only put in its place."""
    if tx.meta(CURRENT) is not None or tx.first_event(ADDED) is not None:
        return
    public = public_hex(key)
    proof = key.sign(key_statement(store=tx.store_id(), public_key=public, previous=None, at=at))
    seq = tx.append(ADDED, {"public_key": public, "signed_at": at, "proof": proof.hex()}, at=at)
    tx.set_meta(CURRENT, str(seq))


def _broken(path: Path, what: str) -> StoreError:
    return StoreError(
        "store.log_key_broken", f"{path} cannot sign the audit log's checkpoints: {what}.", next_step=_LOST
    )
