"""What subscriptions bring and lose: new ones, single items, schedules, pauses (THREATS 4, 8)."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import pytest

from runplane_mcp.core.effect import UNAVAILABLE, Looked
from runplane_mcp.core.effects import MOST_STAGES, broken, reads
from runplane_mcp.core.facts import NONE, UNKNOWN
from runplane_mcp.core.money import Money
from tests.core.stripe_objects import GONE, classified, coupon, effect, item, subscription

Asked = dict[str, object]
CREATE = "PostSubscriptions"
ITEM = "PostSubscriptionItemsItem"
SCHEDULE = "PostSubscriptionSchedulesSchedule"


def usd(amount: int) -> Money:
    return Money(amount, "usd")


def price(id: str, amount: object, interval: str = "month", **changes: object) -> dict[str, object]:
    found = item(amount, interval=interval, **{"id": id, **changes})["price"]  # type: ignore[arg-type]
    assert isinstance(found, dict)
    return found


#: $29.00 a month, and twelve seats of $9.00: $137.00.
OFFICE = subscription(item(), {**item(900, 12), "id": "si_2"})
CODE = {"id": "promo_1", "customer": None, "promotion": {"type": "coupon", "coupon": coupon(percent_off=50)}}
PLAN = {
    "id": "sched_1",
    "object": "subscription_schedule",
    "customer": {"id": "cus_1", "object": "customer"},
    "end_behavior": "release",
    "phases": [{"items": [{"price": "price_1", "quantity": 1}]}, {"items": [{"price": "dear", "quantity": 1}]}],
    "status": "active",
    "subscription": OFFICE,
}
LOOKED: dict[str, Looked] = {
    "customer": {"id": "cus_1", "object": "customer", "currency": None},
    "subscription": OFFICE,
    "item": {"id": "si_2", "subscription": "sub_1"},
    "schedule": PLAN,
    "price:price_1": price("price_1", 2_900),
    "price:cheap": price("cheap", 500),
    "price:dear": price("dear", 19_900),
    "price:yearly": price("yearly", 120_000, "year"),
    "price:eur": price("eur", 500, currency="eur"),
    "price:once": {"id": "once", "billing_scheme": "per_unit", "currency": "usd", "unit_amount": 4_000},
    "price:metered": price("metered", 5, recurring={"interval": "month", "interval_count": 1, "usage_type": "metered"}),
    "coupon:twenty": coupon(),
    "coupon:ten": coupon(id="ten", percent_off=None, amount_off=1_000, currency="usd"),
    "promotion_code:promo_1": CODE,
}


PRICES = {name: found for name, found in LOOKED.items() if name.startswith("price:")}


@pytest.mark.parametrize(
    ("asked", "amount", "lost", "percent"),
    [
        ({"items": [{"price": "dear"}]}, usd(19_900), None, None),
        ({"items": [{"price": "cheap", "quantity": 3}, {"price": "dear"}]}, usd(21_400), None, None),
        (
            {"items": [{"price": "dear"}], "add_invoice_items": [{"price": "once", "quantity": 2}]},
            usd(27_900),
            None,
            None,
        ),
        ({"items": [{"price": "dear"}], "discounts": [{"coupon": "twenty"}]}, usd(19_900), usd(3_980), Fraction(20)),
        (
            {"items": [{"price": "dear"}], "discounts": [{"promotion_code": "promo_1"}]},
            usd(19_900),
            usd(9_950),
            Fraction(50),
        ),
        (
            {"items": [{"price": "cheap", "quantity": 4}], "discounts": [{"coupon": "ten"}]},
            usd(2_000),
            usd(1_000),
            Fraction(50),
        ),
        ({"items": [{"price": "yearly"}], "discounts": [{"coupon": "twenty"}]}, usd(120_000), usd(2_000), Fraction(20)),
        ({"items": [{"price": "dear"}], "discounts": [{"coupon": "unseen"}]}, usd(19_900), UNKNOWN, UNKNOWN),
        ({"items": [{"price": "dear"}], "trial_end": 4_102_444_800}, usd(19_900), None, UNKNOWN),
        ({"items": [{"price": "dear", "discounts": [{"coupon": "twenty"}]}]}, UNKNOWN, None, Fraction(20)),
        ({"items": [{"price_data": {"unit_amount": 1}}]}, UNKNOWN, None, UNKNOWN),
        ({"items": [{"price": "unseen"}]}, UNKNOWN, None, None),
        ({"items": [{"price": "metered"}]}, UNKNOWN, None, None),
        ({"items": [{"price": "eur"}, {"price": "dear"}]}, UNKNOWN, None, None),
        ({"items": [{"price": "eur"}], "add_invoice_items": [{"price": "once"}]}, UNKNOWN, None, None),
        ({"items": [{"price": "dear"}], "backdate_start_date": 5}, UNKNOWN, None, None),
        ({"items": [{"price": "dear"}], "currency": "eur"}, UNKNOWN, None, None),
        ({}, UNKNOWN, None, None),
    ],
)
def test_a_new_subscription_is_worth_its_first_period(
    asked: Asked, amount: object, lost: object, percent: object
) -> None:
    """Nothing is lost by it but what discounts take; what comes is no loss below zero."""
    seen = effect(CREATE, LOOKED, customer="cus_1", **asked)

    assert seen.facts["amount"] == amount
    assert (seen.facts.get("mrr_lost"), seen.facts.get("discount_percent")) == (lost, percent)
    assert seen.facts["customer"] == "cus_1"


def test_a_customer_of_another_currency_pays_another_price() -> None:
    looked = {**LOOKED, "customer": {"id": "cus_1", "currency": "eur"}}

    assert effect(CREATE, looked, customer="cus_1", items=[{"price": "dear"}]).facts["amount"] is UNKNOWN


def test_people_read_what_is_billed_and_to_whom() -> None:
    seen = effect(CREATE, LOOKED, customer="cus_1", items=[{"price": "cheap", "quantity": 2}, {"price": "dear"}])

    assert seen.sentence == (
        "Subscribe customer cus_1 to 2 × cheap, 1 × dear: $209.00 USD a month; at most $209.00 USD is billed at once."
    )


def test_people_read_first_whose_the_money_is_and_how_much_is_taken_off() -> None:
    """However many harmless parameters stand beside: three are named, and the rest is counted."""
    seen = effect(
        CREATE,
        LOOKED,
        customer="cus_1",
        items=[{"price": "dear"}],
        cancel_at_period_end=True,
        discounts=[{"coupon": "twenty"}],
        transfer_data={"destination": "acct_9"},
        trial_period_days=700,
    )

    assert seen.sentence.startswith(
        "Subscribe customer cus_1 to 1 × dear: $199.00 USD a month. The money is for account"
    )
    assert " `transfer_data` sends the money on to another account." in seen.sentence
    assert seen.sentence.endswith(" And 1 more.")

    less = effect(CREATE, LOOKED, customer="cus_1", items=[{"price": "dear"}], discounts=[{"coupon": "twenty"}])
    assert less.sentence.endswith(" `discounts` gives a discount. That takes 20 % off.")


@pytest.mark.parametrize(
    ("operation", "asked", "lost", "moved"),
    [
        ("PostSubscriptionItems", {"subscription": "sub_1", "price": "dear"}, NONE, usd(33_600)),
        (
            "PostSubscriptionItems",
            {"subscription": "sub_1", "price": "cheap", "proration_behavior": "none"},
            NONE,
            NONE,
        ),
        ("PostSubscriptionItems", {"subscription": "sub_1", "price": "unseen"}, UNKNOWN, UNKNOWN),
        ("PostSubscriptionItems", {"subscription": "sub_1", "plan": "cheap"}, UNKNOWN, UNKNOWN),
        (ITEM, {"item": "si_2", "price": "cheap", "quantity": 12}, usd(4_800), usd(13_700)),
        (ITEM, {"item": "si_2", "quantity": 2}, usd(9_000), usd(13_700)),
        (ITEM, {"item": "si_2", "quantity": 20}, NONE, usd(20_900)),
        (ITEM, {"item": "si_2", "price": "eur"}, UNKNOWN, UNKNOWN),
        (ITEM, {"item": "si_2", "price_data": {"unit_amount": 1}}, UNKNOWN, UNKNOWN),
        (ITEM, {"item": "si_2", "current_trial": {"trial_offer": "x"}}, UNKNOWN, UNKNOWN),
        (ITEM, {"item": "si_2", "discounts": [{"coupon": "twenty"}]}, UNKNOWN, UNKNOWN),
        ("DeleteSubscriptionItemsItem", {"item": "si_2"}, usd(10_800), usd(13_700)),
        ("DeleteSubscriptionItemsItem", {"item": "si_2", "proration_behavior": "none"}, usd(10_800), NONE),
        ("DeleteSubscriptionItemsItem", {"item": "si_9"}, UNKNOWN, UNKNOWN),
    ],
)
def test_a_single_item_changes_its_subscription(operation: str, asked: Asked, lost: object, moved: object) -> None:
    """THREATS 4: the same change as by the subscription itself, through a door beside it."""
    seen = effect(operation, LOOKED, **asked)

    assert (seen.facts["mrr_lost"], seen.facts["amount"]) == (lost, moved)
    assert (seen.facts["object"], seen.facts["customer"]) == ("sub_1", "cus_1")


def test_the_item_leads_to_its_subscription_and_that_to_its_tiers() -> None:
    asked = classified(ITEM, item="si_2", quantity=1)
    tiered = subscription(item(billing_scheme="tiered", unit_amount=None))
    looked: dict[str, Looked] = {}
    stages = []
    for answer in ({"item": LOOKED["item"]}, {"subscription": tiered}, {"tiers:price_1": GONE}):
        stages.append([read.name for read in reads(asked, looked)])
        looked |= answer

    assert stages == [["item"], ["subscription"], ["tiers:price_1"]]
    assert len(stages) == MOST_STAGES
    assert reads(asked, looked) == ()


def test_what_people_saw_of_the_items_must_still_be_so() -> None:
    people_saw = effect(ITEM, LOOKED, item="si_2", quantity=2)
    changed = {**LOOKED, "subscription": subscription(item(), {**item(900, 30), "id": "si_2"})}

    assert broken(people_saw.preconditions, effect(ITEM, LOOKED, item="si_2", quantity=2)) == ()
    assert [each.name for each in broken(people_saw.preconditions, effect(ITEM, changed, item="si_2", quantity=2))] == [
        "items"
    ]


def phase(*prices: str, **changes: object) -> dict[str, object]:
    return {"items": [{"price": each} for each in prices], **changes}


@pytest.mark.parametrize(
    ("asked", "lost", "ends"),
    [
        ({"phases": [phase("dear")]}, NONE, NONE),
        ({"phases": [phase("dear"), phase("cheap")]}, usd(13_200), NONE),
        ({"phases": [phase("dear"), phase("cheap", "cheap"), phase("dear")]}, usd(12_700), NONE),
        ({"phases": [phase("dear", discounts=[{"coupon": "twenty"}])]}, NONE, NONE),
        ({"phases": [phase("dear", discounts=[{"promotion_code": "promo_1"}])]}, usd(3_750), NONE),
        ({"phases": [phase("dear"), phase("dear", trial=True)]}, usd(13_700), NONE),
        ({"phases": [phase("dear", trial_end=4_102_444_800)]}, usd(13_700), NONE),
        ({"phases": [phase("dear")], "end_behavior": "cancel"}, usd(13_700), UNKNOWN),
        ({"end_behavior": "cancel"}, usd(13_700), UNKNOWN),
        ({"end_behavior": "release"}, NONE, NONE),
        ({"pause_schedules": [{"key": "x"}]}, usd(13_700), None),
        ({"phases": [phase("dear"), phase("eur")]}, UNKNOWN, NONE),
        ({"phases": [phase("unseen")]}, UNKNOWN, NONE),
        ({"phases": [phase("metered")]}, UNKNOWN, NONE),
        ({"phases": [{"items": [{"price_data": {"unit_amount": 1}}]}]}, UNKNOWN, NONE),
        ({"phases": [phase("dear", add_invoice_items=[{"price": "once"}])]}, UNKNOWN, NONE),
    ],
)
def test_the_phase_that_brings_the_least_decides(asked: Asked, lost: object, ends: object) -> None:
    """THREATS 4: what is planned for next year happens without any further request."""
    seen = effect(SCHEDULE, LOOKED, schedule="sched_1", **asked)

    assert (seen.facts["mrr_lost"], seen.facts.get("ends")) == (lost, ends)


def test_a_schedule_that_ends_already_ends_sooner_with_other_phases() -> None:
    looked = {**LOOKED, "schedule": {**PLAN, "end_behavior": "cancel"}}

    assert effect(SCHEDULE, looked, schedule="sched_1", phases=[phase("dear")]).facts["mrr_lost"] == usd(13_700)


@pytest.mark.parametrize(
    ("asked", "amount", "lost", "percent"),
    [
        (
            {"customer": "cus_1", "start_date": 4_102_444_800, "phases": [phase("cheap"), phase("dear")]},
            usd(19_900),
            NONE,
            None,
        ),
        (
            {"customer": "cus_1", "phases": [phase("dear", discounts=[{"coupon": "twenty"}])]},
            usd(19_900),
            usd(3_980),
            Fraction(20),
        ),
        ({"customer": "cus_1", "phases": [phase("dear", trial=True)]}, usd(19_900), usd(19_900), UNKNOWN),
        ({"from_subscription": "sub_1"}, NONE, NONE, None),
        ({"from_subscription": "sub_1", "end_behavior": "cancel"}, NONE, usd(13_700), None),
    ],
)
def test_a_new_schedule_loses_what_it_takes_from_what_runs(
    asked: Asked, amount: object, lost: object, percent: object
) -> None:
    looked = {name: found for name, found in LOOKED.items() if name != "schedule"}
    if "from_subscription" not in asked:
        del looked["subscription"]
    seen = effect("PostSubscriptionSchedules", looked, **asked)

    assert (seen.facts["amount"], seen.facts["mrr_lost"]) == (amount, lost)
    assert seen.facts.get("discount_percent") == percent
    assert seen.facts["customer"] == "cus_1"


@pytest.mark.parametrize(
    ("plan", "asked", "facts"),
    [
        (PLAN, {}, {"mrr_lost": usd(13_700), "ends": "now", "amount": usd(13_700), "reversible": False}),
        (PLAN, {"prorate": False}, {"amount": usd(13_700)}),
        (PLAN, {"prorate": False, "invoice_now": False}, {"mrr_lost": usd(13_700), "amount": NONE}),
        (
            {**PLAN, "status": "not_started", "subscription": None},
            {},
            {"mrr_lost": usd(19_900), "amount": NONE, "customer": "cus_1"},
        ),
        (UNAVAILABLE, {}, {"mrr_lost": UNKNOWN, "amount": UNKNOWN, "customer": UNKNOWN}),
    ],
)
def test_canceling_a_schedule_ends_its_subscription(plan: Looked, asked: Asked, facts: Mapping[str, object]) -> None:
    seen = effect("PostSubscriptionSchedulesScheduleCancel", {**PRICES, "schedule": plan}, schedule="sched_1", **asked)

    assert {name: seen.facts[name] for name in facts} == facts


def test_releasing_a_schedule_loses_the_raises_that_were_planned() -> None:
    release = "PostSubscriptionSchedulesScheduleRelease"
    falls = {**PLAN, "phases": PLAN["phases"][:1]}  # type: ignore[index]
    seen = effect(release, {**PRICES, "schedule": PLAN}, schedule="sched_1")

    assert seen.facts["mrr_lost"] == usd(6_200)
    assert effect(release, {**PRICES, "schedule": falls}, schedule="sched_1").facts["mrr_lost"] is NONE
    assert effect(release, {"schedule": PLAN}, schedule="sched_1").facts["mrr_lost"] is UNKNOWN


@pytest.mark.parametrize(
    ("operation", "status", "named"),
    [
        ("PostSubscriptionSchedulesScheduleRelease", "active", ["price:price_1", "price:dear"]),
        ("PostSubscriptionSchedulesScheduleCancel", "not_started", ["price:price_1", "price:dear"]),
        ("PostSubscriptionSchedulesScheduleCancel", "active", []),
    ],
)
def test_the_prices_of_a_plan_are_looked_at_where_it_tells(operation: str, status: str, named: list[str]) -> None:
    asked = classified(operation, schedule="sched_1")

    assert [read.name for read in reads(asked, {"schedule": {**PLAN, "status": status}})] == named


def test_a_schedule_that_is_over_is_refused_before_people_are_asked() -> None:
    refusal = effect(
        SCHEDULE, {**LOOKED, "schedule": {**PLAN, "status": "released"}}, schedule="sched_1", end_behavior="cancel"
    ).refusal

    assert refusal is not None
    assert refusal.code == "stripe.schedule_over"


def test_a_plan_that_changed_meanwhile_is_noticed_when_it_runs() -> None:
    people_saw = effect(SCHEDULE, LOOKED, schedule="sched_1", end_behavior="cancel")
    now = effect(
        SCHEDULE, {**LOOKED, "schedule": {**PLAN, "phases": PLAN["phases"][:1]}}, schedule="sched_1", end_behavior="cancel"  # type: ignore[index]
    )  # fmt: skip

    assert [each.name for each in broken(people_saw.preconditions, now)] == ["planned"]


def test_a_pause_stops_all_revenue_and_resuming_bills_at_most_a_period() -> None:
    paused = effect("PostSubscriptionsSubscriptionPause", LOOKED, subscription="sub_1")
    resumed = effect("PostSubscriptionsSubscriptionResume", LOOKED, subscription="sub_1")
    unseen = effect("PostSubscriptionsSubscriptionPause", {"subscription": UNAVAILABLE}, subscription="sub_1")

    assert (paused.facts["mrr_lost"], paused.facts["reversible"]) == (usd(13_700), True)
    assert resumed.facts["amount"] == usd(13_700)
    assert unseen.facts["mrr_lost"] is UNKNOWN
    assert unseen.incomplete
