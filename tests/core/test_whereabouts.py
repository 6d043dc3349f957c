"""Where Stripe shows what a request has made or changed. THREATS row 18."""

from __future__ import annotations

import pytest

from runplane_mcp.core.catalog import load
from runplane_mcp.core.operation import Operation
from runplane_mcp.core.request import Kind
from runplane_mcp.core.whereabouts import Whereabouts, whereabouts
from runplane_mcp.core.wire import Value, encode

CATALOG = load()


def place(operation_id: str, /, **parameters: Value) -> Whereabouts | None:
    operation = CATALOG.by_id(operation_id)
    assert operation is not None
    return whereabouts(CATALOG, operation, encode(operation.method, operation.path, parameters))


@pytest.mark.parametrize(
    ("id", "parameters", "url"),
    [
        ("PostRefunds", {"charge": "ch_1", "amount": 5}, "/v1/refunds?charge=ch_1"),
        ("PostRefunds", {"payment_intent": "pi_1"}, "/v1/refunds?payment_intent=pi_1"),
        ("PostChargesChargeRefund", {"charge": "ch_1"}, "/v1/refunds?charge=ch_1"),
        ("PostPayouts", {"amount": 5, "currency": "usd"}, "/v1/payouts"),
        ("PostPayoutsPayoutReverse", {"payout": "po_1"}, "/v1/payouts"),
        ("PostTransfers", {"amount": 5, "destination": "acct_1"}, "/v1/transfers?destination=acct_1"),
        ("PostTransfersIdReversals", {"id": "tr_1", "amount": 5}, "/v1/transfers/tr_1/reversals"),
        ("PostCreditNotes", {"invoice": "in_1"}, "/v1/credit_notes?invoice=in_1"),
        ("PostInvoices", {"customer": "cus_1", "description": "Tea"}, "/v1/invoices?customer=cus_1"),
        ("PostCustomersCustomerBalanceTransactions", {"customer": "cus_1"}, "/v1/customers/cus_1/balance_transactions"),
        ("PostSubscriptionsSubscriptionExposedId", {"subscription_exposed_id": "sub_1"}, "/v1/subscriptions/sub_1"),
        ("PostPaymentIntentsIntentCapture", {"intent": "pi_1"}, "/v1/payment_intents/pi_1"),
        ("PostPaymentIntentsIntentCancel", {"intent": "pi_1"}, "/v1/payment_intents/pi_1"),
        ("PostInvoicesInvoicePay", {"invoice": "in_1"}, "/v1/invoices/in_1"),
    ],
)
def test_it_follows_from_the_catalog(id: str, parameters: dict[str, Value], url: str) -> None:
    found = place(id, **parameters)

    assert found is not None
    page = found.page(since=5, until=9)
    assert page.path + "".join(f"?{name}={value}" for name, value in found.filters.items()) == url
    assert found.verb == id.endswith(("Capture", "Cancel", "Pay"))
    assert ("created" in page.query) == found.spans
    assert found.spans <= found.listed


def test_a_page_asks_for_the_stretch_of_the_send_and_goes_on_where_the_last_one_ended() -> None:
    found = place("PostRefunds", charge="ch_1")

    assert found is not None
    page = found.page(since=-300, until=9, after="re_1", limit=2)
    assert page == encode(
        "GET",
        "/v1/refunds",
        {"charge": "ch_1", "created": {"gte": 0, "lte": 9}, "limit": 2, "starting_after": "re_1"},
    )


@pytest.mark.parametrize(
    ("id", "parameters"),
    [
        ("PostTaxTransactionsCreateFromCalculation", {"calculation": "taxcalc_1"}),  # there is no list of them
        ("PostTreasuryCreditReversals", {"received_credit": "credr_1"}),  # the list wants an account
        ("PostAccount", {}),  # the path of old names no account
        ("PostV2CoreAccounts", {}),  # /v2 has other lists
        ("DeleteCustomersCustomer", {"customer": "cus_1"}),
        ("GetRefunds", {}),
    ],
)
def test_where_there_is_no_place_it_says_so(id: str, parameters: dict[str, Value]) -> None:
    assert place(id, **parameters) is None


def test_words_narrow_no_list() -> None:
    """Stripe may read them otherwise than they were written, and then what was made would not be in it."""
    found = place("PostCustomers", email="a@b.example")

    assert found is not None
    assert found.filters == {}


def test_every_place_is_a_read_that_the_catalog_has_and_few_of_what_carries_a_mark_has_none() -> None:
    nowhere = set()
    for operation in CATALOG.operations:
        if operation.method != "POST" or operation.path.startswith("/v2") or operation.availability != "ga":
            continue
        found = place(operation.operation_id, **_least(operation))
        if found is not None:
            read = CATALOG.classify(found.page(since=0, until=9))
            assert read.operation.kind is Kind.READ
            assert "search" not in read.operation.path
        elif operation.takes_metadata:
            nowhere.add(operation.operation_id)

    assert nowhere == {
        "PostInvoicesInvoiceLinesLineItemId",
        "PostSources",
        "PostTaxTransactionsCreateFromCalculation",
        "PostTaxTransactionsCreateReversal",
        "PostTreasuryCreditReversals",
        "PostTreasuryDebitReversals",
    }


def _least(operation: Operation) -> dict[str, Value]:
    """Ids for its path, and for whatever else it must have as a text."""
    needed = [*operation.path_parameters, *(name for name in operation.required if "string" in operation.params[name])]
    return dict.fromkeys(needed, "xx_1")
