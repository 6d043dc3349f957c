"""Checkpoints of the audit log: how long it was and what its root was, signed by the log's key, in a form that others read
too and that can be kept anywhere.

Source: C2SP signed-note and tlog-checkpoint, https://c2sp.org/signed-note and https://c2sp.org/tlog-checkpoint, with
Ed25519 signatures (type 0x01). A note is a text, an empty line and one line for each signature:

    runplane.log/rps_…/1            the origin: which store, and which of its epochs
    42                              how many events
    …                               their root, base64
    last-leaf …                     the leaf of the last of them, base64

    — runplane.log/rps_…/1 …        key name, base64 of the key's hash (4 bytes) and the signature over the text

Each epoch of a store is an append-only log of its own. The last leaf lets a database be compared with its checkpoint
without reading it: a leaf holds its event's number and content, and nothing can be put in its place.

What is parsed here may come from anybody. Whoever relies on a checkpoint asks `who_signed` first.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from runplane_mcp.core.merkle import EMPTY_ROOT, HASH_BYTES
from runplane_mcp.errors import CheckpointError

#: The first event of an epoch, whose body says which `epoch` it begins. With it a restored database goes on: checkpoints
#: of earlier epochs that reach as far as this event belong to what was left behind.
EPOCH_BEGUN: Final = "epoch.begun"
#: In bytes: more than any note of ours with all the signatures that are taken, and little enough to read at once.
LONGEST_NOTE: Final = 64 * 1024
#: Verifiers take at least 16; more than this nobody needs.
MOST_SIGNATURES: Final = 64
#: SQLite counts no further.
LARGEST: Final = 2**63 - 1

_PREFIX: Final = "runplane.log/"
_ORIGIN: Final = re.compile(r"runplane\.log/(rps_[0-9a-f]{32})/([1-9][0-9]{0,18})\Z")
_NUMBER: Final = re.compile(r"(0|[1-9][0-9]{0,18})\Z")
_NAME: Final = re.compile(r"[^\s+]+\Z")
_LAST_LEAF: Final = "last-leaf "
_DASH: Final = "— "
_ED25519: Final = b"\x01"
_KEY_HASH_BYTES: Final = 4


class Signed(StrEnum):
    """Whose signature a note has: one of a known key, none that is known, or one in a known key's name that is not its
    own, which spoils the note whatever else it carries."""

    GOOD = "good"
    UNKNOWN = "unknown"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log of `epoch` of the store `store` had `size` events and this root. `last_leaf` is the leaf of event `size`,
    None where there is none."""

    store: str
    epoch: int
    size: int
    root: bytes
    last_leaf: bytes | None

    def __post_init__(self) -> None:
        if not _ORIGIN.match(self.origin) or not 0 <= self.size <= LARGEST or self.epoch > LARGEST:
            raise ValueError("a checkpoint names a store, an epoch from 1 and a size from 0")
        if len(self.root) != HASH_BYTES or (self.last_leaf is not None and len(self.last_leaf) != HASH_BYTES):
            raise ValueError("a hash is 32 bytes")
        if (self.last_leaf is None) != (self.size == 0) or (self.size == 0 and self.root != EMPTY_ROOT):
            raise ValueError("a log has a last leaf unless it is empty")

    @property
    def origin(self) -> str:
        return f"{_PREFIX}{self.store}/{self.epoch}"

    @property
    def place(self) -> tuple[int, int]:
        """What only ever grows in a store: the epoch, and in one epoch the size."""
        return self.epoch, self.size

    def text(self) -> bytes:
        """The bytes that a signature covers."""
        lines = [self.origin, str(self.size), _base64(self.root)]
        if self.last_leaf is not None:
            lines.append(f"{_LAST_LEAF}{_base64(self.last_leaf)}")
        return "".join(f"{line}\n" for line in lines).encode()


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: in whose name, by which key (4 bytes), and the signature itself. Not checked."""

    name: str
    key_hash: bytes
    signature: bytes

    def line(self) -> str:
        return f"{_DASH}{self.name} {_base64(self.key_hash + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A checkpoint with its signatures. `text` is exactly what they cover: also lines that only others understand."""

    checkpoint: Checkpoint
    text: bytes
    signatures: tuple[Signature, ...]

    def encode(self) -> bytes:
        return self.text + b"\n" + "".join(each.line() for each in self.signatures).encode()


def epoch_of(origin: str) -> int:
    """The epoch that an origin names; ValueError where it is none of ours."""
    found = _ORIGIN.match(origin)
    if found is None:
        raise ValueError("this is no origin of a Runplane log")
    return int(found[2])


