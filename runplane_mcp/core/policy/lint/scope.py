"""Conditions that name too little: the front door without its group, or no action at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from runplane_mcp.core.catalog import ActionInfo
from runplane_mcp.core.facts import EVERYWHERE, REGISTRY, Source
from runplane_mcp.core.policy.conditions import Condition
from runplane_mcp.core.policy.document import Place
from runplane_mcp.core.policy.lint.reach import named_texts
from runplane_mcp.core.policy.model import Policy
from runplane_mcp.core.policy.problems import Problems

#: The operations that everybody thinks of, by the group that holds the side doors too.
FRONT_DOORS: Final[Mapping[str, frozenset[str]]] = {
    "refunds": frozenset({"refund.create"}),
    "credits": frozenset({"customer_balance_transaction.create", "credit_note.create"}),
    "discounts": frozenset({"coupon.create", "promotion_code.create"}),
    "payouts": frozenset({"payout.create"}),
    "transfers": frozenset({"transfer.create"}),
    "charges": frozenset({"charge.create", "payment_intent.create"}),
    "cancellations": frozenset({"subscription.cancel"}),
    "deletions": frozenset({"customer.delete"}),
    "write_offs": frozenset({"invoice.void", "invoice.mark_uncollectible"}),
    "bank_details": frozenset({"account_external_account.create", "account_external_account.update"}),
    "access": frozenset({"webhook_endpoint.create"}),
}
_SCOPES: Final = frozenset({"action", "operation", "kind"})
_CLOCK: Final = frozenset(name for name, fact in REGISTRY.items() if fact.source is Source.CLOCK)
_SHOWN: Final = 3


def scope(policy: Policy, actions: Mapping[str, ActionInfo], problems: Problems) -> None:
    for rule in policy.rules:
        if rule.restricting:
            _front_door(rule.id, rule.place, rule.when, actions, problems)
            if _names(rule.when) <= _CLOCK:
                message = f"{rule.id} is about every operation, reads too: add an `action`, or `kind: write`."
                problems.warn(rule.place, "unscoped", message)
        elif _names(rule.when).isdisjoint({"action", "operation"}) and rule.when:
            message = f"{rule.id} allows every kind of operation that its tests fit: add the `action` that you mean."
            problems.warn(rule.place, "unscoped", message)
    for limit in policy.limits:
        _front_door(limit.id, limit.place, limit.when, actions, problems)
        names = _names(limit.when)
        if names <= EVERYWHERE and names.isdisjoint(_SCOPES):
            message = f"{limit.id} counts every operation, reads too: add an `action`, or `kind: write`."
            problems.warn(limit.place, "unscoped", message)


def _names(condition: Condition) -> frozenset[str]:
    return frozenset(test.fact.name for test in condition)


def _front_door(
    name: str, place: Place, condition: Condition, actions: Mapping[str, ActionInfo], problems: Problems
) -> None:
    """Whoever closes `refund.create` means giving money back, which goes by other operations as well."""
    texts = named_texts(condition)
    for group, doors in FRONT_DOORS.items():
        front = sorted(doors & texts)
        others = [info for info in actions.values() if group in info.groups and info.name not in texts]
        # First those that can be nothing else: they say it best.
        sides = [info.name for info in sorted(others, key=lambda info: (len(info.groups), info.name))]
        if front and sides and group not in texts:
            more = f" and {len(sides) - _SHOWN} more" if len(sides) > _SHOWN else ""
            message = (
                f"{name} is about {' and '.join(front)}, but the same is done by {', '.join(sides[:_SHOWN])}{more}."
                f" Write the group: {{action: {group}}}."
            )
            problems.warn(place, "front_door", message)
