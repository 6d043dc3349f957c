"""What a home has recorded, as the steps that a policy can be tried on: each decision with its facts, and what became of
each request, in the order of the audit log."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.catalog import Catalog
from runplane_mcp.core.effects.settled import moved
from runplane_mcp.core.money import Money
from runplane_mcp.core.operation import EFFECT_FACTS, Classified
from runplane_mcp.core.replay import Decided, Moved, Outside, Step
from runplane_mcp.core.request import FINAL, ActionRequest, State
from runplane_mcp.errors import ParameterError
from runplane_mcp.gate.answer_secrets import carries_secret
from runplane_mcp.gate.records import fact_from_json
from runplane_mcp.store.base import Reader
from runplane_mcp.store.records import READS, DecisionRecord, Event

_PAGE: Final = 1_000
#: What time may pass between a decision and its event (milliseconds), and much more.
_MARGIN: Final = 600_000
_STATES: Final = {f"request.{state.value}": state for state in State}


@dataclass(slots=True)
class _Seen:
    """One request as the log has told of it so far. `offset` is how far its policy time lies from the wall's, `decided` the
    number of its latest decision; `pending` while the log has not told what state that brought."""

    offset: int
    decided: int = 0
    pending: bool = False


@dataclass(slots=True)
class Records:
    """Walks the log of one home. `erased` counts decisions whose facts were erased: they cannot be decided again."""

    reader: Reader
    catalog: Catalog
    erased: int = 0
    _seen: dict[str, _Seen] = field(default_factory=dict)
    _started: bool = False

    def steps(self, start: int) -> Iterator[Step]:
        """Everything from the policy time `start` (milliseconds) on, and before it the requests that were still open
        then."""
        for event in self._events():
            if event.type == READS:
                yield from self._reads(event, start)
                continue
            body = _body(event)
            if event.request_id is None or body is None:
                continue
            if event.type == "request.received":
                at = body.get("policy_at")
                self._seen[event.request_id] = _Seen(at - event.at if isinstance(at, int) else 0)
            seen = self._seen.get(event.request_id)
            if seen is None:
                continue
            yield from self._begin(event.at + seen.offset, start)
            yield from self._step(event, body, seen)
        yield from self._reads(None, start)

    def _begin(self, now: int, start: int) -> Iterator[Step]:
        if not self._started and now >= start - _MARGIN:
            self._started = True
            yield from self._still_open()

    def _reads(self, batch: Event | None, start: int) -> Iterator[Step]:
        """What one event says of many reads, or what none says yet: each was decided once and has ended."""
        for id in self.reader.reads_of(batch):
            request = self.reader.request(id)
            if request is None:
                continue
            yield from self._begin(request.changed_policy_at, start)
            decided = self._decided(id, 1, State.EXECUTING) if self._started else None
            if decided is not None:
                yield decided
                left = request.failure is not None and request.failure.effect_id is not None
                yield Moved(id, request.state, release=request.state is not State.SUCCEEDED and not left, spent=None)

    def _step(self, event: Event, body: Mapping[str, Json], seen: _Seen) -> Iterator[Step]:
        id = str(event.request_id)
        if event.type == "decision":
            seen.decided, seen.pending = cast("int", body["n"]), True
            return
        to = _STATES.get(event.type)
        if to is None or to is State.RECEIVED:
            return
        if self._started and seen.pending:
            decided = self._decided(id, seen.decided, to)
            if decided is not None:
                yield decided
        seen.pending = False
        if to in FINAL:
            if self._started:
                # What failed and left something behind may have moved its money all the same.
                release = to is not State.SUCCEEDED and body.get("effect_id") is None
                yield Moved(id, to, release=release, spent=self._spent(id) if to is State.SUCCEEDED else None)
            del self._seen[id]

    def _still_open(self) -> Iterator[Step]:
        for id, seen in self._seen.items():
            request = self.reader.request(id) if seen.decided and not seen.pending else None
            if request is not None:
                # Held or running: what it is by now may be another state than at that time, but not what it counts for.
                decided = self._decided(id, seen.decided, State.WAITING if request.round else State.EXECUTING)
                if decided is not None:
                    yield decided

    def _decided(self, id: str, n: int, then: State) -> Decided | None:
        request = self.reader.request(id)
        record = next((each for each in self.reader.decisions(id) if each.n == n), None)
        if request is None or record is None:
            return None
        if not record.facts:
            self.erased += 1
            return None
        return decided_of(request, record, then, self.catalog)

    def _spent(self, id: str) -> Money | None:
        """What Stripe says has really moved, as it was settled."""
        request, result = self.reader.request(id), self.reader.result(id)
        return None if request is None or result is None else moved(request.action, result)

    def _events(self) -> Iterator[Event]:
        after = 0
        while page := self.reader.events(after, _PAGE):
            yield from page
            after = page[-1].seq


def decided_of(request: ActionRequest, record: DecisionRecord, then: State, catalog: Catalog) -> Decided:
    """The step of one decision record that brought its request to the state `then`."""
    first = record.kind == "first"
    classified = _classified(request, catalog, first=first)
    facts = {name: fact_from_json(value) for name, value in record.facts.items()}
    reasons = cast("list[Mapping[str, Json]]", record.detail.get("reasons", []))
    return Decided(
        request_id=request.id,
        reference=request.reference,
        agent=request.agent,
        action=request.action,
        at=record.policy_at,
        first=first,
        then=then,
        outcome=record.outcome,
        facts=facts,
        spoke=tuple(dict.fromkeys(str(each["id"]) for each in reasons if str(each["outcome"]) == record.outcome.value)),
        outside=_outside(reasons),
        secret=classified is not None and carries_secret(classified.operation, classified.parameters),
        release=record.kind == "release",
        lacking=frozenset() if classified is None else (classified.facts & EFFECT_FACTS) - facts.keys(),
    )


def _outside(reasons: list[Mapping[str, Json]]) -> Outside | None:
    spoke = {(each["source"], each["id"]) for each in reasons}
    sources = {source for source, _ in spoke}
    if "freeze" in sources or ("error", "lowered") in spoke:
        return Outside.STOPPED
    return Outside.LOWERED if sources & {"lowered", "restored"} else None


def _classified(request: ActionRequest, catalog: Catalog, *, first: bool) -> Classified | None:
    """None where its bytes were erased, or where this release's catalog no longer knows them."""
    wire = request.as_asked if first else request.effective
    try:
        return None if wire is None else catalog.classify(wire)
    except ParameterError:
        return None


def _body(event: Event) -> Mapping[str, Json] | None:
    if event.type != "decision" and event.type not in _STATES:
        return None
    body: Mapping[str, Json] = json.loads(event.body)
    return body
