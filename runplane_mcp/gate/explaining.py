"""Why the recorded decisions about a request came out as they did: every rule and limit of the very policy that decided,
over the very facts that were recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.explain import Trace, evaluate
from runplane_mcp.core.facts import REGISTRY, FactValue
from runplane_mcp.core.policy import version_of
from runplane_mcp.core.request import ActionRequest
from runplane_mcp.errors import PolicyError, RequestError
from runplane_mcp.gate.policies import Policies
from runplane_mcp.gate.records import fact_from_json
from runplane_mcp.gate.rounds import found
from runplane_mcp.store.base import Reader
from runplane_mcp.store.records import DecisionRecord


@dataclass(frozen=True, slots=True)
class Explanation:
    """One decision. `facts` are empty where they were erased; `former` are recorded ones that this release no longer
    knows, as they were written. `unreadable` says why the policy that decided cannot be read; then there are no traces."""

    record: DecisionRecord
    facts: Mapping[str, FactValue]
    former: Mapping[str, Json]
    traces: tuple[Trace, ...]
    unreadable: str | None = None


@dataclass(frozen=True, slots=True)
class Explained:
    """A request with the decisions that were asked for, in their order, of `count` that there are."""

    request: ActionRequest
    decisions: tuple[Explanation, ...]
    count: int


def explained(reader: Reader, policies: Policies, reference_or_id: str, number: int | None = None) -> Explained:
    """Every decision of a request, or only decision `number`.

    RequestError `request.not_found`, `request.not_decided`; PolicyError `policy.unreadable` where the text of a policy is
    not the recorded one.
    """
    request = found(reader, reference_or_id)
    records = reader.decisions(request.id)
    wanted = [each for each in records if number is None or each.n == number]
    if not records:
        raise RequestError(
            "request.not_decided",
            f"Nothing was decided about {request.reference}: it is {request.state.value}.",
            next_step=f"See `runplane requests show {request.reference}`.",
        )
    if not wanted:
        raise RequestError(
            "request.not_decided",
            f"{request.reference} has no decision {number}.",
            next_step=f"It has {len(records)}: count from 1.",
        )
    return Explained(request, tuple(_explanation(reader, policies, each) for each in wanted), len(records))


def _explanation(reader: Reader, policies: Policies, record: DecisionRecord) -> Explanation:
    version = record.policy_version
    text = reader.policy_text(version)
    if text is None or version_of(text) != version:
        raise PolicyError(
            "policy.unreadable",
            f"The text of policy {version[:12]} is not the one that decided.",
            next_step="Run `runplane audit verify`.",
        )
    # Another release may have had facts, or ways to write a policy, that this one does not know.
    facts = {name: fact_from_json(value) for name, value in record.facts.items() if name in REGISTRY}
    former = {name: value for name, value in record.facts.items() if name not in REGISTRY}
    try:
        policy = policies.compile(text, file=f"policy {version[:12]}")
    except PolicyError as error:
        return Explanation(record, facts, former, (), error.message)
    return Explanation(record, facts, former, evaluate(policy, facts) if facts else ())
