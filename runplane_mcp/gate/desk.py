"""The people's side: cards, votes, people, the policy. Needs the store and no Stripe key; it never executes anything."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from runplane_mcp.core.approval import (
    GROUP_ID,
    PERSON_ID,
    Answer,
    Person,
    Role,
    Vote,
)
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.card import Card
from runplane_mcp.core.freeze import Freeze
from runplane_mcp.core.policy import version_of
from runplane_mcp.core.request import HELD, ActionRequest, State
from runplane_mcp.errors import PersonError, PolicyError, RequestError, RunplaneError
from runplane_mcp.gate.cards import build_card
from runplane_mcp.gate.clock import Clock
from runplane_mcp.gate.doubting import doubt
from runplane_mcp.gate.enforcement import ACTIVATED, FIRST, sign_activation
from runplane_mcp.gate.erasure import Erasure, erasure_of
from runplane_mcp.gate.freezes import Freezes
from runplane_mcp.gate.keys import Keys
from runplane_mcp.gate.lapsing import as_it_stands, expired, policy_time
from runplane_mcp.gate.lowered import lowering_of
from runplane_mcp.gate.people import (
    SCRYPT_N,
    SCRYPT_P,
    SCRYPT_R,
    Stretch,
    act_statement,
    check_secret,
    enrolled,
    enrolment,
    genuine,
    private_key,
    public_hex,
    trusted,
)
from runplane_mcp.gate.policies import Policies
from runplane_mcp.gate.presence import living_gates
from runplane_mcp.gate.redecision import warning_of_block
from runplane_mcp.gate.resolution import Resolution, resolution_of
from runplane_mcp.gate.restored import still_lacking
from runplane_mcp.gate.rounds import check_note, found, open_round
from runplane_mcp.gate.status import HomeStatus, status_of
from runplane_mcp.gate.votes import cast_vote
from runplane_mcp.store.base import Reader, Store, Transaction
from runplane_mcp.store.records import DecisionRecord, EnforcedPolicy, Event, ProposedPolicy, RequestFilter

#: So many of the newest cards are looked at: more than a flood can bring before somebody sees it, and what asked before it
#: must not be pushed out of sight.
MOST_CARDS: Final = 10_000


@dataclass(frozen=True, slots=True)
class VoteResult:
    """What a vote came to. `votes` are the yes votes of this round, `needed` how many are still missing. `frozen`: it does
    not run, however many say yes, until an administrator lifts a freeze."""

    request_id: str
    reference: str
    status: State
    votes: int
    needed: int
    gates_running: bool
    expires_at: int | None
    frozen: bool


@dataclass(frozen=True, slots=True)
class Life:
    """One request from first to last. `frozen` are the freezes that hold it now; `resolution` is an administrator's word on
    an outcome that nobody knew, `erasure` that of what it said something is gone. `doubt`: why the log does not bear it
    out."""

    request: ActionRequest
    decisions: tuple[DecisionRecord, ...]
    votes: tuple[Vote, ...]
    events: tuple[Event, ...]
    result: Mapping[str, Json] | None
    frozen: tuple[Freeze, ...]
    resolution: Resolution | None
    erasure: Erasure | None = None
    doubt: str | None = None


class Desk:
    """What people do. `gates` is the folder in which living gates hold their locks."""

    def __init__(
        self, *, store: Store, policies: Policies, clock: Clock, gates: Path, scrypt_n: int = SCRYPT_N
    ) -> None:
        self.store = store
        self.policies = policies
        self.clock = clock
        self.keys = Keys(store, clock)
        self.freezes = Freezes(policies.catalog)
        self._gates = gates
        self._scrypt_n = scrypt_n

    # ── looking ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def cards(self, state: State = State.WAITING) -> list[Card]:
        """What waits for people, or is scheduled, oldest first; what has expired by now is left out."""

        def work(reader: Reader) -> list[Card]:
            held = reader.requests(RequestFilter(states=frozenset({state}), limit=MOST_CARDS))
            standing = self.freezes.standing(reader)
            return [self._card(reader, request, standing) for request in reversed(held) if not self.expired(request)]

        return await self.store.read(work)

    async def card(self, reference_or_id: str | None = None) -> Card:
        """One request's card; without a name, the newest that waits. RequestError `request.not_found`."""

        def work(reader: Reader) -> Card:
            if reference_or_id is None:
                waiting = reader.requests(RequestFilter(states=frozenset({State.WAITING}), limit=1000))
                request = next((each for each in waiting if not self.expired(each)), None)
                if request is None:
                    raise RequestError("request.not_found", "Nothing waits for approval.")
            else:
                request = found(reader, reference_or_id)
            return self._card(reader, request, self.freezes.standing(reader))

        return await self.store.read(work)

    async def requests(self, filter: RequestFilter) -> list[ActionRequest]:
        """Newest first, as they stand now."""
        found = await self.store.read(lambda reader: reader.requests(filter))
        standing = [as_it_stands(request, self.clock) for request in found]
        return [each for each in standing if filter.states is None or each.state in filter.states]

    async def life(self, reference_or_id: str) -> Life:
        def work(reader: Reader) -> Life:
            request = as_it_stands(found(reader, reference_or_id), self.clock)
            votes = [vote for round in range(1, request.round + 1) for vote in reader.votes(request.id, round)]
            people = trusted(reader)
            return Life(
                request=request,
                decisions=tuple(reader.decisions(request.id)),
                votes=tuple(votes),
                events=(*reader.batch_of(request.id), *reader.events(0, 10_000, request.id)),
                result=reader.result(request.id),
                frozen=self.freezes.on(reader, request) if request.state in HELD else (),
                resolution=resolution_of(reader, request, people),
                erasure=erasure_of(reader, request.id, people) if request.final else None,
                doubt=doubt(reader, request),
            )

        return await self.store.read(work)

    async def frozen(self) -> tuple[Freeze, ...]:
        """The freezes that stand, oldest first."""
        return await self.store.read(self.freezes.standing)

    async def held_by_freezes(self, requests: Sequence[ActionRequest]) -> frozenset[str]:
        """The ids of those that people can still stop and that do not run because a freeze holds them."""
        standing = await self.frozen()
        held = (request for request in requests if request.state in HELD)
        return frozenset(request.id for request in held if self.freezes.among(standing, request))

    async def people(self) -> list[Person]:
        """Everybody the audit log bears out."""
        return sorted((await self.store.read(trusted)).values(), key=lambda person: person.id)

    async def enforced_policy(self) -> EnforcedPolicy | None:
        """What is enforced, as the log bears it out; PolicyError `policy.unproven` where it does not."""
        try:
            return (await self.store.read(self.policies.activation)).enforced()
        except PolicyError as error:
            if error.code == "policy.none":
                return None
            raise

    async def proposed_policy(self) -> ProposedPolicy | None:
        return await self.store.read(lambda reader: reader.proposed_policy())

    async def status(self) -> HomeStatus:
        """How the home stands."""
        return await self.store.read(
            lambda reader: status_of(
                reader, self.policies, self.clock, self.freezes, gates_running=self.gates_running()
            )
        )

    # ── voting ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def vote(
        self, request_id: str, *, digest: str, person: str, secret: str, answer: Answer, note: str | None = None
    ) -> VoteResult:
        """One person's signed answer to exactly the digest they saw.

        ApprovalError `approval.changed` when the request is no longer what was seen, `approval.not_waiting`,
        `approval.expired`, `approval.not_eligible`, `approval.voted`; PersonError `person.unknown`, `person.secret`.
        """
        note = check_note(note)
        voter = await self.keys.person(person)
        key = await self.keys.unlock(voter, secret)
        at = self.clock.wall()

        def work(tx: Transaction) -> VoteResult | RunplaneError:
            seen = open_round(tx, request_id, digest=digest, voter=voter, clock=self.clock, to_stop=answer is Answer.NO)
            if isinstance(seen, RunplaneError):
                return seen
            request = seen.request
            moved, counted = cast_vote(tx, seen, person=person, key=key, answer=answer, at=at, note=note)
            return VoteResult(
                request_id=request.id,
                reference=request.reference,
                status=moved.state,
                votes=len(counted.yes),
                needed=counted.needed,
                gates_running=self.gates_running() > 0,
                expires_at=request.expires_at,
                frozen=bool(self.freezes.on(tx, request)),
            )

        result = await self.store.write(work)
        if isinstance(result, RunplaneError):
            raise result
        return result

    def gates_running(self) -> int:
        return living_gates(self._gates)

    # ── people ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def add_person(
        self,
        name: str,
        *,
        role: Role,
        groups: frozenset[str],
        secret: str,
        as_person: str | None = None,
        as_secret: str | None = None,
    ) -> Person:
        """Enrols a person. The first one is an administrator and enrols themselves; every other needs an administrator's
        secret, so that no agent can add itself as an approver."""
        if not PERSON_ID.match(name):
            raise PersonError(
                "person.name",
                f"{name[:40]!r} is not a person's id.",
                next_step="Use small letters, digits, `.`, `_` and `-`.",
            )
        for group in groups:
            if not GROUP_ID.match(group):
                raise PersonError(
                    "person.group", f"{group[:40]!r} is not a group's name.", next_step="Use small letters."
                )
        check_secret(secret)
        existing = await self.store.read(enrolled)
        if name in existing:
            raise PersonError("person.exists", f"{name} is enrolled already.")
        salt = os.urandom(16).hex()
        own_key = await asyncio.to_thread(private_key, secret, Stretch(salt, n=self._scrypt_n))
        enroller, enroller_key = name, own_key
        if existing:
            if as_person is None or as_secret is None:
                raise PersonError(
                    "person.admin_needed",
                    "Adding people needs an administrator's secret.",
                    next_step="Add `--as ADMIN` and give their secret first.",
                )
            admin = await self.keys.administrator(as_person, "Adding people")
            enroller, enroller_key = admin.id, await self.keys.unlock(admin, as_secret)
        elif role is not Role.ADMIN:
            raise PersonError(
                "person.first_must_be_admin", "The first person is an administrator.", next_step="Use `--role admin`."
            )
        at = self.clock.wall()
        person = Person(
            id=name,
            role=role,
            groups=groups,
            public_key=public_hex(own_key),
            salt=salt,
            scrypt_n=self._scrypt_n,
            scrypt_r=SCRYPT_R,
            scrypt_p=SCRYPT_P,
            active=True,
            added_by=enroller if existing else None,
            event_seq=0,
        )

        def work(tx: Transaction) -> Person:
            now = enrolled(tx)
            if name in tx.people() or bool(now) != bool(existing):
                raise PersonError("person.exists", f"{name} was enrolled meanwhile, or somebody else was first.")
            content = enrolment(person)
            statement = act_statement(store=tx.store_id(), act="person.added", content=content, person=enroller, at=at)
            seq = tx.append(
                "person.added",
                {
                    **content,
                    "added_by": person.added_by,
                    "signed_at": at,
                    "signature": enroller_key.sign(statement).hex(),
                    "secret_set_by": "command line",
                },
                at=at,
            )
            added = replace(person, event_seq=seq)
            tx.add_person(added)
            return added

        return await self.store.write(work)

    # ── policy ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def activate_policy(
        self, text: str, *, file: str, as_person: str | None = None, secret: str | None = None, over: str | None = None
    ) -> EnforcedPolicy:
        """Makes a policy the enforced one. Needs an administrator's secret once anybody is enrolled.

        `over` is the version whose difference to this one was shown: PolicyError `policy.changed` where another one is
        enforced by now, since what gets looser may be another.
        """
        self.policies.compile(text, file=file)
        people = await self.store.read(enrolled)
        key = None
        admin: Person | None = None
        if people:
            if as_person is None or secret is None:
                raise PolicyError(
                    "policy.admin_needed",
                    "Activating a policy needs an administrator's secret.",
                    next_step="Add `--as ADMIN` and give their secret.",
                )
            admin = await self.keys.administrator(as_person, "Activating a policy")
            key = await self.keys.unlock(admin, secret)
        at, version = self.clock.wall(), version_of(text)

        def work(tx: Transaction) -> EnforcedPolicy:
            if over is not None and tx.enforced_version() != over:
                raise PolicyError(
                    "policy.changed",
                    "Another policy was put in force meanwhile, so that the difference is another.",
                    next_step="Look at it: runplane policy diff",
                )
            by = admin.id if admin else FIRST
            body: dict[str, Json] = {"version": version, "by": by}
            if key is not None and admin is not None:
                body = sign_activation(tx, key, admin, version, at=at)
            elif enrolled(tx):
                raise PolicyError("policy.admin_needed", "Somebody was enrolled meanwhile; their secret is needed.")
            tx.append(ACTIVATED, body, at=at)
            enforced = EnforcedPolicy(version, text, at, by)
            tx.activate_policy(enforced)
            return enforced

        return await self.store.write(work)

    # ── small things ──────────────────────────────────────────────────────────────────────────────────────────────

    def _card(self, reader: Reader, request: ActionRequest, standing: Sequence[Freeze]) -> Card:
        record = reader.round_decision(request.id, request.round)
        if record is None or request.round == 0:
            if request.state is State.RECEIVED:
                raise RequestError(
                    "request.no_card",
                    f"{request.reference} is not decided yet.",
                    next_step="A gate looks it up first: `runplane mcp`.",
                )
            raise RequestError("request.no_card", f"{request.reference} was never held for people.")
        people = trusted(reader)
        if request.final and not record.detail:
            erasure = erasure_of(reader, request.id, people)
            raise RequestError(
                "request.erased",
                f"There is no card of {request.reference} any more: "
                + (
                    erasure.sentence()
                    if erasure is not None
                    else "what it was made of is gone, and nobody signed that."
                ),
                next_step=f"What is left: runplane requests show {request.reference}",
            )
        votes = genuine(reader.votes(request.id, request.round), people, reader.store_id())
        lowering = lowering_of(reader, request, people)
        frozen = self.freezes.among(standing, request)
        blocked = restored = None
        if request.state is State.WAITING:
            with contextlib.suppress(PolicyError):  # then nothing runs, which `status` says
                now, policy = policy_time(request, self.clock), self.policies.enforced(reader)
                blocked = warning_of_block(reader, policy, request, record, now)
                restored = still_lacking(reader, policy, now)
        return build_card(
            request, record, votes, people, frozen=frozen, lowering=lowering, blocked=blocked, restored=restored
        )

    def expired(self, request: ActionRequest) -> bool:
        """Whether its time is over by now, although no process may have said so yet."""
        return expired(request, self.clock)
