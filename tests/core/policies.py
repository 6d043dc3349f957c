"""Small parts for the policy's tests: a catalog of a few actions, facts of requests, and policies from a few lines."""

from __future__ import annotations

from pathlib import Path

from runplane_mcp.core.compile import CompiledPolicy, compile_policy
from runplane_mcp.core.decide import decide
from runplane_mcp.core.decision import Decision, Usage
from runplane_mcp.core.effect import Effect
from runplane_mcp.core.facts import FactValue
from runplane_mcp.core.money import Money
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.policy import ActionInfo, PolicyInvalid, load
from runplane_mcp.core.request import Kind

SHIPPED = Path(__file__).parents[2] / "policies.yaml"

_MONEY_OUT = frozenset({"amount", "currency", "reversible", "object", "gives_access", "redirects_funds", "bulk"})
_REFUND = _MONEY_OUT | {"amount_on_object", "share", "platform_loss", "customer", "guest", "disputed"}
_OUTSIDE = _MONEY_OUT | {"destination", "destination_paid_before"}


def _action(name: str, groups: set[str], facts: frozenset[str], kind: Kind = Kind.WRITE) -> ActionInfo:
    return ActionInfo(name, frozenset(groups), facts, kind)


ACTIONS = {
    action.name: action
    for action in (
        _action("refund.create", {"refunds"}, _REFUND),
        _action("credit_note.create", {"refunds", "credits"}, _REFUND),
        _action("payout.create", {"payouts"}, _OUTSIDE),
        _action("transfer.create", {"transfers"}, _OUTSIDE),
        _action(
            "subscription.cancel",
            {"cancellations"},
            frozenset({"mrr_lost", "ends", "reversible", "customer", "object", "gives_access"}),
        ),
        _action("customer.delete", {"deletions", "cancellations"}, frozenset({"mrr_lost", "customer", "reversible"})),
        _action("customer.update", set(), frozenset({"customer", "object", "url_hosts", "reversible"})),
        _action("balance.retrieve", set(), frozenset(), Kind.READ),
    )
}

HEAD = """\
version: 1
currency: usd
timezone: America/New_York
business_hours: {days: mon-fri, open: 09:00, close: 17:00}
rates: {as_of: 2026-03-01, eur: 1.10, jpy: 0.0067, kwd: 3.25}
approval: {from: finance, expires_in: 24h}
"""


def compiled(body: str = "", head: str = HEAD) -> CompiledPolicy:
    return compile_policy(load(head + body), actions=ACTIONS)


def problems(body: str, head: str = HEAD, *, catalog: bool = False) -> list[str]:
    """`line:column code` of each problem that loading finds, and its words, for tests to look into."""
    try:
        load(head + body, known_actions=ACTIONS if catalog else None)
    except PolicyInvalid as error:
        return [f"{each.line}:{each.column} {each.code} {each.message}" for each in error.problems]
    return []


def _quiet(operation: str, action: frozenset[str], kind: Kind) -> dict[str, FactValue]:
    """What a request has that is no effect: an agent that asked for nothing before, in business hours."""
    return {
        "agent": "support-bot",
        "agent_roles": frozenset(),
        "principal": "agt_1",
        "operation": operation,
        "action": action,
        "kind": kind.value,
        "known": True,
        "judged": True,
        "hour": 14,
        "weekday": "tue",
        "date": "2026-03-03",
        "business_hours": True,
        "possible_duplicate": False,
        "refused_24h_agent": 0,
        "denied_24h_object": 0,
    }


def facts_around(seen: Classified, effect: Effect, **given: FactValue) -> dict[str, FactValue]:
    """All facts of a quiet request that was classified, and whose effect was looked up, as at work. What `given` names
    replaces them."""
    quiet = _quiet(seen.operation.operation_id, seen.groups | {seen.action}, seen.operation.kind)
    return {**quiet, "judged": seen.operation.judged, **effect.facts, **given}


def facts_of(action: str, /, **given: FactValue) -> dict[str, FactValue]:
    """A quiet request of `action` on a Tuesday afternoon. What `given` names replaces or is added to its facts."""
    info = ACTIONS[action]
    quiet = _quiet(action, info.groups | {info.name}, info.kind)
    effect: dict[str, FactValue] = {
        "amount": Money(4000, "usd"),
        "amount_on_object": Money(4000, "usd"),
        "currency": "usd",
        "reversible": False,
        "customer": "cus_1",
        "object": "ch_1",
        "destination": "ba_1",
        "destination_paid_before": True,
        "disputed": False,
        "gives_access": False,
        "redirects_funds": False,
        "bulk": False,
        "mrr_lost": Money(2000, "usd"),
        "ends": "now",
    }
    return quiet | {name: value for name, value in effect.items() if name in info.facts} | given


def decided(
    policy: CompiledPolicy, facts: dict[str, FactValue], *usages: Usage, without_risk: bool = False
) -> Decision:
    """Decides with empty limits, but for the `usages` given for the first of them."""
    buckets = policy.buckets(facts)
    filled = [*usages, *(Usage() for _ in buckets[len(usages) :])]
    return decide(policy, facts, filled, without_risk=without_risk)


def refund(dollars: int, **given: FactValue) -> dict[str, FactValue]:
    """A refund of whole dollars."""
    money = Money(dollars * 100, "usd")
    return facts_of("refund.create", **{"amount": money, "amount_on_object": money, **given})
