"""Money: Stripe's own exponents, exact conversion, amounts as people write them."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runplane_mcp.core.amounts import amount_of
from runplane_mcp.core.money import (
    CURRENCIES,
    LARGEST_AMOUNT,
    RATE_LIFETIME_DAYS,
    THREE_DECIMAL,
    TWO_DECIMAL,
    WHOLE_UNITS_IN_PAYOUTS,
    WHOLE_UNITS_ONLY,
    ZERO_DECIMAL,
    Money,
    Rates,
    exponent,
    parse_money,
)
from runplane_mcp.core.policy.conditions import Converter
from runplane_mcp.core.wire import encode, parse
from runplane_mcp.errors import ParameterError

TODAY = date(2026, 3, 3)
CODES = st.sampled_from(sorted(CURRENCIES))
AMOUNTS = st.integers(0, LARGEST_AMOUNT)
DECIMALS = st.decimals("0.0001", 5000, places=4).map(Fraction)


def test_each_currency_has_one_exponent() -> None:
    assert not ZERO_DECIMAL & TWO_DECIMAL
    assert not ZERO_DECIMAL & THREE_DECIMAL
    assert not TWO_DECIMAL & THREE_DECIMAL
    assert ZERO_DECIMAL | TWO_DECIMAL | THREE_DECIMAL == CURRENCIES


@pytest.mark.parametrize(
    ("currency", "places"),
    [("usd", 2), ("jpy", 0), ("krw", 0), ("kwd", 3), ("isk", 2), ("ugx", 2), ("mga", 0), ("huf", 2)],
)
def test_the_exponents_are_those_of_stripe(currency: str, places: int) -> None:
    """THREATS 17: ISO and CLDR differ for ISK, UGX and MGA; theirs would be wrong by a factor of a hundred."""
    assert exponent(currency) == places


#: As Stripe's documentation of currencies has them; all others have two decimals.
STRIPES_TABLE = {
    0: "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split(),
    3: ["bhd", "jod", "kwd", "omr", "tnd"],
}


def test_every_exponent_is_that_of_stripes_table() -> None:
    """THREATS 17: for each currency there is, not for some."""
    listed = {code: places for places, codes in STRIPES_TABLE.items() for code in codes}

    assert {code: exponent(code) for code in CURRENCIES} == {code: listed.get(code, 2) for code in CURRENCIES}
    assert listed.keys() <= CURRENCIES
    assert len(CURRENCIES) > 135


def test_currencies_without_small_change_keep_two_decimals() -> None:
    """ISK and UGX: charged in whole units only. HUF and TWD: only paid out so. Their minor unit is a hundredth all the
    same, so ISK 500 is 50000."""
    assert frozenset({"isk", "ugx"}) == WHOLE_UNITS_ONLY
    assert frozenset({"huf", "twd"}) == WHOLE_UNITS_IN_PAYOUTS
    for code in WHOLE_UNITS_ONLY | WHOLE_UNITS_IN_PAYOUTS:
        assert (exponent(code), str(Money(50_000, code))) == (2, f"500.00 {code.upper()}")
        assert Money(50_000, code) == parse_money(f"500 {code}")


@given(st.integers(1, LARGEST_AMOUNT), CODES)
def test_an_amount_is_the_same_number_before_and_after_the_wire_in_every_currency(amount: int, currency: str) -> None:
    form = encode("POST", "/v1/payouts", {"amount": amount, "currency": currency})
    body = encode("POST", "/v2/core/x", {"amount": {"value": amount, "currency": currency}})
    read, held = parse("/v1/payouts", form), parse("/v2/core/x", body)["amount"]
    assert isinstance(held, dict)

    assert Money(amount, currency) == Money(amount_of(read["amount"]) or 0, str(read["currency"]))
    assert Money(amount, currency) == Money(amount_of(held["value"]) or 0, str(held["currency"]))


@pytest.mark.parametrize("amount", [1.0, "100", None, True, Fraction(1)])
def test_an_amount_that_is_no_whole_number_is_no_money(amount: object) -> None:
    """THREATS 1."""
    with pytest.raises(TypeError):
        Money(amount, "usd")  # type: ignore[arg-type]


def test_a_currency_that_stripe_does_not_have_is_no_money() -> None:
    with pytest.raises(ValueError):
        Money(100, "usx")


@given(AMOUNTS, CODES)
def test_what_is_shown_reads_back_as_the_same_money(amount: int, currency: str) -> None:
    money = Money(amount, currency)

    assert money == parse_money(str(money))


@given(AMOUNTS, CODES, DECIMALS)
def test_conversion_is_exact(amount: int, currency: str, rate: Fraction) -> None:
    rates = Rates("usd", TODAY, {} if currency == "usd" else {currency: rate})
    one = Fraction(1) if currency == "usd" else rate

    assert Fraction(amount, 10 ** exponent(currency)) * one == rates.convert(Money(amount, currency), TODAY)


@given(AMOUNTS, CODES, DECIMALS, CODES)
def test_minor_units_of_another_currency_are_exact_too(amount: int, currency: str, rate: Fraction, base: str) -> None:
    rates = Rates(base, TODAY, {} if currency == base else {currency: rate})
    minor = Converter(rates).minor(Money(amount, currency), TODAY)
    converted = rates.convert(Money(amount, currency), TODAY)

    assert minor is not None
    assert converted == Fraction(minor, 10 ** exponent(base))


@pytest.mark.parametrize("days", [0, RATE_LIFETIME_DAYS])
def test_rates_hold_for_ninety_days(days: int) -> None:
    rates = Rates("usd", TODAY - timedelta(days=days), {"eur": Fraction(11, 10)})

    assert Fraction(11) == rates.convert(Money(1000, "eur"), TODAY)


@pytest.mark.parametrize(
    "rates",
    [
        Rates("usd", TODAY, {}),
        Rates("usd", None, {"eur": Fraction(1)}),
        Rates("usd", TODAY - timedelta(days=RATE_LIFETIME_DAYS + 1), {"eur": Fraction(1)}),
    ],
    ids=["no rate", "no day", "too old"],
)
def test_an_amount_without_a_good_rate_is_unknown(rates: Rates) -> None:
    """THREATS 17."""
    assert rates.convert(Money(1000, "eur"), TODAY) is None
    assert Converter(rates).minor(Money(1000, "eur"), TODAY) is None


@pytest.mark.parametrize("amount", [-1, LARGEST_AMOUNT + 1])
def test_an_amount_that_no_request_can_have_is_unknown(amount: int) -> None:
    """THREATS 1: a negative amount would make room in a limit."""
    assert Converter(Rates("usd")).minor(Money(amount, "usd"), TODAY) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$650", Money(65000, "usd")),
        ("650 usd", Money(65000, "usd")),
        ("USD 650", Money(65000, "usd")),
        ("€1,200.50", Money(120050, "eur")),
        ("5000 jpy", Money(5000, "jpy")),
        ("1.234 KWD", Money(1234, "kwd")),
        (" $0.01 ", Money(1, "usd")),
    ],
)
def test_amounts_are_read_as_people_write_them(text: str, expected: Money) -> None:
    assert expected == parse_money(text)


@pytest.mark.parametrize(
    "text",
    [
        *("650", "6.50", "", "$", "-5 usd", "$-5", "1e5 usd", "5 xxx", "$5 eur", "1,00 usd", "5.001 usd", "5.5 jpy"),
        *("NaN usd", "٦٥٠ usd", "$" + "9" * 5000, "$1000000000000000", "true", "null", "$5 $6"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(text: str) -> None:
    with pytest.raises(ParameterError) as error:
        parse_money(text)

    assert error.value.code in {"parameter.amount", "parameter.currency"}


def test_a_bare_number_is_refused_with_both_readings() -> None:
    with pytest.raises(ParameterError) as error:
        parse_money("65000")

    assert "$65,000 or $650.00" in str(error.value)


@pytest.mark.parametrize(
    ("text", "of", "readings"),
    [
        ("650", "eur", "€650 or €6.50"),
        ("650", "chf", "650 chf or 6.50 chf"),
        ("650", "kwd", "650 kwd or 0.650 kwd"),
        ("650", "jpy", "'¥650' or '650 jpy'"),
        ("6.50", "chf", "'6.50 chf'"),
    ],
)
def test_the_readings_of_a_bare_number_are_in_the_currency_it_is_about(text: str, of: str, readings: str) -> None:
    with pytest.raises(ParameterError) as error:
        parse_money(text, of=of)

    assert readings in str(error.value)


def test_a_bare_decimal_is_not_said_to_be_cents() -> None:
    with pytest.raises(ParameterError) as error:
        parse_money("6.50")

    assert "'$6.50'" in str(error.value)


@given(st.text(max_size=60))
def test_any_text_is_money_or_refused(text: str) -> None:
    try:
        money = parse_money(text)
    except ParameterError:
        return
    assert 0 <= money.amount <= LARGEST_AMOUNT
