"""The policy part of a decision: 20 rules and 5 limits on one refund, beside Cedar on the same 20 rules.

Cedar reads its policies once, as we do; it has no limits, no look at unknown facts and no score, so it is compared with our
rules alone and with all that we do. Without `cedarpy` the ratio is left out, loudly.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction

from runplane_mcp.core.catalog import load as load_catalog
from runplane_mcp.core.decide import decide
from runplane_mcp.core.decision import Outcome, Usage
from runplane_mcp.core.facts import NONE, FactValue
from runplane_mcp.core.money import Money
from runplane_mcp.gate.policies import Policies

from .figures import Results
from .pure import times

GROUP = "policy part: 20 rules on a refund"
_HEAD = """
version: 1
currency: usd
rates: {as_of: 2026-11-01, eur: 1.09}
timezone: America/New_York
business_hours: {days: mon-fri, open: 09:00, close: 17:00}
approval: {from: finance, expires_in: 24h}
"""
#: Each rule: its action, the amount it is over (none: whatever it is), and another fact it wants.
_RULES: tuple[tuple[str, int | None, tuple[str, str] | None], ...] = (
    *(("refunds", over, None) for over in (500, 400, 300)),
    *(("refunds", None, fact) for fact in (("disputed", "true"), ("currency", "jpy"), ("agent", "intern"))),
    *(("credits", over, None) for over in (100, 50)),
    *(("payouts", over, None) for over in (0, 1_000)),
    ("payouts", None, ("business_hours", "false")),
    *((action, None, None) for action in ("transfers", "bank_details", "access", "deletions", "cancellations")),
    *((action, 200, None) for action in ("write_offs", "charges", "discounts", "disputes")),
)
_LIMITS = """
limits:
  - {id: hour, when: {action: refunds}, per: agent, at_most: {total: 1000, count: 15}, within: 1h}
  - {id: day, when: {action: refunds}, at_most: {total: 3000, count: 60}, within: 24h}
  - {id: week, when: {action: refunds}, at_most: {total: 10000}, within: 7d}
  - {id: customer, when: {action: refunds}, per: customer, at_most: {total: 1000, count: 3}, within: 7d}
  - {id: both, when: {action: refunds}, per: [agent, customer], at_most: {total: 900}, within: 24h}
"""
FACTS: dict[str, FactValue] = {
    "agent": "support-bot",
    "agent_roles": frozenset(),
    "principal": "stdio",
    "via": "mcp",
    "client": NONE,
    "operation": "PostRefunds",
    "action": frozenset({"refund.create", "refunds"}),
    "kind": "write",
    "known": True,
    "judged": True,
    "livemode": True,
    "account": "acct_1",
    "amount": Money(4_000, "usd"),
    "currency": "usd",
    "amount_on_object": Money(4_000, "usd"),
    "share": Fraction(50),
    "platform_loss": NONE,
    "reversible": False,
    "customer": "cus_1",
    "guest": NONE,
    "object": "ch_1",
    "disputed": False,
    "hour": 14,
    "weekday": "tue",
    "date": "2026-11-03",
    "business_hours": True,
    "requests_24h_agent": 3,
    "refused_24h_agent": 0,
    "requests_7d_customer": 0,
    "denied_24h_object": 0,
    "possible_duplicate": False,
}


def measure(results: Results, *, n: int) -> None:
    """All of a decision, the same without limits, and Cedar."""
    rules = "rules:\n" + "".join(f"  - {_ours(number, *each)}\n" for number, each in enumerate(_RULES))
    policies = Policies(load_catalog())
    whole = policies.compile(_HEAD + rules + _LIMITS, file="with limits")
    plain = policies.compile(_HEAD + rules, file="without limits")
    usages = [Usage(1, {"usd": 20_000}) for _ in whole.buckets(FACTS)]
    decided = decide(whole, FACTS, usages)
    if decided.outcome is not Outcome.ALLOW or len(usages) != 5 or len(whole.rules) != 20:
        raise RuntimeError("20 rules and 5 limits that allow a refund were to be measured")

    ours = results.took(
        GROUP, "decide: 20 rules, 5 limits, risk", times(lambda: decide(whole, FACTS, usages), n), unit="µs"
    )
    bare = results.took(GROUP, "decide: 20 rules, risk", times(lambda: decide(plain, FACTS, ()), n), unit="µs")
    cedar = _cedar()
    if cedar is None:
        print("cedarpy is not installed: no comparison (pip install cedarpy)", file=sys.stderr, flush=True)
        return
    theirs = results.took(GROUP, "Cedar: 20 policies, parsed before", times(cedar, n), unit="µs")
    results.ratio("Cedar / 20 rules, risk", theirs, bare)
    results.ratio("Cedar / 20 rules, 5 limits, risk", theirs, ours)


def _ours(number: int, action: str, over: int | None, fact: tuple[str, str] | None) -> str:
    tests = [f"action: {action}"]
    tests += [f"amount: {{over: {over}}}"] if over is not None else []
    tests += [f"{fact[0]}: {fact[1]}"] if fact is not None else []
    return f"{{id: rule-{number}, when: {{{', '.join(tests)}}}, then: require_approval}}"


def _theirs(action: str, over: int | None, fact: tuple[str, str] | None) -> str:
    tests = [f'context.groups.contains("{action}")']
    tests += [f"context.amount > {over * 100}"] if over is not None else []
    if fact is not None:
        value = fact[1] if fact[1] in {"true", "false"} else f'"{fact[1]}"'
        tests.append(f"context.{fact[0]} == {value}")
    return f"forbid (principal, action, resource) when {{ {' && '.join(tests)} }};"


def _cedar() -> Callable[[], object] | None:
    try:
        import cedarpy
    except ImportError:
        return None
    text = "\n".join(["permit (principal, action, resource);", *(_theirs(*each) for each in _RULES)])
    parsed = cedarpy.PolicySet.from_str(text)
    entities = cedarpy.Entities.from_json_str("[]")
    request = {
        "principal": 'Agent::"support-bot"',
        "action": 'Action::"refund.create"',
        "resource": 'Charge::"ch_1"',
        "context": {
            "groups": ["refund.create", "refunds"],
            "amount": 4_000,
            "currency": "usd",
            "agent": "support-bot",
            "disputed": False,
            "business_hours": True,
        },
    }
    if cedarpy.is_authorized(request, parsed, entities).decision is not cedarpy.Decision.Allow:
        raise RuntimeError("Cedar was to allow the same refund")
    return lambda: cedarpy.is_authorized(request, parsed, entities)
