"""The worst case in one number: the most that a fully hijacked agent moves with nobody asked.

An upper bound, computed: every judgement of every operation of the catalog, in every cell of its facts, is put to the
compiled policy; what passes counts into limits; the most under all limits at once is a linear program.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from runplane_mcp.core.catalog import Catalog
from runplane_mcp.core.compile import CompiledPolicy, compile_policy
from runplane_mcp.core.exposure.bound import SPANS, Bound, Step, bound_of
from runplane_mcp.core.exposure.candidates import Candidate, candidates
from runplane_mcp.core.exposure.cells import Scale
from runplane_mcp.core.exposure.passing import Passing
from runplane_mcp.core.exposure.ways import MONEY_OUT, Way, What

__all__ = ["GROUPS", "SPANS", "Bound", "Exposure", "Step", "exposure"]

#: The groups whose amounts are bounded each by itself: those of money out, what customers are charged, and discounts.
GROUPS: Final = ("refunds", "credits", "payouts", "transfers", "write_offs", "charges", "discounts")


@dataclass(frozen=True, slots=True)
class Exposure:
    """The worst case of one policy, by span in seconds (an hour, a day, a week). `total` is money out: refunds, credits,
    payouts, transfers and write-offs together, each request once. `groups` are each by itself, so that a request of
    several counts in each; charges (money in) and discounts are not in the total. `revenue` is recurring revenue lost, a
    month. `at_once` is the total without what is held back for a while and could be stopped.

    Beside the numbers, as ids of operations that pass unasked: `unmeasured` belong to money out but have no amount,
    `doors` give somebody access. `passing` is how many writes pass that move no money at all.
    """

    currency: str
    principals: int
    total: Mapping[int, Bound]
    at_once: Mapping[int, Bound]
    groups: Mapping[str, Mapping[int, Bound]]
    revenue: Mapping[int, Bound]
    unmeasured: tuple[str, ...]
    doors: tuple[str, ...]
    passing: int

    @property
    def bounded(self) -> bool:
        return all(bound.amount is not None for bound in self.total.values())


def exposure(policy: CompiledPolicy, catalog: Catalog, *, principals: int = 1) -> Exposure:
    """The worst case of `policy` with so many agents hijacked at once."""
    written = policy.policy
    scale = Scale.of(written.rates)
    passing = Passing(compile_policy(replace(written, rates=scale.rates()), actions=catalog.actions), scale)
    limits = {each.limit.id: each.limit for each in policy.limits}
    ways: list[Way] = []
    found = candidates(catalog, aliases=passing.names_operations, secrets=passing.allows_access)
    for candidate in sorted(found, key=_fame):
        ways += passing.ways(candidate)

    def by_span(chosen: Sequence[Way]) -> dict[int, Bound]:
        return {span: bound_of(chosen, limits, span, principals=principals, foreign=scale.foreign) for span in SPANS}

    def all_by_span(chosen: Sequence[Way]) -> dict[int, Bound]:
        beside = [way for way in chosen if way.beside]
        most = by_span([way for way in chosen if not way.beside])
        return {span: most[span] + more for span, more in by_span(beside).items()} if beside else most

    out = [way for way in ways if way.redirects or (way.what in _MONEY and not way.groups.isdisjoint(MONEY_OUT))]
    total = all_by_span(out)
    now = [way for way in out if not way.stoppable]
    moving = {way.candidate.operation_id for way in ways if way.what is not What.NOTHING or way.redirects}
    still = [way for way in ways if way.what is What.NOTHING and not way.redirects]
    return Exposure(
        currency=written.currency,
        principals=principals,
        total=total,
        at_once=total if len(now) == len(out) else all_by_span(now),
        groups={
            group: by_span([way for way in ways if way.what in _MONEY and group in way.groups]) for group in GROUPS
        },
        revenue=by_span([way for way in ways if way.what is What.REVENUE]),
        unmeasured=_ids(way for way in still if not way.groups.isdisjoint(MONEY_OUT)),
        doors=_ids(way for way in ways if "access" in way.groups or way.facts.get("gives_access") is True),
        passing=len({way.candidate.operation_id for way in still} - moving),
    )


_MONEY: Final = frozenset({What.AMOUNT, What.RELEASED})


def _fame(candidate: Candidate) -> tuple[bool, int, int]:
    """What people think of first, first: effects that needed a file of their own, and short names."""
    return candidate.declared, len(candidate.operation_id), len(candidate.groups)


def _ids(ways: Iterable[Way]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(way.candidate.operation_id for way in ways))
