"""What each way of billing is in, side doors first (FACTS): credit, discounts, price swaps, schedules, invoices that nobody
collects, usage that nobody counts, ways in for customers (THREATS 4, 5, 21)."""

from __future__ import annotations

import pytest

from runplane_mcp.core.effect import Looked
from runplane_mcp.core.effects import effect_of, reads
from runplane_mcp.core.operation import Operation
from runplane_mcp.core.request import Kind
from runplane_mcp.errors import ParameterError
from tests.core.stripe_objects import CATALOG, GONE, classified

Asked = dict[str, object]
ALL4 = {"cancellations", "charges", "credits", "discounts"}


@pytest.mark.parametrize(
    ("operation", "asked", "groups"),
    [
        # Credit, by whatever name.
        ("PostCustomersCustomerBalanceTransactions", {"customer": "c", "amount": -5, "currency": "usd"}, {"credits"}),
        ("PostCustomersCustomerBalanceTransactions", {"customer": "c", "amount": 5, "currency": "usd"}, {"charges"}),
        (
            "PostBillingCreditGrants",
            {
                "customer": "c",
                "amount": {"type": "monetary"},
                "applicability_config": {"scope": {"price_type": "metered"}},
            },
            {"credits"},
        ),
        ("PostBillingCreditGrantsId", {"id": "g", "expires_at": 5}, {"charges", "credits"}),
        ("PostBillingCreditGrantsId", {"id": "g", "metadata": {"a": "b"}}, set()),
        ("PostBillingCreditGrantsIdVoid", {"id": "g"}, {"charges"}),
        ("PostInvoicesInvoiceAddLines", {"invoice": "in_1", "lines": [{"amount": 5}]}, {"charges"}),
        (
            "PostInvoicesInvoiceAddLines",
            {"invoice": "in_1", "lines": [{"amount": 5}, {"amount": -5}]},
            {"charges", "credits"},
        ),
        (
            "PostInvoicesInvoiceAddLines",
            {"invoice": "in_1", "lines": [{"invoice_item": "ii_1"}]},
            {"charges", "credits"},
        ),
        (
            "PostInvoicesInvoiceAddLines",
            {"invoice": "in_1", "lines": [{"price_data": {"unit_amount": 1}}]},
            {"charges", "discounts"},
        ),
        ("PostInvoiceitemsInvoiceitem", {"invoiceitem": "ii_1", "amount": -5}, {"charges", "credits"}),
        ("PostInvoiceitemsInvoiceitem", {"invoiceitem": "ii_1", "description": "x"}, set()),
        (
            "PostInvoicesInvoiceLinesLineItemId",
            {"invoice": "in_1", "line_item_id": "l", "amount": 1},
            {"charges", "credits"},
        ),
        # Discounts, by whatever name.
        ("PostPromotionCodes", {"promotion": {"type": "coupon", "coupon": "free"}}, {"discounts"}),
        ("PostPromotionCodesPromotionCode", {"promotion_code": "promo_1", "active": True}, {"discounts"}),
        ("PostPromotionCodesPromotionCode", {"promotion_code": "promo_1", "active": False}, set()),
        ("PostCouponsCoupon", {"coupon": "free", "currency_options": {"eur": {"amount_off": 5}}}, {"discounts"}),
        ("PostCouponsCoupon", {"coupon": "free", "name": "x"}, set()),
        ("PostPricesPrice", {"price": "p", "lookup_key": "standard", "transfer_lookup_key": True}, {"discounts"}),
        ("PostPricesPrice", {"price": "p", "active": True}, {"discounts"}),
        ("PostPricesPrice", {"price": "p", "active": False}, set()),
        ("PostPricesPrice", {"price": "p", "currency_options": {"eur": {"unit_amount": 1}}}, {"discounts"}),
        ("PostProductsId", {"id": "prod_1", "default_price": "p"}, {"discounts"}),
        ("PostProductsId", {"id": "prod_1", "name": "x"}, set()),
        ("PostPlans", {"currency": "usd", "interval": "month", "product": "prod_1"}, {"discounts"}),
        ("PostPlansPlan", {"plan": "p", "trial_period_days": 365}, {"discounts"}),
        (
            "PostProductCatalogTrialOffers",
            {"price": "p", "duration": {"type": "x"}, "end_behavior": {"transition": {"price": "p"}}},
            {"discounts"},
        ),
        ("PostCustomersCustomerTaxIds", {"customer": "c", "type": "eu_vat", "value": "DE1"}, {"discounts"}),
        ("PostTaxIds", {"type": "eu_vat", "value": "DE1"}, set()),
        (
            "PostTaxIds",
            {"type": "eu_vat", "value": "DE1", "owner": {"type": "customer", "customer": "c"}},
            {"discounts"},
        ),
        ("PostTaxSettings", {"defaults": {"tax_behavior": "inclusive"}}, {"charges", "discounts"}),
        ("PostQuotes", {"customer": "c", "line_items": [{"price": "p"}]}, set()),
        (
            "PostQuotes",
            {"customer": "c", "line_items": [{"price": "p", "discounts": [{"coupon": "free"}]}]},
            {"discounts"},
        ),
        ("PostQuotes", {"customer": "c", "transfer_data": {"destination": "acct_9"}}, {"transfers"}),
        ("PostQuotes", {"from_quote": {"quote": "qt_9"}}, {"discounts", "transfers"}),
        ("PostQuotesQuoteAccept", {"quote": "qt_1"}, {"charges", "discounts", "transfers"}),
        # Revenue.
        ("PostSubscriptions", {"customer": "c", "items": [{"price": "p"}]}, {"charges"}),
        ("PostSubscriptions", {"customer": "c", "trial_end": "now"}, {"charges", "discounts"}),
        (
            "PostSubscriptions",
            {"customer": "c", "items": [{"price_data": {"unit_amount": 1}}]},
            {"charges", "discounts"},
        ),
        (
            "PostSubscriptions",
            {"customer": "c", "items": [{"price": "p", "discounts": [{"coupon": "free"}]}]},
            {"charges", "discounts"},
        ),
        ("PostSubscriptions", {"customer": "c", "transfer_data": {"destination": "acct_9"}}, {"charges", "transfers"}),
        ("PostSubscriptionItems", {"subscription": "s", "price": "p"}, {"charges"}),
        ("PostSubscriptionItemsItem", {"item": "si_1", "price": "p"}, ALL4),
        ("PostSubscriptionItemsItem", {"item": "si_1", "quantity": 0}, ALL4),
        ("PostSubscriptionItemsItem", {"item": "si_1", "metadata": {"a": "b"}}, set()),
        ("DeleteSubscriptionItemsItem", {"item": "si_1"}, {"cancellations", "charges", "credits"}),
        (
            "DeleteSubscriptionItemsItem",
            {"item": "si_1", "clear_usage": True},
            {"cancellations", "charges", "credits", "write_offs"},
        ),
        ("PostSubscriptionSchedules", {"customer": "c", "phases": [{"items": [{"price": "p"}]}]}, {"charges"}),
        ("PostSubscriptionSchedules", {"customer": "c", "phases": [{"trial": True}]}, {"charges", "discounts"}),
        (
            "PostSubscriptionSchedules",
            {"customer": "c", "phases": [{"discounts": [{"coupon": "free"}]}]},
            {"charges", "discounts"},
        ),
        (
            "PostSubscriptionSchedules",
            {"customer": "c", "phases": [{"transfer_data": {"destination": "a"}}]},
            {"charges", "transfers"},
        ),
        ("PostSubscriptionSchedules", {"from_subscription": "sub_1"}, {"cancellations", "charges"}),
        ("PostSubscriptionSchedulesSchedule", {"schedule": "s", "phases": [{"items": [{"price": "p"}]}]}, ALL4),
        (
            "PostSubscriptionSchedulesSchedule",
            {"schedule": "s", "end_behavior": "cancel"},
            {"cancellations", "charges"},
        ),
        (
            "PostSubscriptionSchedulesSchedule",
            {"schedule": "s", "default_settings": {"on_behalf_of": "a"}},
            {"charges", "transfers"},
        ),
        ("PostSubscriptionSchedulesScheduleCancel", {"schedule": "s"}, {"cancellations", "charges", "credits"}),
        ("PostSubscriptionSchedulesScheduleRelease", {"schedule": "s"}, {"cancellations", "charges"}),
        ("PostSubscriptionsSubscriptionPause", {"subscription": "s"}, {"cancellations", "charges", "credits"}),
        ("PostBillingMetersIdDeactivate", {"id": "m"}, {"cancellations"}),
        ("DeleteSubscriptionsSubscriptionExposedIdDiscount", {"subscription_exposed_id": "s"}, {"charges"}),
        ("DeleteCustomersCustomerDiscount", {"customer": "c"}, {"charges"}),
        # Money that is owed, given up or never collected.
        ("PostInvoicesInvoiceMarkUncollectible", {"invoice": "in_1"}, {"write_offs"}),
        ("DeleteInvoicesInvoice", {"invoice": "in_1"}, {"deletions", "write_offs"}),
        (
            "PostInvoicesInvoiceRemoveLines",
            {"invoice": "in_1", "lines": [{"id": "l", "behavior": "delete"}]},
            {"charges", "write_offs"},
        ),
        ("DeleteInvoiceitemsInvoiceitem", {"invoiceitem": "ii_1"}, {"charges", "write_offs"}),
        ("PostInvoicesInvoiceAttachPayment", {"invoice": "in_1", "payment_record": "pr_1"}, {"write_offs"}),
        ("PostInvoicesInvoice", {"invoice": "in_1", "description": "x", "footer": "y"}, set()),
        ("PostInvoicesInvoice", {"invoice": "in_1", "auto_advance": False}, {"write_offs"}),
        ("PostInvoicesInvoice", {"invoice": "in_1", "auto_advance": True}, {"charges"}),
        ("PostInvoicesInvoice", {"invoice": "in_1", "due_date": 4_102_444_800}, {"write_offs"}),
        ("PostInvoicesInvoice", {"invoice": "in_1", "transfer_data": {"destination": "acct_9"}}, {"transfers"}),
        ("PostInvoicesInvoice", {"invoice": "in_1", "discounts": [{"coupon": "free"}]}, {"discounts"}),
        ("PostBillingMeterEventAdjustments", {"event_name": "x", "type": "cancel"}, {"credits", "write_offs"}),
        ("PostBillingMeterEvents", {"event_name": "x", "payload": {"value": "-5"}}, {"charges", "credits"}),
        (
            "PostTaxTransactionsCreateReversal",
            {"mode": "full", "original_transaction": "t", "reference": "r"},
            {"write_offs"},
        ),
        # Ways in, and eyes that are put out.
        ("PostBillingPortalSessions", {"customer": "c"}, {"access"}),
        ("PostCustomerSessions", {"customer": "c", "components": {"pricing_table": {"enabled": True}}}, {"access"}),
        ("PostBillingAlertsIdDeactivate", {"id": "a"}, {"access"}),
        ("PostBillingAlertsIdArchive", {"id": "a"}, {"access"}),
        ("PostBillingAlertsIdActivate", {"id": "a"}, set()),
        (
            "PostBillingPortalConfigurationsConfiguration",
            {"configuration": "b", "login_page": {"enabled": True}},
            {"access"},
        ),
        (
            "PostBillingPortalConfigurationsConfiguration",
            {"configuration": "b", "login_page": {"enabled": False}},
            set(),
        ),
        (
            "PostBillingPortalConfigurationsConfiguration",
            {"configuration": "b", "features": {"subscription_cancel": {"enabled": True}}},
            {"cancellations"},
        ),
        (
            "PostBillingPortalConfigurations",
            {"features": {"subscription_update": {"enabled": True}}},
            {"cancellations", "charges", "discounts"},
        ),
        # What can be charged.
        ("PostCustomersCustomerSources", {"customer": "c", "source": "tok_visa"}, {"charges"}),
        ("PostCustomersCustomerSourcesIdVerify", {"customer": "c", "id": "ba_1"}, {"charges"}),
        ("DeleteCustomersCustomerSourcesId", {"customer": "c", "id": "card_1"}, {"deletions"}),
        ("DeleteCustomersCustomerCardsId", {"customer": "c", "id": "card_1"}, {"deletions"}),
        ("PostCustomersCustomerSubscriptions", {"customer": "c", "items": [{"price": "p"}]}, {"charges"}),
    ],
)
def test_each_way_is_in_the_groups_of_what_it_does(operation: str, asked: Asked, groups: set[str]) -> None:
    assert set(classified(operation, **asked).groups) == groups


