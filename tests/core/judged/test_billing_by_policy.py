"""What the policy that comes with Runplane says of billing (THREATS 4): a rule on a group catches each side door, and what
passes with nobody asked has been read by a person."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from runplane_mcp.core.catalog import load, texts
from runplane_mcp.core.compile import compile_policy
from runplane_mcp.core.decision import Outcome
from runplane_mcp.core.effect import UNAVAILABLE, Looked
from runplane_mcp.core.effects import effect_of, reads
from runplane_mcp.core.facts import FactValue
from runplane_mcp.core.operation import Classified, Operation
from runplane_mcp.core.policy import load as load_policy
from runplane_mcp.core.request import Kind
from runplane_mcp.core.wire import Value, encode
from tests.core.policies import SHIPPED, decided
from tests.core.stripe_objects import CATALOG, classified, coupon, invoice, item, subscription

POLICY = compile_policy(load_policy(SHIPPED.read_text(encoding="utf-8")), actions=load().actions)
ALLOW, ASK, BLOCK = Outcome.ALLOW, Outcome.REQUIRE_APPROVAL, Outcome.BLOCK
[BILLING] = [text for text in texts().judged if '"PostSubscriptions"' in text]
OPERATIONS = [CATALOG.by_id(row["operation_id"]) for row in json.loads(BILLING)["judgements"]]
WRITES = [each for each in OPERATIONS if each is not None and each.kind is Kind.WRITE]
#: What passes with nothing but what it needs, whatever Stripe would say: it moves nothing, or nothing without more
#: parameters, or it only lets a customer be charged by a request of its own.
PASSES = frozenset(
    """
    DeleteCustomersCustomerTaxIdsId DeleteTaxIdsId PostBillingAlerts PostBillingAlertsIdActivate PostBillingCreditGrantsId
    PostBillingFeedbackOptions PostBillingFeedbackOptionsId PostBillingFeedbackOptionsIdDeactivate PostBillingMeters
    PostBillingMetersId PostBillingPortalConfigurations PostBillingPortalConfigurationsConfiguration PostCouponsCoupon
    PostCreditNotesId PostCustomers PostCustomersCustomer PostCustomersCustomerBalanceTransactionsTransaction
    PostCustomersCustomerCashBalance PostCustomersCustomerFundingInstructions PostCustomersCustomerSources
    PostCustomersCustomerSourcesId PostCustomersCustomerSourcesIdVerify PostEntitlementsFeatures PostEntitlementsFeaturesId
    PostInvoiceRenderingTemplatesTemplateArchive PostInvoiceRenderingTemplatesTemplateUnarchive
    PostInvoiceitemsInvoiceitem PostInvoicesInvoice PostInvoicesInvoiceLinesLineItemId PostPlansPlan PostPricesPrice
    PostProductCatalogTrialOffersId PostProducts PostProductsId PostPromotionCodesPromotionCode PostQuotes PostQuotesQuote
    PostSubscriptionItemsItem PostSubscriptionSchedules PostSubscriptionSchedulesSchedule
    PostSubscriptionsSubscriptionExposedId PostSubscriptionsSubscriptionMigrate PostTaxIds PostTaxLocations PostTaxRates
    PostTaxRatesTaxRate PostTaxRegistrationsId PostTaxSettings PostTaxTransactionsCreateFromCalculation
    """.split()
)


def outcome(seen: Classified, looked: Mapping[str, Looked]) -> tuple[Outcome, set[str]]:
    """On a Tuesday afternoon, by an agent that asked for nothing before."""
    facts: dict[str, FactValue] = {
        "agent": "support-bot",
        "agent_roles": frozenset(),
        "principal": "agt_1",
        "operation": seen.operation.operation_id,
        "action": seen.groups | {seen.action},
        "kind": "write",
        "known": True,
        "judged": True,
        "hour": 14,
        "weekday": "tue",
        "date": "2026-11-10",
        "business_hours": True,
        "possible_duplicate": False,
        "refused_24h_agent": 0,
        "denied_24h_object": 0,
    }
    decision = decided(POLICY, facts | dict(effect_of(seen, looked).facts))
    return decision.outcome, {reason.id for reason in decision.reasons if reason.source in {"rule", "limit"}}


def sound(operation: Operation, path: str, type_: str) -> Value:
    """A value that the operation takes at a path."""
    first = type_.split("|")[0]
    inside = [each for each in CATALOG.shapes.paths(operation.target_id) if each.rpartition(".")[0] == path]
    if first in {"object", "array"} and inside:
        name = inside[0].rpartition(".")[2]
        inner: Value = {name: sound(operation, inside[0], CATALOG.shapes.type_at(operation.target_id, inside[0]))}
        return inner if first == "object" else [inner]
    values: dict[str, Value] = {"integer": 500, "signed": 500, "boolean": True, "array": ["x_1"], "object": {"a": "x"}}
    return values.get(first, "x_1")


def test_what_passes_with_nobody_asked_has_been_read_by_a_person() -> None:
    passed = set()
    for operation in WRITES:
        given: dict[str, Value] = dict.fromkeys(operation.path_parameters, "x_1")
        given |= {name: sound(operation, name, operation.params[name]) for name in operation.required}
        seen = CATALOG.classify(encode(operation.method, operation.path, given))
        looked: dict[str, Looked] = {read.name: UNAVAILABLE for read in reads(seen, {})}
        if outcome(seen, looked)[0] is ALLOW:
            passed.add(operation.operation_id)

    assert passed == PASSES


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
    found, reasons = outcome(classified(operation, **asked), looked)

    assert found is expected
    assert by is None or by in reasons
