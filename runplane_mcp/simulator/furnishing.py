"""What the seeded company came to have after its first worlds were founded. A world of those days gets it when it is
opened, so that no home has to begin anew."""

from __future__ import annotations

from runplane_mcp.simulator.founding_events import found_events
from runplane_mcp.simulator.resources.cards import Card
from runplane_mcp.simulator.resources.files import file_object
from runplane_mcp.simulator.resources.issuing import card_object, cardholder_object
from runplane_mcp.simulator.resources.payment_methods import method_object
from runplane_mcp.simulator.seed import NAMED_PAYMENTS, SEED
from runplane_mcp.simulator.transaction import Transaction
from runplane_mcp.simulator.v2.financial_accounts import book, financial_account_object

_DAY = 86_400


def furnish(tx: Transaction) -> None:
    """Adds what is missing: a financial account, saved cards of the named customers, a card of the company, a file, and who
    did what in its past."""
    found_events(tx)
    if tx.find(SEED.financial_account) is not None:
        return
    _financial_account(tx.at(tx.now - 120 * _DAY, tx.account))
    for payment in NAMED_PAYMENTS:
        customer = None if payment.customer is None else tx.find(payment.customer)
        if customer is None or customer.get("deleted"):
            continue
        card = Card("visa", "4242", f"card{payment.name.replace('_', '')}")
        if tx.find(card.method) is None:
            created = tx.now - payment.days_ago * _DAY
            tx.insert(method_object(card.method, created=created, card=card, customer=customer["id"]))
    cardholder = cardholder_object(SEED.cardholder, name="Alder Office", created=tx.now - 90 * _DAY)
    tx.insert(cardholder)
    card_of_office = card_object(
        SEED.issuing_card, cardholder=cardholder, code="usd", kind="virtual", created=tx.now - 90 * _DAY
    )
    card_of_office["status"] = "active"
    card_of_office["spending_controls"]["spending_limits"] = [
        {"amount": 50_000, "categories": [], "interval": "monthly"}
    ]
    tx.insert(card_of_office)
    tx.insert(file_object(SEED.file, name="menu.pdf", purpose="additional_verification", created=tx.now - 60 * _DAY))


def _financial_account(tx: Transaction) -> None:
    account = financial_account_object(
        SEED.financial_account, name="Operating", country="us", currencies=["usd"], created=tx.now
    )
    tx.insert(account)
    money = SEED.financial_account_usd
    book(tx, account, "usd", {"available": money}, category="received_credit", flow=None, value=money)
