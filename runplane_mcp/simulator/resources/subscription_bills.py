"""What a subscription is billed: a draft with a line for each item's period, collected at once or in an hour.

Source: https://docs.stripe.com/billing/invoices/subscription
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from runplane_mcp.simulator.clockwork import period_end
from runplane_mcp.simulator.objects import Obj
from runplane_mcp.simulator.refusal import CARD, Refusal
from runplane_mcp.simulator.resources import invoice_states as states
from runplane_mcp.simulator.resources.discounts import in_force, share_out, terms_of
from runplane_mcp.simulator.resources.invoice_lines import add_up, subscription_line
from runplane_mcp.simulator.resources.invoice_payments import method_of, pay
from runplane_mcp.simulator.resources.invoices import create_invoice
from runplane_mcp.simulator.resources.pricing import amount_of, rounded
from runplane_mcp.simulator.resources.subscription_status import invoice_unpaid, of_subscription
from runplane_mcp.simulator.transaction import Transaction

_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Billed:
    """A period of an item that is billed; `amount` where it is not the whole price (a trial, a part of a period)."""

    item: Obj
    start: int
    end: int
    amount: int | None = None


def whole(item: Obj) -> Billed:
    """The item's current period."""
    return Billed(item, item["current_period_start"], item["current_period_end"])


def draft_for(tx: Transaction, subscription: Obj, billed: list[Billed], *, reason: str) -> Obj | None:
    """A draft with these periods and what is pending for the customer; None where there is nothing."""
    customer = tx.require("customer", subscription["customer"], "customer")
    code = subscription["currency"]
    items = states.pending_items(tx, customer["id"], code)
    if not billed and not items:
        return None
    sent = subscription["collection_method"] == "send_invoice"
    invoice = create_invoice(
        tx,
        customer,
        code,
        items,
        reason=reason,
        auto_advance=True,
        collection=subscription["collection_method"],
        description=subscription["description"],
    )
    invoice["lines"]["data"] = [*_lines(tx, invoice, billed), *invoice["lines"]["data"]]
    invoice.update(
        parent=of_subscription(subscription["id"]),
        default_payment_method=subscription["default_payment_method"],
        default_tax_rates=subscription["default_tax_rates"],
        due_date=tx.now + subscription["days_until_due"] * _DAY if sent else None,
        discounts=[id for id in subscription["discounts"] if in_force(tx.require("discount", id, "discounts"), tx.now)],
        on_behalf_of=subscription["on_behalf_of"],
    )
    if billed:
        invoice.update(period_start=min(each.start for each in billed), period_end=max(each.end for each in billed))
    add_up(tx, invoice)
    if subscription["transfer_data"] is not None:
        invoice["transfer_data"] = _passed_on(subscription["transfer_data"], invoice["total"])
        tx.save(invoice)
    _use_up(tx, subscription, invoice)
    return invoice


def _passed_on(asked: Obj, total: int) -> Obj:
    """Which part of a bill another account gets: all of it where no percentage is said."""
    percent = asked["amount_percent"]
    amount = None if percent is None else rounded(Decimal(str(percent)) * max(total, 0) / 100)
    return {"amount": amount, "destination": asked["destination"]}


def _lines(tx: Transaction, invoice: Obj, billed: list[Billed]) -> list[Obj]:
    lines = []
    for each in billed:
        price = each.item["price"]
        amount = amount_of(tx, price, each.item["quantity"]) if each.amount is None else each.amount
        product = tx.find(price["product"]) or {}
        name = str(product.get("name", price["product"]))
        lines.append(subscription_line(each.item, invoice["id"], amount, each.start, each.end, name=name))
    return lines


