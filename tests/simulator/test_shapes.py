"""Objects have what the SDK's own types say is always there."""

from __future__ import annotations

import types
import typing
from typing import Any

import pytest
import stripe

from runplane_mcp.simulator import SEED
from tests.simulator.world import World

SHAPES: list[tuple[type[stripe.StripeObject], str]] = [
    (stripe.Account, "/v1/account"),
    (stripe.Balance, "/v1/balance"),
    (stripe.BalanceTransaction, "/v1/balance_transactions/txn_ada_900"),
    (stripe.BankAccount, f"/v1/accounts/{SEED.account}/external_accounts/{SEED.bank_account_usd}"),
    (stripe.Charge, f"/v1/charges/{SEED.charge_900}"),
    (stripe.Coupon, f"/v1/coupons/{SEED.coupon_months}"),
    (stripe.CreditNote, f"/v1/credit_notes/{SEED.credit_note}"),
    (stripe.Customer, f"/v1/customers/{SEED.customer_ada}"),
    (stripe.Dispute, f"/v1/disputes/{SEED.dispute}"),
    (stripe.Invoice, f"/v1/invoices/{SEED.invoice_paid}"),
    (stripe.InvoiceItem, f"/v1/invoiceitems/{SEED.invoice_item_pending}"),
    (stripe.InvoicePayment, "/v1/invoice_payments/inpay_quentin_240"),
    (stripe.PaymentIntent, f"/v1/payment_intents/{SEED.payment_intent_900}"),
    (stripe.PaymentLink, f"/v1/payment_links/{SEED.payment_link_club}"),
    (stripe.Payout, f"/v1/payouts/{SEED.payouts_past[0]}"),
    (stripe.Price, f"/v1/prices/{SEED.price_monthly}"),
    (stripe.Product, f"/v1/products/{SEED.product_club}"),
    (stripe.Refund, f"/v1/refunds/{SEED.refund_partial}"),
    (stripe.Subscription, f"/v1/subscriptions/{SEED.subscription_office}"),
    (stripe.Transfer, f"/v1/transfers/{SEED.transfer_past}"),
    (stripe.BalanceSettings, "/v1/balance_settings"),
    (stripe.File, f"/v1/files/{SEED.file}"),
    (stripe.PaymentMethod, "/v1/payment_methods/pm_cardada900"),
    (stripe.issuing.Card, f"/v1/issuing/cards/{SEED.issuing_card}"),
    (stripe.issuing.Cardholder, f"/v1/issuing/cardholders/{SEED.cardholder}"),
    (
        stripe.v2.money_management.FinancialAccount,
        f"/v2/money_management/financial_accounts/{SEED.financial_account}",
    ),
]
MADE: list[tuple[type[stripe.StripeObject], str, dict[str, Any]]] = [
    (stripe.Charge, "/v1/charges", {"amount": 500, "currency": "usd", "source": "tok_visa"}),
    (stripe.EphemeralKey, "/v1/ephemeral_keys", {"customer": SEED.customer_ada}),
    (stripe.FileLink, "/v1/file_links", {"file": SEED.file}),
    (stripe.LoginLink, f"/v1/accounts/{SEED.connected_account_paid}/login_links", {}),
    (stripe.Person, f"/v1/accounts/{SEED.connected_account_paid}/persons", {"first_name": "Jo"}),
    (stripe.SetupIntent, "/v1/setup_intents", {}),
    (stripe.Token, "/v1/tokens", {"card": {"number": "4242424242424242", "exp_month": 1, "exp_year": 2030}}),
    (stripe.Topup, "/v1/topups", {"amount": 500, "currency": "usd"}),
    (stripe.WebhookEndpoint, "/v1/webhook_endpoints", {"url": "https://example.com", "enabled_events": ["*"]}),
    (stripe.apps.Secret, "/v1/apps/secrets", {"name": "a", "payload": "b", "scope": {"type": "account"}}),
]


def always_there(kind: type[Any]) -> set[str]:
    """The fields whose type does not allow None."""
    return {
        name
        for name, annotation in kind.__annotations__.items()
        if name != "OBJECT_NAME" and types.NoneType not in typing.get_args(annotation) and not name.startswith("_")
    }


def missing(kind: type[Any], found: dict[str, Any]) -> set[str]:
    return {name for name in always_there(kind) if found.get(name) is None}


@pytest.mark.parametrize(("kind", "path"), SHAPES, ids=[kind.__name__ for kind, _ in SHAPES])
def test_an_object_has_every_field_the_sdk_relies_on(world: World, kind: type[stripe.StripeObject], path: str) -> None:
    found = world.get(path)

    assert found["object"] == getattr(kind, "OBJECT_NAME")  # noqa: B009 — not every StripeObject declares it
    assert missing(kind, found) == set()


@pytest.mark.parametrize(("kind", "path", "parameters"), MADE, ids=[kind.__name__ for kind, _, _ in MADE])
def test_what_is_made_has_every_field_too(
    world: World, kind: type[stripe.StripeObject], path: str, parameters: dict[str, Any]
) -> None:
    made = world.post(path, **parameters)

    assert made["object"] == getattr(kind, "OBJECT_NAME")  # noqa: B009 — not every StripeObject declares it
    assert missing(kind, made) == set()


