"""Requests, decisions, votes and people for the tests of stores, plain but complete."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from runplane_mcp.core.approval import Answer, Person, Role, Vote
from runplane_mcp.core.decision import Bucket, Outcome, RiskLevel
from runplane_mcp.core.money import Money
from runplane_mcp.core.request import (
    ActionRequest,
    Kind,
    OwnArguments,
    State,
    StripeIdentity,
    reference,
    request_id,
)
from runplane_mcp.core.wire import encode
from runplane_mcp.store.base import Transaction
from runplane_mcp.store.records import DecisionRecord, EnforcedPolicy

NOW = 1_764_000_000_000
HOUR = 3_600_000
DAY = 24 * HOUR

#: One way from received to each state.
WAYS: dict[State, tuple[State, ...]] = {
    State.RECEIVED: (),
    State.WAITING: (State.WAITING,),
    State.SCHEDULED: (State.SCHEDULED,),
    State.APPROVED: (State.WAITING, State.APPROVED),
    State.EXECUTING: (State.WAITING, State.APPROVED, State.EXECUTING),
    State.OUTCOME_UNKNOWN: (State.EXECUTING, State.OUTCOME_UNKNOWN),
    State.SUCCEEDED: (State.EXECUTING, State.SUCCEEDED),
    State.BLOCKED: (State.BLOCKED,),
    State.DENIED: (State.WAITING, State.DENIED),
    State.EXPIRED: (State.WAITING, State.EXPIRED),
    State.CANCELED: (State.WAITING, State.CANCELED),
    State.REPLACED: (State.WAITING, State.REPLACED),
    State.FAILED: (State.FAILED,),
}
#: Of the decisions that a request gets in each state.
KINDS = {State.RECEIVED: "first", State.SCHEDULED: "release", State.APPROVED: "execution"}


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def a_request(**changes: Any) -> ActionRequest:
    number = os.urandom(8).hex()  # also different in processes that were forked
    request = ActionRequest(
        id=request_id(os.urandom(16)),
        reference=reference(os.urandom(8), 8),
        state=State.RECEIVED,
        version=1,
        principal="stdio",
        agent="support-bot",
        via="mcp",
        operation_id="PostRefunds",
        action="refund.create",
        kind=Kind.WRITE,
        identity=StripeIdentity("simulator:w1", "acct_1", livemode=False),
        created_at=NOW,
        policy_at=NOW,
        changed_at=NOW,
        as_asked=encode("POST", "/v1/refunds", {"charge": f"ch_{number}", "amount": 500}),
        own=OwnArguments(justification="Mrs. Miller's parcel never came", ticket="T-77"),
        client="a client",
        same_asked=sha(f"asked {number}"),
    )
    return replace(request, **changes)


def received(tx: Transaction, **changes: Any) -> ActionRequest:
    return tx.insert_request(a_request(**changes), event={})


def brought_to(
    tx: Transaction,
    state: State,
    *,
    way: Sequence[State] | None = None,
    along: Callable[[ActionRequest], None] = lambda _: None,
    **changes: Any,
) -> ActionRequest:
    """A new request that has gone all the way to `state`, its usual one or `way`. `along` is called before the last move,
    which takes along what is noted then."""
    request = received(tx, **changes)
    *steps, last = [None, *(way or WAYS[state])]
    for step in steps:
        request = request if step is None else stepped(tx, request, step)
    if last is not None:
        along(request)
        request = stepped(tx, request, last)
    return request


def stepped(
    tx: Transaction, request: ActionRequest, to: State, *, at: int | None = None, event: Any = None, **changes: Any
) -> ActionRequest:
    """One move as a gate makes it: behind it a decision or somebody's yes, and with it what a round or a send has."""
    at = request.changed_at if at is None else at
    held, runs = to in {State.WAITING, State.SCHEDULED}, to is State.EXECUTING
    more: dict[str, Any] = {}
    if held:
        more["round"] = request.round + 1
    if runs:
        more["attempt"] = request.attempt + 1
    if held or (runs and request.state in {State.RECEIVED, State.SCHEDULED, State.APPROVED}):
        asks = to is State.WAITING or request.state is State.APPROVED
        record = a_decision(
            request,
            len(tx.decisions(request.id)) + 1,
            round=more.get("round", request.round),
            kind=KINDS.get(request.state, "execution"),
            outcome=Outcome.REQUIRE_APPROVAL if asks else Outcome.ALLOW,
        )
        tx.add_decision(record)
        more |= {"digest": record.digest, "effective": request.effective or request.as_asked}
    if runs and request.state not in {State.EXECUTING, State.OUTCOME_UNKNOWN}:
        more |= {"stripe_key": request.stripe_key or f"rp_{request.id}", "first_attempt_at": at}
    votes = tx.votes(request.id, request.round)
    if to is State.APPROVED and request.state is State.WAITING and all(vote.answer is Answer.NO for vote in votes):
        person = next(iter(tx.people()), None) or enrolled(tx, "zoe").id
        tx.add_vote(a_vote(request, person, round=request.round))
    return tx.move(request, to, at=at, event=event or {}, **{**more, **changes})


