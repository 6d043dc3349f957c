"""The first words about a success in billing: invoices, credit notes, prices, coupons, changes of subscriptions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeGuard

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.money import CURRENCIES, Money

_Result = Mapping[str, Json]
_Said = tuple[str, str]


def _invoice_made(result: _Result) -> _Said:
    due = _money(result, "amount_due")
    then = ""
    if result.get("auto_advance") is True:
        then = " Stripe goes on with it by itself, in about an hour."
    return f"DONE. Draft invoice made, {due} on it; no money moved.{then}", "A draft invoice was made."


def _item_made(result: _Result) -> _Said:
    amount = result.get("amount")
    if _whole(amount) and amount < 0:
        credit = _shown(-amount, result)
        return f"DONE. Credit of {credit} put on an invoice; no money moved.", f"A credit of {credit} was added."
    money = _money(result, "amount")
    return f"DONE. {money} put on an invoice; no money moved.", f"{money} were put on the invoice."


def _finalized(result: _Result) -> _Said:
    if result.get("status") == "paid":
        return "DONE. Invoice finalized; nothing was due, no money moved.", "The invoice is final; nothing was due."
    due = _money(result, "amount_due")
    then = " Stripe goes on to collect it by itself." if result.get("auto_advance") is True else ""
    return f"DONE. Invoice finalized: {due} due; no money moved yet.{then}", f"The invoice is final: {due} due."


def _paid(result: _Result) -> _Said:
    if result.get("status") != "paid":
        return (
            "ACCEPTED BY STRIPE, BUT the invoice is not paid yet. Money may be on its way.",
            "The invoice is not paid yet.",
        )
    elsewhere, amount = result.get("amount_paid_off_stripe"), result.get("amount_paid")
    if _whole(elsewhere) and elsewhere > 0:
        return "DONE. Invoice marked as paid elsewhere; no money moved.", "The invoice is marked as paid elsewhere."
    if amount == 0:
        return "DONE. Invoice paid: nothing was due, no money moved.", "The invoice is paid; nothing was due."
    money = _money(result, "amount_paid")
    return f"DONE. Money moved: {money} paid for the invoice.", f"The invoice is paid: {money}."


def _voided(result: _Result) -> _Said:
    left = _money(result, "amount_remaining")
    return (
        f"DONE. Invoice voided: {left} no longer owed; no money moved.",
        f"The invoice is void: {left} not owed any more.",
    )


def _credited(result: _Result) -> _Said:
    money, refunds = _money(result, "amount"), result.get("refunds")
    if result.get("type") == "pre_payment":
        return f"DONE. Credit note of {money}: that much less is owed; no money moved.", f"{money} less is owed."
    parts = refunds if isinstance(refunds, list) else []
    back = [each.get("amount_refunded") for each in parts if isinstance(each, Mapping)]
    refunded = sum(each for each in back if _whole(each))
    if refunded:
        gone = _shown(refunded, result)
        return f"DONE. Money moved: credit note of {money}, {gone} of it refunded.", f"{gone} were refunded."
    return f"DONE. Credit note of {money} made; no money moved.", f"A credit note of {money} was made."


def _subscription_changed(result: _Result) -> _Said:
    if result.get("cancel_at_period_end") is True:
        return (
            "DONE. Subscription changed. Whether money moved is not told here; it ends with its paid period.",
            "The subscription ends with its paid period.",
        )
    if result.get("pause_collection") is not None:
        return (
            "DONE. Subscription changed: it is paused, and no money is collected meanwhile.",
            "The subscription is paused.",
        )
    return (
        "DONE. Subscription changed. Whether money moved is not told here: what was billed is on its latest invoice.",
        "The subscription was changed.",
    )


def _coupon_made(_result: _Result) -> _Said:
    return "DONE. Coupon made; no money moved until somebody redeems it.", "The coupon was made."


def _product_made(_result: _Result) -> _Said:
    return "DONE. Product made; no money moved.", "The product was made."


def _price_made(result: _Result) -> _Said:
    money = _money(result, "unit_amount")
    return f"DONE. Price of {money} made; no money moved.", f"A price of {money} was made."


#: By action, what to say.
SAYS: Final[Mapping[str, Callable[[_Result], _Said]]] = {
    "coupon.create": _coupon_made,
    "credit_note.create": _credited,
    "invoice.create": _invoice_made,
    "invoice.finalize": _finalized,
    "invoice.pay": _paid,
    "invoice.void": _voided,
    "invoiceitem.create": _item_made,
    "price.create": _price_made,
    "product.create": _product_made,
    "subscription.update": _subscription_changed,
}


def _whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _money(result: _Result, name: str) -> str:
    return _shown(result.get(name), result)


def _shown(amount: Json, result: _Result) -> str:
    currency = result.get("currency")
    if isinstance(amount, int) and not isinstance(amount, bool) and currency in CURRENCIES:
        return str(Money(amount, str(currency)))
    return "an amount that Stripe does not show"
