"""The alarms that stand by the log's own word, put back where the entry that spares reading it has lost them.

`status` and `doctor` show what stands from one row of `meta`. A hand at the database, or a mishap, can take an alarm out of
it, and nobody would look for that money again; the log still has who raised it, and that nobody ended it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from runplane_mcp.core.approval import Role
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.request import StripeIdentity
from runplane_mcp.gate.acts import said, signer
from runplane_mcp.gate.coverage.accepting import ACCEPTED
from runplane_mcp.gate.coverage.state import (
    EXPLAINED,
    KEPT_SETTLED,
    META,
    UNEXPLAINED,
    CoverageState,
    Found,
    name_of,
    states,
    written,
)
from runplane_mcp.gate.people import trusted
from runplane_mcp.store.base import Reader, Transaction
from runplane_mcp.store.records import Event

#: The event that says that alarms were lost from what `status` shows, and stand there again.
RESTORED: Final = "coverage.restored"


@dataclass(frozen=True, slots=True)
class Told:
    """What the log says: which alarms stand, oldest first, and of which account; and the lines whose alarms were ended,
    with their time, by account."""

    standing: Mapping[int, tuple[str, Found]]
    ended: Mapping[str, Mapping[str, int]]


def told(reader: Reader, identity: StripeIdentity) -> Told:
    """`identity` is whose an alarm is that does not name its account whole, as those of earlier releases do not."""
    people, store = trusted(reader), reader.store_id()
    standing: dict[int, tuple[str, Found]] = {}
    ended: dict[str, dict[str, int]] = {}
    for event in reader.coverage_events():
        body = said(event)
        if event.type == UNEXPLAINED:
            found = _found(event, body)
            if found is not None:
                standing[event.seq] = _whose(body, identity), found
            continue
        raised = body.get("raised")
        if event.type == ACCEPTED:
            payloads = body.get("payloads")
            reason = payloads.get("reason") if isinstance(payloads, Mapping) else None
            content = {"line": body.get("line"), "raised": raised, "reason": reason}
            person = signer(event, people, store=store, act=ACCEPTED, content=content)
            if person is None or person.role is not Role.ADMIN:
                continue
        elif event.type != EXPLAINED:
            continue
        if isinstance(raised, int) and raised in standing:
            name, found = standing.pop(raised)
            ended.setdefault(name, {})[found.line] = found.at
    return Told(standing, ended)


def lost(reader: Reader, identity: StripeIdentity, *, now: int) -> bool:
    """Whether the entry lacks anything that the log says. `now` is the account's time (seconds)."""
    known, log = states(reader), told(reader, identity)
    return bool(_lost(known, log)) or any(_settled(known, log, name, now) for name in log.ended)


def put_back(tx: Transaction, identity: StripeIdentity, *, at: int, now: int) -> tuple[Found, ...]:
    """Makes the entry say again what the log says. Returns the alarms that stand again; `at` is wall time (ms)."""
    known, log = states(tx), told(tx, identity)
    again: list[Found] = []
    for name, found in _lost(known, log):
        state = known.get(name, CoverageState())
        other = state.standing.get(found.line)
        if other is not None and other.seq in log.standing:
            # Raised a second time, since the first was lost: one alarm for a line is enough, and the other says the same.
            tx.append(EXPLAINED, {"line": found.line, "box": found.box, "raised": found.seq, "same": other.seq}, at=at)
            continue
        known[name] = replace(state, standing={**state.standing, found.line: found})
        again.append(found)
    for name in log.ended:
        state = known.get(name, CoverageState())
        known[name] = replace(state, settled={**_settled(known, log, name, now), **state.settled})
    if again:
        seqs: list[Json] = [found.seq for found in again]
        tx.append(RESTORED, {"account": identity.account, "raised": seqs}, at=at)
    tx.set_meta(META, written(known))
    return tuple(again)


def _lost(known: Mapping[str, CoverageState], log: Told) -> list[tuple[str, Found]]:
    there = {found.seq for state in known.values() for found in state.standing.values()}
    return [each for seq, each in log.standing.items() if seq not in there]


def _settled(known: Mapping[str, CoverageState], log: Told, name: str, now: int) -> dict[str, int]:
    """The lines of an account whose alarms were ended and that a look could come back to, where the entry does not know."""
    state = known.get(name, CoverageState())
    oldest = (now if state.until is None else state.until) - KEPT_SETTLED
    there = state.settled.keys() | state.standing.keys()
    return {line: at for line, at in log.ended.get(name, {}).items() if at >= oldest and line not in there}


def _whose(body: Mapping[str, Json], identity: StripeIdentity) -> str:
    target, account, livemode = body.get("target"), body.get("account"), body.get("livemode")
    if isinstance(target, str) and isinstance(livemode, bool):
        return name_of(StripeIdentity(target, str(account), livemode))
    return name_of(identity if account == identity.account else replace(identity, account=str(account)))


def _found(event: Event, body: Mapping[str, Json]) -> Found | None:
    line, kind, amount, currency, at, box = (
        body.get(name) for name in ("line", "kind", "amount", "currency", "line_at", "box")
    )
    if not (isinstance(line, str) and isinstance(amount, int) and isinstance(at, int)):
        return None
    object_id = body.get("object")
    return Found(
        line,
        event.seq,
        at,
        str(kind),
        object_id if isinstance(object_id, str) else None,
        amount,
        str(currency),
        str(box),
        "The audit log tells of it, and of nobody who explained it.",
    )
