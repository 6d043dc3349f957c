"""Amounts among parameters: whole numbers in the currency's smallest unit, wherever they stand. No sign, point, exponent
or leading zero too many, or they would be read as another number by the next reader."""

from __future__ import annotations

import re
from collections.abc import Mapping

from runplane_mcp.core.money import LARGEST_AMOUNT
from runplane_mcp.core.values import MOST_DEPTH, Bare, Text, too_deep
from runplane_mcp.errors import ParameterError

INTEGER = re.compile(r"0|-?[1-9][0-9]{0,15}")
_AMOUNT = re.compile(r"[1-9][0-9]{0,12}")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,12})?")
_NUMBERS = frozenset({"integer", "signed", "unsigned"})
#: Objects whose names are the customer's own words: what is called an amount there is none of Stripe's.
FREE = frozenset({"metadata", "invoice_metadata", "payload"})


def amount_of(text: Text | None) -> int | None:
    """The amount a text on the wire stands for, or None for what is none: a sign, a fraction, leading zeros, zero, a
    list, more than 10^12."""
    if not isinstance(text, str) or not _AMOUNT.fullmatch(text) or int(text) > LARGEST_AMOUNT:
        return None
    return int(text)


def number_of(text: Text | None) -> int | None:
    """The whole number a text on the wire stands for, zero and below zero too; None for what is none or out of reach."""
    if not isinstance(text, str) or not INTEGER.fullmatch(text) or abs(int(text)) > LARGEST_AMOUNT:
        return None
    return int(text)


def is_amount(name: str) -> bool:
    """Whether a parameter of this name is an amount of money. Stripe calls no other so."""
    return name == "amount" or name.endswith("_amount")


def check_amount(name: str, wanted: frozenset[str], value: object, *, typed: bool = False) -> None:
    """ParameterError `parameter.amount` where the parameter `name`, an amount of the types `wanted`, is out of reach, zero
    or below where it cannot be, or a decimal that is none. `value` is what was sent, or text off the wire. What is of
    another type is not looked at: that is for whoever checks types."""
    if isinstance(value, Mapping):
        check_amounts(name, value, least=1, typed=typed)
    elif wanted.isdisjoint(_NUMBERS) and isinstance(value, str):
        # Prices of the second namespace: decimals, as text.
        if not _DECIMAL.fullmatch(value):
            raise _no_decimal(name)
    elif isinstance(value, str | int) and not isinstance(value, bool):
        least = -LARGEST_AMOUNT if "signed" in wanted else 0 if "unsigned" in wanted else 1
        _check_number(name, str(value) if isinstance(value, int) else value, least=least)


def check_amounts(within: str, value: object, *, least: int = 0, typed: bool = False, depth: int = 1) -> None:
    """The same for all amounts inside of a parameter, at any depth. Below zero is for Stripe to judge there: a line of an
    invoice may take back.

    `typed`: it was read from JSON, where text and numbers are told apart. `least` is of a `{value, currency}`.
    """
    if depth > MOST_DEPTH + 1:
        raise too_deep(within)
    if isinstance(value, list | tuple):
        for index, item in enumerate(value):
            if not isinstance(item, str | int):
                check_amounts(f"{within}[{index}]", item, typed=typed, depth=depth + 1)
        return
    if not isinstance(value, Mapping):
        return
    if "currency" in value and "value" in value:
        _check_value(f"{within}[value]", value["value"], least=least, typed=typed)
    for name, item in value.items():
        if not isinstance(name, str) or name in FREE:
            continue
        if not isinstance(item, str | int):
            check_amounts(f"{within}[{name}]", item, typed=typed, depth=depth + 1)
        elif item != "" and is_amount(name):
            _check_inner(f"{within}[{name}]", item, typed=typed)


def _check_inner(key: str, item: str | int, *, typed: bool) -> None:
    """An amount inside of something: a whole number, or in JSON a decimal in quotes."""
    if typed and type(item) is str:
        if not _DECIMAL.fullmatch(item):
            raise _no_decimal(key)
    else:
        _check_number(key, _written(item), least=-LARGEST_AMOUNT)


def _check_value(key: str, value: object, *, least: int, typed: bool) -> None:
    """The `value` beside a `currency`: a number in JSON."""
    if isinstance(value, bool) or not isinstance(value, int | str) or (typed and not isinstance(value, Bare)):
        raise ParameterError(
            "parameter.type",
            f"`{key}` must be a whole number.",
            param=key,
            next_step="Send whole minor units, without quotes.",
        )
    _check_number(key, _written(value), least=least)


def _written(value: str | int) -> str:
    return value if isinstance(value, str) else repr(value) if isinstance(value, bool) else str(value)


def _check_number(key: str, text: str, *, least: int) -> None:
    if not INTEGER.fullmatch(text) or not least <= int(text) <= LARGEST_AMOUNT:
        raise ParameterError(
            "parameter.amount",
            f"`{key}` is a whole number of the currency's smallest unit, from {least:,} to {LARGEST_AMOUNT:,}.",
            param=key,
            next_step="Write $12.50 as 1250.",
        )


def _no_decimal(key: str) -> ParameterError:
    return ParameterError(
        "parameter.amount", f"`{key}` is a decimal number in quotes.", param=key, next_step='Write it like "12.5".'
    )
