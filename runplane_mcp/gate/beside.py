"""A candidate policy beside the enforced one: what it would have said is written down and decides nothing.

It decides in the same transaction, on the same facts, with sums of its own: what it would count is reserved under its
limits' keys too, so that it counts as if it were enforced, and begins with that history when it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.compile import CompiledPolicy
from runplane_mcp.core.decide import decide
from runplane_mcp.core.decision import Bucket, Decision, Reason
from runplane_mcp.core.facts import Facts
from runplane_mcp.core.hours import clock_facts
from runplane_mcp.core.policy.conditions import today_of
from runplane_mcp.store.base import Reader


@dataclass(frozen=True, slots=True)
class Beside:
    """What a candidate says (`decision`) where the enforced policy says `enforced`. `decisive` are the keys of all limits
    that the enforced policy has."""

    decision: Decision
    enforced: Decision
    decisive: frozenset[str]

    @property
    def differs(self) -> bool:
        return _said(self.decision) != _said(self.enforced)

    def buckets(self) -> tuple[Bucket, ...]:
        """What both count into, once: limits that measure the same share one sum, which then is the enforced policy's. By
        other hours, rates or risk levels a candidate may find more in it, and would lock out whoever is next."""
        own = (each for each in self.decision.buckets if each.key not in self.decisive)
        found = {(each.key, each.bucket): each for each in (*own, *self.enforced.buckets)}
        return tuple(found.values())

    def to_json(self) -> dict[str, Json]:
        decision = self.decision
        found: dict[str, Json] = {
            "version": decision.policy_version,
            "outcome": decision.outcome.value,
            "instead_of": self.enforced.outcome.value,
            "differs": self.differs,
        }
        if self.differs:
            found["after"] = decision.after
            found["requirement"] = [
                {"groups": sorted(need.groups), "people": need.people} for need in decision.requirement
            ]
            # Of a milder outcome what matters is what no longer speaks.
            milder = decision.outcome.strictness < self.enforced.outcome.strictness
            found["reasons"] = [spoken(each) for each in decision.decisive]
            found["silent"] = [spoken(each) for each in self.enforced.decisive] if milder else []
        return found


def _said(decision: Decision) -> object:
    return decision.outcome, decision.after, set(decision.requirement), decision.expires_in


def spoken(reason: Reason) -> Json:
    """A reason that is only recorded."""
    return {"source": reason.source, "id": reason.id, "outcome": reason.outcome.value, "why": reason.why}


def beside(
    reader: Reader,
    candidate: CompiledPolicy,
    policy: CompiledPolicy,
    enforced: Decision,
    facts: Facts,
    now: int,
    *,
    excluding: str,
    without_risk: bool,
) -> Beside | None:
    """What `candidate` says by its own clock and limits where `policy` says `enforced`; what may be a duplicate is by the
    enforced policy's window. None where it cannot tell: nothing of it may stop a decision."""
    try:
        seen = {**facts, **clock_facts(candidate, now)}
        matching = candidate.matching(seen, today_of(seen))
        usages = reader.usages([bucket for _, bucket in matching], now, excluding=excluding)
        said = decide(candidate, seen, usages, without_risk=without_risk, matching=matching)
        return Beside(said, enforced, frozenset(each.key for each in policy.limits))
    except Exception:  # noqa: BLE001 - whatever it is, it is none of the request's business
        return None


def only_recorded(detail: Mapping[str, Json]) -> Iterator[str]:
    """What a decision record holds that decided nothing, in words: what is in shadow, and a candidate policy."""
    for each in _objects(detail.get("shadow")):
        yield f"in shadow, {each.get('source')} {each.get('id')}: {each.get('outcome')}. {each.get('why') or ''}".rstrip()
    tried = detail.get("candidate")
    if isinstance(tried, Mapping):
        version = str(tried.get("version"))[:12]
        if not tried.get("differs"):
            yield f"tried beside, policy {version} says the same"
            return
        spoke, silent = (
            ", ".join(f"{each.get('source')} {each.get('id')}" for each in _objects(tried.get(name)) if each.get("id"))
            for name in ("reasons", "silent")
        )
        without = f", without {silent}" if silent else ""
        yield f"tried beside, policy {version} says {tried.get('outcome')}: {spoke}{without}"


def _objects(value: Json) -> list[Mapping[str, Json]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list | tuple) else []
