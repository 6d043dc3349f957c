"""What ending a subscription or deleting a customer would lose, and what is not told apart."""

from __future__ import annotations

from fractions import Fraction

import pytest

from runplane_mcp.core.effect import UNAVAILABLE, Effect
from runplane_mcp.core.effects import broken, reads
from runplane_mcp.core.effects.revenue import monthly
from runplane_mcp.core.facts import NONE, UNKNOWN
from runplane_mcp.core.money import Money
from tests.core.stripe_objects import GONE, classified, effect, item, listing, subscription

DELETE = "DeleteSubscriptionsSubscriptionExposedId"
UPDATE = "PostSubscriptionsSubscriptionExposedId"


def ending(found: object, operation: str = DELETE, **parameters: object) -> Effect:
    looked = {"subscription": found}
    return effect(operation, looked, subscription_exposed_id="sub_1", **parameters)  # type: ignore[arg-type]


def usd(amount: int) -> Money:
    return Money(amount, "usd")


@pytest.mark.parametrize(
    ("items", "lost"),
    [
        ([item()], 2_900),
        ([item(), item(900, 12)], 13_700),
        ([item(29_000, interval="year")], 2_417),  # 2416.67, rounded up
        ([item(1_500, interval="week")], 6_518),  # 6517.86
        ([item(100, interval="day")], 3_042),  # 3041.67
        ([item(3_000, count=3)], 1_000),
        ([item(0)], 0),
        ([item(quantity=0)], 0),
        ([item(None, unit_amount_decimal="0.5", quantity=3)], 2),
        ([item(100, unit_amount_decimal="100")], 100),
    ],
)
def test_revenue_is_brought_to_a_month(items: list[dict[str, object]], lost: int) -> None:
    assert ending(subscription(*items)).facts["mrr_lost"] == usd(lost)


def test_a_part_of_a_minor_unit_counts_as_a_whole_one() -> None:
    a_third = [item(1, count=3)]

    assert monthly([subscription(*a_third * 3)]) == usd(1)
    assert Fraction(1, 3) * 3 == 1
    assert monthly([subscription(*a_third * 4)]) == usd(2)


@pytest.mark.parametrize(
    "items",
    [
        [item(billing_scheme="tiered", unit_amount=None)],
        [item(recurring={"interval": "month", "interval_count": 1, "usage_type": "metered"})],
        [item(transform_quantity={"divide_by": 0, "round": "up"})],
        [item(transform_quantity={"divide_by": 10, "round": "nearest"})],
        [item(None, unit_amount_decimal=None)],
        [item(100.0, unit_amount_decimal="1e3")],
        [item("100", unit_amount_decimal="-5")],
        [item(quantity=None)],
        [item(quantity=1.5)],
        [item(quantity=True)],
        [item(interval="fortnight")],
        [item(count=0)],
        [item(recurring=None)],
        [item(currency="xyz")],
        [item(), item(currency="eur")],
        [item(10**12, 10)],
        [{"id": "si_1", "quantity": 1, "price": "price_1"}],
    ],
)
def test_revenue_that_can_not_be_said_exactly_is_unknown(items: list[dict[str, object]]) -> None:
    assert ending(subscription(*items)).facts["mrr_lost"] is UNKNOWN


@pytest.mark.parametrize(
    "changes",
    [
        {"items": listing()},
        {"items": listing(item(), has_more=True)},
        {"items": [item()]},
        {"items": None},
        {"currency": "eur"},
        {"currency": 7},
    ],
)
def test_a_subscription_that_is_not_shown_whole_is_unknown(changes: dict[str, object]) -> None:
    assert ending(subscription(**changes)).facts["mrr_lost"] is UNKNOWN


def test_ending_now_can_not_be_undone() -> None:
    seen = ending(subscription())

    assert (seen.facts["ends"], seen.facts["reversible"], seen.facts["object"]) == ("now", False, "sub_1")
    assert seen.facts["customer"] == "cus_1"
    assert "amount" not in seen.facts
    assert seen.sentence == "Cancel subscription sub_1 of customer cus_1 now: $29.00 USD of monthly revenue ends."
    assert [(line.label, line.money) for line in seen.money_lines] == [("Monthly revenue lost", usd(2_900))]
    assert ("customer name", "Ada Moreno") in seen.quoted


def test_ending_with_the_period_can() -> None:
    seen = ending(subscription(), UPDATE, cancel_at_period_end=True)

    assert (seen.facts["ends"], seen.facts["reversible"]) == ("period_end", True)
    assert seen.facts["mrr_lost"] == usd(2_900)
    assert "at the end of its period, 2026-12-03:" in seen.sentence
    assert "period_end = 1796340320" in {each.sentence() for each in seen.preconditions}


@pytest.mark.parametrize("asked", ["prorate", "invoice_now"])
def test_money_that_moves_besides_is_unknown(asked: str) -> None:
    seen = ending(subscription(), DELETE, **{asked: True})

    assert seen.facts["amount"] is UNKNOWN
    assert f"`{asked}` is asked for too." in seen.sentence


