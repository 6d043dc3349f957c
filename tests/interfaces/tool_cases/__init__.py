"""The cases of all operation tools, one file for each of Stripe's resources. A tool without one fails the table's test."""

from __future__ import annotations

from typing import Final

from tests.interfaces.tool_cases import (
    balance,
    charges,
    coupons,
    credit_notes,
    customers,
    disputes,
    invoices,
    payment_intents,
    payment_links,
    payouts,
    products,
    refunds,
    subscriptions,
    transfers,
)
from tests.interfaces.tool_cases.case import Case

CASES: Final[tuple[Case, ...]] = (
    *refunds.CASES,
    *payouts.CASES,
    *transfers.CASES,
    *subscriptions.CASES,
    *balance.CASES,
    *payment_intents.CASES,
    *charges.CASES,
    *customers.CASES,
    *disputes.CASES,
    *payment_links.CASES,
    *invoices.CASES,
    *credit_notes.CASES,
    *products.CASES,
    *coupons.CASES,
)
