"""Readers of JSON fields. As with the other API's parameters, each takes the value and its full name; a type that is
almost right is not right: `"5"` is no number here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from runplane_mcp.core.money import CURRENCIES, LARGEST_AMOUNT
from runplane_mcp.simulator.objects import Params
from runplane_mcp.simulator.refusal import Refusal

Field = Callable[[object, str], Any]


def wrong(message: str, code: str = "invalid_fields") -> Refusal:
    """A field that cannot be read: nothing began."""
    return Refusal(message, code=code, remembered=False)


def string(value: object, name: str) -> str:
    if not isinstance(value, str) or len(value) > 5000:
        raise wrong(f"'{name}' must be a string of at most 5000 characters.")
    return value


def word(value: object, name: str) -> str:
    """A string that may not be empty."""
    given = string(value, name)
    if not given:
        raise wrong(f"'{name}' may not be empty.")
    return given


@dataclass(frozen=True)
class OneOf:
    """Reads one of a few words."""

    choices: tuple[str, ...]

    def __call__(self, value: object, name: str) -> str:
        if value not in self.choices:
            raise wrong(f"'{name}' must be one of {', '.join(self.choices)}.")
        return str(value)


def one_of(*choices: str) -> Field:
    return OneOf(choices)


@dataclass(frozen=True)
class Array:
    """Reads a JSON list of at least so many values; in a query, where there are no lists, `a[0]=x&a[1]=y`."""

    item: Field
    least: int = 0

    def __call__(self, value: object, name: str) -> list[Any]:
        given = list(value.values()) if isinstance(value, dict) else value
        if not isinstance(given, list) or not self.least <= len(given) <= 100:
            raise wrong(f"'{name}' must be a list of {self.least} to 100 values.")
        return [self.item(each, f"{name}[{number}]") for number, each in enumerate(given)]


def array(item: Field, least: int = 0) -> Field:
    return Array(item, least)


@dataclass(frozen=True)
class Record:
    """Reads a JSON object: what has no field is unknown there."""

    fields: Mapping[str, Field]
    required: tuple[str, ...] = ()

    def __call__(self, value: object, name: str) -> Params:
        if not isinstance(value, dict):
            raise wrong(f"'{name}' must be an object.")
        for key in value:
            if key not in self.fields:
                raise wrong(f"There is no field '{name}.{key}' here.", "unknown_field")
        for key in self.required:
            if key not in value:
                raise wrong(f"'{name}.{key}' is needed.", "missing_field")
        return {key: self.fields[key](inner, f"{name}.{key}") for key, inner in value.items()}


def record(fields: Mapping[str, Field], required: tuple[str, ...] = ()) -> Field:
    return Record(fields, required)


def _whole(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LARGEST_AMOUNT:
        raise wrong(f"'{name}' must be a whole number of at least 1.")
    return value


def currency(value: object, name: str) -> str:
    if value not in CURRENCIES:
        raise wrong(f"'{name}' is not a currency in lower case.")
    return str(value)


#: `{value, currency}`, in the currency's smallest unit.
amount = record({"value": _whole, "currency": currency}, ("value", "currency"))


def metadata(value: object, name: str) -> dict[str, str | None]:
    """Strings by name; `null` unsets one."""
    if not isinstance(value, dict) or len(value) > 50:
        raise wrong(f"'{name}' must be an object of at most 50 strings.")
    for key, inner in value.items():
        if len(key) > 40 or not (inner is None or (isinstance(inner, str) and len(inner) <= 500)):
            raise wrong(f"'{name}.{key}' must be a string of at most 500 characters.")
    return value


def merged(held: dict[str, str], given: dict[str, str | None]) -> dict[str, str]:
    return {key: value for key, value in {**held, **given}.items() if value is not None}


def page_size(value: object, name: str) -> int:
    """How many objects a page has. A query's value is a string."""
    if not isinstance(value, str) or not value.isascii() or not value.isdecimal() or not 1 <= int(value[:4]) <= 100:
        raise wrong(f"'{name}' must be between 1 and 100.")
    return int(value)
