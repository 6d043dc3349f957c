"""What the policy that comes with Runplane says of billing (THREATS 4): a rule on a group catches each side door."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from runplane_mcp.core.decision import Outcome
from runplane_mcp.core.effect import Looked
from tests.core.judged.shipped import outcome_of
from tests.core.stripe_objects import classified, coupon, invoice, item, subscription

ALLOW, ASK, BLOCK = Outcome.ALLOW, Outcome.REQUIRE_APPROVAL, Outcome.BLOCK

CUSTOMER = {"id": "cus_1", "object": "customer", "currency": None}
OFFICE = subscription(item())
CHEAP = item(500, id="cheap")["price"]
DRAFT = invoice(status="draft")
LINES = {"object": "list", "data": [{"id": "il_1", "amount": 5_000, "currency": "usd"}], "has_more": False}


@pytest.mark.parametrize(
    ("operation", "asked", "looked", "expected", "by"),
    [
        # Credit.
        (
            "PostCustomersCustomerBalanceTransactions",
            {"customer": "cus_1", "amount": -20_000, "currency": "usd"},
            {"customer": CUSTOMER},
            ASK,
            "credits",
        ),
        (
            "PostInvoicesInvoiceAddLines",
            {"invoice": "in_1", "lines": [{"amount": -20_000}]},
            {"invoice": DRAFT},
            ASK,
            "credits",
        ),
        (
            "PostInvoiceitemsInvoiceitem",
            {"invoiceitem": "ii_1", "amount": -20_000},
            {"item": {"id": "ii_1", "amount": 5, "currency": "usd", "customer": "cus_1"}},
            ASK,
            "credits",
        ),
        # Discounts and prices.
        (
            "PostPromotionCodes",
            {"promotion": {"type": "coupon", "coupon": "twenty"}},
            {"coupon:twenty": coupon()},
            ASK,
            "discounts",
        ),
        (
            "PostPromotionCodesPromotionCode",
            {"promotion_code": "promo_1", "active": True},
            {"promotion_code:promo_1": {"id": "promo_1", "promotion": {"coupon": coupon()}}},
            ASK,
            "discounts",
        ),
        (
            "PostPricesPrice",
            {"price": "cheap", "lookup_key": "k", "transfer_lookup_key": True},
            {"new": CHEAP},
            ASK,
            "discounts",
        ),
        ("PostProductsId", {"id": "prod_1", "default_price": "cheap"}, {"new": CHEAP}, ASK, "discounts"),
        ("PostPlansPlan", {"plan": "p", "trial_period_days": 700}, {}, ASK, "discounts"),
        ("PostTaxIds", {"type": "eu_vat", "value": "X", "owner": {"type": "customer"}}, {}, ASK, "discounts"),
        ("PostTaxSettings", {"defaults": {"tax_behavior": "inclusive"}}, {}, ASK, "discounts"),
        (
            "PostSubscriptions",
            {"customer": "cus_1", "items": [{"price": "cheap"}], "trial_end": 4_102_444_800},
            {"customer": CUSTOMER, "price:cheap": CHEAP},
            ASK,
            "discounts",
        ),
        # Revenue that ends.
        (
            "PostSubscriptionItemsItem",
            {"item": "si_1", "price": "cheap"},
            {"item": {"id": "si_1", "subscription": "sub_1"}, "subscription": OFFICE, "price:cheap": CHEAP},
            ASK,
            "cancellations",
        ),
        (
            "PostSubscriptionSchedulesSchedule",
            {"schedule": "s", "end_behavior": "cancel"},
            {"schedule": {"id": "s", "status": "active", "customer": "cus_1", "subscription": OFFICE}},
            ASK,
            "cancellations",
        ),
        (
            "PostSubscriptionSchedules",
            {"from_subscription": "sub_1"},
            {"subscription": OFFICE},
            ASK,
            "cancellations",
        ),
        (
            "PostSubscriptionsSubscriptionPause",
            {"subscription": "sub_1"},
            {"subscription": OFFICE},
            ASK,
            "cancellations",
        ),
        (
            "PostBillingPortalConfigurationsConfiguration",
            {"configuration": "bpc_1", "features": {"subscription_cancel": {"enabled": True}}},
            {},
            ASK,
            "cancellations",
        ),
        # Whose money it is.
        (
            "PostSubscriptions",
            {"customer": "cus_1", "items": [{"price": "cheap"}], "transfer_data": {"destination": "acct_9"}},
            {"customer": CUSTOMER, "price:cheap": CHEAP},
            ASK,
            "transfers",
        ),
        (
            "PostInvoicesInvoice",
            {"invoice": "in_1", "on_behalf_of": "acct_9"},
            {"invoice": DRAFT},
            ASK,
            "transfers",
        ),
        (
            "PostSubscriptionSchedulesSchedule",
            {"schedule": "s", "default_settings": {"transfer_data": {"destination": "acct_9"}}},
            {},
            ASK,
            "transfers",
        ),
        # Ways in.
        (
            "PostBillingPortalConfigurationsConfiguration",
            {"configuration": "bpc_1", "login_page": {"enabled": True}},
            {},
            BLOCK,
            "keys-and-webhooks",
        ),
        # What is harmless.
        (
            "PostSubscriptions",
            {"customer": "cus_1", "items": [{"price": "cheap"}]},
            {"customer": CUSTOMER, "price:cheap": CHEAP},
            ALLOW,
            None,
        ),
        ("PostInvoicesInvoice", {"invoice": "in_1", "footer": "Thank you"}, {"invoice": DRAFT}, ALLOW, None),
        ("PostPromotionCodesPromotionCode", {"promotion_code": "promo_1", "active": False}, {}, ALLOW, None),
        (
            "PostInvoicesInvoiceUpdateLines",
            {"invoice": "in_1", "lines": [{"id": "il_1", "amount": 4_500}]},
            {"invoice": DRAFT, "lines": LINES},
            ALLOW,
            None,
        ),
        (
            "PostCustomersCustomerBalanceTransactions",
            {"customer": "cus_1", "amount": -2_000, "currency": "usd"},
            {"customer": CUSTOMER},
            ALLOW,
            None,
        ),
    ],
)
def test_a_side_door_is_held_by_the_rule_on_its_group(
    operation: str, asked: dict[str, object], looked: Mapping[str, Looked], expected: Outcome, by: str | None
) -> None:
    found, reasons = outcome_of(classified(operation, **asked), looked)

    assert found is expected
    assert by is None or by in reasons
