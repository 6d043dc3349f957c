"""Payment links: what is paid is looked up, and what sends money or payers elsewhere is seen.

THREATS row 4: prices of the moment, codes and trials, another account, an attacker's redirect.
"""

from __future__ import annotations

import pytest

from runplane_mcp.core.effect import UNAVAILABLE, Effect
from runplane_mcp.core.effects import broken, reads
from runplane_mcp.core.effects.addresses import hosts_in
from runplane_mcp.core.facts import NONE, UNKNOWN
from runplane_mcp.core.money import Money
from tests.core.stripe_objects import GONE, classified, effect


def price(id: str = "price_1", **changes: object) -> dict[str, object]:
    return {
        "id": id,
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "currency": "usd",
        "custom_unit_amount": None,
        "nickname": "Club",
        "recurring": None,
        "transform_quantity": None,
        "unit_amount": 2_900,
        **changes,
    }


PLAIN = [{"price": "price_1", "quantity": 2}]


def link(*prices: object, line_items: object = PLAIN, **asked: object) -> Effect:
    found = prices or (price(),)
    looked = {f"price {each['id'] if isinstance(each, dict) else 'price_1'}": each for each in found}
    return effect("PostPaymentLinks", looked, line_items=line_items, **asked)  # type: ignore[arg-type]


def test_what_is_paid_is_price_times_quantity() -> None:
    lines = [{"price": "price_1", "quantity": 2}, {"price": "price_2", "quantity": 1}]
    recurring = {"interval": "month", "interval_count": 1, "usage_type": "licensed"}
    seen = link(price(), price("price_2", unit_amount=700, recurring=recurring), line_items=lines)

    assert seen.facts["amount"] == Money(6_500, "usd")
    assert seen.sentence == ("Make a payment link for 2 × price_1, 1 × price_2: whoever opens it can pay $65.00 USD.")
    assert ("price price_1", "Club") in seen.quoted
    assert [read.wire.url for read in reads(classified("PostPaymentLinks", line_items=[*lines, *PLAIN]), {})] == [
        "/v1/prices/price_1",
        "/v1/prices/price_2",
    ]


@pytest.mark.parametrize(
    ("made", "amount"),
    [
        ({"currency": "usd", "unit_amount": 700}, Money(7_900, "usd")),
        ({"currency": "usd", "unit_amount": 0}, Money(5_800, "usd")),
        ({"currency": "eur", "unit_amount": 700}, UNKNOWN),
        ({"currency": "usd", "unit_amount_decimal": "700.5"}, UNKNOWN),
        ({"currency": "usd", "unit_amount": -700}, UNKNOWN),
        ({"unit_amount": 700}, UNKNOWN),
    ],
)
def test_a_price_made_for_the_moment_says_itself_what_is_paid(made: dict[str, object], amount: object) -> None:
    assert link(line_items=[*PLAIN, {"price_data": made, "quantity": 3}]).facts["amount"] == amount


@pytest.mark.parametrize(
    "changes",
    [
        {"custom_unit_amount": {"minimum": 100}},
        {"unit_amount": None},
        {"billing_scheme": "tiered"},
        {"transform_quantity": {"divide_by": 10}},
        {"recurring": {"interval": "month", "usage_type": "metered"}},
        {"currency": "doge"},
        {"id": "price_9"},
    ],
)
def test_what_the_payer_or_the_use_decides_is_unknown(changes: dict[str, object]) -> None:
    seen = effect("PostPaymentLinks", {"price price_1": {**price(), **changes}}, line_items=PLAIN)

    assert seen.facts["amount"] is UNKNOWN


@pytest.mark.parametrize(
    "lines",
    [
        [{"price": "price_1"}],
        [{"price": "price_1", "quantity": 0}],
        [{"price": "price_1", "quantity": 2, "adjustable_quantity": {"enabled": True}}],
        [{"quantity": 2}],
        [{"price": "price_1", "quantity": 10**12}, {"price": "price_1", "quantity": 10**12}],
        ["price_1"],
        [{"price": "price_1", "quantity": 1}] * 21,
    ],
)
def test_lines_that_can_not_be_counted_are_unknown(lines: object) -> None:
    assert link(line_items=lines).facts["amount"] is UNKNOWN


def test_two_currencies_have_no_sum() -> None:
    lines = [{"price": "price_1", "quantity": 1}, {"price": "price_2", "quantity": 1}]

    assert link(price(), price("price_2", currency="eur"), line_items=lines).facts["amount"] is UNKNOWN


@pytest.mark.parametrize(
    ("asked", "groups"),
    [
        ({}, {"charges"}),
        ({"metadata": {"a": "b"}, "submit_type": "pay"}, {"charges"}),
        ({"after_completion": {"type": "redirect", "redirect": {"url": "https://example.com"}}}, {"charges"}),
        ({"line_items": [{"price_data": {"unit_amount": 1, "currency": "usd", "product": "p"}, "quantity": 1}]}, None),
        ({"line_items": [*PLAIN, {"price_data": {"unit_amount": 1}, "quantity": 1}]}, None),
        ({"allow_promotion_codes": True}, None),
        ({"subscription_data": {"trial_period_days": 700}}, None),
        ({"transfer_data": {"destination": "acct_2"}}, None),
        ({"on_behalf_of": "acct_2"}, None),
        ({"custom_text": {"submit": {"message": "pay elsewhere"}}}, None),
        ({"optional_items": PLAIN}, None),
    ],
)
def test_only_what_is_proven_to_be_less_is_less(asked: dict[str, object], groups: set[str] | None) -> None:
    found = classified("PostPaymentLinks", **{"line_items": PLAIN, **asked})

    assert set(found.groups) == (groups or {"charges", "discounts", "transfers"})


