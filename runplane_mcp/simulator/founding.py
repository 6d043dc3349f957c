"""Writes the seeded company into an empty world, in the transaction that creates it."""

from __future__ import annotations

from runplane_mcp.simulator.clockwork import end_subscription, period_end
from runplane_mcp.simulator.founding_billing import found_billing
from runplane_mcp.simulator.objects import Obj
from runplane_mcp.simulator.resources.accounts import account_object
from runplane_mcp.simulator.resources.bank_accounts import bank_account_object
from runplane_mcp.simulator.resources.customers import customer_object
from runplane_mcp.simulator.resources.disputes import dispute_object
from runplane_mcp.simulator.resources.payment_links import add_line, payment_link_object
from runplane_mcp.simulator.resources.payments import (
    Card,
    charge_object,
    collect,
    hold,
    payment_intent_object,
)
from runplane_mcp.simulator.resources.payouts import payout_object
from runplane_mcp.simulator.resources.prices import price_object
from runplane_mcp.simulator.resources.products import product_object
from runplane_mcp.simulator.resources.refunds import give_back, refund_object
from runplane_mcp.simulator.resources.subscription_objects import subscription_object
from runplane_mcp.simulator.resources.subscription_starts import start
from runplane_mcp.simulator.resources.transfers import pay_out_transfer, transfer_object
from runplane_mcp.simulator.seed import (
    CUSTOMERS_OF_ORDERS,
    NAMED_CUSTOMERS,
    NAMED_PAYMENTS,
    ORDER_PAYMENTS,
    SEED,
    Payment,
)
from runplane_mcp.simulator.transaction import Transaction

_DAY = 86_400
_YEARS_AGO = 400 * _DAY


def found(tx: Transaction) -> None:
    """The whole company, as it is at `tx.now`."""
    _accounts(tx)
    names = {**NAMED_CUSTOMERS, **CUSTOMERS_OF_ORDERS}
    for number, (id, name) in enumerate(names.items()):
        email = f"{id.removeprefix('cus_')}@example.com"
        customer = customer_object(id, created=tx.now - _YEARS_AGO + number * 3600, name=name, email=email)
        customer["invoice_settings"]["default_payment_method"] = "pm_card_visa"
        tx.insert(customer)
    for payment in (*ORDER_PAYMENTS, *NAMED_PAYMENTS):
        _pay(tx, payment, names.get(payment.customer or ""))
    unpaid = payment_intent_object(
        SEED.payment_intent_unpaid, amount=7_500, code="usd", created=tx.now - 3 * 3600, customer="cus_petra"
    )
    tx.insert(unpaid)
    _refunds(tx)
    _disputes(tx)
    _transfers(tx)
    _payouts(tx)
    _subscriptions(tx)
    _payment_links(tx)
    found_billing(tx)
    _opening_balances(tx)


def _accounts(tx: Transaction) -> None:
    founded = tx.now - _YEARS_AGO
    for id, name, currency in (
        (SEED.account, "Alder Coffee Roasters", "usd"),
        (SEED.connected_account_paid, "Maple Bakery", "usd"),
        (SEED.connected_account_new, "Birch Printing", "usd"),
    ):
        email = f"office@{id.removeprefix('acct_').replace('_', '-')}.example.com"
        account = account_object(
            id, name=name, email=email, country="US", currency=currency, created=founded, connected=id != SEED.account
        )
        tx.insert(account)
    for account_id, id, currency, country, bank, last4 in (
        (SEED.account, SEED.bank_account_usd, "usd", "US", "First Harbor Bank", "6789"),
        (SEED.account, SEED.bank_account_eur, "eur", "DE", "Hafenbank", "3000"),
        (SEED.connected_account_paid, "ba_maple_usd", "usd", "US", "River Bank", "1117"),
        (SEED.connected_account_new, "ba_birch_usd", "usd", "US", "Forest Savings", "2226"),
    ):
        tx.insert(
            bank_account_object(id, account=account_id, currency=currency, country=country, bank=bank, last4=last4),
            account=account_id,
        )


