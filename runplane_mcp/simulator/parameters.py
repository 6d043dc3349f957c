"""Parameters as Stripe reads them: form encoding with brackets into nested values, then one reader per parameter.

A reader takes the raw value and the parameter's full name, and returns the value or raises a `Refusal` with Stripe's
code: `parameter_unknown`, `parameter_missing`, `parameter_invalid_integer`, `parameter_invalid_empty`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

from runplane_mcp.core.money import CURRENCIES, LARGEST_AMOUNT
from runplane_mcp.simulator.objects import Params
from runplane_mcp.simulator.refusal import Refusal, invalid

Raw: TypeAlias = "str | dict[str, Raw]"
Reader = Callable[[Raw, str], Any]

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_STEP = re.compile(r"\[([^\[\]]*)\]")
_INTEGER = re.compile(r"-?[0-9]{1,18}")
_INDEX = re.compile(r"[0-9]{1,4}")
_RANGE = ("gt", "gte", "lt", "lte")


def decode(encoded: str, into: dict[str, Raw]) -> None:
    """Adds `a=1&b[c]=2&d[0]=3&d[]=4` to `into`, nested. Lists stay mappings by index until a reader asks for one."""
    try:
        pairs = parse_qsl(encoded, keep_blank_values=True, errors="strict", max_num_fields=1000)
    except ValueError as error:
        raise Refusal("The parameters are not form-encoded UTF-8.", remembered=False) from error
    for name, value in pairs:
        parsed = _NAME.fullmatch(name)
        if parsed is None:
            raise invalid(f"'{name}' is not the name of a parameter.", name, "parameter_unknown")
        place = into
        steps = [parsed[1], *_STEP.findall(parsed[2])]
        for step in steps[:-1]:
            inner = place.setdefault(step or str(len(place)), {})
            if isinstance(inner, str):
                raise invalid(f"'{name}' is given both as one value and as several.", name)
            place = inner
        last = steps[-1] or str(len(place))
        if isinstance(place.get(last), dict):
            raise invalid(f"'{name}' is given both as one value and as several.", name)
        place[last] = value


def read(raw: Mapping[str, Raw], readers: Mapping[str, Reader], required: tuple[str, ...] = ()) -> Params:
    """The parameters that were given, checked against what the route has. Unknown ones first, then missing ones."""
    for name in raw:
        if name not in readers:
            raise invalid(f"There is no parameter '{name}' here.", name, "parameter_unknown")
    for name in required:
        if name not in raw:
            raise invalid(f"The parameter '{name}' is needed.", name, "parameter_missing")
    return {name: readers[name](value, name) for name, value in raw.items()}


def text(value: Raw, name: str) -> str:
    """Any string; `""` unsets what may be unset."""
    if not isinstance(value, str):
        raise invalid(f"'{name}' must be a string.", name)
    if len(value) > 5000:
        raise invalid(f"'{name}' is longer than 5000 characters.", name)
    return value


def word(value: Raw, name: str) -> str:
    """A string that may not be empty: an id, a name."""
    given = text(value, name)
    if not given:
        raise invalid(f"'{name}' may not be empty.", name, "parameter_invalid_empty")
    return given


def integer(value: Raw, name: str) -> int:
    given = word(value, name)
    if _INTEGER.fullmatch(given) is None or abs(int(given)) > LARGEST_AMOUNT:
        raise invalid(f"'{given}' is not an integer.", name, "parameter_invalid_integer")
    return int(given)


def positive(value: Raw, name: str) -> int:
    """An amount in minor units: a whole number above zero."""
    given = integer(value, name)
    if given < 1:
        raise invalid(f"'{name}' must be at least 1.", name, "parameter_invalid_integer")
    return given


def boolean(value: Raw, name: str) -> bool:
    given = text(value, name)
    if given not in ("true", "false"):
        raise invalid(f"'{name}' must be true or false.", name)
    return given == "true"


def currency(value: Raw, name: str) -> str:
    given = word(value, name).lower()
    if given not in CURRENCIES:
        raise invalid(f"'{given}' is not a currency.", name)
    return given


@dataclass(frozen=True)
class OneOf:
    """Reads one of a few words."""

    choices: tuple[str, ...]

    def __call__(self, value: Raw, name: str) -> str:
        given = text(value, name)
        if given not in self.choices:
            raise invalid(f"'{name}' must be one of {', '.join(self.choices)}.", name)
        return given


def one_of(*choices: str) -> Reader:
    return OneOf(choices)


@dataclass(frozen=True)
class Array:
    """Reads `a[]=x&a[]=y` or `a[0]=x&a[1]=y`, each value by `item`, `most` of them."""

    item: Reader
    most: int = 100

    def __call__(self, value: Raw, name: str) -> list[Any]:
        if value == "":
            return []
        if isinstance(value, str) or not all(_INDEX.fullmatch(key) for key in value):
            raise invalid(f"'{name}' must be a list.", name)
        if len(value) > self.most:
            raise invalid(f"'{name}' may have {self.most} entries at most.", name)
        return [self.item(value[key], f"{name}[{key}]") for key in sorted(value, key=int)]


@dataclass(frozen=True)
class Hash:
    """Reads `a[b]=x&a[c]=y`: what has no reader is unknown there."""

    readers: Mapping[str, Reader]
    required: tuple[str, ...] = ()

    def __call__(self, value: Raw, name: str) -> Params:
        if isinstance(value, str):
            raise invalid(f"'{name}' must be a hash.", name)
        for key in value:
            if key not in self.readers:
                raise invalid(f"There is no parameter '{name}[{key}]' here.", f"{name}[{key}]", "parameter_unknown")
        for key in self.required:
            if key not in value:
                raise invalid(f"'{name}[{key}]' is needed.", f"{name}[{key}]", "parameter_missing")
        return {key: self.readers[key](inner, f"{name}[{key}]") for key, inner in value.items()}


def array(item: Reader, most: int = 100) -> Reader:
    return Array(item, most)


def mapping(readers: Mapping[str, Reader], required: tuple[str, ...] = ()) -> Reader:
    return Hash(readers, required)


def metadata(value: Raw, name: str) -> dict[str, str]:
    """At most 50 keys of 40 characters with values of 500. `""` reads as nothing, which unsets all."""
    if value == "":
        return {}
    if isinstance(value, str):
        raise invalid(f"'{name}' must be a hash.", name)
    if len(value) > 50:
        raise invalid(f"'{name}' may have 50 keys at most.", name)
    for key, inner in value.items():
        if not isinstance(inner, str) or len(key) > 40 or len(inner) > 500:
            raise invalid(f"'{name}[{key}]' must be a string of at most 500 characters.", f"{name}[{key}]")
    return {key: inner for key, inner in value.items() if isinstance(inner, str)}


def span(value: Raw, name: str) -> dict[str, int]:
    """A time in seconds, exact or as `[gt] [gte] [lt] [lte]`. An exact time reads as both ends."""
    if isinstance(value, str):
        exact = integer(value, name)
        return {"gte": exact, "lte": exact}
    read_range: dict[str, int] = mapping(dict.fromkeys(_RANGE, integer))(value, name)
    return read_range


def page_size(value: Raw, name: str) -> int:
    given = integer(value, name)
    if not 1 <= given <= 100:
        raise invalid(f"'{name}' must be between 1 and 100.", name, "parameter_invalid_integer")
    return given