@pytest.mark.parametrize(
    "asked",
    [
        {"allow_promotion_codes": True},
        {"currency": "eur"},
        {"subscription_data": {"trial_period_days": 9}},
        {"optional_items": PLAIN},
    ],
)
def test_what_changes_the_price_leaves_the_amount_unknown(asked: dict[str, object]) -> None:
    seen = link(**asked)

    assert (seen.facts["amount"], seen.facts["discount_percent"]) == (UNKNOWN, UNKNOWN)


@pytest.mark.parametrize(
    ("asked", "destination"),
    [
        ({"transfer_data": {"destination": "acct_2"}}, "acct_2"),
        ({"on_behalf_of": "acct_2"}, "acct_2"),
        ({"transfer_data": {"destination": "acct_2"}, "on_behalf_of": "acct_2"}, "acct_2"),
        ({"transfer_data": {"destination": "acct_2"}, "on_behalf_of": "acct_3"}, UNKNOWN),
        ({"transfer_data": {"amount": 5}}, UNKNOWN),
        ({"application_fee_percent": "50"}, NONE),
    ],
)
def test_money_that_is_for_another_account_is_redirected(asked: dict[str, object], destination: object) -> None:
    seen = link(**asked)

    assert seen.facts["redirects_funds"] is True
    assert seen.facts["destination"] == destination
    assert isinstance(destination, str) == ("acct_2" in seen.sentence)


@pytest.mark.parametrize(
    ("after", "redirects", "hosts"),
    [
        (
            {"type": "redirect", "redirect": {"url": "https://Shop.Example.com/ok"}},
            True,
            frozenset({"shop.example.com"}),
        ),
        ({"type": "hosted_confirmation"}, False, frozenset()),
        (
            {"type": "hosted_confirmation", "hosted_confirmation": {"custom_message": "See http://evil.test now"}},
            False,
            frozenset({"evil.test"}),
        ),
        ({"type": "hosted_confirmation", "redirect": {"url": "https://evil.test"}}, True, frozenset({"evil.test"})),
        ({"type": "redirect", "redirect": {"url": "https://good.com@evil.test"}}, True, UNKNOWN),
        ({"type": "redirect", "redirect": {"url": "//evil.test"}}, True, UNKNOWN),
    ],
)
def test_where_the_payer_is_sent_is_seen(after: object, redirects: bool, hosts: object) -> None:
    seen = link(after_completion=after)

    assert (seen.facts["redirects_funds"], seen.facts["url_hosts"]) == (redirects, hosts)
    assert not isinstance(hosts, frozenset) or all(host in seen.sentence for host in hosts)


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("https://example.com:8443/a?b#c", frozenset({"example.com"})),
        ("two: http://a.test and https://b.test/x", frozenset({"a.test", "b.test"})),
        ("no address at all: x", frozenset()),
        ("https://exämple.com", UNKNOWN),
        ("https://a.test\\@b.test", UNKNOWN),
        ("https://user:pass@b.test/", UNKNOWN),
        ("https://", UNKNOWN),
        ("https://[::1]/", UNKNOWN),
        ("ftp://files.test", frozenset({"files.test"})),
    ],
)
def test_a_host_is_told_only_where_there_is_one_reading(text: str, hosts: object) -> None:
    assert hosts_in({"a": [{"b": text}]}) == hosts


def test_prices_that_people_saw_must_still_be_the_same() -> None:
    seen = link()

    assert [each.name for each in seen.preconditions] == ["prices"]
    assert broken(seen.preconditions, link()) == ()
    assert broken(seen.preconditions, link(price(unit_amount=1))) == seen.preconditions
    assert broken(seen.preconditions, link(UNAVAILABLE)) == seen.preconditions


@pytest.mark.parametrize(
    ("found", "lines", "code"),
    [
        (GONE, PLAIN, "stripe.resource_missing"),
        (price(active=False), PLAIN, "stripe.price_inactive"),
        (price(), [{"price": "price(1", "quantity": 1}], "parameter.id"),
    ],
)
def test_a_price_that_can_not_be_sold_is_stripes_no(found: object, lines: object, code: str) -> None:
    refusal = link(found, line_items=lines).refusal

    assert refusal is not None
    assert refusal.code == code


def test_an_address_of_payers_does_not_hide_whose_the_money_is() -> None:
    asked: dict[str, object] = {
        "line_items": PLAIN,
        "after_completion": {"type": "redirect", "redirect": {"url": "https://good.test/thanks"}},
    }
    two = {"on_behalf_of": "acct_8", "transfer_data": {"destination": "acct_9"}}
    both = effect("PostPaymentLinks", {"price price_1": price()}, **asked, **two).sentence
    fee = effect("PostPaymentLinks", {"price price_1": price()}, **asked, application_fee_amount=2_800).sentence

    assert both.endswith(", shared or sent on by on_behalf_of and transfer_data, with web addresses at good.test.")
    assert fee.endswith(", shared or sent on by application_fee_amount, with web addresses at good.test.")
