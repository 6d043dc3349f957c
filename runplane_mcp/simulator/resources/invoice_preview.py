"""The invoice there would be: the change is made, its bill is drawn up, and all of it is taken back.

So a preview adds up exactly as the change itself would. Source: https://docs.stripe.com/api/invoices/create_preview
"""

from __future__ import annotations

from collections.abc import Mapping

from runplane_mcp.simulator.clockwork import next_period, period_end
from runplane_mcp.simulator.objects import Obj, Params
from runplane_mcp.simulator.parameters import Reader, array, boolean, currency, integer, mapping, metadata, one_of, word
from runplane_mcp.simulator.refusal import Refusal, invalid, missing
from runplane_mcp.simulator.resources import subscription_changes as changes
from runplane_mcp.simulator.resources.discounts import DISCOUNTS, redeem_all
from runplane_mcp.simulator.resources.invoice_items import CHANGES, change_item, make_item
from runplane_mcp.simulator.resources.invoice_lines import add_up
from runplane_mcp.simulator.resources.invoice_states import invoice_object, pending_items, take_in
from runplane_mcp.simulator.resources.item_changes import ITEM
from runplane_mcp.simulator.resources.proration import credit_unused
from runplane_mcp.simulator.resources.schedule_phases import PHASE, open_first, read_phases
from runplane_mcp.simulator.resources.subscription_bills import draft_for
from runplane_mcp.simulator.resources.subscription_renewals import renewal
from runplane_mcp.simulator.resources.subscription_schedules import advance, bare_schedule, rewrite
from runplane_mcp.simulator.resources.subscription_starts import begin
from runplane_mcp.simulator.resources.subscriptions import change
from runplane_mcp.simulator.routes import Route
from runplane_mcp.simulator.transaction import Transaction

_OVER = ("canceled", "incomplete_expired", "paused")


def _preview(tx: Transaction, params: Params) -> Obj:
    tx.db.execute("SAVEPOINT preview")
    try:
        invoice = _would_be(tx, params)
    finally:
        tx.db.execute("ROLLBACK TO preview")
        tx.db.execute("RELEASE preview")
    invoice["id"] = f"upcoming_{invoice['id']}"
    invoice.update(auto_advance=False, automatically_finalizes_at=None)
    invoice["lines"]["url"] = f"/v1/invoices/{invoice['id']}/lines"
    for line in invoice["lines"]["data"]:
        line["invoice"] = invoice["id"]
    return invoice


def _would_be(tx: Transaction, params: Params) -> Obj:
    subscription = _subscription(tx, params)
    customer_id = params.get("customer") or (subscription["customer"] if subscription else None)
    if customer_id is None:
        raise invalid("A preview is for a customer, a subscription or a schedule.", "customer", "parameter_missing")
    customer = tx.require("customer", customer_id, "customer")
    for asked in params.get("invoice_items", []):
        _add_item(tx, customer, asked, subscription["currency"] if subscription else customer["currency"])
    if "schedule_details" in params:
        draft = _of_phases(tx, customer, subscription, params)
    elif subscription is not None:
        draft = _of_subscription(tx, subscription, params.get("subscription_details", {}))
    elif "items" in params.get("subscription_details", {}):
        asked = {name: params["subscription_details"][name] for name in _NEW if name in params["subscription_details"]}
        draft = begin(tx, {"customer": customer["id"], **asked})[1]
    else:
        draft = _of_customer(tx, customer, params.get("currency"))
    if draft is None:
        raise _nothing()
    if "discounts" in params:
        draft["discounts"] = redeem_all(tx, params["discounts"], customer=customer["id"], amount=draft["subtotal"])
        add_up(tx, draft)
    return draft


def _nothing() -> Refusal:
    return Refusal("There is nothing that would be invoiced.", status=404, code="invoice_upcoming_none")


def _subscription(tx: Transaction, params: Params) -> Obj | None:
    """The subscription that is named, by itself or by its schedule."""
    if "subscription" in params and "schedule" in params:
        raise invalid("Name a subscription or a schedule, not both.", "schedule")
    id = params.get("subscription")
    if "schedule" in params:
        schedule = tx.require("subscription_schedule", params["schedule"], "schedule")
        if schedule["subscription"] is None and "schedule_details" not in params:
            if schedule["status"] != "not_started":
                raise _nothing()
            later = tx.at(schedule["phases"][0]["start_date"], tx.account)
            subscription, _ = open_first(later, schedule, schedule["phases"][0])
            return subscription
        id = schedule["subscription"]
    if id is None:
        return None
    subscription = tx.require("subscription", id, "subscription")
    if params.get("customer", subscription["customer"]) != subscription["customer"]:
        raise missing("subscription", id, "subscription")
    return subscription


def _add_item(tx: Transaction, customer: Obj, asked: Params, code: str | None) -> None:
    """Another item than there is, or one that there is, changed."""
    asked = dict(asked)
    if "price" in asked:
        asked["pricing"] = {"price": asked.pop("price")}
    if "unit_amount" in asked:
        asked["unit_amount_decimal"] = str(asked.pop("unit_amount"))
    if "invoiceitem" in asked:
        item = tx.require("invoiceitem", asked["invoiceitem"], "invoice_items")
        change_item(tx, item, {name: value for name, value in asked.items() if name in CHANGES})
    else:
        make_item(tx, customer, asked, code)


