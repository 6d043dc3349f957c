"""Trying a whole policy beside the enforced one; what came of that and of what is in shadow, counted, with the money."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.decision import Outcome
from runplane_mcp.core.policy import version_of
from runplane_mcp.gate.cards import money_of
from runplane_mcp.gate.desk import Desk
from runplane_mcp.store.base import Reader, Transaction
from runplane_mcp.store.in_place import TRIES
from runplane_mcp.store.records import DecisionRecord

TRIED: Final = "policy.tried"
TRIAL_ENDED: Final = "policy.trial_ended"
_PAGE: Final = 1_000


@dataclass(slots=True)
class Flip:
    """Requests of which one thing was decided and another would have been. `by` are the rules, limits and standing votes
    that made the difference; `money` is minor units by currency, as far as amounts are known."""

    decided: Outcome
    instead: Outcome
    by: tuple[str, ...]
    count: int = 0
    money: dict[str, int] = field(default_factory=dict)

    def add(self, record: DecisionRecord) -> None:
        self.count += 1
        amount, currency = money_of(record)
        if amount is not None and currency is not None:
            self.money[currency] = self.money.get(currency, 0) + amount


@dataclass(frozen=True, slots=True)
class Report:
    """`candidate` is the version that is tried since `since` (wall time, milliseconds); `decided` requests were decided
    beside it, of which `alike` the same way. `in_shadow` is what single rules and limits would have said, whatever else was
    said, since `looked_since`. Both count each request by its first decision."""

    candidate: str | None
    since: int | None
    decided: int
    alike: int
    flips: tuple[Flip, ...]
    in_shadow: tuple[Flip, ...]
    looked_since: int


async def start(desk: Desk, text: str, *, file: str) -> str:
    """Puts a policy beside the enforced one; its version. PolicyError where it does not load."""
    version = desk.policies.compile(text, file=file).version
    at = desk.clock.wall()

    def work(tx: Transaction) -> None:
        tx.append(TRIED, {"version": version}, at=at)
        tx.try_policy(version, text, since=at, by=TRIES)

    await desk.store.write(work)
    return version_of(text)


async def stop(desk: Desk) -> str | None:
    """Takes it away; its version, None where none was tried."""
    at = desk.clock.wall()

    def work(tx: Transaction) -> str | None:
        version = tx.candidate_version()
        if version is not None:
            tx.append(TRIAL_ENDED, {"version": version}, at=at)
            tx.end_trial()
        return version

    return await desk.store.write(work)


async def report(desk: Desk, *, since: int) -> Report:
    """What differed. `since` (wall time, milliseconds) is for what is in shadow; a candidate counts since it began."""
    return await desk.store.read(lambda reader: _report(reader, since))


def _report(reader: Reader, looked_since: int) -> Report:
    candidate, since = reader.candidate_version(), reader.candidate_since()
    decided = alike = 0
    flips: dict[object, Flip] = {}
    in_shadow: dict[object, Flip] = {}
    for record in _records(reader, min(looked_since, since if since is not None else looked_since)):
        if record.at >= looked_since:
            for each in _objects(record.detail.get("shadow")):
                _count(in_shadow, record, Outcome(str(each["outcome"])), (f"{each['source']} {each['id']}",))
        tried = record.detail.get("candidate")
        if not isinstance(tried, Mapping) or tried.get("version") != candidate or record.at < (since or 0):
            continue
        decided += 1
        if not tried["differs"]:
            alike += 1
            continue
        spoke = [*_objects(tried.get("silent"))] or [*_objects(tried.get("reasons"))]
        by = tuple(f"{each['source']} {each['id']}" for each in spoke)
        _count(flips, record, Outcome(str(tried["outcome"])), by, decided=Outcome(str(tried["instead_of"])))
    return Report(candidate, since, decided, alike, _sorted(flips), _sorted(in_shadow), looked_since)


def _count(
    found: dict[object, Flip],
    record: DecisionRecord,
    instead: Outcome,
    by: tuple[str, ...],
    *,
    decided: Outcome | None = None,
) -> None:
    before = decided or record.outcome
    found.setdefault((before, instead, by), Flip(before, instead, by)).add(record)


def _records(reader: Reader, since: int) -> Iterator[DecisionRecord]:
    """First decisions since then, newest first."""
    before: int | None = None
    while page := reader.first_decisions(before, _PAGE):
        for number, record in page:
            # A clock that was set back does not end it too early.
            if record.at < since - _MARGIN:
                return
            before = number
            if record.at >= since:
                yield record


_MARGIN: Final = 3_600_000


def _sorted(flips: Mapping[object, Flip]) -> tuple[Flip, ...]:
    return tuple(sorted(flips.values(), key=lambda flip: (-flip.count, flip.by)))


def _objects(value: Json) -> list[Mapping[str, Json]]:
    return [each for each in cast("list[Json]", value or []) if isinstance(each, Mapping)]
