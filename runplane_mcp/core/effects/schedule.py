"""Subscription schedules: phases with items, discounts and trials of their own, one after the other, and what comes at the
end. What is planned happens later without any request, so that it counts now: the phase that brings the least decides.

Source: https://docs.stripe.com/api/subscription_schedules
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from runplane_mcp.core.canonical import digest_of
from runplane_mcp.core.effect import Effect, LookedUp, MoneyLine, Read, StripeObject
from runplane_mcp.core.effects import destinations, discounts, phases, revenue, subscription
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.effects import subscription_update as update
from runplane_mcp.core.facts import NONE, UNKNOWN, FactValue
from runplane_mcp.core.money import Money
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.request import Failure
from runplane_mcp.core.told import also_said
from runplane_mcp.core.wire import Text

_OVER: Final = frozenset({"canceled", "completed", "released"})
_IDS: Final = ("schedule", "from_subscription", "customer")


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    """The schedule with its subscription, and what the parameters name, all at once; then the prices of its phases, where
    they tell; then the tiers of prices that have some."""
    asked = classified.parameters
    if _refused_as_asked(asked) is not None:
        return ()
    if looked:
        prices = phases.prices_planned(looked) if _plan_tells(classified, looked) else ()
        tiers = (*revenue.tier_reads([_held(looked)], looked), *update.tier_reads(looked))
        return tuple({each.name: each for each in (*prices, *tiers)}.values())
    wanted: list[Read] = []
    if "schedule" in asked:
        expand = ["customer", "subscription"]
        wanted.append(o.look("schedule", "/v1/subscription_schedules/{id}", id=asked["schedule"], expand=expand))
    if "from_subscription" in asked:
        wanted.append(subscription.look_at(asked["from_subscription"]))
    if "customer" in asked:
        wanted.append(o.look("customer", "/v1/customers/{customer}", customer=asked["customer"]))
    items = [item for phase in phases.given(asked) or () for item in phases.entries(phase.get("items"))]
    return (*wanted, *update.reads({"items": items}), *discounts.reads(classified))


def _plan_tells(classified: Classified, looked: LookedUp) -> bool:
    """Whether what was planned so far is what can be lost: it falls away, or there is no subscription yet."""
    return classified.action.endswith(".release") or o.text(o.seen(looked, "schedule"), "status") == "not_started"


def effect_of(classified: Classified, looked: LookedUp) -> Effect:
    asked = classified.parameters
    schedule, held = o.seen(looked, "schedule"), _held(looked)
    customer = o.id_in(schedule, "customer") or o.id_in(held, "customer") or o.id_in(o.seen(looked, "customer"))
    refusal = _refused_as_asked(asked) or o.missing(
        looked, schedule="schedule", subscription="from_subscription", customer="customer", **update.missing_in(looked)
    )
    if refusal is None and (status := o.text(schedule, "status")) in _OVER and classified.groups:
        refusal = Failure("stripe.schedule_over", f"The schedule is {status}: it cannot be changed.", param="schedule")
    observed = update.observe(looked)
    for name, value in (("status", o.text(schedule, "status")), ("planned", _fingerprint(looked))):
        if value is not None:
            observed[name] = value
    facts: dict[str, FactValue] = {
        "object": (o.id_in(schedule) or UNKNOWN) if "schedule" in asked else NONE,
        "customer": customer or UNKNOWN,
        "reversible": UNKNOWN,
    }
    verb = classified.action.rpartition(".")[2]
    tell = {"cancel": _cancel, "release": _release}.get(verb, _planned)
    sentence, undo, told, lines = tell(classified, looked, f" of customer {customer}" if customer else "")
    return Effect(
        sentence=sentence,
        facts=facts | told,
        undo=undo,
        to_whom=f"customer {customer}" if customer else None,
        preconditions=o.unchanged(observed),
        money_lines=lines,
        refusal=refusal,
        quoted=o.customer_quotes(_customer(looked, held)),
        observed=observed,
    )


_Told = tuple[str, str, dict[str, FactValue], tuple[MoneyLine, ...]]


def _cancel(classified: Classified, looked: LookedUp, whose: str) -> _Told:
    """It ends with its subscription, at once; one that has not begun ends what would have come."""
    asked, held = classified.parameters, _held(looked)
    now = revenue.monthly([held]) if held is not None else None
    begun = o.text(o.seen(looked, "schedule"), "status") != "not_started"
    lost = now if begun else phases.best(looked)
    quiet = asked.get("prorate", "true") == asked.get("invoice_now", "true") == "false"
    most = revenue.a_period(held) if held is not None else None
    ends = f"{lost} of monthly revenue ends" if lost else "how much revenue ends could not be found out"
    facts: dict[str, FactValue] = {
        "mrr_lost": lost or UNKNOWN,
        "ends": "now",
        "reversible": False,
        "amount": NONE if quiet or not begun else most or UNKNOWN,
        "currency": (o.currency_in(held) if begun else lost.currency if lost else None) or UNKNOWN,
    }
    also = "" if quiet else " What is not billed yet is billed or credited."
    sentence = f"Cancel schedule {o.shown(asked['schedule'])}{whose} and its subscription now: {ends}.{also}"
    return sentence, "Cannot be undone.", facts, (MoneyLine("Monthly revenue lost", lost),) if lost else ()


def _release(classified: Classified, looked: LookedUp, whose: str) -> _Told:
    """The subscription goes on as it is: planned raises fall away, and planned ends too."""
    held, best = _held(looked), phases.best(looked)
    now = revenue.monthly([held]) if held is not None else None
    lost: FactValue = UNKNOWN
    if now is not None and best is not None and best.currency == now.currency:
        lost = Money(best.amount - now.amount, now.currency) if best.amount > now.amount else NONE
    then = f"; {lost} of planned monthly revenue is lost" if isinstance(lost, Money) else ""
    sentence = (
        f"Release the subscription{whose} from schedule {o.shown(classified.parameters['schedule'])}:"
        f" it runs on as it is, and what was planned falls away{then}."
    )
    lines = (MoneyLine("Monthly revenue lost", lost),) if isinstance(lost, Money) else ()
    facts: dict[str, FactValue] = {"mrr_lost": lost, "reversible": False}
    return sentence, "Cannot be undone: the phases would have to be planned again.", facts, lines


def _planned(classified: Classified, looked: LookedUp, whose: str) -> _Told:
    asked, held = classified.parameters, _held(looked)
    ends = _ends(asked, looked)
    new = "schedule" not in asked and "from_subscription" not in asked
    # One that has not begun has no subscription yet: what it was to bring is what can be lost.
    waits = o.text(o.seen(looked, "schedule"), "status") == "not_started"
    now = None if new else phases.best(looked) if waits else revenue.monthly([held]) if held is not None else None
    plan = phases.plan_of(asked, looked, now, new=new, ends=ends)
    costs = [plan.most] if new or waits else [revenue.a_period(held) if held is not None else None, plan.most]
    most = max((cost for cost in costs if cost is not None), key=lambda cost: cost.amount, default=None)
    whole = all(cost is not None for cost in costs) and len({cost.currency for cost in costs if cost is not None}) == 1
    percent = discounts.percent(classified, looked)
    facts: dict[str, FactValue] = {
        # A pause has no end of its own: all that is billed may stop.
        "mrr_lost": now or UNKNOWN if "pause_schedules" in asked else plan.lost,
        "ends": UNKNOWN if ends else NONE,
        "amount": NONE if "phases" not in asked else (most or UNKNOWN) if whole else UNKNOWN,
        "currency": (most.currency if most else o.currency_in(held)) or UNKNOWN,
        "discount_percent": UNKNOWN if percent is UNKNOWN else plan.discount,
        "destination": destinations.named(classified.added),
        "redirects_funds": True,
    }
    what = "Plan a subscription" if new else "Plan changes of the subscription"
    if "schedule" in asked:
        names = sorted(name for name in asked if name not in {"schedule", "expand"})
        what = f"Change {', '.join(names) or 'nothing'} of schedule {o.shown(asked['schedule'])}"
    many = len(phases.given(asked) or ())
    count = f" in {many} phase{'s' if many != 1 else ''}" if "phases" in asked else ""
    then = f": {plan.lost} of monthly revenue is lost or deferred" if isinstance(plan.lost, Money) else ""
    over = "; the subscription ends after them" if ends else ""
    lines = [MoneyLine("Monthly revenue now", now)] if now is not None else []
    lines += [MoneyLine("Monthly revenue lost", plan.lost)] if isinstance(plan.lost, Money) else []
    also = f"{destinations.said(classified)}{also_said(classified.added)}"
    sentence = f"{what}{whose}{count}{then}{over}.{also}"
    return sentence, "Can be changed or released until it happens.", facts, tuple(lines)


def _ends(asked: Mapping[str, Text], looked: LookedUp) -> bool:
    """Whether the subscription ends with the last phase, as it did not, or not then, before."""
    if "end_behavior" in asked:
        return asked["end_behavior"] not in {"release", "none", "renew"}
    held = o.text(o.seen(looked, "schedule"), "end_behavior")
    return "schedule" in asked and "phases" in asked and held not in {"release", "none", "renew"}


def _held(looked: LookedUp) -> StripeObject | None:
    """The subscription that it is about."""
    found = o.seen(looked, "subscription") or o.child(o.seen(looked, "schedule"), "subscription")
    return revenue.with_tiers(found, looked) if found is not None else None


def _fingerprint(looked: LookedUp) -> str | None:
    """Equal as long as the subscription and the plan are what people saw."""
    held, schedule = _held(looked), o.seen(looked, "schedule")
    of_held = revenue.fingerprint([held]) if held is not None else None
    if schedule is None:
        return of_held
    planned = [ascii(phase) for phase in phases.planned(looked)]
    return digest_of([of_held, o.text(schedule, "end_behavior"), *planned])[:32]


def _refused_as_asked(asked: Mapping[str, Text]) -> Failure | None:
    return next((o.bad_id(name) for name in _IDS if name in asked and not o.is_id(asked[name])), None)


def _customer(looked: LookedUp, held: StripeObject | None) -> StripeObject | None:
    schedule = o.seen(looked, "schedule")
    return o.child(schedule, "customer") or o.child(held, "customer") or o.seen(looked, "customer")
