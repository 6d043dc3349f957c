"""Signed acts: what a person did with their secret, other than vote, stands in the audit log under their signature, so that
an event or a row of somebody else's making does nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from runplane_mcp.core.approval import Person
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.merkle import leaf_hash
from runplane_mcp.gate.people import act_statement, signed
from runplane_mcp.store.records import Event


def signed_body(
    key: Ed25519PrivateKey, person: Person, *, store: str, act: str, content: Mapping[str, Json], at: int
) -> dict[str, Json]:
    """What the event of an act says of who did it. `content` is signed; the caller puts into the event what of it may
    stand there in the clear."""
    statement = act_statement(store=store, act=act, content=content, person=person.id, at=at)
    return {"by": person.id, "signed_at": at, "signature": key.sign(statement).hex()}


def said(event: Event) -> Mapping[str, Json]:
    """What an event's body says; nothing where its bytes are not those of its leaf."""
    if leaf_hash(event.body) != event.leaf:
        return {}
    body: Mapping[str, Json] = json.loads(event.body)
    return body


def signer(
    event: Event, people: Mapping[str, Person], *, store: str, act: str, content: Mapping[str, Json]
) -> Person | None:
    """Who did exactly this, if the event bears it out under the key of somebody whom the log bears out; else nobody."""
    body = said(event)
    person = people.get(str(body.get("by")))
    at = body.get("signed_at")
    if event.type != act or person is None or not isinstance(at, int):
        return None
    statement = act_statement(store=store, act=act, content=content, person=person.id, at=at)
    return person if signed(person.public_key, str(body.get("signature", "")), statement) else None
