"""What parameters are made of: the values that an agent gives, the texts that stand for them on the wire, the grammar of
their names, and how much of everything there may be."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from runplane_mcp.errors import ParameterError

#: What an agent may send as the value of a parameter.
Value: TypeAlias = "str | int | bool | Sequence[Value] | Mapping[str, Value]"
Parameters: TypeAlias = Mapping[str, Value]
#: The same after a trip over the wire: numbers and booleans have become text.
Text: TypeAlias = "str | list[Text] | dict[str, Text]"

MOST_TEXT = 20_000
MOST_PAIRS = 1_000
MOST_BYTES = 256 * 1024
#: Names and list indexes on the way to a value. Stripe's deepest parameter, in the preview of an invoice, has eight.
MOST_DEPTH = 8
#: Larger numbers change on their way through readers that keep numbers as doubles.
LARGEST_INTEGER = 2**53 - 1

# Not only digits (that would be a list's index), no brackets (`transfer_data][destination` smuggles nesting).
NAME = re.compile(r"(?![0-9]+\Z)[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63}\Z")
# Metadata keys are the customer's own words: anything that can be seen, but no brackets.
METADATA_KEY = re.compile(r"[^\x00-\x1f\x7f-\x9f\[\]]{1,40}\Z")
_BARE = re.compile(r"0|-?[1-9][0-9]{0,15}")


class Bare(str):
    """A number or a boolean of a JSON body: its text, and that it stands there without quotes.

    Whoever reads parameters reads it like any text, and whoever writes them again (`effects.effective`) writes it as it
    was: `65000` is neither read nor sent as `"65000"`.
    """

    __slots__ = ()


def bare(value: int | bool) -> Bare:
    """A number or a boolean as it stands in JSON."""
    if value is True or value is False:
        return Bare("true" if value else "false")
    return Bare(int.__repr__(value))


def unbare(text: str) -> int | bool | None:
    """What a bare text stands for; None for what `bare` does not give, or is beyond 2^53."""
    if text in {"true", "false"}:
        return text == "true"
    if not _BARE.fullmatch(text) or abs(int(text)) > LARGEST_INTEGER:
        return None
    return int(text)


def checked_name(name: object, within: str, *, in_metadata: bool) -> str:
    """A name inside of the parameter `within`. ParameterError `parameter.name` for one that could become something else
    on the wire."""
    grammar = METADATA_KEY if in_metadata else NAME
    if not isinstance(name, str) or not grammar.match(name) or has_surrogate(name):
        raise ParameterError(
            "parameter.name",
            f"{shown(name)} in `{within}` is not a parameter's name.",
            param=within,
            next_step="Names are letters, digits and _, without brackets: nest objects instead.",
        )
    return name


def checked_text(key: str, value: str) -> str:
    """A text that can be sent. ParameterError `parameter.too_long` or `parameter.text`."""
    if len(value) <= MOST_TEXT and value.isascii() and "\x00" not in value:
        return value
    if len(value) > MOST_TEXT:
        raise ParameterError(
            "parameter.too_long",
            f"`{key}` is longer than {MOST_TEXT:,} characters.",
            param=key,
            next_step="Send less.",
        )
    if "\x00" in value or has_surrogate(value):
        raise ParameterError(
            "parameter.text",
            f"`{key}` holds characters that cannot be sent.",
            param=key,
            next_step="Leave out NUL and halves of surrogate pairs.",
        )
    return value


def checked_integer(key: str, value: int) -> int:
    """A whole number that every reader reads alike. ParameterError `parameter.integer`."""
    if abs(value) > LARGEST_INTEGER:
        raise ParameterError(
            "parameter.integer",
            f"`{key}` is larger than any number Stripe takes.",
            param=key,
            next_step="Send a smaller number.",
        )
    return value


def too_deep(key: str) -> ParameterError:
    return ParameterError(
        "parameter.too_deep", f"`{key}` is nested more than {MOST_DEPTH} deep.", param=key, next_step="Nest less."
    )


def too_many() -> ParameterError:
    return ParameterError(
        "parameter.too_many", f"More than {MOST_PAIRS:,} values in one request.", next_step="Send it in parts."
    )


def too_long() -> ParameterError:
    return ParameterError(
        "parameter.too_long", f"The request is longer than {MOST_BYTES:,} bytes.", next_step="Send less."
    )


def null(key: str, *, unset: bool = True) -> ParameterError:
    """The refusal of a null: what it would do depends on who reads it. `unset`: `""` is the way to remove what is there."""
    way = 'Leave it out, or give "" to remove what is there.' if unset else "Leave it out."
    return ParameterError("parameter.null", f"`{key}` is null.", param=key, next_step=way)


def foreign(key: str, value: object) -> ParameterError:
    """The refusal of a value of a type that has no form on the wire."""
    if isinstance(value, float):
        return ParameterError(
            "parameter.type",
            f"`{key}` is a number with a point.",
            param=key,
            next_step="Send a whole number, or a decimal in quotes where Stripe takes one.",
        )
    return ParameterError(
        "parameter.type", f"`{key}` is a {type(value).__name__}, which Stripe does not take.", param=key
    )


def has_surrogate(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)


def shown(value: object) -> str:
    """Whatever was given, as it may be repeated: visible and cut."""
    return ascii(value)[:80]
