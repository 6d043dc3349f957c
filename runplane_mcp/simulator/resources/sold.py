"""What is offered for sale before anybody pays: lines of a price and a quantity, and what discounts would take off.

Checkout sessions and quotes hold such lines. Nothing is redeemed by offering it.
"""

from __future__ import annotations

from dataclasses import dataclass

from runplane_mcp.simulator.objects import Obj, Params, new_id
from runplane_mcp.simulator.refusal import Refusal, invalid
from runplane_mcp.simulator.resources.discounts import require_code, shares_of
from runplane_mcp.simulator.resources.prices import create_price
from runplane_mcp.simulator.resources.pricing import amount_of
from runplane_mcp.simulator.resources.products import create_product
from runplane_mcp.simulator.transaction import Transaction


@dataclass
class Sold:
    """One line: `amount` in minor units before discounts, `off` what they take."""

    price: Obj
    quantity: int
    amount: int
    off: int = 0

    @property
    def total(self) -> int:
        return self.amount - self.off


def read_lines(tx: Transaction, asked: list[Params], code: str | None = None) -> list[Sold]:
    """The lines that are asked for; prices that are described are made, with their product where that is too."""
    lines = [_line(tx, each, f"line_items[{number}]") for number, each in enumerate(asked)]
    if len({line.price["currency"] for line in lines} | ({code} if code else set())) > 1:
        raise Refusal("All prices have one currency.", param="line_items")
    rhythms = {(each["interval"], each["interval_count"]) for line in lines if (each := line.price["recurring"])}
    if len(rhythms) > 1:
        raise Refusal("What recurs does so at one interval.", param="line_items")
    return lines


def _line(tx: Transaction, asked: Params, param: str) -> Sold:
    if ("price" in asked) == ("price_data" in asked):
        raise invalid("Give a price or price data, and only one.", f"{param}[price]", "parameter_missing")
    if "price" in asked:
        price = tx.require("price", asked["price"], f"{param}[price]")
        if not price["active"]:
            raise Refusal(f"The price {price['id']} is inactive: only an active one can be sold.", param=param)
    else:
        price = _described(tx, asked["price_data"], f"{param}[price_data]")
    quantity = asked.get("quantity", 1)
    chosen = price["custom_unit_amount"]
    # The payer chooses an amount: until then it is the one that is suggested.
    amount = (chosen["preset"] or 0) * quantity if chosen is not None else amount_of(tx, price, quantity)
    return Sold(price, quantity, amount)


def _described(tx: Transaction, data: Params, param: str) -> Obj:
    if ("product" in data) == ("product_data" in data):
        raise invalid("Name a product, or describe one.", f"{param}[product]", "parameter_missing")
    if data.get("unit_amount", 0) < 0:
        raise invalid("'unit_amount' must be zero or more.", f"{param}[unit_amount]", "parameter_invalid_integer")
    if "product_data" in data:
        product = create_product(tx, data["product_data"])
    else:
        product = tx.require("product", data["product"], f"{param}[product]")
    kept = {name: value for name, value in data.items() if name not in ("product", "product_data")}
    return create_price(tx, kept, product["id"], active=False)


def take_off(tx: Transaction, lines: list[Sold], asked: list[Params], customer: str | None) -> None:
    """What coupons and codes would take off, one after the other."""
    code = lines[0].price["currency"]
    for each in asked:
        if len(each) != 1:
            raise invalid("Give a coupon or a promotion code, and only one.", "discounts", "parameter_missing")
        coupon = each.get("coupon")
        if coupon is None:
            worth = sum(line.amount for line in lines)
            promotion = require_code(tx, each["promotion_code"], "discounts", customer, worth)
            coupon = promotion["promotion"]["coupon"]
        terms = tx.require("coupon", coupon, "discounts")
        if not terms["valid"]:
            raise Refusal("The coupon cannot be redeemed any more.", code="coupon_expired", param="discounts")
        left = [(line.price["product"], line.total) for line in lines]
        for line, share in zip(lines, shares_of(terms, left, code), strict=True):
            line.off += share


def store_lines(tx: Transaction, lines: list[Sold], **owner: str) -> None:
    """Keeps the lines; `owner` says of what."""
    for line in lines:
        product = tx.find(line.price["product"]) or {}
        tx.insert(
            {
                "id": new_id("li"),
                "object": "item",
                "adjustable_quantity": None,
                "amount_discount": line.off,
                "amount_subtotal": line.amount,
                "amount_tax": 0,
                "amount_total": line.total,
                "currency": line.price["currency"],
                "description": product.get("name"),
                "metadata": {},
                "price": line.price,
                "quantity": line.quantity,
                **owner,
            }
        )


def details(lines: list[Sold]) -> Obj:
    """The `total_details` of what is sold."""
    return {"amount_discount": sum(line.off for line in lines), "amount_shipping": 0, "amount_tax": 0}
