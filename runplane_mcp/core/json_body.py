"""Parameters as a JSON object: the bodies of /v2 POSTs. One form: names sorted by code point, no blanks, ASCII only, whole
numbers, booleans.

ASCII, because a `\\u` escape is read alike whatever encoding a reader takes the body to be in, and because Stripe's own
SDK writes it so. Unlike in a form, an empty object or list is something of its own here and goes out as it is: it switches
a configuration on. A null is refused: no generally available operation of /v2 takes one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence, Sized
from typing import Final, NoReturn

from runplane_mcp.core.values import (
    MOST_DEPTH,
    MOST_PAIRS,
    MOST_TEXT,
    NAME,
    Bare,
    Parameters,
    Text,
    bare,
    checked_integer,
    checked_name,
    checked_text,
    foreign,
    null,
    shown,
    too_deep,
    too_many,
    unbare,
)
from runplane_mcp.errors import ParameterError

CONTENT_TYPE: Final = "application/json"
#: No number within 2^53 has more characters.
_LONGEST_NUMBER = 17


def write(parameters: Parameters) -> bytes:
    """The one JSON object of these parameters. ParameterError `parameter.*` for null, floats, names that would be nesting
    in a form, and more or deeper than there may be."""
    values = _Count()
    plain = {}
    for name, value in parameters.items():
        if not NAME.match(name):
            raise _no_name(name)
        plain[name] = _plain(name, value, values, depth=1)
    return _ENCODER.encode(plain).encode("ascii")


def read(body: bytes, found: dict[str, Text]) -> bool:
    """Reads a JSON object into `found`, beside what is there; numbers and booleans as `Bare` text. Returns whether it
    stands in the one form that `write` gives it.

    ParameterError for whatever two readers could read differently: a name twice, floats and exponents, NaN, numbers beyond
    2^53, halves of surrogate pairs, bytes that are not UTF-8; and for null, for what is nested too deep and for too much.
    """
    try:
        text = body.decode("utf-8")
        read = _DECODER.decode(text)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise ParameterError(
            "parameter.form", "The body is not JSON in UTF-8.", next_step="Send one JSON object."
        ) from None
    except RecursionError:
        raise too_deep("body") from None
    if not isinstance(read, dict):
        raise ParameterError("parameter.form", "The body is not a JSON object.", next_step="Send one JSON object.")
    values = _Count()
    for name, value in read.items():
        if not NAME.match(name):
            raise _no_name(name)
        if name in found:
            raise _twice(name)
        found[name] = _text(name, value, values, depth=1)
    return _ENCODER.encode(read) == text


def pairs(parameters: Mapping[str, Text]) -> Iterator[tuple[str, str]]:
    """The same parameters as the flat pairs that people are shown, `amount[value]` and `65000`."""
    for name, value in parameters.items():
        yield from _pairs(name, value)


class _Count:
    """How many more values there may be: too many are refused as soon as they are met."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MOST_PAIRS

    def met(self, container: Sized | None) -> None:
        """One value more; a list or an object counts by what is in it, an empty one as one."""
        if not container:
            self.left -= 1
            if self.left < 0:
                raise too_many()


def _plain(key: str, value: object, values: _Count, *, depth: int) -> object:
    """A value of parameters as JSON has it."""
    if depth > MOST_DEPTH:
        raise too_deep(key)
    if isinstance(value, Mapping):
        for name in value:
            checked_name(name, key, in_metadata=key == "metadata")
        values.met(value)
        return {name: _plain(f"{key}[{name}]", item, values, depth=depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple):
        values.met(value)
        return [_plain(f"{key}[{index}]", item, values, depth=depth + 1) for index, item in enumerate(value)]
    values.met(None)
    if isinstance(value, Bare):
        stands_for = unbare(value)
        if stands_for is None:
            raise foreign(key, value)
        return stands_for
    if isinstance(value, str):
        return checked_text(key, value)
    if isinstance(value, bool):
        return bool(value)
    if isinstance(value, int):
        return int(checked_integer(key, value))
    raise null(key, unset=False) if value is None else foreign(key, value)


def _text(key: str, value: object, values: _Count, *, depth: int) -> Text:
    """A value of a JSON body as text."""
    if depth > MOST_DEPTH:
        raise too_deep(key)
    if isinstance(value, dict):
        values.met(value)
        free, room = key == "metadata", depth < MOST_DEPTH
        found: dict[str, Text] = {}
        for name, item in value.items():
            if free or not NAME.match(name):
                checked_name(name, key, in_metadata=free)
            # Nearly all there is: asked for first, and without a name for what could be wrong with it.
            if room and type(item) is str and len(item) <= MOST_TEXT and item.isascii() and "\x00" not in item:
                values.met(None)
                found[name] = item
            else:
                found[name] = _text(f"{key}[{name}]", item, values, depth=depth + 1)
        return found
    if isinstance(value, list):
        values.met(value)
        return [_text(f"{key}[{index}]", item, values, depth=depth + 1) for index, item in enumerate(value)]
    values.met(None)
    if isinstance(value, str):
        return checked_text(key, value)
    if isinstance(value, bool):
        return bare(value)
    if isinstance(value, int):
        return bare(checked_integer(key, value))
    raise null(key, unset=False)


def _pairs(key: str, value: Text) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        if not value:
            yield key, "{}"
        for name, item in value.items():
            yield from _pairs(f"{key}[{name}]", item)
    else:
        if not value:
            yield key, "[]"
        for index, item in enumerate(value):
            yield from _pairs(f"{key}[{index}]", item)


def _object(members: Sequence[tuple[str, object]]) -> dict[str, object]:
    found = dict(members)
    if len(found) != len(members):
        names = [name for name, _ in members]
        raise _twice(next(name for name in names if names.count(name) > 1))
    return found


def _integer(digits: str) -> int:
    # Python itself refuses to read thousands of digits, with an error of its own.
    if len(digits) > _LONGEST_NUMBER:
        raise ParameterError(
            "parameter.integer", "A number is larger than any that Stripe takes.", next_step="Send a smaller number."
        )
    return int(digits)


def _no_number(written: str) -> NoReturn:
    raise ParameterError(
        "parameter.type",
        f"{shown(written)} is not a whole number.",
        next_step="Send a whole number, or a decimal in quotes where Stripe takes one.",
    )


def _no_name(name: str) -> ParameterError:
    return ParameterError("parameter.name", f"{shown(name)} is not a parameter's name.", param=shown(name))


def _twice(name: str) -> ParameterError:
    return ParameterError(
        "parameter.twice", f"{shown(name)} is given twice.", param=shown(name), next_step="Give it once."
    )


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_no_number, parse_constant=_no_number
)
_ENCODER: Final = json.JSONEncoder(ensure_ascii=True, sort_keys=True, separators=(",", ":"), allow_nan=False)
