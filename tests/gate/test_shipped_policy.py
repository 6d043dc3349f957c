"""The policy that comes with Runplane, against an agent that goes by the side doors in pieces too small to ask about.

What passes is bounded over all customers and all agents. THREATS rows 2 and 4.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from runplane_mcp.core.request import State
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.gate.view import RequestView
from runplane_mcp.simulator import SEED
from tests.gate.conftest import House, submission

MOST_A_DAY = 100_000


async def _ask(gate: Gate, operation: str, parameters: Mapping[str, object]) -> RequestView:
    return await gate.submit(submission(operation, dict(parameters)))


async def _made(gate: Gate, operation: str, parameters: Mapping[str, object]) -> str:
    view = await _ask(gate, operation, parameters)
    assert view.result is not None, view
    return str(view.result["id"])


async def test_invoices_voided_one_by_one_ask_before_the_day_is_out(house: House) -> None:
    await house.enrol()
    given_up, asked = 0, 0
    async with house.gate() as gate:
        for number in range(8):
            customer = await _made(gate, "PostCustomers", {"name": f"Customer {number}"})
            item = {"customer": customer, "amount": 19_000, "currency": "usd"}
            await _made(gate, "PostInvoiceitems", item)
            draft = {"customer": customer, "auto_advance": False, "pending_invoice_items_behavior": "include"}
            invoice = await _made(gate, "PostInvoices", draft)
            await _made(gate, "PostInvoicesInvoiceFinalize", {"invoice": invoice, "auto_advance": False})
            elsewhere = {"invoice": invoice, "paid_out_of_band": True}
            view = await (
                _ask(gate, "PostInvoicesInvoicePay", elsewhere)
                if number % 2
                else _ask(gate, "PostInvoicesInvoiceVoid", {"invoice": invoice})
            )
            given_up += 19_000 if view.status is State.SUCCEEDED else 0
            asked += view.status is State.WAITING

    assert 0 < given_up <= MOST_A_DAY
    assert asked > 0


async def test_small_credit_for_many_customers_asks_before_the_day_is_out(house: House) -> None:
    await house.enrol()
    async with house.gate() as gate:
        views = [
            await _ask(gate, "PostCustomersCustomer", {"customer": customer, "balance": -10_000})
            for customer in SEED.customers_235[:14]
        ]

    statuses = [view.status for view in views]
    assert 0 < statuses.count(State.SUCCEEDED) * 10_000 <= MOST_A_DAY
    assert statuses[-1] is State.WAITING


@pytest.mark.parametrize(("released", "status"), [(10_000, State.SUCCEEDED), (10_001, State.WAITING)])
async def test_a_capture_of_a_dollar_that_releases_much_of_what_was_held_asks(
    house: House, released: int, status: State
) -> None:
    """What is taken says nothing of what is given up."""
    await house.enrol()
    async with house.gate() as gate:
        held = {
            "amount": released + 100,
            "currency": "usd",
            "capture_method": "manual",
            "payment_method": "pm_card_visa",
            "confirm": True,
        }
        intent = await _made(gate, "PostPaymentIntents", held)
        view = await _ask(gate, "PostPaymentIntentsIntentCapture", {"intent": intent, "amount_to_capture": 100})

    assert view.status is status
