"""People's secrets and signatures. A passphrase becomes an Ed25519 key through scrypt; only the public half is kept.

A row written into the database makes nobody a voter: a person counts when the audit log has the event that enrolled
exactly this key, signed by an administrator who counts, up to the first person.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from runplane_mcp.core.approval import Person, Role, Vote, vote_statement
from runplane_mcp.core.canonical import Json, canonical
from runplane_mcp.core.merkle import leaf_hash
from runplane_mcp.errors import PersonError
from runplane_mcp.store.base import Reader

#: About 0.4 s and 128 MiB for each guess at a passphrase.
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**17, 8, 1
SHORTEST_SECRET = 6
LONGEST_SECRET = 1024
PROOF_ED25519 = "ed25519"


@dataclass(frozen=True, slots=True)
class Stretch:
    """The scrypt figures and salt (hex) that turn one person's passphrase into their key."""

    salt: str
    n: int = SCRYPT_N
    r: int = SCRYPT_R
    p: int = SCRYPT_P


def check_secret(secret: str) -> None:
    if not SHORTEST_SECRET <= len(secret) <= LONGEST_SECRET:
        raise PersonError(
            "person.weak_secret",
            f"A secret has {SHORTEST_SECRET} to {LONGEST_SECRET} characters.",
            next_step="Choose a passphrase of several words.",
        )


def private_key(secret: str, stretch: Stretch) -> Ed25519PrivateKey:
    """The key behind a passphrase. Slow on purpose: call it in a thread."""
    seed = Scrypt(salt=bytes.fromhex(stretch.salt), length=32, n=stretch.n, r=stretch.r, p=stretch.p).derive(
        secret.encode("utf-8", "surrogatepass")
    )
    return Ed25519PrivateKey.from_private_bytes(seed)


def public_hex(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def unlock(person: Person, secret: str) -> Ed25519PrivateKey:
    """The person's key, PersonError `person.secret` when the secret is not theirs. Slow on purpose."""
    key = private_key(secret, Stretch(person.salt, person.scrypt_n, person.scrypt_r, person.scrypt_p))
    if public_hex(key) != person.public_key:
        raise PersonError("person.secret", f"That is not the secret of {person.id}.", next_step="Type it again.")
    return key


@lru_cache(maxsize=4_096)
def signed(public_key: str, signature: str, statement: bytes) -> bool:
    """Whether `signature` (hex) over `statement` was made by the key. It hangs on nothing else, so that a screen of a
    thousand cards need not check the same enrolments a thousand times."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(bytes.fromhex(signature), statement)
    except (InvalidSignature, ValueError):
        return False
    return True


def act_statement(*, store: str, act: str, content: Mapping[str, Json], person: str, at: int) -> bytes:
    """The bytes that an administrator signs for an act that needs their secret: adding a person, activating a policy."""
    return canonical(
        {"type": "runplane.act/1", "store": store, "act": act, "content": dict(content), "person": person, "at": at}
    )


def enrolment(person: Person) -> dict[str, Json]:
    """What the event of an enrolment says, and what its signature covers: everything a vote's weight depends on."""
    return {
        "person": person.id,
        "role": person.role.value,
        "groups": sorted(person.groups),
        "public_key": person.public_key,
        "salt": person.salt,
        "scrypt": [person.scrypt_n, person.scrypt_r, person.scrypt_p],
    }


def trusted(reader: Reader) -> dict[str, Person]:
    """The people whose enrolment the audit log bears out. Anybody else in the table is nobody."""
    rows = reader.people()
    # Who was first is the log's to say: in the table, a row could be put before theirs.
    root = reader.first_event("person.added") if rows else None
    first = next((person for person in rows.values() if root is not None and person.event_seq == root.seq), None)
    believed: dict[str, Person] = {}
    store = reader.store_id()
    # In the order of the log: whoever enrolled somebody was enrolled before.
    for person in sorted(rows.values(), key=lambda row: row.event_seq):
        event = reader.event(person.event_seq)
        if event is None or event.type != "person.added" or leaf_hash(event.body) != event.leaf:
            continue
        body = json.loads(event.body)
        content = enrolment(person)
        if any(body.get(name) != value for name, value in content.items()):
            continue
        enroller = person if person is first else believed.get(person.added_by or "")
        if enroller is None or body.get("added_by") != person.added_by:
            continue
        if person is first and (person.added_by is not None or person.role is not Role.ADMIN):
            continue
        if person is not first and (enroller.role is not Role.ADMIN or not enroller.active):
            continue
        statement = act_statement(
            store=store, act="person.added", content=content, person=enroller.id, at=int(body["signed_at"])
        )
        if signed(enroller.public_key, str(body.get("signature", "")), statement):
            believed[person.id] = person
    return believed


def enrolled(reader: Reader) -> dict[str, Person]:
    """The same, for what needs nobody's secret until somebody is enrolled. PersonError `person.unproven` where the table
    holds people and the log bears out none of them: that is no new home, and nobody may begin it anew."""
    people = trusted(reader)
    if not people and reader.people():
        raise PersonError(
            "person.unproven",
            "The database names people, but its audit log bears out none of them.",
            next_step="Run `runplane audit verify`; somebody has changed the database.",
        )
    return people


def enrolled_at(reader: Reader, person: Person) -> int | None:
    """When the log says that this person was enrolled (wall time, milliseconds)."""
    event = reader.event(person.event_seq)
    return None if event is None else event.at


def pretended(reader: Reader) -> list[str]:
    """The names in the table that the log does not bear out: somebody wrote them past Runplane. They count for nothing."""
    return sorted(reader.people().keys() - trusted(reader).keys())


def genuine(votes: list[Vote], people: Mapping[str, Person], store: str) -> list[Vote]:
    """The votes whose signature holds under the key that the audit log has for their person."""
    kept = []
    for vote in votes:
        person = people.get(vote.person)
        if person is None or vote.proof_kind != PROOF_ED25519:
            continue
        statement = vote_statement(
            store=store,
            request_id=vote.request_id,
            digest=vote.digest,
            answer=vote.answer,
            person=vote.person,
            at=vote.at,
        )
        if signed(person.public_key, vote.proof, statement):
            kept.append(vote)
    return kept
