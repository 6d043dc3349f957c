"""What credit notes, coupons, products and prices would do."""

from __future__ import annotations

from fractions import Fraction
from typing import cast

import pytest

from runplane_mcp.core.effect import Effect, LookedUp
from runplane_mcp.core.effects import broken, reads
from runplane_mcp.core.facts import NONE, UNKNOWN
from runplane_mcp.core.money import Money
from tests.core.stripe_objects import GONE, classified, coupon, effect, invoice, item, listing

CUSTOMER = {"id": "cus_1", "object": "customer", "name": "Ada Moreno"}


def usd(amount: int) -> Money:
    return Money(amount, "usd")


def groups(operation_id: str, **parameters: object) -> set[str]:
    return set(classified(operation_id, **parameters).groups)


# ── credit notes ─────────────────────────────────────────────────────────────────────────────────────────────────────

PAID = invoice(status="paid", amount_paid=50_000, amount_remaining=0)
NOTE = "PostCreditNotes"


@pytest.mark.parametrize(
    ("parameters", "amount"),
    [
        ({"amount": 500}, 500),
        ({"refund_amount": 300, "credit_amount": 200}, 500),
        ({"refund_amount": 300, "credit_amount": 200, "out_of_band_amount": 1}, 501),
        ({"amount": 500, "refund_amount": 500}, 500),
        ({"amount": 500, "refund_amount": 400}, None),
        ({}, None),
        ({"lines": [{"type": "invoice_line_item"}]}, None),
    ],
)
def test_a_credit_note_is_a_refund_as_large_as_its_parts(parameters: dict[str, object], amount: int | None) -> None:
    """THREATS row 4: a credit note with a refund part is a refund."""
    seen = effect(NOTE, {"invoice": PAID}, invoice="in_1", **parameters)

    assert seen.facts["amount"] == (usd(amount) if amount else UNKNOWN)
    assert (seen.facts["customer"], seen.facts["object"]) == ("cus_1", "in_1")


@pytest.mark.parametrize(
    ("parameters", "preview", "amount"),
    [
        ({"lines": [{"type": "invoice_line_item"}]}, {"amount": 700, "currency": "usd"}, usd(700)),
        ({"shipping_cost": {"shipping_rate": "shr_1"}}, {"amount": 700, "currency": "usd"}, usd(700)),
        ({"refunds": [{"refund": "re_1"}]}, {"amount": 700, "currency": "usd"}, usd(700)),
        ({"amount": 700, "lines": [{"type": "x"}]}, {"amount": 700, "currency": "usd"}, usd(700)),
        ({"amount": 500, "lines": [{"type": "x"}]}, {"amount": 700, "currency": "usd"}, UNKNOWN),
        ({"lines": [{"type": "x"}]}, {"amount": 700, "currency": "eur"}, UNKNOWN),
        ({"lines": [{"type": "x"}]}, {"amount": "700", "currency": "usd"}, UNKNOWN),
    ],
)  # fmt: skip
def test_stripes_preview_tells_what_lines_come_to(
    parameters: dict[str, object], preview: dict[str, object], amount: object
) -> None:
    seen = effect(NOTE, {"invoice": PAID, "preview": preview}, invoice="in_1", **parameters)

    assert seen.facts["amount"] == amount


def test_the_preview_is_asked_only_where_plain_amounts_do_not_tell() -> None:
    plain = classified(NOTE, invoice="in_1", refund_amount=5, memo="for them")
    lines = classified(NOTE, invoice="in_1", lines=[{"type": "x"}], memo="for them", metadata={"a": "b"})

    assert [read.name for read in reads(plain, {})] == ["invoice"]
    assert [read.wire.url for read in reads(lines, {})] == [
        "/v1/invoices/in_1?expand[0]=customer",
        "/v1/credit_notes/preview?invoice=in_1&lines[0][type]=x",
    ]


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({"refund_amount": 5}, {"refunds"}),
        ({"credit_amount": 5, "memo": "x"}, {"credits"}),
        ({"amount": 5}, {"credits", "refunds", "write_offs"}),
        ({"refund_amount": 5, "credit_amount": 5}, {"credits", "refunds", "write_offs"}),
        ({"out_of_band_amount": 5}, {"credits", "refunds", "write_offs"}),
        ({"refund_amount": 5, "lines": [{"type": "x"}]}, {"credits", "refunds", "write_offs"}),
    ],
)  # fmt: skip
def test_a_credit_note_is_told_apart_only_where_its_parts_prove_it(
    parameters: dict[str, object], found: set[str]
) -> None:
    assert groups(NOTE, invoice="in_1", **parameters) == found