@pytest.mark.parametrize("status", ["canceled", "incomplete_expired"])
@pytest.mark.parametrize(("operation", "parameters"), [(DELETE, {}), (UPDATE, {"cancel_at_period_end": True})])
def test_what_has_ended_can_not_be_ended_again(status: str, operation: str, parameters: dict[str, object]) -> None:
    seen = ending(subscription(status=status), operation, **parameters)

    assert seen.refusal is not None
    assert seen.refusal.code == "stripe.subscription_already_canceled"
    assert ending(subscription(status=status), UPDATE, metadata={"a": "b"}).refusal is None


def test_a_subscription_of_another_customer_is_not_there() -> None:
    """THREATS row 21."""
    path = {"customer": "cus_2", "subscription_exposed_id": "sub_1"}
    seen = effect("DeleteCustomersCustomerSubscriptionsSubscriptionExposedId", {"subscription": subscription()}, **path)

    assert seen.refusal is not None
    assert seen.refusal.code == "stripe.resource_missing"
    assert ending(GONE).refusal is not None


def test_a_price_that_changed_meanwhile_breaks_what_people_saw() -> None:
    """THREATS row 8."""
    seen = ending(subscription())

    assert broken(seen.preconditions, ending(subscription())) == ()
    for changed, name in (
        (subscription(item(3_900)), "items"),
        (subscription(item(quantity=2)), "items"),
        (subscription(item(id="price_2")), "items"),
        (subscription(status="past_due"), "status"),
    ):
        assert [each.name for each in broken(seen.preconditions, ending(changed))] == [name]


def test_one_read_tells_of_a_subscription() -> None:
    asked = classified(DELETE, subscription_exposed_id="sub_1")

    assert [read.wire.url for read in reads(asked, {})] == ["/v1/subscriptions/sub_1?expand[0]=customer"]
    assert reads(asked, {"subscription": UNAVAILABLE}) == ()


def test_a_change_of_metadata_is_only_that() -> None:
    seen = ending(subscription(), UPDATE, metadata={"a": "b"})

    assert dict(seen.facts) == {"object": "sub_1", "customer": "cus_1", "reversible": True}
    assert [each.name for each in seen.preconditions] == ["status"]


def test_letting_it_run_on_says_that_the_customer_is_charged() -> None:
    assert "charge again" in ending(subscription(), UPDATE, cancel_at_period_end=False).sentence
    assert "charge again" in ending(subscription(), UPDATE, pause_collection="").sentence


# ── customers ────────────────────────────────────────────────────────────────────────────────────────────────────────

CUSTOMER = {"id": "cus_1", "object": "customer", "name": "Ada Moreno", "email": "ada@example.com"}


def deleting(customer: object, subscriptions: object) -> Effect:
    looked = {"customer": customer, "subscriptions": subscriptions}
    return effect("DeleteCustomersCustomer", looked, customer="cus_1")  # type: ignore[arg-type]


def test_deleting_a_customer_ends_their_subscriptions() -> None:
    seen = deleting(CUSTOMER, listing(subscription(), subscription(item(900, 12), id="sub_2")))

    assert seen.facts["mrr_lost"] == usd(13_700)
    assert (seen.facts["ends"], seen.facts["object"], seen.facts["customer"]) == ("now", "cus_1", "cus_1")
    assert seen.facts["reversible"] is False
    assert seen.sentence == ("Delete customer cus_1 for good; 2 subscriptions end now, $137.00 USD of monthly revenue.")


def test_a_customer_without_subscriptions_loses_no_revenue() -> None:
    seen = deleting(CUSTOMER, listing())

    assert (seen.facts["mrr_lost"], seen.facts["ends"]) == (NONE, NONE)
    assert broken(seen.preconditions, deleting(CUSTOMER, listing(subscription()))) == seen.preconditions


@pytest.mark.parametrize(
    "held", [UNAVAILABLE, listing(has_more=True), listing(subscription(), has_more=True), {"data": 7}]
)
def test_subscriptions_that_were_not_all_seen_are_unknown(held: object) -> None:
    seen = deleting(CUSTOMER, held)

    assert (seen.facts["mrr_lost"], seen.facts["ends"]) == (UNKNOWN, UNKNOWN)


@pytest.mark.parametrize("found", [GONE, {"id": "cus_1", "object": "customer", "deleted": True}])
def test_a_customer_who_is_gone_can_not_be_deleted(found: object) -> None:
    seen = deleting(found, listing())

    assert seen.refusal is not None
    assert seen.refusal.code == "stripe.resource_missing"


def test_a_customers_id_that_could_not_be_shown_is_refused() -> None:
    seen = effect("DeleteCustomersCustomer", {}, customer="we&ird")

    assert seen.refusal is not None
    assert reads(classified("DeleteCustomersCustomer", customer="we&ird"), {}) == ()
