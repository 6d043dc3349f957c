from __future__ import annotations

import pytest
import stripe

from runplane_mcp.simulator import SEED
from tests.simulator.world import World


def test_a_link_sells_a_price_and_says_where(sdk: stripe.StripeClient) -> None:
    made = sdk.v1.payment_links.create(
        {
            "line_items": [{"price": SEED.price_seat, "quantity": 3}],
            "after_completion": {"type": "redirect", "redirect": {"url": "https://example.com/thanks"}},
            "metadata": {"order": "7"},
            "expand": ["line_items"],
        }
    )
    lines = sdk.v1.payment_links.line_items.list(made.id)

    assert made.url.startswith("https://buy.stripe.com/test_")
    assert (made.active, made.currency, made.metadata["order"]) == (True, "usd", "7")
    assert made.after_completion.redirect is not None
    assert made.after_completion.redirect.url == "https://example.com/thanks"
    assert made.line_items is not None
    assert [(line.quantity, line.amount_total, line.description) for line in lines.data] == [
        (3, 2_700, "Office coffee")
    ]
    assert [line.id for line in made.line_items.data] == [line.id for line in lines.data]


def test_a_link_can_be_switched_off(sdk: stripe.StripeClient) -> None:
    off = sdk.v1.payment_links.update(SEED.payment_link_club, {"active": False})

    assert off.active is False
    assert sdk.v1.payment_links.list({"active": True}).data == []
    assert [link.id for link in sdk.v1.payment_links.list({"active": False}).data] == [SEED.payment_link_club]


def test_the_money_of_a_link_can_be_another_accounts(world: World) -> None:
    made = world.post(
        "/v1/payment_links",
        **{
            "line_items[0][price]": SEED.price_monthly,
            "line_items[0][quantity]": 1,
            "transfer_data[destination]": SEED.connected_account_paid,
            "application_fee_amount": 100,
        },
    )

    assert made["transfer_data"] == {"destination": SEED.connected_account_paid}
    assert made["application_fee_amount"] == 100


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"line_items[0][price]": "price_none"}, "resource_missing"),
        ({"line_items[0][quantity]": 0}, "parameter_invalid_integer"),
        ({"line_items[0][color]": "red"}, "parameter_unknown"),
        ({"after_completion[type]": "redirect"}, "parameter_missing"),
        ({"after_completion[type]": "redirect", "after_completion[redirect][url]": "//evil.test"}, "url_invalid"),
        ({"transfer_data[destination]": "acct_none"}, "resource_missing"),
        ({"application_fee_amount": 5}, None),
    ],
)
def test_a_link_that_can_not_be_is_refused(world: World, changes: dict[str, object], code: str | None) -> None:
    asked = {"line_items[0][price]": SEED.price_monthly, "line_items[0][quantity]": 1, **changes}
    status, error = world.refused("POST", "/v1/payment_links", **asked)

    assert (status, error.get("code")) == (400, code)


def test_all_prices_of_a_link_have_one_currency_and_are_active(world: World) -> None:
    euro = world.post("/v1/prices", product=SEED.product_club, currency="eur", unit_amount=500)["id"]
    old = world.post("/v1/prices", product=SEED.product_club, currency="usd", unit_amount=500, active=False)["id"]

    def refused(*prices: str) -> str:
        lines = {f"line_items[{n}][{name}]": value for n, price in enumerate(prices) for name, value in
                 (("price", price), ("quantity", 1))}  # fmt: skip
        return str(world.refused("POST", "/v1/payment_links", **lines)[1]["message"])

    assert "one currency" in refused(SEED.price_monthly, euro)
    assert "inactive" in refused(old)
    assert world.refused("POST", "/v1/payment_links", line_items="")[0] == 400
