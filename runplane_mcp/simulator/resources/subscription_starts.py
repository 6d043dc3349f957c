"""How a subscription begins: its items, its trial, its first invoice and whether that could be paid.

Source: https://docs.stripe.com/api/subscriptions/create
"""

from __future__ import annotations

from runplane_mcp.simulator.clockwork import next_period, period_end
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata, new_id
from runplane_mcp.simulator.parameters import (
    array,
    boolean,
    currency,
    integer,
    mapping,
    one_of,
    positive,
    word,
)
from runplane_mcp.simulator.refusal import Refusal, invalid
from runplane_mcp.simulator.resources import subscription_changes as changes
from runplane_mcp.simulator.resources.discounts import redeem_all
from runplane_mcp.simulator.resources.item_changes import ITEM, add_once, change_item, price_of, refuse_impossible
from runplane_mcp.simulator.resources.pricing import amount_of
from runplane_mcp.simulator.resources.subscription_bills import Billed, collect, draft_for, whole
from runplane_mcp.simulator.resources.subscription_objects import subscription_object
from runplane_mcp.simulator.routes import Route
from runplane_mcp.simulator.transaction import Transaction

_DAY = 86_400
#: How long the first invoice may wait for its payment. Source: Stripe's page on subscription statuses.
WAITS_FOR = 23 * 3600


def start(tx: Transaction, subscription: Obj) -> None:
    """Stores a subscription and has its period end in time."""
    tx.insert(subscription)
    tx.schedule(period_end(subscription), subscription["id"])


def begin(tx: Transaction, params: Params) -> tuple[Obj, Obj | None]:
    """The subscription as it is stored, and the draft of its first invoice, nothing of which is collected yet."""
    customer = tx.require("customer", params["customer"], "customer")
    trial_end = _trial_end(tx, params)
    subscription = _bare(tx, customer, params, trial_end)
    items: dict[str, Obj] = {}
    for asked in params["items"]:
        change_item(tx, subscription, items, asked)
    refuse_impossible(items)
    subscription["items"]["data"] = list(items.values())
    billed = [Billed(item, tx.now, trial_end, 0) for item in items.values()] if trial_end else []
    if not trial_end:
        billed = _first_period(tx, subscription, params)
    _describe(tx, subscription, params)
    if "discounts" in params:
        worth = sum(amount_of(tx, item["price"], item["quantity"]) for item in items.values())
        owner = {"subscription": subscription["id"]}
        subscription["discounts"] = redeem_all(tx, params["discounts"], customer=customer["id"], amount=worth, **owner)
    if customer["currency"] is None:
        customer["currency"] = subscription["currency"]
        tx.save(customer)
    elif customer["currency"] != subscription["currency"] and customer["balance"]:
        raise Refusal("This customer has a balance in another currency.", param="items")
    for extra in params.get("add_invoice_items", []):
        add_once(tx, subscription, extra)
    start(tx, subscription)
    return subscription, draft_for(tx, subscription, billed, reason="subscription_create")


def _bare(tx: Transaction, customer: Obj, params: Params, trial_end: int | None) -> Obj:
    """A subscription without its items yet: the first of them says its currency."""
    if not params["items"]:
        raise invalid("A subscription has at least one item.", "items", "parameter_missing")
    described = params["items"][0].get("price_data")
    named = None if described else price_of(tx, params["items"][0], None)
    if not described and named is None:
        raise invalid("An item needs a price.", "items", "parameter_missing")
    code = (named or described)["currency"]
    if params.get("currency", code) != code:
        raise Refusal("The prices have another currency.", param="currency")
    return subscription_object(
        new_id("sub"),
        customer=customer["id"],
        items=[],
        code=code,
        created=tx.now,
        period_start=tx.now,
        trial_end=trial_end,
    )


def _trial_end(tx: Transaction, params: Params) -> int | None:
    given = params.get("trial_end")
    if given is not None and "trial_period_days" in params:
        raise invalid("Give a trial's end or its days, not both.", "trial_period_days")
    if given == "now":
        return None
    if given is not None and int(given) <= tx.now:
        raise Refusal("A trial ends in the future.", param="trial_end")
    days = params.get("trial_period_days")
    return int(given) if given is not None else (tx.now + days * _DAY if days else None)


def _first_period(tx: Transaction, subscription: Obj, params: Params) -> list[Billed]:
    """The first period of each item: a whole one, or the part until the day that later ones begin at."""
    items = subscription["items"]["data"]
    anchor = params.get("billing_cycle_anchor")
    if anchor is None:
        return [whole(item) for item in items]
    billed = []
    for item in items:
        recurring = item["price"]["recurring"]
        if not tx.now < anchor <= next_period(tx.now, recurring):
            raise Refusal("The billing anchor lies within the first period.", param="billing_cycle_anchor")
        before = next_period(anchor, {**recurring, "interval_count": -recurring["interval_count"]})
        item["current_period_end"] = anchor
        share = (anchor - tx.now) / (anchor - before)
        cost = round(amount_of(tx, item["price"], item["quantity"]) * share)
        free = params.get("proration_behavior") == "none"
        billed.append(Billed(item, tx.now, anchor, 0 if free else cost))
    subscription["billing_cycle_anchor"] = anchor
    return billed


def _describe(tx: Transaction, subscription: Obj, params: Params) -> None:
    """What is not items or money: how it is collected, when it ends, words."""
    rest = {name: value for name, value in params.items() if name in _AS_IN_CHANGES}
    changes.change_collection(tx, subscription, rest)
    subscription["metadata"] = merge_metadata({}, params.get("metadata", {}))
    if params.get("cancel_at_period_end"):
        subscription.update(cancel_at_period_end=True, cancel_at=period_end(subscription), canceled_at=tx.now)
    elif "cancel_at" in params:
        changes.change_end(tx, subscription, params["cancel_at"])


def create(tx: Transaction, params: Params) -> Obj:
    """Begins a subscription and collects its first invoice, as `payment_behavior` says where that fails."""
    behavior = params.get("payment_behavior", "allow_incomplete")
    if behavior == "pending_if_incomplete":
        raise invalid("A new subscription has nothing that could stay pending.", "payment_behavior")
    subscription, draft = begin(tx, params)
    if draft is not None:
        sent = subscription["collection_method"] == "send_invoice"
        if subscription["status"] == "active" and draft["amount_due"] > 0 and not sent:
            subscription["status"] = "incomplete"
            tx.schedule(tx.now + WAITS_FOR, subscription["id"])
        subscription = collect(tx, subscription, draft, behavior)
    tx.emit("customer.subscription.created", subscription)
    return subscription


_AS_IN_CHANGES = frozenset(changes.COLLECTION)
TAKES = {
    **changes.COLLECTION,
    "billing_cycle_anchor": integer,
    "billing_mode": mapping({"type": one_of("flexible")}, required=("type",)),
    "cancel_at": changes.at_or("min_period_end", "max_period_end"),
    "cancel_at_period_end": boolean,
    "currency": currency,
    "customer": word,
    "items": array(mapping(ITEM), most=20),
    "trial_period_days": positive,
}

ROUTES = (Route("POST", "/v1/subscriptions", create, TAKES, required=("customer", "items")),)