def _use_up(tx: Transaction, subscription: Obj, invoice: Obj) -> None:
    """A discount for one bill that took something off ends with the period that it was taken off."""
    for taken in invoice["total_discount_amounts"]:
        discount = tx.require("discount", taken["discount"], "discounts")
        if taken["amount"] and terms_of(tx, discount)["duration"] == "once":
            discount["end"] = max(period_end(subscription), tx.now)
            tx.save(discount)
            subscription["discounts"] = [id for id in subscription["discounts"] if id != discount["id"]]
            for item in subscription["items"]["data"]:
                item["discounts"] = [id for id in item["discounts"] if id != discount["id"]]


def costs(tx: Transaction, subscription: Obj, items: list[Obj], *, at_start: bool) -> list[int]:
    """What each item costs for a whole period after discounts: those of today, or those its period began with."""
    left = [amount_of(tx, item["price"], item["quantity"]) for item in items]
    for index, item in enumerate(items):
        for discount in item["discounts"]:
            left[index] -= share_out(tx, discount, [(item["price"]["product"], left[index])], subscription["currency"])[
                0
            ]
    if at_start:
        start = min((int(item["current_period_start"]) for item in items), default=tx.now)
        held = [each for each in tx.all("discount", "subscription", subscription["id"]) if in_force(each, start)]
        discounts = [each["id"] for each in reversed(held) if each["subscription_item"] is None]
    else:
        discounts = subscription["discounts"]
    for discount in discounts:
        priced = [(item["price"]["product"], amount) for item, amount in zip(items, left, strict=True)]
        shares = share_out(tx, discount, priced, subscription["currency"])
        left = [amount - share for amount, share in zip(left, shares, strict=True)]
    return left


def collect(tx: Transaction, subscription: Obj, invoice: Obj, behavior: str = "allow_incomplete") -> Obj:
    """Finalizes a bill and charges it, or leaves it to be sent in an hour. Returns the subscription as it then is.

    Where the charge fails the subscription stays incomplete, or is past due; `error_if_incomplete` and
    `pending_if_incomplete` refuse instead, with 402, and then nothing at all has changed.
    """
    subscription["latest_invoice"] = invoice["id"]
    tx.save(subscription)
    tx.emit("invoice.created", invoice)
    if invoice["collection_method"] == "send_invoice":
        tx.schedule(invoice["automatically_finalizes_at"], invoice["id"])
    else:
        states.finalize(tx, invoice)
        if invoice["status"] == "open":
            _charge(tx, invoice, behavior, begun=subscription["status"] != "incomplete")
    return tx.require("subscription", subscription["id"], "subscription")


def _charge(tx: Transaction, invoice: Obj, behavior: str, *, begun: bool) -> None:
    strict = behavior in ("error_if_incomplete", "pending_if_incomplete")
    if behavior == "default_incomplete":
        invoice_unpaid(tx, invoice)
        return
    if method_of(tx, invoice) is None:
        if strict or not begun:
            raise Refusal(
                "This customer has no payment method that could be charged.", code="resource_missing", param="customer"
            )
        invoice_unpaid(tx, invoice)
        return
    try:
        pay(tx, invoice)
    except Refusal as refusal:
        if strict:
            raise Refusal(
                refusal.message, status=402, type=CARD, code=refusal.code, decline_code=refusal.decline_code
            ) from refusal


def bill_later(tx: Transaction, subscription: Obj, invoice: Obj) -> None:
    """A renewal: its draft can be changed for an hour. A pause of collection says what becomes of it instead."""
    subscription["latest_invoice"] = invoice["id"]
    tx.save(subscription)
    tx.emit("invoice.created", invoice)
    pause = subscription["pause_collection"]
    if pause is None:
        tx.schedule(invoice["automatically_finalizes_at"], invoice["id"])
        return
    invoice.update(auto_advance=False, automatically_finalizes_at=None)
    tx.save(invoice)
    if pause["behavior"] == "keep_as_draft":
        return
    states.finalize(tx, invoice)
    if invoice["status"] == "open" and pause["behavior"] == "void":
        states.void(tx, invoice)
    elif invoice["status"] == "open":
        states.give_up(tx, invoice)