def test_a_credit_note_counts_with_those_before_it() -> None:
    """THREATS row 2: many small ones on one invoice."""
    found = invoice(**{**PAID, "post_payment_credit_notes_amount": 10_000})
    seen = effect(NOTE, {"invoice": found}, invoice="in_1", refund_amount=5_000)

    assert seen.facts["amount_on_object"] == usd(15_000)
    assert seen.facts["share"] == Fraction(10)
    assert [(line.label, line.money.amount) for line in seen.money_lines] == [
        ("Invoiced", 50_000),
        ("Credited before", 10_000),
        ("This credit note", 5_000),
        ("Left after it", 35_000),
    ]
    assert broken(seen.preconditions, effect(NOTE, {"invoice": PAID}, invoice="in_1", refund_amount=5_000))


def test_a_credit_note_before_the_payment_says_that_less_is_owed() -> None:
    seen = effect(NOTE, {"invoice": invoice()}, invoice="in_1", amount=5_000)

    assert seen.sentence.endswith("for customer cus_1: that much less is owed.")
    after = effect(NOTE, {"invoice": PAID}, invoice="in_1", refund_amount=5_000, credit_amount=100)
    assert after.sentence.endswith("for customer cus_1: $50.00 USD as refund, $1.00 USD as credit.")


@pytest.mark.parametrize(
    "found",
    [
        GONE,
        invoice(status="draft"),
        invoice(status="void"),
        invoice(status="uncollectible"),
        invoice(amount_remaining=4_999),
        invoice(**{**PAID, "post_payment_credit_notes_amount": 45_001}),
    ],
)
def test_a_credit_note_that_stripe_would_refuse_is_refused(found: object) -> None:
    assert effect(NOTE, cast("LookedUp", {"invoice": found}), invoice="in_1", amount=5_000).refusal is not None
    assert effect(NOTE, {}, invoice="in/1", amount=5).refusal is not None


# ── coupons ──────────────────────────────────────────────────────────────────────────────────────────────────────────

COUPON = "PostCoupons"


@pytest.mark.parametrize(
    ("parameters", "percent", "sentence"),
    [
        ({"percent_off": 25}, Fraction(25), "Create a coupon: 25 % off once, as often as it is redeemed."),
        (
            {"percent_off": "12.5", "duration": "forever", "max_redemptions": 3},
            Fraction(25, 2),
            "Create a coupon: 12.5 % off for ever, at most 3 times.",
        ),
        (
            {"percent_off": 100, "duration": "repeating", "duration_in_months": 6},
            Fraction(100),
            "Create a coupon: 100 % off for 6 months, as often as it is redeemed.",
        ),
    ],
)  # fmt: skip
def test_a_share_is_told_by_its_percent(parameters: dict[str, object], percent: Fraction, sentence: str) -> None:
    seen = effect(COUPON, {}, **parameters)

    assert seen.facts == {"discount_percent": percent, "reversible": True}
    assert seen.sentence == sentence
    assert groups(COUPON, **parameters) == {"discounts"}


@pytest.mark.parametrize(
    ("parameters", "amount"),
    [
        ({"amount_off": 500, "currency": "usd"}, usd(500)),
        ({"amount_off": 500, "currency": "usd", "duration": "once"}, usd(500)),
        ({"amount_off": 500, "currency": "usd", "duration": "repeating", "duration_in_months": 6}, usd(3_000)),
        ({"amount_off": 500, "currency": "usd", "duration": "repeating"}, UNKNOWN),
        ({"amount_off": 500, "currency": "usd", "duration": "forever"}, UNKNOWN),
        ({"amount_off": 500, "currency": "usd", "duration": "eternal"}, UNKNOWN),
        ({"amount_off": 500, "currency": "usd", "currency_options": {"eur": {"amount_off": 9}}}, UNKNOWN),
    ],
)
def test_an_amount_counts_as_often_as_it_is_taken_off(parameters: dict[str, object], amount: object) -> None:
    seen = effect(COUPON, {}, **parameters)

    assert (seen.facts["amount"], seen.facts["discount_percent"]) == (amount, UNKNOWN)


def test_what_a_coupon_takes_off_in_other_currencies_is_not_kept_quiet() -> None:
    others = {"eur": {"amount_off": 900_000}, "gbp": {"amount_off": 1}}
    seen = effect(COUPON, {}, amount_off=500, currency="usd", currency_options=others)

    assert seen.sentence.startswith("Create a coupon: $5.00 USD off (and in eur, gbp other amounts) once")


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"percent_off": 0},
        {"percent_off": 101},
        {"percent_off": "100.5"},
        {"percent_off": "1e1"},
        {"percent_off": 5, "amount_off": 5, "currency": "usd"},
        {"amount_off": 5},
        {"percent_off": 5, "id": "we&ird"},
    ],
)
def test_a_coupon_that_can_not_be_is_refused(parameters: dict[str, object]) -> None:
    assert effect(COUPON, {}, **parameters).refusal is not None


