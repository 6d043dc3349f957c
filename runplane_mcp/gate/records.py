"""Decisions and facts as JSON for the decision record, and back: what was known is kept exactly, so that it can be shown,
explained and decided again."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Final, cast

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.decision import Decision, Need
from runplane_mcp.core.difference import must_hold
from runplane_mcp.core.effect import Effect
from runplane_mcp.core.facts import Facts, FactValue, Missing
from runplane_mcp.core.money import Money
from runplane_mcp.core.redact import redact_text
from runplane_mcp.core.request import ActionRequest, Failure, Precondition, State
from runplane_mcp.gate.beside import Beside, spoken
from runplane_mcp.store.base import Reader
from runplane_mcp.store.records import DecisionRecord

#: Most facts are kept as they are.
_PLAIN: Final = frozenset({str, bool, int})


def fact_json(value: FactValue) -> Json:
    if type(value) in _PLAIN:
        return cast("Json", value)
    if isinstance(value, Missing):
        return {"missing": value.value}
    if isinstance(value, Money):
        return {"amount": value.amount, "currency": value.currency}
    if isinstance(value, Fraction):
        return {"fraction": str(value)}
    if isinstance(value, frozenset):
        return {"set": sorted(value)}
    return value


def facts_json(facts: Facts) -> dict[str, Json]:
    return {name: fact_json(value) for name, value in sorted(facts.items())}


def fact_from_json(value: Json) -> FactValue:
    if isinstance(value, Mapping):
        if "missing" in value:
            return Missing(value["missing"])
        if "amount" in value:
            return Money(cast("int", value["amount"]), str(value["currency"]))
        if "fraction" in value:
            return Fraction(str(value["fraction"]))
        return frozenset(cast("list[str]", value["set"]))
    if value is None or not isinstance(value, str | int | bool):
        raise TypeError(f"a fact is never {type(value).__name__}")
    return value


def need_json(need: Need) -> dict[str, Json]:
    return {"groups": sorted(need.groups), "people": need.people}


def needs_from(detail: Mapping[str, Json]) -> tuple[Need, ...]:
    """The requirement that a decision record holds."""
    found = []
    for each in cast("list[Mapping[str, Json]]", detail.get("requirement", [])):
        found.append(Need(frozenset(cast("list[str]", each["groups"])), cast("int", each["people"])))
    return tuple(found)


def precondition_json(precondition: Precondition) -> dict[str, Json]:
    return {"name": precondition.name, "relation": precondition.relation, "value": precondition.value}


def preconditions_from(detail: Mapping[str, Json]) -> tuple[Precondition, ...]:
    found = []
    for each in cast("list[Mapping[str, Json]]", detail.get("preconditions", [])):
        value = each["value"]
        found.append(
            Precondition(str(each["name"]), str(each["relation"]), value if isinstance(value, int) else str(value))
        )
    return tuple(found)


def currency_from(facts: Mapping[str, Json]) -> str | None:
    """What a recorded request is in; None where nobody knows."""
    currency, amount = facts.get("currency"), facts.get("amount")
    if not isinstance(currency, str) and isinstance(amount, Mapping):
        currency = amount.get("currency")
    return currency if isinstance(currency, str) else None


def conditions_of(record: DecisionRecord, action: str) -> tuple[str, ...]:
    """What must still be so when a request of this action runs, in words."""
    return must_hold(preconditions_from(record.detail), action=action, currency=currency_from(record.facts))


def version_from(detail: Mapping[str, Json]) -> str | None:
    """The version of Stripe's API that a decision is about; None in a record of before this was kept."""
    version = detail.get("api_version")
    return version if isinstance(version, str) else None


def snapshot_from(detail: Mapping[str, Json]) -> str | None:
    """What there was for a DELETE to take away when it was decided."""
    snapshot = detail.get("snapshot")
    return snapshot if isinstance(snapshot, str) else None