def going_on(tx: Transaction, request_id: str) -> str:
    """One move further, which takes along what was noted beside the request: to executing, or to the next attempt."""
    request = tx.request(request_id)
    assert request is not None
    stepped(tx, request, State.EXECUTING)
    return request_id


def settled(tx: Transaction, request_id: str, *, release: bool) -> str:
    tx.settle(request_id, release=release)
    return going_on(tx, request_id)


def moving(request: ActionRequest, to: State, **changes: Any) -> Callable[[Transaction], ActionRequest]:
    """Work that moves exactly this request."""
    return lambda tx: stepped(tx, request, to, at=NOW, **changes)


def a_decision(request: ActionRequest, n: int = 1, **changes: Any) -> DecisionRecord:
    record = DecisionRecord(
        request_id=request.id,
        n=n,
        round=1,
        kind="first",
        outcome=Outcome.REQUIRE_APPROVAL,
        at=NOW,
        policy_at=NOW,
        policy_version=sha("a policy"),
        risk=40,
        risk_level=RiskLevel.MEDIUM,
        nonce="00" * 16,
        digest=sha(request.id),
        facts={"amount": {"amount": 500, "currency": "usd"}, "customer": "cus_1"},
        detail={"reasons": [{"id": "large-refunds", "why": "Large refunds need a person."}]},
    )
    return replace(record, **changes)


def a_vote(request: ActionRequest, person: str = "ada", **changes: Any) -> Vote:
    vote = Vote(
        request_id=request.id,
        round=1,
        person=person,
        answer=Answer.YES,
        digest=sha(request.id),
        at=NOW,
        proof_kind="ed25519",
        proof="ab" * 64,
    )
    return replace(vote, **changes)


def enrolled(tx: Transaction, name: str = "ada", **changes: Any) -> Person:
    """A person with the event that enrolled them."""
    person = Person(
        id=name,
        role=Role.ADMIN,
        groups=frozenset({"finance", "leads"}),
        public_key=sha(f"key of {name}"),
        salt="00" * 16,
        scrypt_n=2**17,
        scrypt_r=8,
        scrypt_p=1,
        active=True,
        added_by=None,
        event_seq=0,
    )
    person = replace(person, **changes)
    seq = tx.append(
        "person.added",
        {
            "person": person.id,
            "role": person.role.value,
            "groups": sorted(person.groups),
            "public_key": person.public_key,
            "salt": person.salt,
            "scrypt": [person.scrypt_n, person.scrypt_r, person.scrypt_p],
            "added_by": person.added_by,
        },
        at=NOW,
    )
    person = replace(person, event_seq=seq)
    tx.add_person(person)
    return person


def activated(tx: Transaction, text: str = "version: 1\n") -> EnforcedPolicy:
    """A policy with the event that activated it."""
    policy = EnforcedPolicy(version=sha(text), text=text, since=NOW, by="first")
    tx.append("policy.activated", {"version": policy.version, "by": policy.by}, at=NOW)
    tx.activate_policy(policy)
    return policy


def a_bucket(amount: int | None = 500, currency: str = "usd", **changes: Any) -> Bucket:
    bucket = Bucket(
        limit_id="refunds-an-hour",
        key=sha("a limit"),
        bucket='["support-bot"]',
        window=3600,
        money=None if amount is None else Money(amount, currency),
        unknown_amount=amount is None,
    )
    return bucket._replace(**changes)