def test_an_id_that_is_taken_is_refused() -> None:
    asked: dict[str, object] = {"percent_off": 5, "id": "twenty"}

    assert effect(COUPON, {"taken": coupon()}, **asked).refusal is not None
    free = effect(COUPON, {"taken": GONE}, **asked)
    assert free.refusal is None
    assert [each.name for each in free.preconditions] == ["coupon_id"]
    assert [read.wire.url for read in reads(classified(COUPON, **asked), {})] == ["/v1/coupons/twenty"]


# ── products and prices ──────────────────────────────────────────────────────────────────────────────────────────────

PRICE = "PostPrices"
MONTHLY: dict[str, object] = {"recurring": {"interval": "month"}}


def priced(amount: int, *others: dict[str, object], **parameters: object) -> Effect:
    prices = listing(*others) if others else listing(_price(2_900), _price(900), _price(9_900, interval="year"))
    looked = {"product": {"id": "prod_1", "object": "product", "name": "Club"}, "prices": prices}
    asked = {"product": "prod_1", "currency": "usd", "unit_amount": amount, **MONTHLY, **parameters}
    return effect(PRICE, looked, **asked)  # type: ignore[arg-type]


def _price(amount: object, **changes: object) -> dict[str, object]:
    found = item(amount, **changes)["price"]  # type: ignore[arg-type]
    assert isinstance(found, dict)
    return found


def test_a_price_below_the_others_is_a_discount() -> None:
    """THREATS row 4: cheap prices as a side door."""
    assert priced(1_450).facts["discount_percent"] == Fraction(50)
    assert priced(0).facts["discount_percent"] == Fraction(100)
    assert priced(2_900).facts["discount_percent"] is NONE
    assert priced(9_900).facts["discount_percent"] is NONE
    assert priced(1_450).sentence == (
        "Create a price of $14.50 USD every month for product prod_1, 50 % below the highest like it."
    )


@pytest.mark.parametrize(
    ("parameters", "percent"),
    [
        ({"currency": "eur"}, NONE),
        ({"recurring": {"interval": "week"}}, NONE),
        ({"recurring": {"interval": "year"}}, Fraction(9_800, 99)),
        ({"custom_unit_amount": {"enabled": True}}, UNKNOWN),
        ({"tiers": [{"up_to": "inf", "unit_amount": 0}]}, UNKNOWN),
        ({"transform_quantity": {"divide_by": 10, "round": "up"}}, UNKNOWN),
    ],
)  # fmt: skip
def test_only_what_is_paid_alike_is_compared(parameters: dict[str, object], percent: object) -> None:
    assert priced(100, **parameters).facts["discount_percent"] == percent


@pytest.mark.parametrize(
    "others", [[_price(None)], [{"currency": "usd", "recurring": {"interval": "month", "interval_count": 1}}]]
)
def test_prices_that_can_not_be_read_are_unknown(others: list[dict[str, object]]) -> None:
    assert priced(100, *others).facts["discount_percent"] is UNKNOWN


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({"product": "prod_1"}, {"discounts"}),
        ({"product": "prod_1", "active": False}, set()),
        ({"product_data": {"name": "New"}}, set()),
        ({"product_data": {"name": "New"}, "lookup_key": "club", "transfer_lookup_key": True}, {"discounts"}),
        ({"product": "prod_1", "active": False, "transfer_lookup_key": True}, {"discounts"}),
    ],
)  # fmt: skip
def test_a_price_of_something_that_nobody_sells_yet_is_no_discount(
    parameters: dict[str, object], found: set[str]
) -> None:
    assert groups(PRICE, currency="usd", unit_amount=1, **parameters) == found


def test_a_price_needs_one_product() -> None:
    for wrong in ({}, {"product": "prod_1", "product_data": {"name": "x"}}, {"product": "we&ird"}):
        assert effect(PRICE, {}, currency="usd", unit_amount=1, **wrong).refusal is not None
    assert priced(1).refusal is None
    gone = effect(PRICE, {"product": GONE}, currency="usd", unit_amount=1, product="prod_1")
    assert gone.refusal is not None


def test_a_product_sells_nothing_yet() -> None:
    asked: dict[str, object] = {
        "name": "Beans",
        "default_price_data": {
            "currency": "usd",
            "unit_amount": 500,
            "recurring": {"interval": "week", "interval_count": 2},
        },
    }
    seen = effect("PostProducts", {}, **asked)

    assert seen.sentence == "Create a product at $5.00 USD every 2 weeks; nothing is sold by it yet."
    assert (seen.facts, groups("PostProducts", **asked)) == ({"reversible": True}, set())
    assert seen.quoted == (("product name", "Beans"),)
