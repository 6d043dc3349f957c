"""What the seeded company has billed: coupons, a discounted subscription, invoices in every state, a credit note."""

from __future__ import annotations

from typing import Final

from runplane_mcp.simulator.objects import Obj
from runplane_mcp.simulator.resources import invoice_states as states
from runplane_mcp.simulator.resources.coupons import coupon_object
from runplane_mcp.simulator.resources.credit_notes import issue
from runplane_mcp.simulator.resources.discounts import redeem
from runplane_mcp.simulator.resources.invoice_items import item_object
from runplane_mcp.simulator.resources.invoice_payments import payment_object
from runplane_mcp.simulator.resources.payments import Card, charge_object, collect, payment_intent_object
from runplane_mcp.simulator.seed import SEED
from runplane_mcp.simulator.transaction import Transaction

_DAY: Final = 86_400


def found_billing(tx: Transaction) -> None:
    """All of it, each thing at its own time before `tx.now`."""
    _coupons(_ago(tx, 120))
    _discount(_ago(tx, 6))
    _draft(_ago(tx, 1))
    _open(_ago(tx, 5), SEED.invoice_open, "cus_omar", 48_000, "usd")
    _open(_ago(tx, 3), SEED.invoice_eur, SEED.customer_eur, 9_000, "eur")
    given_up = _open(_ago(tx, 90), SEED.invoice_uncollectible, "cus_ravi", 5_400, "usd")
    states.give_up(_ago(tx, 30), given_up)
    _paid(tx, _ago(tx, 12))
    tx.insert(_item(_ago(tx, 2), SEED.invoice_item_pending, "cus_sofia", 3_600, "usd"))


def _ago(tx: Transaction, days: int) -> Transaction:
    return tx.at(tx.now - days * _DAY, tx.account)


def _coupons(tx: Transaction) -> None:
    for coupon in (
        coupon_object(SEED.coupon_once, created=tx.now, duration="once", percent=10, name="Welcome"),
        coupon_object(SEED.coupon_months, created=tx.now, duration="repeating", percent=50, months=3, name="Half off"),
        coupon_object(SEED.coupon_amount, created=tx.now, duration="once", amount=1_000, code="usd", name="Ten off"),
        coupon_object(SEED.coupon_forever, created=tx.now, duration="forever", percent=20, name="Friends"),
    ):
        tx.insert(coupon)


def _discount(tx: Transaction) -> None:
    subscription = tx.require("subscription", SEED.subscription_discounted, "id")
    discount = redeem(
        tx, SEED.coupon_forever, "discounts", customer=subscription["customer"], subscription=subscription["id"]
    )
    subscription["discounts"] = [discount["id"]]
    tx.save(subscription)


def _item(tx: Transaction, id: str, customer: str, amount: int, code: str) -> Obj:
    return item_object(id, customer=customer, amount=amount, code=code, created=tx.now, description="Beans and cups")


def _invoice(tx: Transaction, id: str, customer: str, amount: int, code: str) -> Obj:
    payer = tx.require("customer", customer, "customer")
    invoice = states.invoice_object(id, customer=payer, code=code, created=tx.now, description="Beans and cups")
    item = _item(tx, f"ii_{id.removeprefix('in_')}", customer, amount, code)
    tx.insert(invoice)
    tx.insert(item)
    states.take_in(tx, invoice, [item])
    return invoice


def _draft(tx: Transaction) -> None:
    _invoice(tx, SEED.invoice_draft, "cus_petra", 18_000, "usd")


def _open(tx: Transaction, id: str, customer: str, amount: int, code: str) -> Obj:
    invoice = _invoice(tx, id, customer, amount, code)
    states.finalize(tx, invoice)
    return invoice


def _paid(now: Transaction, tx: Transaction) -> None:
    """`now`: whose clock says that the money has settled since."""
    invoice = _open(tx, SEED.invoice_paid, "cus_quentin", 24_000, "usd")
    payer = tx.require("customer", invoice["customer"], "customer")
    due = invoice["amount_remaining"]
    intent = payment_intent_object(
        "pi_quentin_240",
        amount=due,
        code="usd",
        created=tx.now,
        customer=payer["id"],
        description=f"Invoice {invoice['number']}",
    )
    card = Card("visa", "4242", "cardquentin240")
    charge = charge_object("ch_quentin_240", intent=intent, card=card, name=payer["name"], email=payer["email"])
    collect(now, intent, charge, transaction="txn_quentin_240")
    tx.insert(payment_object(tx, invoice, due, intent=intent["id"], id="inpay_quentin_240"))
    states.settle(tx, invoice, amount_paid=due)
    issue(tx, {"invoice": invoice["id"], "credit_amount": 4_000, "reason": "order_change"}, SEED.credit_note)
