"""What the audit log says of the enforced policy. The row that names it is unsigned, and so is the text beside it: both are
believed only where the newest activation in the log names this version, and may have been.

An activation by a person carries an administrator's signature over the version and its own place in the log, so that it
cannot be copied to a later one. The others can be proven again at any time: the first there was, one by the simulator
before real money came, and one that was only tighter than what was enforced before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from runplane_mcp.core.approval import Person, Role
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.policy import version_of
from runplane_mcp.errors import PolicyError
from runplane_mcp.gate.acts import said, signed_body, signer
from runplane_mcp.gate.people import trusted
from runplane_mcp.store.base import Reader, Transaction
from runplane_mcp.store.records import EnforcedPolicy, Event

ACTIVATED: Final = "policy.activated"
#: From here on the home's policy holds for real money.
REAL_MONEY: Final = "policy.real_money"
#: What an activation that no person signed is by.
FIRST, SIMULATOR, TIGHTER = "first", "simulator", "tighter"


@dataclass(frozen=True, slots=True)
class Activation:
    """How a policy came to be enforced, as the log has it. `since` is wall time (milliseconds), `by` a person's id where
    somebody `signed` it."""

    version: str
    text: str
    since: int
    by: str
    signed: bool

    def enforced(self) -> EnforcedPolicy:
        return EnforcedPolicy(self.version, self.text, self.since, self.by)

    def who(self) -> str:
        """By whom, in words."""
        if self.signed:
            return f"by {self.by}"
        return {
            FIRST: "as the first one",
            SIMULATOR: "by itself, against the simulator",
            TIGHTER: "by itself, being only tighter than the one before",
        }[self.by]


def prove(reader: Reader, only_tighter: Callable[[str, str], bool], known: set[bytes]) -> Activation:
    """How what is enforced came to be. `only_tighter` says of two texts that the second is provably no looser; `known` are
    the leaves of activations that were proven before, and grows.

    PolicyError `policy.none` where nothing was ever activated, `policy.unproven` where database and log do not agree.
    """
    activations = [event for event in reader.policy_events() if event.type == ACTIVATED]
    row = reader.enforced_version()
    if not activations:
        if row is None:
            raise PolicyError("policy.none", "No policy is enforced.", next_step="Run `runplane policy activate`.")
        raise _unproven("the log knows of no policy that was ever activated")
    latest = said(activations[0])
    if row is None or latest.get("version") != row:
        raise _unproven("it names another one than was activated last")
    text = _text(reader, row)
    _prove_each(reader, activations, only_tighter, known)
    by = str(latest.get("by"))
    return Activation(row, text, activations[0].at, by, signed="signature" in latest)


def sign_activation(
    tx: Transaction, key: Ed25519PrivateKey, person: Person, version: str, *, at: int
) -> dict[str, Json]:
    """The body of the event that the caller appends next in this transaction."""
    content = _content(version, tx.head().size + 1)
    return {"version": version, **signed_body(key, person, store=tx.store_id(), act=ACTIVATED, content=content, at=at)}


def newest(reader: Reader, type: str) -> Event | None:
    """The newest event about the policy of this type."""
    return next((event for event in reader.policy_events() if event.type == type), None)


def _content(version: str, seq: int) -> Mapping[str, Json]:
    return {"version": version, "seq": seq}


def _prove_each(
    reader: Reader, activations: list[Event], only_tighter: Callable[[str, str], bool], known: set[bytes]
) -> None:
    """From the newest back to one that stands by itself."""
    proven = []
    for place, event in enumerate(activations):
        if event.leaf in known:
            break
        body = said(event)
        proven.append(event.leaf)
        if body.get("by") == TIGHTER and "signature" not in body:
            before = activations[place + 1] if place + 1 < len(activations) else None
            version, earlier = str(body.get("version")), str(body.get("from"))
            if before is None or said(before).get("version") != earlier:
                raise _unproven("what it was only tighter than was not enforced before it")
            if not only_tighter(_text(reader, earlier), _text(reader, version)):
                raise _unproven("it put itself in force and is not provably tighter than the one before")
            continue
        if not activation_stands(reader, event, body, oldest=place + 1 == len(activations)):
            raise _unproven("nobody who may has put it in force")
        break
    known.update(proven)


def activation_stands(reader: Reader, event: Event, body: Mapping[str, Json], *, oldest: bool) -> bool:
    """Whether an activation counts by itself: signed, or of a kind that needs nobody. `oldest`: it is the log's first."""
    if "signature" in body:
        content = _content(str(body.get("version")), event.seq)
        person = signer(event, trusted(reader), store=reader.store_id(), act=ACTIVATED, content=content)
        return person is not None and person.role is Role.ADMIN
    if body.get("by") == FIRST:
        return oldest or _before_anybody(reader, event.seq)
    if body.get("by") == SIMULATOR:
        return not any(each.type == REAL_MONEY and each.seq < event.seq for each in reader.policy_events())
    return False


def _before_anybody(reader: Reader, seq: int) -> bool:
    """Whether nobody was enrolled yet whose secret it would have needed."""
    if not reader.people():
        return True
    root = reader.first_event("person.added")
    return root is not None and seq < root.seq


def _text(reader: Reader, version: str) -> str:
    text = reader.policy_text(version)
    if text is None or version_of(text) != version:
        raise _unproven(f"the text of version {version[:12]} is not the one that was activated")
    return text


def _unproven(why: str) -> PolicyError:
    return PolicyError(
        "policy.unproven",
        f"The database has an enforced policy that its audit log does not bear out: {why}. Nothing runs.",
        next_step="Somebody has changed the database: run `runplane audit verify`, then `runplane policy activate`.",
    )