def detail_json(
    decision: Decision,
    effect: Effect,
    *,
    mode: str,
    api_version: str,
    simulated_clock: bool,
    changed: tuple[str, ...] = (),
    same_as: ActionRequest | None = None,
    tried: Beside | None = None,
) -> dict[str, Json]:
    """All of a decision but the facts: what spoke, who must say yes, what people see. What is only recorded, in shadow
    or by a candidate policy, and what a DELETE takes away, is there where there is some."""
    only_recorded: dict[str, Json] = {}
    if decision.shadow:
        only_recorded["shadow"] = [spoken(reason) for reason in decision.shadow]
    if tried is not None:
        only_recorded["candidate"] = tried.to_json()
    if effect.snapshot is not None:
        only_recorded["snapshot"] = effect.snapshot
    return only_recorded | {
        "mode": mode,
        "api_version": api_version,
        "simulated_clock": simulated_clock,
        "reasons": [
            {
                "source": reason.source,
                "id": reason.id,
                "outcome": reason.outcome.value,
                "why": reason.why,
                "need": need_json(reason.need) if reason.need else None,
                "after": reason.after,
            }
            for reason in decision.reasons
        ],
        "requirement": [need_json(need) for need in decision.requirement],
        "expires_in": decision.expires_in,
        "after": decision.after,
        "risk_factors": [
            {"name": factor.name, "points": factor.points, "sentence": factor.sentence}
            for factor in decision.risk.factors
        ],
        "limits": [
            {"id": limit.limit_id, "sentence": limit.sentence, "exceeded": limit.exceeded, "share": limit.share}
            for limit in decision.limits
        ],
        "preconditions": [precondition_json(each) for each in effect.preconditions],
        "effect": {
            "sentence": redact_text(effect.sentence),
            "to_whom": effect.to_whom,
            "undo": effect.undo,
            "money_lines": [
                {"label": line.label, "amount": line.money.amount, "currency": line.money.currency}
                for line in effect.money_lines
            ],
            "quoted": [[label, redact_text(text)] for label, text in effect.quoted],
        },
        "changed": list(changed),
        "same_as": None
        if same_as is None
        else {"reference": same_as.reference, "status": same_as.state.value, "at": same_as.changed_policy_at},
    }


def find(reader: Reader, reference_or_id: str) -> ActionRequest | None:
    """A request by its id or by the short code that people use, in any case."""
    wanted = reference_or_id.strip()
    return reader.request_by_reference(wanted.upper()) if wanted[:3].upper() == "RP-" else reader.request(wanted)


def received_event(request: ActionRequest) -> dict[str, Json]:
    """What the audit log says of a request's arrival: who and what, none of the parameters."""
    return {
        "principal": request.principal,
        "agent": request.agent,
        "via": request.via,
        "operation": request.operation_id,
        "action": request.action,
        "target": request.identity.target,
        "account": request.identity.account,
        "livemode": request.identity.livemode,
        "policy_at": request.policy_at,
    }


def block_failure(decision: Decision) -> Failure:
    """What a blocked agent is told, with a stable code: of what kind the reason is, not which."""
    sources = [reason.source for reason in decision.decisive]
    if "freeze" in sources:
        return Failure("frozen", "Such actions are paused.")
    if "secret" in sources:
        return Failure(
            "policy.secret", "Its answer is a secret, so it cannot wait for people, who have to do it themselves."
        )
    kind = next((source for source in sources if source in {"error", "limit"}), "blocked")
    return Failure(f"policy.{kind}", "The company's policy does not allow this.")


def words_to_agent(decision: Decision, same_as: ActionRequest | None = None) -> str | None:
    """What the policy's author wrote for agents, and which request of its own this one would repeat: no rule, no
    threshold. Where a freeze stopped it, the policy has not spoken."""
    if any(reason.source == "freeze" for reason in decision.reasons):
        return None
    words = [reason.tell_agent for reason in decision.decisive if reason.tell_agent]
    if same_as is not None and any(reason.source == "duplicate" for reason in decision.decisive):
        was = "is asked for already"
        if same_as.final:
            refused = same_as.state in {State.DENIED, State.REPLACED}
            was = "was declined by a person" if refused else "was done a short while ago"
        words.insert(0, f"The same {was}, as {same_as.reference}.")
    return " ".join(dict.fromkeys(words)) or None
