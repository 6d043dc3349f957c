"""What another policy would have said to everything that a home has recorded."""

from __future__ import annotations

from dataclasses import dataclass

from runplane_mcp.core.catalog import Catalog
from runplane_mcp.core.compile import CompiledPolicy
from runplane_mcp.core.replay import People, Replay
from runplane_mcp.gate.recorded import Records
from runplane_mcp.store.base import Reader


@dataclass(frozen=True, slots=True)
class Replayed:
    """`at_once` takes what nobody was asked about for approved at once, `never` for never answered. `since` is policy time
    (milliseconds), None where all there is was looked at. `erased` counts decisions whose facts are gone."""

    policy: CompiledPolicy
    at_once: Replay
    never: Replay
    since: int | None
    erased: int

    @property
    def people_matter(self) -> bool:
        """Whether what people would have said makes a difference."""
        return self.at_once.after.questions != self.never.after.questions or {
            (flip.decided.request_id, flip.after) for flip in self.at_once.flips
        } != {(flip.decided.request_id, flip.after) for flip in self.never.flips}


def replay(reader: Reader, catalog: Catalog, policy: CompiledPolicy, *, since: int | None) -> Replayed:
    """Decides again everything from `since` on, in one snapshot. What came before it fills the limits."""
    begin = since if since is not None else 0
    longest = max((limit.within for limit in policy.policy.limits), default=0) * 1000
    at_once, never = (Replay(policy, since=begin, people=people) for people in People)
    records = Records(reader, catalog)
    for step in records.steps(begin - longest):
        at_once.take(step)
        never.take(step)
    return Replayed(policy, at_once, never, since, records.erased)
