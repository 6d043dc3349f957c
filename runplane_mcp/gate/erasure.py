"""What was erased of a request, as far as the log bears it out: an administrator signed which payloads went, and what of
them was kept for the books."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from runplane_mcp.core.approval import Person, Role
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.effects.settled import moved
from runplane_mcp.core.request import ActionRequest
from runplane_mcp.gate.acts import said, signer
from runplane_mcp.gate.people import trusted
from runplane_mcp.store.base import Reader
from runplane_mcp.store.records import DecisionRecord, Event

#: The event that holds the signature: one for each request, and one without for what belongs to none.
ERASED: Final = "erased"
_MOST_EVENTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Erasure:
    """Who erased something of a request, and when (wall time, milliseconds). `kept` is what of it can still be told."""

    by: str
    at: int
    seq: int
    kept: Mapping[str, Json]

    def sentence(self) -> str:
        return f"{self.by} has erased what this said of a customer: parameters, facts, names and words are gone."


def erasure_content(
    request_id: str | None, customer: str, commitments: Sequence[str], kept: Mapping[str, Json]
) -> dict[str, Json]:
    """What the administrator signs."""
    return {"request_id": request_id, "customer": customer, "commitments": list(commitments), "kept": dict(kept)}


def kept_of(
    request: ActionRequest, decisions: Sequence[DecisionRecord], result: Mapping[str, Json] | None
) -> dict[str, Json]:
    """What the books need and nobody is in: the amount that was decided about, the rules and limits that decided, and what
    moved by Stripe's answer."""
    kept: dict[str, Json] = {}
    amount = decided_amount(decisions)
    if amount is not None:
        kept["amount"] = amount
    by = decided_by(decisions)
    if by:
        kept["decided_by"] = by
    money = None if result is None else moved(request.action, result)
    if money is not None:
        kept["moved"] = {"amount": money.amount, "currency": money.currency}
    return kept


def decided_amount(decisions: Sequence[DecisionRecord]) -> dict[str, Json] | None:
    """Minor units and currency that the last decision was about, None where there is no amount or it was unknown."""
    for record in reversed(decisions):
        amount = record.facts.get("amount")
        if isinstance(amount, Mapping) and isinstance(amount.get("amount"), int):
            return {"amount": amount["amount"], "currency": amount["currency"]}
        if amount is not None:
            return None
    return None


def decided_by(decisions: Sequence[DecisionRecord]) -> list[Json]:
    """Ids of the rules and limits that led to the last decision as it is; another source by its name."""
    if not decisions:
        return []
    record = decisions[-1]
    reasons = cast("Sequence[Mapping[str, Json]]", record.detail.get("reasons", ()))
    spoke = [
        str(each.get("id")) if each.get("source") in ("rule", "limit") else str(each.get("source"))
        for each in reasons
        if each.get("outcome") == record.outcome.value
    ]
    return list(dict.fromkeys(spoke))


def erasure_of(reader: Reader, request_id: str, people: Mapping[str, Person] | None = None) -> Erasure | None:
    """The newest erasure of a request that an administrator signed."""
    found = None
    for event in reader.events(0, _MOST_EVENTS, request_id):
        if event.type == ERASED:
            people = trusted(reader) if people is None else people
            by = erased_by(reader, event, people)
            body = said(event)
            kept = body.get("kept")
            if by is not None:
                earlier: Mapping[str, Json] = found.kept if found is not None else {}
                now = kept if isinstance(kept, Mapping) else {}
                found = Erasure(by.id, event.at, event.seq, {**now, **earlier})
    return found


def erased_by(reader: Reader, event: Event, people: Mapping[str, Person]) -> Person | None:
    """The administrator who signed that something was erased, None where none did."""
    body = said(event)
    names, kept = body.get("commitments"), body.get("kept")
    if not isinstance(names, list) or not isinstance(kept, Mapping):
        return None
    content = erasure_content(event.request_id, str(body.get("customer")), [str(name) for name in names], kept)
    person = signer(event, people, store=reader.store_id(), act=ERASED, content=content)
    return person if person is not None and person.role is Role.ADMIN else None