def _pay(tx: Transaction, payment: Payment, name: str | None) -> None:
    card = Card("visa", "4242", f"card{payment.name.replace('_', '')}")
    intent = payment_intent_object(
        payment.payment_intent,
        amount=payment.amount,
        code=payment.currency,
        created=tx.now - payment.days_ago * _DAY,
        customer=payment.customer,
        description=payment.description,
    )
    charge = charge_object(payment.charge, intent=intent, card=card, name=name, email=None)
    if payment.held:
        hold(tx, intent, charge)
    else:
        collect(tx, intent, charge, transaction=f"txn_{payment.name}")


def _refunds(tx: Transaction) -> None:
    for id, charge_id, amount, days_ago in (
        (SEED.refund_partial, SEED.charge_partly_refunded, 12_000, 9),
        (SEED.refund_full, SEED.charge_refunded, 8_000, 16),
    ):
        charge = tx.require("charge", charge_id, "charge")
        refund = refund_object(
            id, charge=charge, amount=amount, created=tx.now - days_ago * _DAY, reason="requested_by_customer"
        )
        give_back(tx, charge, refund, transaction=f"txn_{id}")


def _disputes(tx: Transaction) -> None:
    for id, charge_id, status, reason in (
        (SEED.dispute, SEED.charge_disputed, "needs_response", "fraudulent"),
        (SEED.inquiry, SEED.charge_inquiry, "warning_needs_response", "product_not_received"),
    ):
        charge = tx.require("charge", charge_id, "charge")
        charge["disputed"] = True
        tx.save(charge)
        dispute = dispute_object(id, charge=charge, created=tx.now - 2 * _DAY, status=status, reason=reason)
        if not dispute["is_charge_refundable"]:
            taken = tx.post(
                "adjustment", id, -charge["amount"], charge["currency"], fee=1500, category="dispute", id=f"txn_{id}"
            )
            transaction = tx.require("balance_transaction", taken, "id")
            dispute["balance_transactions"] = [transaction]
        tx.insert(dispute)
        tx.schedule(dispute["evidence_details"]["due_by"], id)


def _transfers(tx: Transaction) -> None:
    charge = tx.require("charge", SEED.charge_transferred, "charge")
    for id, amount, days_ago, source in (
        (SEED.transfer_past, 50_000, 40, None),
        (SEED.transfer_of_charge, 15_000, 10, charge["id"]),
    ):
        transfer = transfer_object(
            id,
            amount=amount,
            code="usd",
            destination=SEED.connected_account_paid,
            created=tx.now - days_ago * _DAY,
            source=source,
            payment=f"py_{id.removeprefix('tr_')}",
        )
        pay_out_transfer(tx, transfer, transaction=f"txn_{id}")
    charge.update(
        transfer=SEED.transfer_of_charge,
        transfer_data={"amount": 15_000, "destination": SEED.connected_account_paid},
        transfer_group="group_lena_200",
    )
    tx.save(charge)
    intent = tx.require("payment_intent", SEED.payment_intent_transferred, "payment_intent")
    intent.update(transfer_data=charge["transfer_data"], transfer_group=charge["transfer_group"])
    tx.save(intent)


def _payouts(tx: Transaction) -> None:
    for id, amount, days_ago in zip(SEED.payouts_past, (250_000, 310_000, 180_000), (33, 26, 19), strict=True):
        created = tx.now - days_ago * _DAY
        payout = payout_object(
            id,
            amount=amount,
            code="usd",
            destination=SEED.bank_account_usd,
            created=created,
            arrival=created + 2 * _DAY,
        )
        payout["status"] = "paid"
        payout["balance_transaction"] = tx.post("payout", id, -amount, "usd", created=created, id=f"txn_{id}")
        tx.insert(payout)
    created = tx.now - _DAY
    pending = payout_object(
        SEED.payout_pending,
        amount=420_000,
        code="usd",
        destination=SEED.bank_account_usd,
        created=created,
        arrival=created + 2 * _DAY,
    )
    pending["balance_transaction"] = tx.post(
        "payout", SEED.payout_pending, -420_000, "usd", created=created, id=f"txn_{SEED.payout_pending}"
    )
    tx.insert(pending)
    tx.schedule(pending["arrival_date"], SEED.payout_pending)


