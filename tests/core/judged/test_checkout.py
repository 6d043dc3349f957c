"""Checkout sessions, and payment links that customers already have: what is paid is looked up, and what sends money or
payers elsewhere is seen (THREATS 4)."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runplane_mcp.core.effect import UNAVAILABLE, Effect, Looked
from runplane_mcp.core.effects import broken, reads
from runplane_mcp.core.facts import NONE, UNKNOWN, FactValue
from runplane_mcp.core.money import LARGEST_AMOUNT, Money
from tests.core.stripe_objects import GONE, classified, coupon, effect
from tests.core.test_effects_payment_link import PLAIN, price

CREATE, UPDATE, LINK = "PostCheckoutSessions", "PostCheckoutSessionsSession", "PostPaymentLinksPaymentLink"
MADE = {"currency": "usd", "product": "prod_1", "unit_amount": 700}


def session(*prices: object, **asked: object) -> Effect:
    found: dict[str, Looked] = {f"price {each['id']}": each for each in prices or (price(),) if isinstance(each, dict)}
    return effect(CREATE, found, **{"line_items": PLAIN, "mode": "payment", **asked})


@pytest.mark.parametrize(
    ("asked", "groups", "facts"),
    [
        ({}, {"charges"}, {"amount": Money(5_800, "usd"), "customer": NONE, "reversible": True}),
        ({"customer": "cus_1"}, {"charges"}, {"customer": "cus_1"}),
        ({"mode": "setup", "line_items": PLAIN}, {"charges"}, {"amount": UNKNOWN}),
        (
            {"line_items": [{"price_data": MADE, "quantity": 3}]},
            {"charges", "discounts"},
            {"amount": Money(2_100, "usd")},
        ),
        (
            {"line_items": [*PLAIN, {"price_data": MADE, "quantity": 1}]},
            {"charges", "discounts"},
            {"amount": Money(6_500, "usd")},
        ),
        (
            {"line_items": [{"price_data": {**MADE, "unit_amount": 0}, "quantity": 1}]},
            {"charges", "discounts"},
            {"amount": Money(0, "usd")},
        ),
        (
            {"line_items": [{"price_data": {**MADE, "unit_amount": -700}, "quantity": 1}]},
            {"charges", "discounts"},
            {"amount": UNKNOWN},
        ),
        (
            {"line_items": [{"price_data": {**MADE, "currency": "eur"}, "quantity": 1}, *PLAIN]},
            {"charges", "discounts"},
            {"amount": UNKNOWN},
        ),
        (
            {"line_items": [{"price_data": MADE, "price": "price_1", "quantity": 1}]},
            {"charges", "discounts"},
            {"amount": UNKNOWN},
        ),
        (
            {"discounts": [{"coupon": "free"}]},
            {"charges", "discounts"},
            {"amount": UNKNOWN, "discount_percent": UNKNOWN},
        ),
        ({"allow_promotion_codes": True}, {"charges", "discounts"}, {"amount": UNKNOWN}),
        (
            {"after_expiration": {"recovery": {"enabled": True, "allow_promotion_codes": True}}},
            {"charges", "discounts"},
            {},
        ),
        ({"subscription_data": {"trial_period_days": 700}}, {"charges", "discounts"}, {"amount": UNKNOWN}),
        ({"subscription_data": {"billing_cycle_anchor": 4102444800}}, {"charges", "discounts"}, {"amount": UNKNOWN}),
        ({"subscription_data": {"metadata": {"a": "b"}}}, {"charges"}, {"amount": Money(5_800, "usd")}),
        ({"shipping_options": [{"shipping_rate": "shr_1"}]}, {"charges"}, {"amount": UNKNOWN}),
        ({"automatic_tax": {"enabled": True}}, {"charges"}, {"amount": UNKNOWN}),
        ({"currency": "eur"}, {"charges"}, {"amount": UNKNOWN}),
        ({"optional_items": PLAIN}, {"charges"}, {"amount": UNKNOWN}),
        (
            {"payment_intent_data": {"transfer_data": {"destination": "acct_9"}}},
            {"charges", "transfers"},
            {"destination": "acct_9"},
        ),
        (
            {"subscription_data": {"transfer_data": {"destination": "acct_9"}}},
            {"charges", "transfers"},
            {"redirects_funds": True},
        ),
        ({"payment_intent_data": {"on_behalf_of": "acct_9"}}, {"charges", "transfers"}, {"destination": "acct_9"}),
        ({"setup_intent_data": {"on_behalf_of": "acct_9"}}, {"charges", "transfers"}, {"destination": "acct_9"}),
        ({"payment_intent_data": {"application_fee_amount": 5}}, {"charges", "transfers"}, {"redirects_funds": True}),
        (
            {"payment_intent_data": {"on_behalf_of": "acct_8", "transfer_data": {"destination": "acct_9"}}},
            {"charges", "transfers"},
            {"destination": UNKNOWN},
        ),
        (
            {
                "invoice_creation": {
                    "enabled": True,
                    "invoice_data": {"issuer": {"type": "account", "account": "acct_9"}},
                }
            },
            {"charges"},
            {"redirects_funds": True},
        ),
        (
            {"success_url": "https://Evil.test/x"},
            {"charges"},
            {"redirects_funds": True, "url_hosts": frozenset({"evil.test"})},
        ),
        (
            {"success_url": "https://a.test", "cancel_url": "https://b.test"},
            {"charges"},
            {"url_hosts": frozenset({"a.test", "b.test"})},
        ),
        ({"return_url": "//evil.test"}, {"charges"}, {"url_hosts": UNKNOWN}),
        ({"custom_text": {"submit": {"message": "pay elsewhere"}}}, {"charges"}, {"redirects_funds": True}),
        ({"branding_settings": {"display_name": "Your bank"}}, {"charges"}, {"redirects_funds": True}),
    ],
)
def test_what_a_session_asks_for_and_where_it_sends_money(
    asked: dict[str, object], groups: set[str], facts: dict[str, FactValue]
) -> None:
    found = session(**asked)

    assert set(classified(CREATE, **{"line_items": PLAIN, **asked}).groups) == groups
    assert {name: found.facts.get(name) for name in facts} == facts


def test_what_a_coupon_takes_off_a_session_is_looked_up_said_and_bound() -> None:
    """A coupon that is made anew under the same id, or that is not there, is not what people saw."""
    shop: dict[str, object] = {"line_items": PLAIN, "mode": "payment", "discounts": [{"coupon": "twenty"}]}
    asked = classified(CREATE, **shop)
    prices: dict[str, Looked] = {"price price_1": price()}

    found = effect(CREATE, {**prices, "coupon:twenty": coupon()}, **shop)
    whole = effect(CREATE, {**prices, "coupon:twenty": coupon(percent_off=100)}, **shop)
    gone = effect(CREATE, {**prices, "coupon:twenty": GONE}, **shop)

    assert "coupon:twenty" in [read.name for read in reads(asked, {})]
    assert (found.facts["discount_percent"], whole.facts["discount_percent"]) == (Fraction(20), Fraction(100))
    assert found.sentence.endswith("That takes 20 % off.")
    assert [each.name for each in broken(found.preconditions, whole)] == ["coupon:twenty"]
    assert gone.refusal is not None
    assert gone.refusal.code == "stripe.resource_missing"


def test_a_session_that_only_saves_a_card_has_no_amount() -> None:
    found = effect(CREATE, {}, mode="setup", customer="cus_1", currency="usd")

    assert (found.facts["amount"], found.facts["currency"]) == (NONE, NONE)
    assert found.sentence == (
        "Make a page for customer cus_1 at which a card or an account is saved, to be charged later."
    )


def test_a_session_says_what_is_paid_and_is_bound_to_the_prices_that_people_saw() -> None:
    found = session(customer="cus_1")

    assert found.sentence == ("Make a page for customer cus_1 at which whoever opens it pays, 2 × price_1: $58.00 USD.")
    assert broken(found.preconditions, session(customer="cus_1")) == ()
    assert broken(found.preconditions, session(price(unit_amount=1), customer="cus_1")) == found.preconditions
    assert [read.wire.url for read in reads(classified(CREATE, customer="cus_1", line_items=PLAIN), {})] == [
        "/v1/customers/cus_1", "/v1/prices/price_1",
    ]  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(1, 10**6)), min_size=1, max_size=20))
def test_lines_are_added_up_exactly_or_not_at_all(sold: list[tuple[int, int]]) -> None:
    made = [{"price_data": {**MADE, "unit_amount": each}, "quantity": many} for each, many in sold]
    together = sum(each * many for each, many in sold)

    assert session(line_items=made).facts["amount"] == (
        Money(together, "usd") if together <= LARGEST_AMOUNT else UNKNOWN
    )


@pytest.mark.parametrize(
    ("looked", "asked", "code"),
    [
        ({"price price_1": GONE}, {}, "stripe.resource_missing"),
        ({"price price_1": price(active=False)}, {}, "stripe.price_inactive"),
        ({"price price_1": price(), "customer": GONE}, {"customer": "cus_9"}, "stripe.resource_missing"),
        (
            {"price price_1": price(), "account acct_9": GONE},
            {"payment_intent_data": {"transfer_data": {"destination": "acct_9"}}},
            "stripe.resource_missing",
        ),
        ({}, {"customer": "cus 9"}, "parameter.id"),
        ({"price price_1": UNAVAILABLE}, {}, None),
    ],
)
def test_a_session_that_stripe_would_refuse_comes_before_nobody(
    looked: dict[str, Looked], asked: dict[str, object], code: str | None
) -> None:
    refusal = effect(CREATE, looked, line_items=PLAIN, **asked).refusal

    assert (refusal.code if refusal else None) == code


def held(**changes: object) -> dict[str, object]:
    return {
        "id": "cs_1", "amount_total": 58_000, "currency": "usd", "customer": "cus_1", "status": "open",
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0}, **changes,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("found", "asked", "groups", "facts"),
    [
        (
            held(),
            {"line_items": PLAIN},
            {"charges", "discounts"},
            {"amount": Money(5_800, "usd"), "discount_percent": Fraction(90)},
        ),
        (held(amount_total=5_000), {"line_items": PLAIN}, {"charges", "discounts"}, {"discount_percent": Fraction(0)}),
        (held(total_details={"amount_tax": 5}), {"line_items": PLAIN}, {"charges", "discounts"}, {"amount": UNKNOWN}),
        (held(), {"line_items": [{"id": "li_1", "quantity": 1}]}, {"charges", "discounts"}, {"amount": UNKNOWN}),
        (held(), {"shipping_options": ""}, {"charges", "discounts"}, {"amount": UNKNOWN, "discount_percent": UNKNOWN}),
        (held(), {"metadata": {"a": "b"}}, set(), {"object": "cs_1", "customer": "cus_1"}),
        (
            UNAVAILABLE,
            {"line_items": PLAIN},
            {"charges", "discounts"},
            {"amount": UNKNOWN, "customer": UNKNOWN, "object": UNKNOWN},
        ),
    ],
)
def test_who_changes_an_open_session_may_let_somebody_pay_less(
    found: Looked, asked: dict[str, object], groups: set[str], facts: dict[str, FactValue]
) -> None:
    seen = effect(UPDATE, {"session": found, "price price_1": price()}, session="cs_1", **asked)

    assert set(classified(UPDATE, session="cs_1", **asked).groups) == groups
    assert {name: seen.facts[name] for name in facts} == facts


def test_a_session_that_is_over_or_gone_can_not_be_changed() -> None:
    over = effect(UPDATE, {"session": held(status="complete")}, session="cs_1", metadata={"a": "b"}).refusal
    gone = effect(UPDATE, {"session": GONE}, session="cs_1", metadata={"a": "b"}).refusal

    assert over is not None
    assert gone is not None
    assert (over.code, gone.code, gone.param) == ("stripe.unexpected_state", "stripe.resource_missing", "session")


def test_closing_a_session_tells_what_is_given_up() -> None:
    seen = effect("PostCheckoutSessionsSessionExpire", {"session": held()}, session="cs_1")

    assert seen.facts["amount"] == Money(58_000, "usd")
    assert seen.sentence == "Close checkout session cs_1: $580.00 USD cannot be paid by it any more."


def link(*items: object, **changes: object) -> dict[str, object]:
    sold = items or ({"id": "li_1", "price": price(), "quantity": 2},)
    return {
        "id": "plink_1", "active": True, "allow_promotion_codes": False, "optional_items": None, "shipping_options": [],
        "subscription_data": None, "line_items": {"data": list(sold), "has_more": False}, **changes,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "groups", "facts"),
    [
        ({"active": True}, {"charges"}, {"amount": Money(5_800, "usd")}),
        ({"active": False}, {"charges"}, {"amount": Money(5_800, "usd")}),
        ({"line_items": [{"id": "li_1", "quantity": 5}]}, {"charges"}, {"amount": Money(14_500, "usd")}),
        ({"line_items": [{"id": "li_9", "quantity": 5}]}, {"charges"}, {"amount": UNKNOWN}),
        ({"line_items": [{"id": "li_1", "adjustable_quantity": {"enabled": True}}]}, {"charges"}, {"amount": UNKNOWN}),
        (
            {"transfer_data": {"destination": "acct_9"}},
            {"transfers"},
            {"destination": "acct_9", "redirects_funds": True},
        ),
        ({"transfer_data": ""}, {"transfers"}, {"destination": UNKNOWN, "redirects_funds": True}),
        ({"on_behalf_of": "acct_9"}, {"transfers"}, {"destination": "acct_9"}),
        ({"application_fee_percent": "90"}, {"transfers"}, {"redirects_funds": True}),
        (
            {"after_completion": {"type": "redirect", "redirect": {"url": "https://evil.test"}}},
            set(),
            {"redirects_funds": True, "url_hosts": frozenset({"evil.test"})},
        ),
        ({"custom_text": {"submit": {"message": "pay elsewhere"}}}, set(), {"redirects_funds": True}),
        ({"inactive_message": "pay elsewhere"}, set(), {"redirects_funds": True}),
        ({"allow_promotion_codes": True}, {"discounts"}, {"discount_percent": UNKNOWN}),
        ({"subscription_data": {"trial_period_days": 700}}, {"discounts"}, {"discount_percent": UNKNOWN}),
        ({"shipping_options": [{"shipping_rate": "shr_0"}]}, {"charges", "discounts"}, {"amount": UNKNOWN}),
        ({"metadata": {"a": "b"}, "phone_number_collection": {"enabled": True}}, set(), {"object": "plink_1"}),
    ],
)
def test_a_link_that_customers_have_is_seen_through(
    asked: dict[str, object], groups: set[str], facts: dict[str, FactValue]
) -> None:
    seen = effect(LINK, {"payment_link": link()}, payment_link="plink_1", **asked)

    assert set(classified(LINK, payment_link="plink_1", **asked).groups) == groups
    assert {name: seen.facts.get(name) for name in facts} == facts


@pytest.mark.parametrize(
    "found",
    [
        UNAVAILABLE,
        link(allow_promotion_codes=True),
        link(optional_items=[{"price": "price_1"}]),
        link(shipping_options=[{"shipping_rate": "shr_1"}]),
        link(subscription_data={"trial_period_days": 30}),
        link(line_items={"data": [], "has_more": True}),
        link({"id": "li_1", "price": price(), "quantity": 2, "adjustable_quantity": {"enabled": True}}),
        link({"id": "li_1", "price": price(billing_scheme="tiered"), "quantity": 2}),
    ],
)
def test_what_a_link_takes_is_unknown_where_the_payer_or_a_discount_decides(found: Looked) -> None:
    assert effect(LINK, {"payment_link": found}, payment_link="plink_1", active=True).facts["amount"] is UNKNOWN


def test_a_link_is_opened_with_what_people_saw_and_another_accounts_is_refused() -> None:
    seen = effect(LINK, {"payment_link": link(active=False)}, payment_link="plink_1", active=True)

    assert seen.sentence == (
        "Open payment link plink_1: $58.00 USD are paid by it each time."
        " `active` opens the link to payers, or closes it."
    )
    again = effect(LINK, {"payment_link": link(active=True)}, payment_link="plink_1", active=True)
    assert [each.name for each in broken(seen.preconditions, again)] == ["open"]
    gone = effect(LINK, {"payment_link": GONE}, payment_link="plink_1", active=True).refusal
    assert gone is not None
    assert (gone.code, gone.param) == ("stripe.resource_missing", "payment_link")