def test_what_follows_from_a_shared_payment_has_theirs(world: World) -> None:
    printer = SEED.connected_account_new
    charge = world.post(
        "/v1/charges",
        amount=5_000,
        currency="usd",
        source="tok_riskLevelElevated",
        transfer_data={"destination": printer},
        application_fee_amount=100,
    )
    fee = world.get(f"/v1/application_fees/{charge['application_fee']}")
    refund = world.post(f"/v1/application_fees/{fee['id']}/refunds", amount=1)
    review = world.get(f"/v1/reviews/{charge['review']}")
    capability = world.get(f"/v1/accounts/{printer}/capabilities/transfers")

    assert missing(stripe.ApplicationFee, fee) == set()
    assert missing(stripe.ApplicationFeeRefund, refund) == set()
    assert missing(stripe.Review, review) == set()
    assert missing(stripe.Capability, capability) == set()


def test_inner_objects_have_theirs(world: World) -> None:
    (line, *_) = world.get(f"/v1/payment_links/{SEED.payment_link_club}/line_items")["data"]
    (item, *_) = world.get(f"/v1/subscriptions/{SEED.subscription_office}")["items"]["data"]
    reversal = world.post(f"/v1/transfers/{SEED.transfer_past}/reversals", amount=1)
    (event, *_) = world.get("/v1/events")["data"]
    (billed, *_) = world.get(f"/v1/invoices/{SEED.invoice_open}")["lines"]["data"]
    (discount,) = world.get(f"/v1/subscriptions/{SEED.subscription_discounted}", expand=["discounts"])["discounts"]
    (booked,) = world.get("/v1/customers/cus_quentin/balance_transactions")["data"]
    whole = {"lines[0][type]": "invoice_line_item", "lines[0][invoice_line_item]": billed["id"]}
    (credited,) = world.get("/v1/credit_notes/preview", invoice=SEED.invoice_open, **whole)["lines"]["data"]

    assert missing(stripe.InvoiceLineItem, billed) == set()
    assert missing(stripe.Discount, discount) == set()
    assert missing(stripe.CustomerBalanceTransaction, booked) == set()
    assert missing(stripe.CreditNoteLineItem, credited) == set()
    assert missing(stripe.SubscriptionItem, item) == set()
    assert missing(stripe.LineItem, line) == set()
    assert missing(stripe.Dispute.Evidence, world.get(f"/v1/disputes/{SEED.dispute}")["evidence"]) == set()
    assert missing(stripe.Price, item["price"]) == set()
    assert missing(stripe.TransferReversal, reversal) == set()
    assert missing(stripe.Event, event) == set()


def test_what_is_made_has_theirs(world: World) -> None:
    """Objects that the seeded company has none of."""
    promotion = {"promotion[type]": "coupon", "promotion[coupon]": SEED.coupon_once}
    grant = {
        "amount[type]": "monetary",
        "amount[monetary][value]": 5,
        "amount[monetary][currency]": "usd",
        "applicability_config[scope][price_type]": "metered",
    }
    sold = {"line_items[0][price]": SEED.price_seat}
    plan = {"amount": 5, "currency": "usd", "interval": "day", "product": SEED.product_club}
    rate = {"display_name": "VAT", "inclusive": True, "percentage": 5}
    configuration = {"features[invoice_history][enabled]": True}
    schedule = world.post("/v1/subscription_schedules", from_subscription=SEED.subscription_monthly)
    quote = world.post("/v1/quotes", customer="cus_ada", **sold)
    portal = world.post("/v1/billing_portal/configurations", **configuration)
    url = "https://example.com"

    assert missing(stripe.SubscriptionSchedule, schedule) == set()
    assert missing(stripe.SubscriptionSchedule.Phase, schedule["phases"][0]) == set()
    assert missing(stripe.SubscriptionSchedule.Phase.Item, schedule["phases"][0]["items"][0]) == set()
    assert missing(stripe.PromotionCode, world.post("/v1/promotion_codes", **promotion)) == set()
    assert (
        missing(stripe.billing.CreditGrant, world.post("/v1/billing/credit_grants", customer="cus_ada", **grant))
        == set()
    )
    (entry,) = world.get("/v1/billing/credit_balance_transactions", customer="cus_ada")["data"]
    assert missing(stripe.billing.CreditBalanceTransaction, entry) == set()
    assert missing(stripe.checkout.Session, world.post("/v1/checkout/sessions", success_url=url, **sold)) == set()
    assert missing(stripe.Quote, quote) == set()
    assert missing(stripe.Quote.Computed.Recurring, quote["computed"]["recurring"]) == set()
    assert missing(stripe.Plan, world.post("/v1/plans", **plan)) == set()
    assert missing(stripe.TaxRate, world.post("/v1/tax_rates", **rate)) == set()
    assert missing(stripe.billing_portal.Configuration, portal) == set()
    assert missing(stripe.billing_portal.Configuration.Features, portal["features"]) == set()
    assert (
        missing(stripe.billing_portal.Session, world.post("/v1/billing_portal/sessions", customer="cus_ada")) == set()
    )
    assert missing(stripe.CashBalance, world.get("/v1/customers/cus_ada/cash_balance")) == set()
