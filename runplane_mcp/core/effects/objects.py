"""Reading Stripe's objects: total functions that give None for what is missing or odd, never an exception, never a guess.

Whoever gets None says *unknown*, which works against the request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from runplane_mcp.core.effect import Looked, LookedUp, NotThere, Read, StripeObject, Unavailable
from runplane_mcp.core.money import CURRENCIES, LARGEST_AMOUNT, Money
from runplane_mcp.core.request import Failure, Precondition
from runplane_mcp.core.text import visible
from runplane_mcp.core.wire import Value, encode

#: What an id of Stripe looks like, those that customers choose themselves included. Anything else could not be shown.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@+-]{0,254}")
_LAST_SECOND = 253_402_300_799  # 9999-12-31


def look(name: str, template: str, **parameters: Value) -> Read:
    """The read of one object or list. ParameterError for an id that is none: ask `is_id` first."""
    return Read(name, encode("GET", template, parameters))


def seen(looked: LookedUp, name: str) -> StripeObject | None:
    """The object a read found; None where it told nothing, was not made, or found nothing."""
    found = looked.get(name)
    return found if isinstance(found, Mapping) else None


def missing(looked: LookedUp, **reads: str) -> Failure | None:
    """Stripe's definite no to any of these reads, each with the parameter that named what is not there."""
    for name, param in reads.items():
        found: Looked | None = looked.get(name)
        if isinstance(found, NotThere):
            return replace(found.failure, param=param)
    return None


def told_nothing(looked: LookedUp) -> bool:
    """Whether any read told nothing."""
    return any(isinstance(found, Unavailable) for found in looked.values())


def is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None and ".." not in value


def shown(value: object) -> str:
    """An id for a sentence: as it is, or made visible where it is none."""
    return str(value) if is_id(value) else f"“{visible(str(value), 80)}”"


def text(obj: StripeObject | None, name: str) -> str | None:
    """A text that is not empty."""
    value = obj.get(name) if obj is not None else None
    return value if isinstance(value, str) and value else None


def number(obj: StripeObject | None, name: str) -> int | None:
    """A whole number that is neither negative nor larger than any amount."""
    value = obj.get(name) if obj is not None else None
    return value if type(value) is int and 0 <= value <= LARGEST_AMOUNT else None


def signed(obj: StripeObject | None, name: str) -> int | None:
    """A whole number, below zero too, that is no larger than any amount."""
    value = obj.get(name) if obj is not None else None
    return value if type(value) is int and abs(value) <= LARGEST_AMOUNT else None


def flag(obj: StripeObject | None, name: str) -> bool | None:
    value = obj.get(name) if obj is not None else None
    return value if isinstance(value, bool) else None


def child(obj: StripeObject | None, name: str) -> StripeObject | None:
    value = obj.get(name) if obj is not None else None
    return value if isinstance(value, Mapping) else None


def is_null(obj: StripeObject | None, name: str) -> bool:
    """Whether a field is there and says that there is nothing; a missing field says nothing at all."""
    return obj is not None and name in obj and obj[name] is None


def listed(obj: StripeObject | None) -> tuple[StripeObject, ...] | None:
    """The objects of a list of Stripe's; None where it is no such list."""
    data = obj.get("data") if obj is not None else None
    if not isinstance(data, Sequence) or isinstance(data, str) or not all(isinstance(each, Mapping) for each in data):
        return None
    return tuple(data)


def complete(obj: StripeObject | None) -> bool:
    """Whether a list says that there is nothing beyond it."""
    return flag(obj, "has_more") is False


def id_in(obj: StripeObject | None, name: str = "id") -> str | None:
    """The id in a field, whether it holds the id or the expanded object."""
    value = obj.get(name) if obj is not None else None
    if isinstance(value, Mapping):
        value = value.get("id")
    return value if isinstance(value, str) and is_id(value) else None


def same_id(obj: StripeObject | None, asked: object) -> str | None:
    """The id of an object, where it is the one that was asked for."""
    found = id_in(obj)
    return found if found == asked else None


def currency_in(obj: StripeObject | None, name: str = "currency") -> str | None:
    return currency_of(text(obj, name))


def currency_of(value: object) -> str | None:
    """A currency that Stripe has, in lower case."""
    lower = value.lower() if isinstance(value, str) else None
    return lower if lower in CURRENCIES else None


def money_of(amount: int | None, currency: str | None) -> Money | None:
    return Money(amount, currency) if amount is not None and currency is not None else None


def day(at: int | None) -> str | None:
    """The day of a time of Stripe's (seconds since 1970, UTC), `2026-12-14`."""
    if at is None or not 0 < at <= _LAST_SECOND:
        return None
    return datetime.fromtimestamp(at, UTC).date().isoformat()


def unchanged(observed: Mapping[str, str | int], *, but: str = "") -> tuple[Precondition, ...]:
    """What people saw must still read the same when an approved request runs, `but` for what only has to be enough."""
    return tuple(Precondition(name, "equal", observed[name]) for name in sorted(observed) if name != but)


def quotes(*pairs: tuple[str, str | None]) -> tuple[tuple[str, str], ...]:
    """The free texts that there are, each with what it is: somebody's writing."""
    return tuple((label, value) for label, value in pairs if value)


def customer_quotes(obj: StripeObject | None) -> tuple[tuple[str, str], ...]:
    """Name, email and description of an expanded customer."""
    return quotes(
        ("customer name", text(obj, "name")),
        ("customer email", text(obj, "email")),
        ("customer description", text(obj, "description")),
    )


def bad_id(name: str) -> Failure:
    return Failure("parameter.id", f"`{name}` is not an id of Stripe.", param=name)