@pytest.mark.parametrize(
    ("operation", "asked", "facts"),
    [
        ("PostBillingPortalSessions", {"customer": "c"}, {"gives_access"}),
        (
            "PostCustomerSessions",
            {"customer": "c", "components": {"pricing_table": {"enabled": True}}},
            {"gives_access"},
        ),
        ("PostBillingAlertsIdArchive", {"id": "a"}, {"gives_access"}),
        ("PostBillingMetersIdDeactivate", {"id": "m"}, {"bulk", "mrr_lost"}),
        ("PostTaxSettings", {"head_office": {"address": {"city": "x"}}}, {"bulk"}),
        (
            "PostTaxRegistrations",
            {"country": "DE", "active_from": "now", "country_options": {"de": {"type": "x"}}},
            {"bulk"},
        ),
        ("PostProductsProductFeatures", {"product": "p", "entitlement_feature": "f"}, {"bulk"}),
        ("PostSubscriptions", {"customer": "c", "application_fee_percent": 5}, {"redirects_funds"}),
        ("PostQuotesQuoteAccept", {"quote": "q"}, {"redirects_funds", "destination"}),
    ],
)
def test_floors_stand_where_a_number_could_hide_danger(operation: str, asked: Asked, facts: set[str]) -> None:
    assert facts <= classified(operation, **asked).facts


