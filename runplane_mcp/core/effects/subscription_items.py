"""Single items of a subscription: adding, changing or taking away one is a change of the subscription's items.

Source: https://docs.stripe.com/api/subscription_items. The request is brought to the form of a subscription's update, and
the change is worked out as there.
"""

from __future__ import annotations

from collections.abc import Mapping

from runplane_mcp.core.effect import Effect, LookedUp, Read
from runplane_mcp.core.effects import discounts, revenue, subscription
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.effects import subscription_update as update
from runplane_mcp.core.facts import NONE, UNKNOWN, FactValue
from runplane_mcp.core.money import Money
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.request import Failure
from runplane_mcp.core.told import also_said
from runplane_mcp.core.wire import Text

#: What a request says of the item itself; the rest is of the subscription.
_OF_THE_ITEM = frozenset(
    "billing_thresholds clear_usage current_trial discounts metadata plan price price_data quantity tax_rates".split()
)


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    """The item, then its subscription, each with what else is named; then the tiers of prices that have some."""
    asked = classified.parameters
    if _refused_as_asked(asked) is not None:
        return ()
    wanted: list[Read] = []
    if not looked:
        wanted += update.reads(_as_update(classified))
        wanted += discounts.reads(classified)
        if "item" in asked:
            wanted.append(o.look("item", "/v1/subscription_items/{item}", item=asked["item"]))
    held = asked["subscription"] if "item" not in asked else o.id_in(o.seen(looked, "item"), "subscription")
    if held is not None and "subscription" not in looked:
        wanted.append(subscription.look_at(held))
    if looked:
        wanted += [*update.tier_reads(looked), *revenue.tier_reads([o.seen(looked, "subscription")], looked)]
    return tuple(wanted)


def effect_of(classified: Classified, looked: LookedUp) -> Effect:
    asked = classified.parameters
    found = o.seen(looked, "subscription")
    held = revenue.with_tiers(found, looked) if found is not None else None
    id, customer = o.id_in(held), o.id_in(held, "customer")
    refusal = _refused_as_asked(asked) or o.missing(
        looked, item="item", subscription="subscription", **update.missing_in(looked)
    )
    if refusal is None and o.text(held, "status") in subscription.OVER:
        refusal = Failure("stripe.subscription_already_canceled", "The subscription has already ended.", "subscription")
    observed: dict[str, str | int] = {}
    whose = f" of customer {customer}" if customer else ""
    on = f"subscription {id or 'that could not be found out'}{whose}"
    facts: dict[str, FactValue] = {"object": id or UNKNOWN, "customer": customer or UNKNOWN}
    what = _what(classified)
    if not {"mrr_lost", "amount"} & classified.facts:
        return Effect(
            sentence=f"{what} {on}.",
            facts=facts | {"reversible": True},
            undo="Can be changed back.",
            refusal=refusal,
        )
    for name, value in (
        ("status", o.text(held, "status")),
        ("items", revenue.fingerprint([held]) if held is not None else None),
    ):
        if value is not None:
            observed[name] = value
    observed |= update.observe(looked)
    change = update.change(_as_update(classified), held, looked)
    facts |= {
        "reversible": UNKNOWN,
        "mrr_lost": change.lost,
        "amount": change.moved,
        "currency": o.currency_in(held) or UNKNOWN,
        "discount_percent": discounts.percent(classified, looked) if "discounts" in asked else change.discount,
        "ends": NONE,
    }
    then = f": {change.lost} of monthly revenue is lost" if isinstance(change.lost, Money) else ""
    most = f"; at most {change.moved} is charged or credited for it" if isinstance(change.moved, Money) else ""
    off = facts["discount_percent"] if "discount_percent" in classified.facts else NONE
    return Effect(
        sentence=f"{what} {on}{then}{most}.{also_said(classified.added)}{discounts.said(off)}",
        facts=facts,
        undo="Can be changed back; what was billed stays billed.",
        to_whom=f"customer {customer}" if customer else None,
        preconditions=o.unchanged(observed),
        money_lines=change.lines,
        refusal=refusal,
        quoted=o.customer_quotes(o.child(held, "customer")),
        observed=observed,
    )


def _as_update(classified: Classified) -> Mapping[str, Text]:
    """The request as a subscription's update would say it."""
    asked = classified.parameters
    entry: dict[str, Text] = {name: asked[name] for name in sorted(_OF_THE_ITEM & asked.keys())}
    if "item" in asked:
        entry["id"] = asked["item"]
    if classified.wire.method == "DELETE":
        entry["deleted"] = "true"
    others = {name: value for name, value in asked.items() if name not in {*_OF_THE_ITEM, "item", "subscription"}}
    return {**others, "items": [entry]}


def _refused_as_asked(asked: Mapping[str, Text]) -> Failure | None:
    for name in ("item", "subscription", "price", "plan"):
        if name in asked and not o.is_id(asked[name]):
            return o.bad_id(name)
    return None


def _what(classified: Classified) -> str:
    asked = classified.parameters
    if "item" not in asked:
        price = asked.get("price", asked.get("plan"))
        return f"Add {f'price {o.shown(price)}' if price is not None else 'an item'} to"
    names = sorted(name for name in asked if name not in {"item", "expand"})
    item = f"item {o.shown(asked['item'])}"
    if classified.wire.method == "DELETE":
        return f"Take {item} from"
    return f"Change {', '.join(names) or 'nothing'} of {item} of"
