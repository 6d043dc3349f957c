"""Money: whole minor units of a currency, Stripe's own table of currencies, exact conversion, and how people write it.

Source of the exponents: Stripe's currency documentation. ISO 4217 and CLDR differ (ISK, UGX, MGA), and using
theirs would be wrong by a factor of a hundred.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction

from runplane_mcp.errors import ParameterError

ZERO_DECIMAL = frozenset("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split())
THREE_DECIMAL = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])
#: Two decimals, but only whole units may be charged: the minor amount is a multiple of 100.
WHOLE_UNITS_ONLY = frozenset({"isk", "ugx"})
#: Two decimals, but a payout's minor amount is a multiple of 100.
WHOLE_UNITS_IN_PAYOUTS = frozenset({"huf", "twd"})
TWO_DECIMAL = frozenset(
    """
    usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd cad cdf
    chf cny cop crc cve czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl htg huf idr
    ils inr isk jmd kes kgs khr kyd kzt lak lbp lkr lrd lsl mad mdl mkd mmk mnt mop mur mvr mwk mxn myr
    mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln qar ron rsd rub sar sbd scr sek sgd shp sle sos
    srd std szl thb tjs top try ttd twd tzs uah ugx uyu uzs wst xcd xcg yer zar zmw usdc
    """.split()
)
CURRENCIES = ZERO_DECIMAL | TWO_DECIMAL | THREE_DECIMAL

#: No amount above this many minor units is ever taken for real: sums of a million of them still fit 64 bits.
LARGEST_AMOUNT = 10**12
RATE_LIFETIME_DAYS = 90

_SYMBOLS = {"$": "usd", "€": "eur", "£": "gbp", "¥": "jpy"}
_SHOWN = {code: symbol for symbol, code in _SYMBOLS.items()}
_NUMBER = re.compile(r"(?P<whole>\d{1,3}(?:,\d{3})+|\d+)(?:\.(?P<part>\d+))?", re.ASCII)
_LONGEST_WRITTEN = 40


def exponent(currency: str) -> int:
    """How many decimals Stripe gives a currency: 0, 2 or 3. KeyError for one that Stripe does not have."""
    if currency in TWO_DECIMAL:
        return 2
    if currency in ZERO_DECIMAL:
        return 0
    if currency in THREE_DECIMAL:
        return 3
    raise KeyError(currency)


@dataclass(frozen=True, slots=True)
class Money:
    """`amount` whole minor units (cents, yen, fils) of a lower-case Stripe `currency`."""

    amount: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.amount) is not int:
            raise TypeError(f"an amount is a whole number of minor units, not {type(self.amount).__name__}")
        if self.currency not in CURRENCIES:
            raise ValueError(f"{self.currency!r} is not a currency of Stripe")

    def major(self) -> Fraction:
        """The amount in major units, exact."""
        return Fraction(self.amount, 10 ** exponent(self.currency))

    def __str__(self) -> str:
        """As people read it, always with the currency: `$650.00 USD`, `-1,200.50 CHF`, `¥5,000 JPY`."""
        places = exponent(self.currency)
        whole, part = divmod(abs(self.amount), 10**places)
        sign = "-" if self.amount < 0 else ""
        decimals = f".{part:0{places}d}" if places else ""
        return f"{sign}{_SHOWN.get(self.currency, '')}{whole:,}{decimals} {self.currency.upper()}"


@dataclass(frozen=True, slots=True)
class Rates:
    """What one major unit of a currency is worth in major units of `base`, as written in the policy file."""

    base: str
    as_of: date | None = None
    per_unit: Mapping[str, Fraction] = field(default_factory=dict)

    def convert(self, money: Money, today: date) -> Fraction | None:
        """`money` in major units of the base, exact, or None where nobody can say: no rate, or rates older than
        90 days. None is *unknown* to whoever compares, and unknown works against the request."""
        if money.currency == self.base:
            return money.major()
        rate = self.per_unit.get(money.currency)
        if rate is None or self.as_of is None or (today - self.as_of).days > RATE_LIFETIME_DAYS:
            return None
        return money.major() * rate


def _bare(written: str, whole: int, part: str | None, of: str) -> ParameterError:
    """Why a number without a currency is refused, in the readings that it could have."""
    symbol = _SHOWN.get(of)
    if part is not None or exponent(of) == 0:
        shown = [f"'{symbol}{written}'"] if symbol else []
        return ParameterError(
            "parameter.amount",
            f"{written!r} has no currency.",
            next_step=f"Write {' or '.join([*shown, repr(f'{written} {of}')])}.",
        )
    units, minor = f"{whole:,}", str(Money(whole, of)).removeprefix(symbol or "").split()[0]
    readings = [f"{symbol}{each}" if symbol else f"{each} {of}" for each in (units, minor)]
    return ParameterError(
        "parameter.amount",
        f"{written!r} could be {readings[0]} or {readings[1]}.",
        next_step=f"Write '{readings[0]}' or '{readings[1]}'.",
    )


def parse_money(text: str, *, of: str = "usd") -> Money:
    """Reads an amount a person typed: `$650`, `650 usd`, `€1,200.50`, `5000 jpy`.

    A bare number is refused with both readings in the currency `of` what it is about, for it could be dollars or cents.
    ParameterError otherwise.
    """
    written = text.strip()
    currency: str | None = None
    rest = written
    for symbol, code in _SYMBOLS.items():
        if rest.startswith(symbol):
            currency, rest = code, rest[len(symbol) :].strip()
    named = re.fullmatch(r"(.*?)\s*([A-Za-z]{3,4})", rest) or re.fullmatch(r"([A-Za-z]{3,4})\s*(.*)", rest)
    if named:
        first, second = named.groups()
        code, rest = (first, second) if first.isalpha() else (second, first)
        if currency is not None and currency != code.lower():
            raise ParameterError("parameter.amount", f"{text!r} names two currencies.", next_step="Write one: '$650'.")
        currency = code.lower()
    number = _NUMBER.fullmatch(rest.strip())
    if number is None or len(written) > _LONGEST_WRITTEN:
        raise ParameterError(
            "parameter.amount", f"{text!r} is not an amount of money.", next_step="Write '$650' or '650 usd'."
        )
    whole = number["whole"].replace(",", "")
    if currency is None:
        raise _bare(written, int(whole), number["part"], of)
    if currency not in CURRENCIES:
        raise ParameterError("parameter.currency", f"{currency!r} is not a currency of Stripe.")
    places = exponent(currency)
    part = number["part"] or ""
    if len(part) > places:
        raise ParameterError("parameter.amount", f"{text!r} has more decimals than {currency.upper()} has ({places}).")
    amount = int(whole + part.ljust(places, "0"))
    if amount > LARGEST_AMOUNT:
        raise ParameterError("parameter.amount", f"{text!r} is larger than any amount Runplane handles.")
    return Money(amount, currency)