def key_hash(name: str, public_key: bytes) -> bytes:
    """What tells a key of this name from others: the first four bytes of SHA-256(name || 0x0A || 0x01 || key)."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public_key).digest()[:_KEY_HASH_BYTES]


def verifier_key(name: str, public_key: bytes) -> str:
    """The key as other programs that read signed notes take it: name, hash in hex, and type and key in base64."""
    return f"{name}+{key_hash(name, public_key).hex()}+{_base64(_ED25519 + public_key)}"


def fingerprint(public_key: bytes) -> str:
    """The key for people to compare: half of its SHA-256, in hex."""
    return hashlib.sha256(public_key).hexdigest()[:32]


def sign(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> Note:
    """The note of a checkpoint. Always the same for the same key."""
    text, name = checkpoint.text(), checkpoint.origin
    known = key_hash(name, key.public_key().public_bytes_raw())
    return Note(checkpoint, text, (Signature(name, known, key.sign(text)),))


def who_signed(note: Note, keys: Iterable[bytes]) -> tuple[Signed, bytes | None]:
    """Which of these public keys (32 bytes each) signed the note. Signatures by other keys, and in other names than the
    log's, say nothing. Two keys may have one hash: then one of them is enough."""
    name = note.checkpoint.origin
    by_hash: dict[bytes, list[bytes]] = {}
    for key in keys:
        by_hash.setdefault(key_hash(name, key), []).append(key)
    signer: bytes | None = None
    for each in note.signatures:
        known = by_hash.get(each.key_hash, []) if each.name == name else []
        if not known:
            continue
        made_by = next((key for key in known if _verifies(key, each.signature, note.text)), None)
        if made_by is None:
            return Signed.WRONG, None
        signer = signer or made_by
    return (Signed.UNKNOWN, None) if signer is None else (Signed.GOOD, signer)


def parse(data: bytes) -> Note:
    """The one note in `data`. CheckpointError `checkpoint.malformed` for anything else, whatever it is."""
    notes = parse_all(data, most=1)
    return notes[0]


def parse_all(data: bytes, *, most: int = 1_000) -> tuple[Note, ...]:
    """The notes in `data`, one after the other with or without empty lines between: at least one, at most `most`.
    CheckpointError `checkpoint.malformed` where anything in it is not a note of one of our logs."""
    if len(data) > LONGEST_NOTE * most:
        raise _malformed("it is too long")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise _malformed("it is no text in UTF-8") from None
    if any(letter < " " and letter != "\n" for letter in text):
        raise _malformed("there are control characters in it")
    if not text.endswith("\n"):
        raise _malformed("its last line is not ended")
    lines = text.split("\n")[:-1]
    notes: list[Note] = []
    at = 0
    while at < len(lines):
        if not lines[at]:
            # Before the first and within a single one an empty line would be a change to it.
            if not notes or most == 1:
                raise _malformed("there is an empty line where none belongs")
            at += 1
            continue
        if len(notes) == most:
            raise _malformed("there is more than one" if most == 1 else "there are too many")
        note, at = _note(lines, at)
        notes.append(note)
    if not notes:
        raise _malformed("it is empty")
    return tuple(notes)


def _note(lines: list[str], start: int) -> tuple[Note, int]:
    """The note that begins at line `start`, and the line after it."""
    try:
        empty = lines.index("", start)
    except ValueError:
        raise _malformed("it is not signed") from None
    body = lines[start:empty]
    end = empty + 1
    while end < len(lines) and lines[end].startswith(_DASH):
        end += 1
    signatures = lines[empty + 1 : end]
    if not signatures:
        raise _malformed("it is not signed")
    if len(signatures) > MOST_SIGNATURES:
        raise _malformed("it has too many signatures")
    text = "".join(f"{line}\n" for line in body).encode()
    if len(text) > LONGEST_NOTE:
        raise _malformed("it is too long")
    return Note(_checkpoint(body), text, tuple(_signature(line) for line in signatures)), end


def _checkpoint(body: list[str]) -> Checkpoint:
    if len(body) < 3:
        raise _malformed("it has no origin, size and root")
    origin = _ORIGIN.match(body[0])
    if origin is None:
        raise _malformed("it is not one of a Runplane log")
    if not _NUMBER.match(body[1]):
        raise _malformed("its size is no number")
    leaves = [line.removeprefix(_LAST_LEAF) for line in body[3:] if line.startswith(_LAST_LEAF)]
    if len(leaves) > 1:
        raise _malformed("it names two last leaves")
    last_leaf = _bytes(leaves[0]) if leaves else None
    try:
        return Checkpoint(origin[1], int(origin[2]), int(body[1]), _bytes(body[2]), last_leaf)
    except ValueError as error:
        raise _malformed(str(error)) from None


def _signature(line: str) -> Signature:
    name, _, value = line.removeprefix(_DASH).partition(" ")
    content = _bytes(value)
    if not _NAME.match(name) or len(content) <= _KEY_HASH_BYTES:
        raise _malformed("a signature line is not one")
    return Signature(name, content[:_KEY_HASH_BYTES], content[_KEY_HASH_BYTES:])


def _verifies(public_key: bytes, signature: bytes, text: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, text)
    except (InvalidSignature, ValueError):
        return False
    return True


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _bytes(text: str) -> bytes:
    """What a base64 text stands for. Only the one text that stands for it: two texts for one note would be two notes."""
    try:
        content = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        raise _malformed("what should be base64 is not") from None
    if _base64(content) != text:
        raise _malformed("what should be base64 is not in its one form")
    return content


def _malformed(what: str) -> CheckpointError:
    return CheckpointError(
        "checkpoint.malformed",
        f"This is not a checkpoint of an audit log: {what}.",
        next_step="Give it as `runplane audit checkpoint` printed it, whole and unchanged.",
    )
