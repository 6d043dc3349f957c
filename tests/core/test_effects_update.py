"""What changing a subscription would lose, and the most that is charged or credited for it."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import pytest

from runplane_mcp.core.effect import UNAVAILABLE, Effect, Looked
from runplane_mcp.core.effects import broken, reads
from runplane_mcp.core.facts import NONE, UNKNOWN
from runplane_mcp.core.money import Money
from tests.core.stripe_objects import GONE, classified, coupon, effect, item, listing, subscription

UPDATE = "PostSubscriptionsSubscriptionExposedId"


def price(id: str, amount: object, interval: str = "month", **changes: object) -> dict[str, object]:
    found = item(amount, interval=interval, **{"id": id, **changes})["price"]  # type: ignore[arg-type]
    assert isinstance(found, dict)
    return found


#: $29.00 a month, and twelve seats of $9.00: $137.00.
OFFICE = subscription(item(), {**item(900, 12), "id": "si_2"})
LOOKED: dict[str, Looked] = {
    "subscription": OFFICE,
    "price:price_cheap": price("price_cheap", 500),
    "price:price_dear": price("price_dear", 9_900),
    "price:price_yearly": price("price_yearly", 29_000, "year"),
    "price:price_eur": price("price_eur", 2_900, currency="eur"),
    "coupon:twenty": coupon(),
    "coupon:free": coupon(id="free", percent_off=100, duration="forever"),
    "coupon:half": coupon(id="half", percent_off=12.5),
    "coupon:ten_off": coupon(id="ten_off", percent_off=None, amount_off=1_000, currency="usd"),
    "coupon:eur_off": coupon(id="eur_off", percent_off=None, amount_off=1_000, currency="eur"),
}


def update(looked: Mapping[str, Looked] | None = None, /, **parameters: object) -> Effect:
    return effect(UPDATE, {**LOOKED, **(looked or {})}, subscription_exposed_id="sub_1", **parameters)


def usd(amount: int) -> Money:
    return Money(amount, "usd")


@pytest.mark.parametrize(
    ("items", "lost", "moved"),
    [
        ([{"id": "si_1", "price": "price_cheap"}], usd(2_400), usd(13_700)),
        ([{"id": "si_1", "price": "price_dear"}], NONE, usd(20_700)),
        ([{"id": "si_2", "quantity": 2}], usd(9_000), usd(13_700)),
        ([{"id": "si_2", "quantity": 0}], usd(10_800), usd(13_700)),
        ([{"id": "si_2", "quantity": 20}], NONE, usd(20_900)),
        ([{"id": "si_2", "deleted": True}], usd(10_800), usd(13_700)),
        ([{"id": "si_1", "deleted": True}, {"id": "si_2", "deleted": True}], usd(13_700), usd(13_700)),
        ([{"price": "price_dear", "quantity": 2}], NONE, usd(33_500)),
        # Another price without a quantity is one of it, as at Stripe: eleven seats are gone.
        ([{"id": "si_2", "price": "price_cheap"}], usd(10_300), usd(13_700)),
        ([{"id": "si_1", "price": "price_yearly"}], usd(483), usd(39_800)),
        ([{"id": "si_1", "metadata": {"a": "b"}}], NONE, usd(13_700)),
    ],
)  # fmt: skip
def test_new_items_are_worked_out_from_items_and_prices(
    items: list[dict[str, object]], lost: object, moved: object
) -> None:
    """THREATS row 4: a cheaper price or fewer seats are revenue lost, whoever calls it an upgrade."""
    seen = update(items=items)

    assert (seen.facts["mrr_lost"], seen.facts["amount"]) == (lost, moved)
    assert (seen.facts["ends"], seen.facts["currency"]) == (NONE, "usd")


def test_the_sentence_says_the_revenue_before_and_after() -> None:
    seen = update(items=[{"id": "si_1", "price": "price_cheap"}])

    assert seen.sentence == (
        "Change subscription sub_1 of customer cus_1: items: monthly revenue goes from $137.00 USD to $113.00 USD;"
        " at most $137.00 USD is charged or credited for it."
    )
    assert [(line.label, line.money.amount) for line in seen.money_lines] == [
        ("Monthly revenue now", 13_700),
        ("Monthly revenue after it", 11_300),
        ("Monthly revenue lost", 2_400),
    ]


@pytest.mark.parametrize(
    "items",
    [
        [{"id": "si_9", "quantity": 1}],
        [{"id": "si_1", "price": "price_nobody_looked_at"}],
        [{"id": "si_1", "price": "price_eur"}],
        [{"id": "si_1", "price_data": {"currency": "usd", "unit_amount": 1}}],
        [{"id": "si_1", "plan": "plan_1"}],
        [{"quantity": 3}],
        [{"deleted": True}],
        [{"id": "si_1", "deleted": True}, {"id": "si_1", "quantity": 1}],
        ["si_1"],
    ],
)
def test_items_that_do_not_come_out_plainly_are_unknown(items: list[object]) -> None:
    seen = update(items=items)

    assert seen.facts["mrr_lost"] is UNKNOWN
    assert seen.facts["amount"] is UNKNOWN


def test_items_that_were_not_all_shown_are_unknown() -> None:
    held = subscription(items=listing(item(), has_more=True))

    assert update({"subscription": held}, items=[{"id": "si_1", "quantity": 5}]).facts["mrr_lost"] is UNKNOWN


def test_without_prorations_nothing_moves_while_the_period_stays() -> None:
    cheaper: list[dict[str, object]] = [{"id": "si_2", "quantity": 2}]

    assert update(items=cheaper, proration_behavior="none").facts["amount"] is NONE
    assert update(items=cheaper, proration_behavior="always_invoice").facts["amount"] == usd(13_700)
    for also in ({"billing_cycle_anchor": "now"}, {"trial_end": "now"}, {"payment_behavior": "allow_incomplete"}):
        assert update(items=cheaper, proration_behavior="none", **also).facts["amount"] == usd(13_700)
    yearly = [{"id": "si_1", "price": "price_yearly"}]
    assert update(items=yearly, proration_behavior="none").facts["amount"] == usd(39_800)


@pytest.mark.parametrize(
    ("parameters", "percent", "lost"),
    [
        ({"discounts": [{"coupon": "twenty"}]}, Fraction(20), usd(2_740)),
        ({"discounts": [{"coupon": "half"}]}, Fraction(25, 2), usd(1_713)),
        ({"discounts": [{"coupon": "free"}]}, Fraction(100), usd(13_700)),
        ({"discounts": [{"coupon": "free"}, {"coupon": "twenty"}]}, Fraction(100), usd(13_700)),
        ({"discounts": [{"coupon": "ten_off"}]}, Fraction(1_000, 137), usd(1_000)),
        ({"discounts": ""}, NONE, NONE),
        ({"discounts": [{"coupon": "eur_off"}]}, UNKNOWN, UNKNOWN),
        ({"discounts": [{"coupon": "nobody_looked_at"}]}, UNKNOWN, UNKNOWN),
        ({"discounts": [{"discount": "di_1"}]}, UNKNOWN, UNKNOWN),
        ({"discounts": [{"promotion_code": "promo_1"}]}, UNKNOWN, UNKNOWN),
        ({"discounts": ["twenty"]}, UNKNOWN, UNKNOWN),
        ({"items": [{"id": "si_1", "discounts": [{"coupon": "free"}]}]}, UNKNOWN, UNKNOWN),
        (
            {"items": [{"id": "si_2", "quantity": 2}], "discounts": [{"coupon": "twenty"}]},
            Fraction(20),
            usd(9_940),
        ),
    ],
)  # fmt: skip
def test_a_discount_is_revenue_lost(parameters: dict[str, object], percent: object, lost: object) -> None:
    """THREATS row 4: coupons as a side door."""
    seen = update(**parameters)

    assert (seen.facts["discount_percent"], seen.facts["mrr_lost"]) == (percent, lost)


@pytest.mark.parametrize(
    ("parameters", "ends"),
    [
        ({"trial_end": 4_102_444_800}, NONE),
        ({"pause_collection": {"behavior": "void"}}, NONE),
        ({"cancel_at": 1_900_000_000}, UNKNOWN),
        ({"cancel_at": "min_period_end"}, "period_end"),
        ({"cancel_at_period_end": True, "proration_behavior": "none"}, "period_end"),
        ({"transfer_data": {"destination": "acct_evil"}}, NONE),
        ({"on_behalf_of": "acct_evil"}, NONE),
    ],
)  # fmt: skip
def test_what_stops_the_money_loses_all_of_it(parameters: dict[str, object], ends: object) -> None:
    """THREATS row 4: a far trial, a pause or another account are no smaller than an end."""
    seen = update(**parameters)

    assert (seen.facts["mrr_lost"], seen.facts["ends"]) == (usd(13_700), ends)


def test_what_is_only_put_off_moves_nothing_now() -> None:
    for parameters in ({"pause_collection": {"behavior": "void"}}, {"cancel_at_period_end": True, "days_until_due": 5}):
        assert update(**parameters).facts["amount"] is NONE
    for parameters in ({"trial_end": 4_102_444_800}, {"cancel_at": 1_900_000_000}):
        assert update(**parameters).facts["amount"] == usd(13_700)


@pytest.mark.parametrize("parameters", [{"trial_end": "now"}, {"cancel_at": ""}, {"default_payment_method": "pm_1"}])
def test_what_only_goes_on_loses_nothing(parameters: dict[str, object]) -> None:
    assert update(**parameters).facts["mrr_lost"] is NONE


@pytest.mark.parametrize(
    "parameters",
    [
        {"transfer_data": {"destination": "acct_evil"}},
        {"on_behalf_of": "acct_evil"},
        {"application_fee_percent": "90"},
        {"invoice_settings": {"issuer": {"type": "account", "account": "acct_evil"}}},
        {"automatic_tax": {"enabled": True, "liability": {"type": "account", "account": "acct_evil"}}},
    ],
)
def test_money_for_another_account_is_redirected(parameters: dict[str, object]) -> None:
    """THREATS row 4."""
    seen = update(**parameters)

    assert seen.facts["redirects_funds"] is True
    named = {"transfer_data", "on_behalf_of"} & parameters.keys()
    assert seen.facts["destination"] == ("acct_evil" if named else UNKNOWN)
    assert ("The money is for account acct_evil." in seen.sentence) == bool(named)
    assert seen.facts["amount"] is UNKNOWN


def test_settings_that_name_no_account_redirect_nothing() -> None:
    assert "redirects_funds" not in update(invoice_settings={"account_tax_ids": ["txi_1"]}).facts
    mixed = update(invoice_settings={"account_tax_ids": ["txi_1"]}, transfer_data="")
    assert mixed.facts["redirects_funds"] is True


@pytest.mark.parametrize(
    "parameters",
    [
        {"add_invoice_items": [{"price": "price_dear"}]},
        {"trial_from_plan": True},
        {"billing_schedules": ""},
        {"billing_cycle_anchor": {"type": "now"}},
    ],
)
def test_money_that_nobody_can_work_out_is_unknown(parameters: dict[str, object]) -> None:
    assert update(**parameters).facts["amount"] is UNKNOWN


def test_everything_it_names_is_looked_up_at_once() -> None:
    asked = classified(
        UPDATE,
        subscription_exposed_id="sub_1",
        items=[{"id": "si_1", "price": "price_a"}, {"price": "price_a"}, {"price": "we&ird"}],
        discounts=[{"coupon": "twenty"}],
    )

    assert [read.wire.url for read in reads(asked, {})] == [
        "/v1/subscriptions/sub_1?expand[0]=customer",
        "/v1/prices/price_a",
        "/v1/coupons/twenty",
    ]
    many = classified(UPDATE, subscription_exposed_id="sub_1", items=[{"price": f"price_{n}"} for n in range(21)])
    assert [read.name for read in reads(many, {})] == ["subscription"]


@pytest.mark.parametrize("name", ["price:price_cheap", "coupon:twenty"])
def test_a_price_or_coupon_that_is_not_there_is_refused(name: str) -> None:
    """THREATS row 21."""
    asked = {"items": [{"price": "price_cheap"}], "discounts": [{"coupon": "twenty"}]}
    seen = update({name: GONE}, **asked)

    assert seen.refusal is not None
    assert (seen.refusal.code, seen.refusal.param) == (
        "stripe.resource_missing",
        "items" if name.startswith("price") else "discounts",
    )
    assert update({name: UNAVAILABLE}, **asked).refusal is None


def test_a_price_or_coupon_that_changed_meanwhile_breaks_what_people_saw() -> None:
    """THREATS row 8."""
    asked = {"items": [{"id": "si_1", "price": "price_cheap"}], "discounts": [{"coupon": "twenty"}]}
    seen = update(**asked)

    assert broken(seen.preconditions, update(**asked)) == ()
    for changed, name in (
        ({"price:price_cheap": price("price_cheap", 400)}, "price:price_cheap"),
        ({"coupon:twenty": coupon(percent_off=90)}, "coupon:twenty"),
        ({"subscription": subscription(item(quantity=2))}, "items"),
    ):
        assert name in {each.name for each in broken(seen.preconditions, update(changed, **asked))}
