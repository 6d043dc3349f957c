"""What billing would do, looked up over HTTP in the simulated company (THREATS 4 and 21)."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import pytest

from runplane_mcp.core.facts import NONE, UNKNOWN
from runplane_mcp.core.money import Money
from runplane_mcp.core.wire import Value, encode
from runplane_mcp.simulator import SEED
from runplane_mcp.stripe_api.client import Done, StripeConnection
from tests.stripe_api.test_resolve import resolved


def usd(amount: int) -> Money:
    return Money(amount, "usd")


async def made(connection: StripeConnection, path: str, key: str, **parameters: Value) -> str:
    """The id of something new."""
    answer = await connection.send(encode("POST", path, parameters), idempotency_key=key)
    assert isinstance(answer, Done)
    return str(answer.body["id"])


async def price(connection: StripeConnection, product: str, amount: int) -> str:
    monthly: Value = {"interval": "month"}
    asked: dict[str, Value] = {"product": product, "currency": "usd", "unit_amount": amount, "recurring": monthly}
    return await made(connection, "/v1/prices", f"price-{amount}", **asked)


async def test_a_subscription_is_worth_its_prices_less_its_coupon(connection: StripeConnection) -> None:
    product = await made(connection, "/v1/products", "product", name="Beans")
    beans = await price(connection, product, 2_900)
    await made(connection, "/v1/coupons", "coupon", id="twenty", percent_off=20, duration="forever")
    asked: dict[str, Value] = {"customer": SEED.customer_ben, "items": [{"price": beans, "quantity": 2}]}

    plain = await resolved(connection, "PostSubscriptions", asked)
    less = await resolved(connection, "PostSubscriptions", {**asked, "discounts": [{"coupon": "twenty"}]})
    gone = await resolved(connection, "PostSubscriptions", {**asked, "discounts": [{"coupon": "none"}]})

    assert plain.facts["amount"] == usd(5_800)
    assert (less.facts["discount_percent"], less.facts["mrr_lost"]) == (Fraction(20), usd(1_160))
    assert gone.refusal is not None


async def test_another_item_or_a_pause_changes_what_a_subscription_brings(connection: StripeConnection) -> None:
    product = await made(connection, "/v1/products", "product", name="Beans")
    beans = await price(connection, product, 2_900)
    office = SEED.subscription_office

    more = await resolved(connection, "PostSubscriptionItems", {"subscription": office, "price": beans})
    paused = await resolved(connection, "PostSubscriptionsSubscriptionPause", {"subscription": office})

    assert (more.facts["mrr_lost"], more.facts["amount"]) == (NONE, usd(16_600))
    assert (paused.facts["mrr_lost"], paused.facts["customer"]) == (usd(13_700), SEED.customer_cleo)


async def test_another_default_price_is_a_discount(connection: StripeConnection) -> None:
    data: Value = {"currency": "usd", "unit_amount": 2_900, "recurring": {"interval": "month"}}
    product = await made(connection, "/v1/products", "product", name="Beans", default_price_data=data)
    cheap = await price(connection, product, 725)

    swapped = await resolved(connection, "PostProductsId", {"id": product, "default_price": cheap})

    assert swapped.facts["discount_percent"] == Fraction(75)


async def test_a_discount_that_ends_makes_the_customer_pay_so_much_more(connection: StripeConnection) -> None:
    held, none = SEED.subscription_discounted, SEED.subscription_office
    end = "DeleteSubscriptionsSubscriptionExposedIdDiscount"

    seen = await resolved(connection, end, {"subscription_exposed_id": held})
    without = await resolved(connection, end, {"subscription_exposed_id": none})

    assert isinstance(seen.facts["amount"], Money)
    assert seen.facts["amount"].amount > 0
    assert seen.refusal is None
    assert without.refusal is not None


@pytest.mark.parametrize(
    ("operation", "asked", "facts"),
    [
        ("DeleteInvoicesInvoice", {}, {"amount": usd(5_000), "customer": SEED.customer_ben, "reversible": False}),
        ("PostInvoicesInvoiceMarkUncollectible", {}, {"amount": usd(5_000)}),
        ("PostInvoicesInvoice", {"due_date": 4_102_444_800}, {"amount": usd(5_000), "customer": SEED.customer_ben}),
        ("PostInvoicesInvoiceAddLines", {"lines": [{"amount": -700}]}, {"amount": usd(700), "object": "invoice"}),
    ],
)
async def test_an_invoice_says_how_much_a_change_of_it_is_about(
    connection: StripeConnection, operation: str, asked: dict[str, Value], facts: Mapping[str, object]
) -> None:
    invoice = await made(connection, "/v1/invoices", "invoice", customer=SEED.customer_ben)
    await made(
        connection,
        "/v1/invoiceitems",
        "item",
        customer=SEED.customer_ben,
        invoice=invoice,
        amount=5_000,
        currency="usd",
    )

    seen = await resolved(connection, operation, {"invoice": invoice, **asked})

    expected = {name: invoice if value == "invoice" else value for name, value in facts.items()}
    assert {name: seen.facts[name] for name in facts} == expected
    assert UNKNOWN not in {seen.facts["amount"], seen.facts["customer"]}
    assert seen.refusal is None
    assert not seen.incomplete


@pytest.mark.parametrize(
    ("operation", "asked", "param"),
    [
        (
            "PostCustomersCustomerBalanceTransactions",
            {"customer": "cus_none", "amount": -5, "currency": "usd"},
            "customer",
        ),
        ("PostPromotionCodes", {"promotion": {"type": "coupon", "coupon": "none"}}, "promotion"),
        ("PostInvoicesInvoiceSend", {"invoice": "in_none"}, "invoice"),
        ("PostPricesPrice", {"price": "price_none", "active": False}, "price"),
        ("DeleteProductsId", {"id": "prod_none"}, "id"),
        (
            "PostSubscriptionsSubscriptionMigrate",
            {"subscription": "sub_none", "billing_mode": {"type": "flexible"}},
            "subscription",
        ),
    ],
)
async def test_billing_of_what_is_not_there_is_refused(
    connection: StripeConnection, operation: str, asked: dict[str, Value], param: str
) -> None:
    refusal = (await resolved(connection, operation, asked)).refusal

    assert refusal is not None
    assert (refusal.code, refusal.param) == ("stripe.resource_missing", param)