@pytest.mark.parametrize("operation", ["PostBillingPortalSessions", "PostCustomerSessions"])
def test_an_answer_that_signs_somebody_in_is_a_secret(operation: str) -> None:
    found = CATALOG.by_id(operation)

    assert found is not None
    assert found.secret_answer


WRITES = [
    each
    for each in CATALOG.operations
    if each.judged and each.kind is Kind.WRITE and each.path_parameters and each.path.startswith("/v1/")
]


@pytest.mark.parametrize(
    "operation",
    [each for each in WRITES if each.path.split("/")[2] in "billing invoices plans prices products quotes".split()],
    ids=lambda each: each.operation_id,
)
def test_a_write_on_what_exists_looks_at_it_first(operation: Operation) -> None:
    """THREATS 21: so that a missing object, or another account's, is refused before a person is asked."""
    sound: dict[str, object] = {"string": "x_1", "integer": 500, "boolean": True, "array": [{"metadata": {"a": "b"}}]}
    given: Asked = dict.fromkeys(operation.path_parameters, "x_1")
    given |= {name: sound.get(operation.params[name], {"type": "x"}) for name in operation.required}
    if operation.operation_id == "PostInvoicesInvoiceRemoveLines":
        given["lines"] = [{"id": "x_1", "behavior": "delete"}]
    asked = classified(operation.operation_id, **given)
    looked: dict[str, Looked] = {read.name: GONE for read in reads(asked, {})}

    assert looked
    assert effect_of(asked, looked).refusal is not None


def test_posts_that_only_read_are_reads_and_so_are_their_older_paths() -> None:
    for method, path in (
        ("POST", "/v1/invoices/create_preview"),
        ("POST", "/v1/invoices/upcoming"),
        ("POST", "/v1/tax/calculations"),
    ):
        found = CATALOG.find(method, path)

        assert found is not None
        assert (found.kind, found.groups, found.judged) == (Kind.READ, frozenset(), True)


def test_labels_of_an_invoice_by_its_lines_can_not_be_ours() -> None:
    with pytest.raises(ParameterError) as caught:
        classified(
            "PostInvoicesInvoiceAddLines",
            invoice="in_1",
            lines=[{"amount": 5}],
            invoice_metadata={"runplane_request": "rpr_1"},
        )

    assert caught.value.code == "parameter.reserved"
