"""Why a recorded decision came out as it did: every rule and limit of the very policy that decided, over the very facts
that were recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runplane_mcp.core.explain import Trace, evaluate
from runplane_mcp.core.facts import REGISTRY, FactValue
from runplane_mcp.core.policy import version_of
from runplane_mcp.core.request import ActionRequest
from runplane_mcp.errors import PolicyError, RequestError
from runplane_mcp.gate.policies import Policies
from runplane_mcp.gate.records import fact_from_json
from runplane_mcp.gate.rounds import found
from runplane_mcp.store.base import DecisionRecord, Reader


@dataclass(frozen=True, slots=True)
class Explained:
    """One decision of a request. `decisions` are all of its, first to last; `facts` are empty where they were erased."""

    request: ActionRequest
    record: DecisionRecord
    decisions: tuple[DecisionRecord, ...]
    facts: Mapping[str, FactValue]
    traces: tuple[Trace, ...]


def explained(reader: Reader, policies: Policies, reference_or_id: str, number: int | None = None) -> Explained:
    """Decision `number` of a request, by default its last.

    RequestError `request.not_found`, `request.not_decided`; PolicyError `policy.unreadable` where the text of the policy is
    not the recorded one, or this version of Runplane cannot read it.
    """
    request = found(reader, reference_or_id)
    decisions = tuple(reader.decisions(request.id))
    record = next((each for each in reversed(decisions) if number is None or each.n == number), None)
    if record is None:
        if not decisions:
            raise RequestError(
                "request.not_decided",
                f"Nothing was decided about {request.reference}: it is {request.state.value}.",
                next_step=f"See `runplane requests show {request.reference}`.",
            )
        raise RequestError(
            "request.not_decided",
            f"{request.reference} has no decision {number}.",
            next_step=f"It has {len(decisions)}: count from 1.",
        )
    text = reader.policy_text(record.policy_version)
    if text is None or version_of(text) != record.policy_version:
        raise PolicyError(
            "policy.unreadable",
            f"The text of policy {record.policy_version[:12]} is not the one that decided.",
            next_step="Run `runplane audit verify`.",
        )
    policy = policies.compile(text, file=f"policy {record.policy_version[:12]}")
    # Another release may have had facts that this one does not know.
    facts = {name: fact_from_json(value) for name, value in record.facts.items() if name in REGISTRY}
    return Explained(request, record, decisions, facts, evaluate(policy, facts) if facts else ())