def _of_subscription(tx: Transaction, subscription: Obj, details: Params) -> Obj | None:
    """The bill of a change made now, or, where it makes none, of the next period."""
    if subscription["status"] in _OVER:
        return None
    if details.get("cancel_now"):
        if details.get("proration_behavior") != "none" and subscription["status"] != "trialing":
            credit_unused(tx, subscription)
        return draft_for(tx, subscription, [], reason="upcoming")
    asked = {name: value for name, value in details.items() if name in _CHANGES}
    if asked:
        draft = change(tx, subscription, asked)
        tx.save(subscription)
        if draft is not None:
            return draft
    return _next(tx, subscription)


def _next(tx: Transaction, subscription: Obj) -> Obj | None:
    """The bill for the period after this one; a subscription that ends before has a last one, if anything waits."""
    later = tx.at(max(period_end(subscription), tx.now), tx.account)
    if subscription["schedule"] is not None:
        advance(later, tx.require("subscription_schedule", subscription["schedule"], "schedule"))
        subscription = tx.require("subscription", subscription["id"], "subscription")
    ends = subscription["cancel_at"]
    if subscription["status"] in _OVER or (ends is not None and ends <= later.now):
        return draft_for(later, subscription, [], reason="upcoming")
    begun = [item for item in subscription["items"]["data"] if item["current_period_end"] <= later.now]
    for item in begun:
        item["current_period_start"] = later.now
        item["current_period_end"] = next_period(later.now, item["price"]["recurring"])
    if not begun:
        # Entering a phase has billed the new period already.
        return tx.find(subscription["latest_invoice"])
    return {**renewal(later, subscription, begun), "billing_reason": "upcoming"}


def _of_customer(tx: Transaction, customer: Obj, code: str | None) -> Obj | None:
    """The customer's next bill: of the subscription that renews first, or of what waits."""
    running = [
        held
        for held in tx.all("subscription", "customer", customer["id"])
        if held["status"] in ("active", "trialing", "past_due") and code in (None, held["currency"])
    ]
    if running:
        return _next(tx, min(running, key=period_end))
    items = pending_items(tx, customer["id"], code)
    if not items:
        return None
    code = code or items[0]["currency"]
    invoice = invoice_object("in_preview", customer=customer, code=code, created=tx.now, reason="upcoming")
    tx.insert(invoice)
    take_in(tx, invoice, [item for item in items if item["currency"] == code])
    return invoice


def _of_phases(tx: Transaction, customer: Obj, subscription: Obj | None, params: Params) -> Obj | None:
    """The next bill with other phases, or the first one of a new schedule."""
    details = params["schedule_details"]
    if "schedule" in params:
        schedule = tx.require("subscription_schedule", params["schedule"], "schedule")
        rewrite(tx, schedule, details)
        tx.save(schedule)
    elif subscription is not None:
        raise invalid("A subscription's phases are those of its schedule: name that.", "schedule")
    else:
        schedule = bare_schedule(tx, customer["id"], details)
        schedule["phases"] = read_phases(tx, details["phases"], tx.now, None)
        tx.insert(schedule)
    if schedule["subscription"] is None:
        first = schedule["phases"][0]
        return open_first(tx.at(max(first["start_date"], tx.now), tx.account), schedule, first)[1]
    return _next(tx, tx.require("subscription", schedule["subscription"], "subscription"))


#: What a change of a subscription, or a new one, may be.
_CHANGES = {
    "billing_cycle_anchor": changes.ANCHOR,
    "cancel_at": changes.at_or("", "min_period_end", "max_period_end"),
    "cancel_at_period_end": boolean,
    "items": array(mapping({**ITEM, "clear_usage": boolean, "deleted": boolean, "id": word}), most=20),
    "metadata": metadata,
    "proration_behavior": changes.PRORATION_BEHAVIOR,
    "proration_date": integer,
    "trial_end": changes.at_or("now"),
}
_NEW = ("cancel_at", "cancel_at_period_end", "items", "metadata", "proration_behavior", "trial_end")

#: An item of a preview names its price as items did before they had a `pricing`.
_ITEM: Mapping[str, Reader] = {
    **{name: reader for name, reader in CHANGES.items() if name != "pricing"},
    "currency": currency,
    "invoiceitem": word,
    "price": word,
    "unit_amount": integer,
}
_TAKES: Mapping[str, Reader] = {
    "currency": currency,
    "customer": word,
    "discounts": DISCOUNTS,
    "invoice_items": array(mapping(_ITEM)),
    "preview_mode": one_of("next"),
    "schedule": word,
    "schedule_details": mapping(
        {
            "end_behavior": one_of("cancel", "release"),
            "phases": array(PHASE, most=10),
            "proration_behavior": changes.PRORATION_BEHAVIOR,
        },
        required=("phases",),
    ),
    "subscription": word,
    "subscription_details": mapping({**_CHANGES, "cancel_now": boolean}),
}

ROUTES = (Route("POST", "/v1/invoices/create_preview", _preview, _TAKES, reads=True),)
