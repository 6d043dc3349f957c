"""What stands on an invoice, and how it adds up: lines, their discounts, the invoice's discounts, taxes, the balance.

Source: https://docs.stripe.com/billing/invoices/subscription and https://docs.stripe.com/billing/taxes/tax-rates
"""

from __future__ import annotations

from decimal import Decimal

from runplane_mcp.simulator.objects import Obj, new_id
from runplane_mcp.simulator.resources.discounts import share_out
from runplane_mcp.simulator.resources.pricing import rounded
from runplane_mcp.simulator.transaction import Transaction


def priced_by(price: Obj) -> Obj:
    """What a line or an item says of the price it has."""
    return {
        "price_details": {"price": price["id"], "product": price["product"]},
        "type": "price_details",
        "unit_amount_decimal": price["unit_amount_decimal"],
    }


def line_of(item: Obj, invoice: str) -> Obj:
    """The line that an invoice item is on its invoice."""
    of = (item["parent"] or {}).get("subscription_details") or {}
    details = {
        "invoice_item": item["id"],
        "proration": item["proration"],
        "proration_details": {"credited_items": None},
        "subscription": of.get("subscription"),
    }
    line = _line(invoice, item["amount"], item["currency"], item["quantity"], item["period"])
    line.update(
        description=item["description"],
        discountable=item["discountable"],
        discounts=list(item["discounts"]),
        metadata=dict(item["metadata"]),
        parent={
            "invoice_item_details": details,
            "subscription_item_details": None,
            "type": "invoice_item_details",
        },
        pricing=item["pricing"],
        subscription=of.get("subscription"),
    )
    return line


def subscription_line(
    item: Obj, invoice: str, amount: int, start: int, end: int, *, name: str, proration: bool = False
) -> Obj:
    """What a subscription's item costs for one of its periods. `name`: what is bought."""
    price = item["price"]
    line = _line(invoice, amount, price["currency"], item["quantity"], {"end": end, "start": start})
    line.update(
        description=f"{item['quantity']} × {name}",
        discounts=list(item["discounts"]),
        metadata=dict(item["metadata"]),
        parent={
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": None,
                "proration": proration,
                "proration_details": {"credited_items": None},
                "subscription": item["subscription"],
                "subscription_item": item["id"],
            },
            "type": "subscription_item_details",
        },
        pricing=priced_by(price),
        subscription=item["subscription"],
    )
    return line


def _line(invoice: str, amount: int, code: str, quantity: int, period: Obj) -> Obj:
    return {
        "id": new_id("il"),
        "object": "line_item",
        "amount": amount,
        "currency": code,
        "description": None,
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": invoice,
        "livemode": False,
        "metadata": {},
        "parent": None,
        "period": period,
        "pretax_credit_amounts": [],
        "pricing": None,
        "quantity": quantity,
        "quantity_decimal": str(quantity),
        "subscription": None,
        "subtotal": amount,
        "taxes": [],
    }


def item_of(line: Obj) -> str | None:
    """The invoice item that a line stands for."""
    details = line["parent"]["invoice_item_details"]
    return None if details is None else details["invoice_item"]


def add_up(tx: Transaction, invoice: Obj) -> None:
    """Works out a draft anew. Discounts of lines come first: the subtotal is without them, the total without all."""
    lines = invoice["lines"]["data"]
    left = [int(line["amount"]) for line in lines]
    for line in lines:
        line["discount_amounts"] = []
    for at, line in enumerate(lines):
        for discount in line["discounts"]:
            _take_off(tx, discount, lines, left, [at], invoice["currency"])
    subtotal = sum(left)
    for discount in invoice["discounts"]:
        _take_off(tx, discount, lines, left, range(len(lines)), invoice["currency"])
    taken: dict[str, int] = dict.fromkeys(invoice["discounts"], 0)
    for line in lines:
        for each in line["discount_amounts"]:
            taken[each["discount"]] = taken.get(each["discount"], 0) + each["amount"]
    net = sum(left)
    taxes = [_tax(rate, net) for rate in invoice["default_tax_rates"]]
    exclusive = sum(tax["amount"] for tax in taxes if tax["tax_behavior"] == "exclusive")
    inclusive = sum(tax["amount"] for tax in taxes) - exclusive
    total = net + exclusive
    balance = tx.require("customer", invoice["customer"], "customer")["balance"]
    due = max(total + balance, 0)
    invoice.update(
        subtotal=subtotal,
        subtotal_excluding_tax=subtotal - inclusive,
        total=total,
        total_excluding_tax=net - inclusive,
        total_discount_amounts=[{"amount": amount, "discount": discount} for discount, amount in taken.items()],
        total_taxes=taxes,
        starting_balance=balance,
        amount_due=due,
        amount_remaining=due,
    )
    tx.save(invoice)


def _take_off(
    tx: Transaction, discount: str, lines: list[Obj], left: list[int], among: range | list[int], code: str
) -> None:
    places = [at for at in among if lines[at]["discountable"]]
    wanted = [(_product_of(lines[at]), left[at]) for at in places]
    for at, amount in zip(places, share_out(tx, discount, wanted, code), strict=True):
        if amount:
            lines[at]["discount_amounts"].append({"amount": amount, "discount": discount})
            left[at] -= amount


def _product_of(line: Obj) -> str | None:
    pricing = line["pricing"]
    return None if pricing is None else pricing["price_details"]["product"]


def _tax(rate: Obj, net: int) -> Obj:
    """One tax on all that is sold: on top of it, or already in it."""
    share, base = Decimal(str(rate["percentage"])) / 100, max(net, 0)
    amount = rounded(base * share / (1 + share)) if rate["inclusive"] else rounded(base * share)
    return {
        "amount": amount,
        "tax_behavior": "inclusive" if rate["inclusive"] else "exclusive",
        "tax_rate_details": {"tax_rate": rate["id"]},
        "taxability_reason": "standard_rated",
        "taxable_amount": base - amount if rate["inclusive"] else base,
        "type": "tax_rate_details",
    }
