"""Discounts: what redeeming a coupon, or a promotion code, makes; how much it takes off; and its end.

A discount is in force from its start until its end: for ever, for some months, or for one bill.
Source: https://docs.stripe.com/billing/subscriptions/coupons
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from runplane_mcp.simulator.clockwork import next_period
from runplane_mcp.simulator.objects import Obj, Params, new_id
from runplane_mcp.simulator.parameters import array, mapping, word
from runplane_mcp.simulator.refusal import Refusal, invalid, missing
from runplane_mcp.simulator.resources.pricing import rounded
from runplane_mcp.simulator.routes import Route
from runplane_mcp.simulator.transaction import Transaction

_WAYS = ("coupon", "discount", "promotion_code")
DISCOUNTS = array(mapping(dict.fromkeys(_WAYS, word)), most=20)


def redeem_all(
    tx: Transaction,
    asked: list[Params],
    *,
    customer: str,
    amount: int | None = None,
    param: str = "discounts",
    **owner: str,
) -> list[str]:
    """The ids of the discounts that are asked for: made from coupons and codes, or ones that there are.

    `amount`: what is bought (minor units), where a code asks for that much.
    """
    found = []
    for each in asked:
        if len(each) != 1:
            raise invalid("Give a coupon, a promotion code or a discount, and only one.", param, "parameter_missing")
        if "discount" in each:
            held = tx.require("discount", each["discount"], param)
            if held["customer"] != customer:
                raise missing("discount", held["id"], param)
            found.append(held["id"])
        elif "coupon" in each:
            found.append(redeem(tx, each["coupon"], param, customer=customer, **owner)["id"])
        else:
            found.append(_redeem_code(tx, each["promotion_code"], param, customer, amount, owner)["id"])
    return found


def redeem(tx: Transaction, coupon_id: str, param: str, *, customer: str, **owner: str) -> Obj:
    """A discount that the coupon makes for the customer; `owner` says of what: a subscription, an invoice, an item."""
    coupon = tx.require("coupon", coupon_id, param)
    if not redeemable(tx, coupon):
        raise Refusal(f"The coupon {coupon_id} cannot be redeemed any more.", code="coupon_expired", param=param)
    most = coupon["max_redemptions"]
    coupon["times_redeemed"] += 1
    coupon["valid"] = most is None or coupon["times_redeemed"] < most
    tx.save(coupon)
    months = coupon["duration_in_months"] if coupon["duration"] == "repeating" else None
    end = next_period(tx.now, {"interval": "month", "interval_count": months}) if months else None
    discount = {**discount_object(coupon_id, customer=customer, start=tx.now, end=end), **owner}
    tx.insert(discount)
    return discount


def discount_object(coupon: str, *, customer: str | None, start: int, end: int | None) -> Obj:
    return {
        "id": new_id("di"),
        "object": "discount",
        "checkout_session": None,
        "customer": customer,
        "end": end,
        "invoice": None,
        "invoice_item": None,
        "promotion_code": None,
        "source": {"coupon": coupon, "type": "coupon"},
        "start": start,
        "subscription": None,
        "subscription_item": None,
    }


def redeemable(tx: Transaction, coupon: Obj) -> bool:
    most, until = coupon["max_redemptions"], coupon["redeem_by"]
    return (most is None or coupon["times_redeemed"] < most) and (until is None or until > tx.now)


def require_code(tx: Transaction, id: str, param: str, customer: str | None, amount: int | None) -> Obj:
    """The promotion code, if this customer may use it for this amount."""
    code = tx.require("promotion_code", id, param)
    most, until, limits = code["max_redemptions"], code["expires_at"], code["restrictions"]
    if not code["active"] or (until is not None and until <= tx.now):
        raise Refusal("This promotion code is no longer active.", code="promotion_code_expired", param=param)
    if most is not None and code["times_redeemed"] >= most:
        raise Refusal("This promotion code was redeemed as often as it may be.", code="coupon_expired", param=param)
    if code["customer"] not in (None, customer):
        raise Refusal("This promotion code is another customer's.", param=param)
    if limits["minimum_amount"] is not None and amount is not None and amount < limits["minimum_amount"]:
        raise Refusal("This promotion code needs a larger amount.", param=param)
    if limits["first_time_transaction"] and customer is not None and _has_paid(tx, customer):
        raise Refusal("This promotion code is for a customer's first payment.", param=param)
    return code


def _has_paid(tx: Transaction, customer: str) -> bool:
    paid = any(charge["status"] == "succeeded" for charge in tx.all("charge", "customer", customer))
    return paid or any(invoice["status"] == "paid" for invoice in tx.all("invoice", "customer", customer))


def _redeem_code(tx: Transaction, id: str, param: str, customer: str, amount: int | None, owner: dict[str, str]) -> Obj:
    code = require_code(tx, id, param, customer, amount)
    discount = redeem(tx, code["promotion"]["coupon"], param, customer=customer, **owner)
    discount["promotion_code"] = id
    tx.save(discount)
    before = dict(code)
    code["times_redeemed"] += 1
    tx.save(code)
    tx.emit("promotion_code.updated", code, before=before)
    return discount


def terms_of(tx: Transaction, discount: Obj) -> Obj:
    """The coupon of a discount. One that was deleted still holds for whoever redeemed it before."""
    id = discount["source"]["coupon"]
    coupon = tx.find(id)
    if coupon is None or coupon.get("deleted"):
        coupon = tx.find(retired_id(id))
    return {"percent_off": None, "amount_off": 0, "currency": None, "duration": "once"} if coupon is None else coupon


def retired_id(coupon: str) -> str:
    return f"{coupon}/retired"


def taken_off(terms: Obj, amount: int, code: str) -> int:
    """How much of `amount` a coupon takes off; one of another currency takes nothing."""
    if terms["percent_off"] is not None:
        return rounded(Decimal(str(terms["percent_off"])) * amount / 100)
    return min(amount, int(terms["amount_off"])) if terms["currency"] == code else 0


def share_out(tx: Transaction, discount_id: str, left: Sequence[tuple[str | None, int]], code: str) -> list[int]:
    """How much a discount takes off each of several amounts, given with their products."""
    return shares_of(terms_of(tx, tx.require("discount", discount_id, "discounts")), left, code)


def shares_of(terms: Obj, left: Sequence[tuple[str | None, int]], code: str) -> list[int]:
    """How much a coupon takes off each of several amounts: together what it takes off their sum. A coupon for some
    products takes nothing off others."""
    only = terms.get("applies_to", {}).get("products")
    counts = [max(amount, 0) if only is None or product in only else 0 for product, amount in left]
    meant = [amount for product, amount in left if only is None or product in only]
    whole = sum(counts)
    total = taken_off(terms, max(sum(meant), 0), code)
    if whole == 0 or total == 0:
        return [0] * len(left)
    shares = [total * each // whole for each in counts]
    # What division leaves over goes to the largest amounts, so that the shares come to the total.
    order = sorted(range(len(counts)), key=lambda at: -counts[at])
    for at in order[: total - sum(shares)]:
        shares[at] += 1
    return shares


def in_force(discount: Obj, at: int) -> bool:
    return int(discount["start"]) <= at and (discount["end"] is None or at < int(discount["end"]))


def end_discount(tx: Transaction, discount_id: str) -> Obj:
    """The discount ends now; it is kept for what was billed with it."""
    discount = tx.require("discount", discount_id, "discount")
    discount["end"] = tx.now
    tx.save(discount)
    gone = {**discount, "deleted": True}
    tx.emit("customer.discount.deleted", gone)
    return gone


def _delete_of_subscription(tx: Transaction, params: Params) -> Obj:
    """Every discount of the subscription ends; its customer's stays."""
    id = params["subscription"]
    subscription = tx.require("subscription", id, "subscription", status=404)
    if not subscription["discounts"]:
        raise missing("discount", id, "subscription", 404)
    gone = [end_discount(tx, each) for each in subscription["discounts"]]
    before = dict(subscription)
    subscription["discounts"] = []
    tx.save(subscription)
    tx.emit("customer.subscription.updated", subscription, before=before)
    return gone[-1]


def _delete_of_customer(tx: Transaction, params: Params) -> Obj:
    """A customer's own discount could be given by older versions of the API only, so that nobody here has one."""
    raise missing("discount", tx.require("customer", params["customer"], "customer", status=404)["id"], "customer", 404)


ROUTES = (
    Route("DELETE", "/v1/subscriptions/{subscription}/discount", _delete_of_subscription),
    Route("DELETE", "/v1/customers/{customer}/discount", _delete_of_customer),
)
