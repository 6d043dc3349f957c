"""What changes of billing are worth, and what is not there: amounts, discounts and price swaps as they are looked up
(THREATS 1, 4, 8, 21)."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import pytest

from runplane_mcp.core.effect import UNAVAILABLE, Looked
from runplane_mcp.core.facts import NONE, UNKNOWN
from runplane_mcp.core.money import Money
from tests.core.stripe_objects import GONE, coupon, effect, invoice, item, listing, subscription

Asked = dict[str, object]


def usd(amount: int) -> Money:
    return Money(amount, "usd")


def price(id: str, amount: object = 2_900, **changes: object) -> dict[str, object]:
    found = item(amount, **{"id": id, **changes})["price"]  # type: ignore[arg-type]
    assert isinstance(found, dict)
    return found


CUSTOMER: dict[str, object] = {"id": "cus_1", "object": "customer", "name": "Ada Moreno", "currency": None}
DRAFT = invoice(status="draft")
LINES = listing(
    {"id": "il_1", "object": "line_item", "amount": 5_000, "currency": "usd"},
    {"id": "il_2", "object": "line_item", "amount": -900, "currency": "usd"},
)
WAITING = {"id": "ii_1", "amount": 5_000, "currency": "usd", "customer": "cus_1", "invoice": None}
QUOTE = {
    "id": "qt_1", "object": "quote", "status": "open", "customer": "cus_1", "currency": "usd", "amount_total": 90_000,
    "amount_subtotal": 100_000, "total_details": {"amount_discount": 10_000}, "transfer_data": None,
    "on_behalf_of": None, "application_fee_amount": None, "application_fee_percent": None,
}  # fmt: skip
FREE = coupon(id="free", percent_off=100, duration="forever")
TEN_OFF = coupon(id="ten", percent_off=None, amount_off=1_000, currency="usd")
HELD = {"id": "di_1", "object": "discount", "source": {"type": "coupon", "coupon": "free"}}
CODE = {"id": "promo_1", "code": "SALE", "customer": None, "promotion": {"type": "coupon", "coupon": FREE}}

ALL4 = {"cancellations", "charges", "credits", "discounts"}


@pytest.mark.parametrize(
    ("operation", "asked", "looked", "facts"),
    [
        (
            "PostCustomersCustomerBalanceTransactions",
            {"customer": "cus_1", "amount": -5_000, "currency": "usd"},
            {"customer": CUSTOMER},
            {"amount": usd(5_000), "customer": "cus_1"},
        ),
        (
            "PostBillingCreditGrants",
            {
                "customer": "cus_1",
                "amount": {"type": "monetary", "monetary": {"value": 700, "currency": "jpy"}},
                "applicability_config": {"scope": {"price_type": "metered"}},
            },
            {"customer": CUSTOMER},
            {"amount": Money(700, "jpy"), "customer": "cus_1"},
        ),
        (
            "PostBillingCreditGrants",
            {
                "customer": "cus_1",
                "amount": {"type": "custom"},
                "applicability_config": {"scope": {"price_type": "metered"}},
            },
            {},
            {"amount": UNKNOWN},
        ),
        (
            "PostBillingMeterEvents",
            {"event_name": "x", "payload": {"value": "5", "stripe_customer_id": "cus_1"}},
            {"customer": CUSTOMER},
            {"amount": UNKNOWN, "customer": "cus_1"},
        ),
        (
            "PostInvoicesInvoiceMarkUncollectible",
            {"invoice": "in_1"},
            {"invoice": invoice()},
            {"amount": usd(50_000), "customer": "cus_1"},
        ),
        ("DeleteInvoicesInvoice", {"invoice": "in_1"}, {"invoice": invoice(total=-500)}, {"amount": usd(500)}),
        (
            "PostInvoicesInvoiceAddLines",
            {"invoice": "in_1", "lines": [{"amount": 700}, {"amount": -500}]},
            {"invoice": DRAFT},
            {"amount": usd(1_200)},
        ),
        (
            "PostInvoicesInvoiceAddLines",
            {"invoice": "in_1", "lines": [{"invoice_item": "ii_1"}]},
            {"invoice": DRAFT},
            {"amount": UNKNOWN},
        ),
        (
            "PostInvoicesInvoiceUpdateLines",
            {"invoice": "in_1", "lines": [{"id": "il_1", "amount": 1}, {"id": "il_2", "amount": -1_000}]},
            {"invoice": DRAFT, "lines": LINES},
            {"amount": usd(5_099)},
        ),
        (
            "PostInvoicesInvoiceUpdateLines",
            {"invoice": "in_1", "lines": [{"id": "il_1", "quantity": 1}]},
            {"invoice": DRAFT, "lines": LINES},
            {"amount": UNKNOWN},
        ),
        (
            "PostInvoicesInvoiceUpdateLines",
            {"invoice": "in_1", "lines": [{"id": "il_1", "amount": 1}]},
            {"invoice": DRAFT, "lines": {**LINES, "has_more": True}},
            {"amount": UNKNOWN},
        ),
        (
            "PostInvoicesInvoiceRemoveLines",
            {"invoice": "in_1", "lines": [{"id": "il_1", "behavior": "delete"}]},
            {"invoice": DRAFT, "lines": LINES},
            {"amount": usd(5_000)},
        ),
        (
            "DeleteInvoiceitemsInvoiceitem",
            {"invoiceitem": "ii_1"},
            {"item": WAITING},
            {"amount": usd(5_000), "customer": "cus_1"},
        ),
        (
            "PostInvoiceitemsInvoiceitem",
            {"invoiceitem": "ii_1", "amount": -5_000},
            {"item": WAITING},
            {"amount": usd(10_000)},
        ),
        (
            "PostInvoicesInvoice",
            {"invoice": "in_1", "discounts": [{"coupon": "free"}]},
            {"invoice": DRAFT, "coupon:free": FREE},
            {"discount_percent": Fraction(100), "amount": usd(50_000)},
        ),
        ("PostInvoicesInvoice", {"invoice": "in_1", "discounts": ""}, {"invoice": DRAFT}, {"discount_percent": NONE}),
        (
            "PostInvoicesInvoice",
            {"invoice": "in_1", "discounts": [{"discount": "di_1"}]},
            {"invoice": DRAFT},
            {"discount_percent": UNKNOWN},
        ),
        (
            "PostInvoicesInvoice",
            {"invoice": "in_1", "discounts": [{"promotion_code": "promo_1"}]},
            {"invoice": DRAFT, "promotion_code:promo_1": CODE},
            {"discount_percent": Fraction(100)},
        ),
        (
            "PostPromotionCodes",
            {"promotion": {"type": "coupon", "coupon": "free"}, "customer": "cus_1"},
            {"coupon:free": FREE, "customer": CUSTOMER},
            {"discount_percent": Fraction(100), "customer": "cus_1", "amount": NONE},
        ),
        (
            "PostPromotionCodes",
            {"promotion": {"type": "coupon", "coupon": "ten"}},
            {"coupon:ten": TEN_OFF},
            {"discount_percent": UNKNOWN, "amount": usd(1_000), "customer": NONE},
        ),
        (
            "PostPromotionCodesPromotionCode",
            {"promotion_code": "promo_1", "active": True},
            {"promotion_code:promo_1": CODE},
            {"discount_percent": Fraction(100)},
        ),
        (
            "PostPricesPrice",
            {"price": "p2", "lookup_key": "std", "transfer_lookup_key": True},
            {"new": price("p2", 900), "sold": listing(price("p1", 3_600))},
            {"discount_percent": Fraction(75)},
        ),
        (
            "PostPricesPrice",
            {"price": "p2", "lookup_key": "std", "transfer_lookup_key": True},
            {"new": price("p2", 900), "sold": listing()},
            {"discount_percent": NONE},
        ),
        (
            "PostPricesPrice",
            {"price": "p2", "lookup_key": "std", "transfer_lookup_key": True},
            {"new": price("p2", 900)},
            {"discount_percent": UNKNOWN},
        ),
        ("PostPricesPrice", {"price": "p2", "active": True}, {"new": price("p2", 900)}, {"discount_percent": UNKNOWN}),
        (
            "PostProductsId",
            {"id": "prod_1", "default_price": "p2"},
            {"product": {"id": "prod_1", "default_price": price("p1", 3_600)}, "new": price("p2", 900)},
            {"discount_percent": Fraction(75)},
        ),
        (
            "PostProductsId",
            {"id": "prod_1", "default_price": "p2"},
            {"product": {"id": "prod_1", "default_price": price("p1", interval="year")}, "new": price("p2", 900)},
            {"discount_percent": UNKNOWN},
        ),
        (
            "PostPlans",
            {"currency": "usd", "interval": "month", "product": "prod_1", "amount": 900},
            {"product": {"id": "prod_1"}, "prices": listing(price("p1", 3_600))},
            {"discount_percent": Fraction(75), "object": "prod_1"},
        ),
        (
            "PostQuotesQuoteAccept",
            {"quote": "qt_1"},
            {"quote": QUOTE},
            {
                "amount": usd(90_000),
                "discount_percent": Fraction(10),
                "redirects_funds": False,
                "destination": NONE,
                "customer": "cus_1",
            },
        ),
        (
            "PostQuotesQuoteAccept",
            {"quote": "qt_1"},
            {
                "quote": {
                    **QUOTE,
                    "total_details": {"amount_discount": 0},
                    "subscription_data": {"trial_period_days": 700},
                }
            },
            {"discount_percent": UNKNOWN},
        ),
        (
            "PostQuotesQuoteAccept",
            {"quote": "qt_1"},
            {"quote": {**QUOTE, "transfer_data": {"destination": "acct_9"}}},
            {"redirects_funds": True, "destination": "acct_9"},
        ),
        (
            "PostQuotesQuoteAccept",
            {"quote": "qt_1"},
            {"quote": {**QUOTE, "application_fee_percent": 99}},
            {"redirects_funds": True, "destination": UNKNOWN},
        ),
        (
            "PostQuotesQuoteAccept",
            {"quote": "qt_1"},
            {"quote": UNAVAILABLE},
            {"amount": UNKNOWN, "redirects_funds": UNKNOWN, "discount_percent": UNKNOWN},
        ),
        (
            "PostTaxTransactionsCreateReversal",
            {"mode": "partial", "original_transaction": "t", "reference": "r", "flat_amount": -500},
            {"transaction": {"currency": "usd"}},
            {"amount": usd(500)},
        ),
        (
            "PostTaxTransactionsCreateReversal",
            {"mode": "full", "original_transaction": "t", "reference": "r"},
            {"transaction": {"currency": "usd"}},
            {"amount": UNKNOWN},
        ),
        (
            "DeleteSubscriptionsSubscriptionExposedIdDiscount",
            {"subscription_exposed_id": "sub_1"},
            {"subscription": subscription(discounts=[HELD]), "coupon:free": FREE},
            {"amount": usd(2_900), "customer": "cus_1", "object": "sub_1"},
        ),
        (
            "DeleteSubscriptionsSubscriptionExposedIdDiscount",
            {"subscription_exposed_id": "sub_1"},
            {"subscription": subscription(discounts=[HELD])},
            {"amount": UNKNOWN},
        ),
        (
            "DeleteSubscriptionsSubscriptionExposedIdDiscount",
            {"subscription_exposed_id": "sub_1"},
            {"subscription": subscription(discounts=["di_1"])},
            {"amount": UNKNOWN},
        ),
        (
            "DeleteCustomersCustomerDiscount",
            {"customer": "cus_1"},
            {
                "customer": {**CUSTOMER, "discount": HELD},
                "subscriptions": listing(subscription(), subscription()),
                "coupon:free": FREE,
            },
            {"amount": usd(5_800), "customer": "cus_1", "object": "cus_1"},
        ),
        (
            "PostBillingMetersIdDeactivate",
            {"id": "m"},
            {"meter": {"status": "active"}},
            {"mrr_lost": UNKNOWN, "bulk": True},
        ),
        (
            "PostCustomersCustomerTaxIds",
            {"customer": "cus_1", "type": "eu_vat", "value": "DE1"},
            {"customer": CUSTOMER},
            {"discount_percent": UNKNOWN},
        ),
        (
            "PostBillingPortalSessions",
            {"customer": "cus_1", "return_url": "https://evil.example/x"},
            {"customer": CUSTOMER},
            {"gives_access": True, "url_hosts": frozenset({"evil.example"}), "customer": "cus_1"},
        ),
    ],
)
def test_what_is_looked_up_says_how_much(
    operation: str, asked: Asked, looked: Mapping[str, Looked], facts: Mapping[str, object]
) -> None:
    seen = effect(operation, looked, **asked)

    assert {name: seen.facts[name] for name in facts} == facts
    assert seen.refusal is None


@pytest.mark.parametrize(
    ("operation", "asked", "looked", "code"),
    [
        (
            "PostCustomersCustomerBalanceTransactions",
            {"customer": "cus_9", "amount": -5, "currency": "usd"},
            {"customer": GONE},
            "stripe.resource_missing",
        ),
        (
            "PostPromotionCodes",
            {"promotion": {"type": "coupon", "coupon": "gone"}},
            {"coupon:gone": GONE},
            "stripe.resource_missing",
        ),
        (
            "PostPromotionCodes",
            {"promotion": {"type": "coupon", "coupon": "old"}},
            {"coupon:old": coupon(valid=False)},
            "stripe.coupon_expired",
        ),
        ("PostPromotionCodes", {"promotion": {"type": "coupon", "coupon": "a b"}}, {}, "parameter.id"),
        (
            "PostInvoicesInvoiceAddLines",
            {"invoice": "in_1", "lines": [{"amount": 5}]},
            {"invoice": invoice()},
            "stripe.invoice_not_editable",
        ),
        (
            "PostInvoicesInvoiceRemoveLines",
            {"invoice": "in_1", "lines": [{"id": "il_9", "behavior": "delete"}]},
            {"invoice": DRAFT, "lines": LINES},
            "stripe.resource_missing",
        ),
        (
            "DeleteInvoiceitemsInvoiceitem",
            {"invoiceitem": "ii_1"},
            {"item": {**WAITING, "invoice": invoice(status="paid")}},
            "stripe.invoice_not_editable",
        ),
        (
            "PostInvoicesInvoice",
            {"invoice": "in_1", "discounts": [{"coupon": "gone"}]},
            {"invoice": DRAFT, "coupon:gone": GONE},
            "stripe.resource_missing",
        ),
        ("PostQuotesQuoteAccept", {"quote": "qt_1"}, {"quote": {**QUOTE, "status": "accepted"}}, "stripe.quote_status"),
        ("PostQuotesQuoteFinalize", {"quote": "qt_1"}, {"quote": QUOTE}, "stripe.quote_status"),
        (
            "PostProductsId",
            {"id": "prod_1", "default_price": "p2"},
            {"product": {"id": "prod_1"}, "new": price("p2", product="prod_2")},
            "stripe.parameter_invalid",
        ),
        ("PostPricesPrice", {"price": "p9", "active": False}, {"new": GONE}, "stripe.resource_missing"),
        (
            "DeleteSubscriptionsSubscriptionExposedIdDiscount",
            {"subscription_exposed_id": "sub_1"},
            {"subscription": subscription(discounts=[])},
            "stripe.resource_missing",
        ),
        (
            "PostSubscriptionsSubscriptionPause",
            {"subscription": "sub_1"},
            {"subscription": subscription(status="canceled")},
            "stripe.subscription_already_canceled",
        ),
        ("DeleteTaxIdsId", {"id": "txi_9"}, {"tax_id": GONE}, "stripe.resource_missing"),
        ("PostBillingCreditGrantsIdVoid", {"id": "g_9"}, {"grant": GONE}, "stripe.resource_missing"),
    ],
)
def test_nobody_is_asked_about_what_stripe_would_refuse(
    operation: str, asked: Asked, looked: Mapping[str, Looked], code: str
) -> None:
    """THREATS 21: what does not exist, belongs elsewhere, or is over already."""
    refusal = effect(operation, looked, **asked).refusal

    assert refusal is not None
    assert refusal.code == code


def test_a_coupon_that_was_made_anew_is_noticed_when_the_request_runs() -> None:
    """THREATS 8: an id can be deleted, and made again with another discount."""
    asked: Asked = {"promotion": {"type": "coupon", "coupon": "sale"}}
    people_saw = effect("PostPromotionCodes", {"coupon:sale": coupon(id="sale", percent_off=5)}, **asked)
    runs = effect("PostPromotionCodes", {"coupon:sale": coupon(id="sale", percent_off=95)}, **asked)

    assert [each.name for each in people_saw.preconditions] == ["coupon:sale"]
    assert not people_saw.preconditions[0].holds(runs.observed["coupon:sale"])


def test_people_read_of_a_quote_that_another_account_or_a_fee_takes_of_its_money() -> None:
    quote = {**QUOTE, "transfer_data": {"destination": "acct_9"}, "application_fee_percent": 99}
    accept = effect("PostQuotesQuoteAccept", {"quote": quote}, quote="qt_1").sentence

    assert accept.endswith("; the money is for account acct_9; a fee is taken of it.")


@pytest.mark.parametrize(
    ("operation", "asked"),
    [
        ("PostSubscriptionsSubscriptionResume", {"subscription": "sub_1"}),
        ("PostSubscriptionsSubscriptionExposedId", {"subscription_exposed_id": "sub_1", "billing_cycle_anchor": "now"}),
    ],
)
def test_a_subscription_of_more_items_than_stripe_shows_is_billed_nobody_knows_how_much(
    operation: str, asked: dict[str, object]
) -> None:
    """Never nothing: the items that are not shown cost something."""
    held = subscription(items=listing(item(), has_more=True))

    assert effect(operation, {"subscription": held}, **asked).facts["amount"] is UNKNOWN