def _prices(tx: Transaction) -> dict[str, Obj]:
    created = tx.now - _YEARS_AGO
    tx.insert(product_object(SEED.product_club, name="Coffee club", created=created))
    tx.insert(product_object(SEED.product_office, name="Office coffee", created=created))
    tx.insert(product_object(SEED.product_beans, name="Bag of beans", created=created))
    prices = {}
    for id, product, amount, code, interval in (
        (SEED.price_monthly, SEED.product_club, 2_900, "usd", "month"),
        (SEED.price_yearly, SEED.product_club, 29_000, "usd", "year"),
        (SEED.price_seat, SEED.product_office, 900, "usd", "month"),
        (SEED.price_weekly, SEED.product_club, 1_500, "usd", "week"),
        (SEED.price_monthly_eur, SEED.product_club, 2_700, "eur", "month"),
        (SEED.price_beans, SEED.product_beans, 1_800, "usd", None),
    ):
        prices[id] = price_object(id, product=product, amount=amount, code=code, created=created, interval=interval)
        tx.insert(prices[id])
    return prices


def _subscriptions(tx: Transaction) -> None:
    prices = _prices(tx)
    monthly, seat = SEED.price_monthly, SEED.price_seat
    for id, customer, items, days_ago in (
        (SEED.subscription_monthly, "cus_ada", ((monthly, 1),), 12),
        (SEED.subscription_yearly, "cus_ben", ((SEED.price_yearly, 1),), 200),
        (SEED.subscription_office, "cus_cleo", ((monthly, 1), (seat, 12)), 20),
        (SEED.subscription_ending, "cus_ivan", ((monthly, 1),), 9),
        (SEED.subscription_canceled, "cus_lena", ((monthly, 2),), 15),
        (SEED.subscription_discounted, "cus_nora", ((monthly, 1),), 6),
        (SEED.subscription_trial, "cus_hana", ((SEED.price_weekly, 1),), 3),
    ):
        short = id.removeprefix("sub_")
        begun = tx.now - days_ago * _DAY
        subscription = subscription_object(
            id,
            customer=customer,
            items=[(f"si_{short}_{n}", prices[price], count) for n, (price, count) in enumerate(items, start=1)],
            created=begun,
            period_start=begun,
            trial_end=tx.now + 11 * _DAY if id == SEED.subscription_trial else None,
        )
        start(tx, subscription)
        if id == SEED.subscription_ending:
            subscription.update(
                cancel_at_period_end=True, cancel_at=period_end(subscription), canceled_at=tx.now - _DAY
            )
            subscription["cancellation_details"]["reason"] = "cancellation_requested"
            tx.save(subscription)
        if id == SEED.subscription_canceled:
            end_subscription(tx.at(tx.now - 2 * _DAY, tx.account), subscription, canceled_at=tx.now - 2 * _DAY)


def _payment_links(tx: Transaction) -> None:
    price = tx.require("price", SEED.price_monthly, "price")
    then = tx.at(tx.now - 60 * _DAY, tx.account)
    then.insert(payment_link_object(SEED.payment_link_club, code=price["currency"]))
    add_line(then, SEED.payment_link_club, price, 1, id="li_coffee_club_1")


def _opening_balances(tx: Transaction) -> None:
    """One booking per currency that makes the first day's available balance a round number."""
    for currency, wanted in (
        ("usd", SEED.available_usd),
        ("eur", SEED.available_eur),
        ("gbp", SEED.available_gbp),
        ("jpy", SEED.available_jpy),
    ):
        tx.post(
            "adjustment",
            SEED.account,
            wanted - tx.available(currency),
            currency,
            description="Opening balance",
            created=tx.now - 45 * _DAY,
            id=f"txn_opening_{currency}",
        )
