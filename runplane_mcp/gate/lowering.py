"""Lowering as people do it: a signed act, recorded in one transaction with the end of the request that it replaces."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from runplane_mcp.core.approval import eligible_people
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.effects import effect_of
from runplane_mcp.core.lower import at_period_end, lowered_amount
from runplane_mcp.core.money import Money
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.repeats import Form
from runplane_mcp.core.request import ActionRequest, State, reference, request_id, sameness
from runplane_mcp.errors import ApprovalError, RunplaneError
from runplane_mcp.gate.acts import signed_body
from runplane_mcp.gate.desk import Desk
from runplane_mcp.gate.lapsing import policy_time
from runplane_mcp.gate.lowered import LOWER, new_nonce, statement_content
from runplane_mcp.gate.records import fact_from_json, received_event
from runplane_mcp.gate.rounds import Round, check_note, open_round
from runplane_mcp.store.base import Transaction


@dataclass(frozen=True, slots=True)
class Lowered:
    """What took a request's place. `before` and `after` are its money, both None where an end at once became one at the
    period's end. `others`: who besides the one who lowered is asked; where that is nobody and it is not one-person mode,
    it cannot be approved until somebody is enrolled."""

    request: ActionRequest
    replaces: ActionRequest
    before: Money | None
    after: Money | None
    others: tuple[str, ...]
    one_person: bool
    gates_running: bool


async def lower(
    desk: Desk, request_id: str, *, digest: str, person: str, secret: str, to: Money | None, note: str | None = None
) -> Lowered:
    """Lowers what waits, as it was seen, to the amount `to`; with None, from an end at once to one at the period's end.
    `note` reaches the agent as the person's words. The new request is received: a gate looks it up and asks people.

    ApprovalError as for a vote, and `approval.not_lowerable`, `approval.not_lower`, `approval.currency`,
    `approval.duplicate`; PersonError `person.unknown`, `person.secret`.
    """
    note = check_note(note)
    voter = await desk.keys.person(person)
    key = await desk.keys.unlock(voter, secret)
    at = desk.clock.wall()

    def work(tx: Transaction) -> Lowered | RunplaneError:
        seen = open_round(tx, request_id, digest=digest, voter=voter, clock=desk.clock)
        if isinstance(seen, RunplaneError):
            return seen
        old = seen.request
        before = _money(seen)
        changed = _changed(desk, seen, to)
        new = _successor(desk, old, changed, at=at)
        _refuse_a_second(tx, new)
        new = tx.insert_request(new, event={**received_event(new), "replaces": old.id})

        nonce = new_nonce()
        content = statement_content(old, new.id, changed.wire, digest=seen.digest, nonce=nonce)
        kept = tx.commit_payload({"nonce": nonce}, request_id=new.id)
        body = signed_body(key, voter, store=tx.store_id(), act=LOWER, content=content, at=at)
        body |= {"replaces": old.id, "digest": seen.digest, "payloads": {"lowered": kept}}
        tx.append(LOWER, body, at=at, request_id=new.id)

        # Its place in the limits is the new request's, which takes it when it is decided: one attempt counts once.
        tx.reserve(old.id, (), at=policy_time(old, desk.clock), waiting=False)
        event: dict[str, Json] = {"round": old.round, "by": voter.id, "replaced_by": new.id}
        old = tx.move(old, State.REPLACED, at=at, event=event, replaced_by=new.id, message_to_agent=note)
        asked = {name for need in seen.needs for name in eligible_people(need, seen.people.values())}
        return Lowered(
            request=new,
            replaces=old,
            before=before if to is not None else None,
            after=to,
            others=tuple(sorted(asked - {voter.id})),
            one_person=sum(each.may_vote for each in seen.people.values()) == 1,
            gates_running=desk.gates_running() > 0,
        )

    result = await desk.store.write(work)
    if isinstance(result, RunplaneError):
        raise result
    return result


def _money(seen: Round) -> Money | None:
    amount = fact_from_json(seen.record.facts["amount"]) if "amount" in seen.record.facts else None
    return amount if isinstance(amount, Money) else None


def _changed(desk: Desk, seen: Round, to: Money | None) -> Classified:
    """The lowered request in the catalog's words, refused where its parameters alone say that Stripe will not have it."""
    catalog, old = desk.policies.catalog, seen.request
    if old.as_asked is None or old.effective is None:
        raise ApprovalError("approval.not_lowerable", "What was asked is not kept any more.", next_step="Deny it.")
    asked = catalog.classify(old.as_asked)
    if to is not None:
        wire = lowered_amount(asked, catalog.classify(old.effective), _money(seen), to)
    else:
        wire = at_period_end(asked, catalog)
    changed = catalog.classify(wire)
    refusal = effect_of(changed, {}).refusal
    if refusal is not None:
        raise ApprovalError("approval.not_lowerable", f"Stripe would refuse it: {refusal.message}")
    return changed


def _successor(desk: Desk, old: ActionRequest, changed: Classified, *, at: int) -> ActionRequest:
    """The same principal's, agent's and interface's request, with the agent's own words; its key stays with the old one,
    and what it was meant to repeat with it: of another amount it is no repeat. Where no gate looks it up before the old
    one would have expired, it is over too."""
    operation = changed.operation
    return ActionRequest(
        id=request_id(os.urandom(16)),
        reference=reference(os.urandom(8)),
        state=State.RECEIVED,
        version=1,
        principal=old.principal,
        agent=old.agent,
        via=old.via,
        client=old.client,
        operation_id=operation.operation_id,
        action=changed.action,
        kind=operation.kind,
        identity=old.identity,
        created_at=at,
        policy_at=policy_time(old, desk.clock),
        changed_at=at,
        as_asked=changed.wire,
        expires_at=old.expires_at,
        own=replace(old.own, idempotency_key=None, repeat_of=None),
        same_asked=sameness(operation.operation_id, old.identity, changed.wire, old.principal),
        replaces=old.id,
    )


def _refuse_a_second(tx: Transaction, new: ActionRequest) -> None:
    """The agent may have asked for exactly this by itself: two of the same must not wait side by side."""
    same = tx.earlier(Form.ASKED, new.same_asked).open if new.same_asked is not None else None
    if same is not None:
        raise ApprovalError(
            "approval.duplicate",
            f"{same.reference} asks for exactly that already.",
            next_step=f"Deny this one, and look at {same.reference}.",
        )
