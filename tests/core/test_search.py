"""Finding operations: by everyday words, by words that they hold, and by names that are nearly right."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runplane_mcp.core.catalog import load
from runplane_mcp.core.request import Kind
from runplane_mcp.core.search import Search
from runplane_mcp.core.words import name_of, stem, words_of
from runplane_mcp.interfaces.mcp.tools import callers_of

CATALOG = load()
SEARCH = Search(CATALOG, callers_of)
#: What somebody says, and what must be among the first three finds.
SAID: dict[str, set[str]] = {
    "give money back to a customer": {"PostRefunds", "PostCreditNotes"},
    "refund a payment": {"PostRefunds"},
    "reimburse the client": {"PostRefunds"},
    "undo a payment": {"PostRefunds"},
    "stop a subscription": {"DeleteSubscriptionsSubscriptionExposedId"},
    "cancel membership at period end": {"PostSubscriptionsSubscriptionExposedId"},
    "unsubscribe somebody": {"DeleteSubscriptionsSubscriptionExposedId"},
    "pause a subscription": {"PostSubscriptionsSubscriptionPause"},
    "resume subscription": {"PostSubscriptionsSubscriptionResume"},
    "upgrade a customer's plan": {"PostSubscriptionsSubscriptionExposedId"},
    "start a subscription": {"PostSubscriptions"},
    "charge a card": {"PostPaymentIntents"},
    "take a payment": {"PostPaymentIntents"},
    "capture an authorized payment": {"PostPaymentIntentsIntentCapture"},
    "release a hold on a card": {"PostPaymentIntentsIntentCancel"},
    "save a card for later": {"PostSetupIntents"},
    "which cards does a customer have": {"GetCustomersCustomerPaymentMethods"},
    "pay out to bank": {"PostPayouts"},
    "withdraw our balance": {"PostPayouts"},
    "cancel a payout": {"PostPayoutsPayoutCancel"},
    "how much money do we have": {"GetBalance"},
    "what fees did we pay": {"GetBalanceTransactions"},
    "pay a connected account": {"PostTransfers"},
    "take back a transfer": {"PostTransfersIdReversals"},
    "add a bank account": {"PostAccountsAccountExternalAccounts"},
    "change the payout schedule": {"PostBalanceSettings"},
    "top up the balance": {"PostTopups"},
    "discount": {"PostCoupons"},
    "create a promo code": {"PostPromotionCodes"},
    "delete a coupon": {"DeleteCouponsCoupon"},
    "remove discount from subscription": {"DeleteSubscriptionsSubscriptionExposedIdDiscount"},
    "who are our customers": {"GetCustomers"},
    "find a customer by email": {"GetCustomersSearch"},
    "delete a customer": {"DeleteCustomersCustomer"},
    "change a customer's email": {"PostCustomersCustomer"},
    "store credit for a customer": {"PostCustomersCustomerBalanceTransactions"},
    "webhook": {"PostWebhookEndpoints", "GetWebhookEndpoints"},
    "delete a webhook": {"DeleteWebhookEndpointsWebhookEndpoint"},
    "what happened yesterday": {"GetEvents"},
    "lost chargeback": {"GetDisputes"},
    "answer a dispute": {"PostDisputesDispute"},
    "accept a chargeback": {"PostDisputesDisputeClose"},
    "send an invoice": {"PostInvoicesInvoiceSend"},
    "email the bill to the customer": {"PostInvoicesInvoiceSend"},
    "unpaid invoices": {"GetInvoices"},
    "void an invoice": {"PostInvoicesInvoiceVoid"},
    "write off bad debt": {"PostInvoicesInvoiceMarkUncollectible"},
    "preview the next invoice": {"PostInvoicesCreatePreview"},
    "add a line to an invoice": {"PostInvoiceitems"},
    "make an invoice": {"PostInvoices"},
    "pay an invoice": {"PostInvoicesInvoicePay"},
    "payment link": {"PostPaymentLinks"},
    "turn off a payment link": {"PostPaymentLinksPaymentLink"},
    "checkout page": {"PostCheckoutSessions"},
    "new product": {"PostProducts"},
    "raise the price": {"PostPrices"},
    "customer portal": {"PostBillingPortalSessions"},
    "calculate sales tax": {"PostTaxCalculations"},
    "financial report": {"PostReportingReportRuns"},
    "upload a file": {"PostFiles"},
    "exchange rates": {"GetExchangeRates"},
    "fraud warnings": {"GetRadarEarlyFraudWarnings"},
    "block an email address": {"PostRadarValueListItems"},
    "onboard a seller": {"PostAccounts"},
    "issue a virtual card": {"PostIssuingCards"},
    "report usage": {"PostBillingMeterEvents"},
    "extend a trial": {"PostSubscriptionsSubscriptionExposedId"},
    "quote for a client": {"PostQuotes"},
    "login link for a connected account": {"PostAccountsAccountLoginLinks"},
    "schedule a subscription change": {"PostSubscriptionSchedules"},
    "shipping rates": {"GetShippingRates"},
    "cancle subscribtion": {"DeleteSubscriptionsSubscriptionExposedId"},
    "list disputes": {"GetDisputes"},
    "how do I refund half of an order": {"PostRefunds"},
    "customer wants their money back": {"PostRefunds"},
    "the customer was charged twice, return the second payment": {"PostRefunds"},
    "list all refunds": {"GetRefunds"},
    "which payouts are on their way": {"GetPayouts"},
    "send money to our bank account": {"PostPayouts"},
    "transfer funds to a seller": {"PostTransfers"},
    "end the contract of a subscriber": {"DeleteSubscriptionsSubscriptionExposedId"},
    "change number of seats": {"PostSubscriptionsSubscriptionExposedId"},
    "give 20 percent off": {"PostCoupons"},
    "make a voucher": {"PostCoupons"},
    "stop sending events to our server": {"DeleteWebhookEndpointsWebhookEndpoint"},
    "look at one customer": {"GetCustomersCustomer"},
    "show recent payments": {"GetPaymentIntents"},
    "get payment intent": {"GetPaymentIntentsIntent"},
    "confirm a payment intent": {"PostPaymentIntentsIntentConfirm"},
    "collect money from a customer": {"PostPaymentIntents"},
    "attach a card to a customer": {"PostPaymentMethodsPaymentMethodAttach"},
    "remove a saved card": {"PostPaymentMethodsPaymentMethodDetach"},
    "set up direct debit": {"PostSetupIntents"},
    "disputes we lost": {"GetDisputes"},
    "submit evidence for a dispute": {"PostDisputesDispute"},
    "delete a draft invoice": {"DeleteInvoicesInvoice"},
    "finalize the invoice": {"PostInvoicesInvoiceFinalize"},
    "bill a customer for extra hours": {"PostInvoiceitems"},
    "mark invoice uncollectible": {"PostInvoicesInvoiceMarkUncollectible"},
    "credit note for an invoice": {"PostCreditNotes"},
    "void a credit note": {"PostCreditNotesIdVoid"},
    "archive a product": {"PostProductsId"},
    "change a price": {"PostPrices"},
    "list prices of a product": {"GetPrices"},
    "what do we sell": {"GetProducts"},
    "coupon codes": {"PostPromotionCodes"},
    "new connected account": {"PostAccounts"},
    "reject an account": {"PostAccountsAccountReject"},
    "bank account of a customer": {"PostCustomersCustomerSources"},
    "tax id of a customer": {"PostCustomersCustomerTaxIds"},
    "tax rates": {"GetTaxRates"},
    "run a report": {"PostReportingReportRuns"},
    "card reader": {"GetTerminalReaders"},
    "cancel a quote": {"PostQuotesQuoteCancel"},
    "accept a quote": {"PostQuotesQuoteAccept"},
    "api keys": {"PostEphemeralKeys"},
    "share a file publicly": {"PostFileLinks"},
    "approve a card authorization": {"PostIssuingAuthorizationsAuthorizationApprove"},
    "freeze a company card": {"PostIssuingCardsCard"},
    "who owes us money": {"GetInvoices"},
    "monthly recurring price": {"PostPrices"},
    "early fraud warning": {"GetRadarEarlyFraudWarnings"},
    "customers search": {"GetCustomersSearch"},
    "list charges": {"GetCharges"},
    "subscription items": {"GetSubscriptionItems"},
    "balance": {"GetBalance"},
    "payout": {"PostPayouts"},
    "customer": {"PostCustomers"},
    "invoice": {"PostInvoices"},
    "dispute": {"GetDisputes"},
    "refund": {"PostRefunds"},
    "transfer": {"PostTransfers"},
    "price": {"PostPrices"},
    "account links": {"PostAccountLinks"},
    "customer says he never ordered this and went to his bank": {"GetDisputes"},
    "let the customer pay by link": {"PostPaymentLinks"},
    "our cash at stripe": {"GetBalance"},
    "money in transit": {"GetPayouts"},
    "move money to savings bank": {"PostPayouts"},
    "update billing address of a client": {"PostCustomersCustomer"},
    "stop charging this person every month": {"DeleteSubscriptionsSubscriptionExposedId"},
    "half price for three months": {"PostCoupons"},
    "change the webhook url": {"PostWebhookEndpointsWebhookEndpoint"},
    "who paid last week": {"GetPaymentIntents"},
    "unfreeze subscription": {"PostSubscriptionsSubscriptionResume"},
    "delete a product": {"DeleteProductsId"},
    "expire a checkout session": {"PostCheckoutSessionsSessionExpire"},
    "tax report": {"PostReportingReportRuns"},
    "void invoice": {"PostInvoicesInvoiceVoid"},
    "add a director to a connected account": {"PostAccountsAccountPersons"},
    "disable a promo code": {"PostPromotionCodesPromotionCode"},
    "verify bank account with microdeposits": {"PostCustomersCustomerSourcesIdVerify"},
    "set up a coupon for new users": {"PostCoupons"},
    "see how much is still available for payout": {"GetBalance"},
    "why was a payment declined": {"GetPaymentIntentsIntent"},
    "cancel an invoice that was sent by mistake": {"PostInvoicesInvoiceVoid"},
    "which subscriptions end this month": {"GetSubscriptions"},
    "change the billing date of a subscription": {"PostSubscriptionsSubscriptionExposedId"},
    "bill by usage": {"PostBillingMeterEvents"},
    "undo a refund": {"PostRefundsRefundCancel"},
    "check a payout": {"GetPayoutsPayout"},
    "add vat number to customer": {"PostCustomersCustomerTaxIds"},
    "who has access to webhooks": {"GetWebhookEndpoints"},
    "reverse a transfer": {"PostTransfersIdReversals"},
    "deactivate a price": {"PostPricesPrice"},
    "rename a product": {"PostProductsId"},
    "create a customer": {"PostCustomers"},
    "view a dispute": {"GetDisputesDispute"},
    "terminate all plans of client": {"DeleteSubscriptionsSubscriptionExposedId"},
    "connect account payouts settings": {"PostBalanceSettings"},
    "invoice pdf": {"GetInvoicesInvoice"},
    "mark an invoice as paid": {"PostInvoicesInvoicePay"},
    "add a customer to a blocklist": {"PostRadarValueListItems"},
}


def ids(question: str, most: int = 3) -> list[str]:
    return [each.operation.operation_id for each in SEARCH.meant(question, most=most)]


@pytest.mark.parametrize("question", SAID)
def test_everyday_words_find_the_operation_among_the_first_three(question: str) -> None:
    assert SAID[question] <= {*ids(question)}


def test_an_id_an_action_and_a_tool_find_their_operation_first() -> None:
    for operation in CATALOG.operations[::11]:
        assert ids(operation.operation_id, 1) == [operation.operation_id]
    for name, operation_id in {
        "refund.create": "PostRefunds",
        "create_refund": "PostRefunds",
        "payment_intent.capture": "PostPaymentIntentsIntentCapture",
        "list_customers": "GetCustomers",
    }.items():
        assert ids(name, 1) == [operation_id]


def test_other_paths_and_previews_come_after_what_is_generally_available() -> None:
    for question in ("refund a charge", "cancel subscription", "bank account of an account", "list accounts"):
        ranks = [each.operation.availability not in {"ga", "spec_only"} for each in SEARCH.meant(question, most=20)]
        same = [each.operation for each in SEARCH.meant(question, most=40)]
        for operation in same:
            if operation.alias_of is not None:
                target = next(each for each in CATALOG.operations if f"{each.method} {each.path}" == operation.alias_of)
                assert target not in same or same.index(target) < same.index(operation)
        assert ranks[0] is False


def test_a_search_can_be_for_reads_or_writes_only() -> None:
    for kind in Kind:
        found = SEARCH.meant("customer", most=20, fits=lambda operation, kind=kind: operation.kind is kind)  # type: ignore[misc]
        assert len(found) > 10
        assert {each.operation.kind for each in found} == {kind}


@pytest.mark.parametrize("nothing", ["", "   ", "the of and", "qqqq zzzz", "???", "退款", "\u202e", "é", "0"])
def test_words_that_say_nothing_find_nothing(nothing: str) -> None:
    assert SEARCH.meant(nothing) == []


@given(st.text(max_size=600), st.integers(1, 20))
def test_any_text_is_a_question(question: str, most: int) -> None:
    found = SEARCH.meant(question, most=most)

    assert len(found) <= most
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    assert found == SEARCH.meant(question, most=most)
    assert len(SEARCH.nearest(question)) <= 3


@pytest.mark.parametrize(
    ("name", "operation_id"),
    [
        ("PostRefund", "PostRefunds"),
        ("postrefunds", "PostRefunds"),
        ("PostRefunds ", "PostRefunds"),
        ("CreateRefund", "PostRefunds"),
        ("create_refund", "PostRefunds"),
        ("refund.create", "PostRefunds"),
        ("POST /v1/refunds", "PostRefunds"),
        ("post /v1/payouts", "PostPayouts"),
        ("GetCustomer", "GetCustomers"),
        ("PostWebhookEndpoint", "PostWebhookEndpoints"),
        ("stop a subscription", "DeleteSubscriptionsSubscriptionExposedId"),
    ],
)
def test_a_name_that_is_nearly_right_is_understood(name: str, operation_id: str) -> None:
    assert operation_id in {each.operation_id for each in SEARCH.nearest(name)}


def test_a_name_of_an_action_offers_the_operation_itself_before_its_other_paths() -> None:
    assert SEARCH.nearest("refund.create")[0].operation_id == "PostRefunds"


def test_words_are_held_as_they_are_written() -> None:
    held = {each.operation_id for each in SEARCH.holding(["REFUND", "gives", "back"])}

    assert "PostRefunds" in held
    assert "GetRefunds" not in held
    assert SEARCH.holding(["no-such-thing"]) == []


@pytest.mark.parametrize(
    "same",
    [
        ("cancel", "cancels", "canceled", "cancelled", "canceling", "cancellation"),
        ("refund", "refunds", "refunded", "refunding"),
        ("invoice", "invoices", "invoiced", "invoicing"),
        ("reply", "replies"),
        ("batch", "batches"),
        ("address", "addresses"),
    ],
)
def test_endings_do_not_matter(same: tuple[str, ...]) -> None:
    assert len({stem(word) for word in same}) == 1


def test_what_people_say_is_in_the_words_of_the_catalog() -> None:
    """A synonym for what no operation is called is a slip of the pen."""
    rows = json.loads(files("runplane_mcp.core").joinpath("data", "synonyms.json").read_text())["synonyms"]
    known = {name_of(name) for operation in CATALOG.operations for name in names_of(operation.action)}

    assert [mean for row in rows for mean in row["mean"] if name_of(mean) not in known] == []
    assert [said for row in rows for said in row["say"] if not words_of(said)] == []


def names_of(action: str) -> list[str]:
    """An action, its verb, and every part of its resource."""
    resource, verb = action.rsplit(".", 1)
    steps = resource.split("_")
    parts = ["_".join(steps[a:b]) for a in range(len(steps)) for b in range(a + 1, len(steps) + 1)]
    return [action, verb, *verb.split("_"), *parts]
