"""Parameters as flat `a[b][0]=value` pairs: the bodies of v1 and the query of every GET and DELETE.

Stripe's SDKs write them like this too, `a[0]` for lists in v1 and v2 alike, so that the pairs pass through the SDK as they
are. Source: the encoders of stripe-python 16.1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Final
from urllib.parse import quote_plus, unquote_plus

from runplane_mcp.core.values import (
    METADATA_KEY,
    MOST_DEPTH,
    MOST_PAIRS,
    MOST_TEXT,
    NAME,
    Parameters,
    Text,
    checked_integer,
    checked_name,
    checked_text,
    foreign,
    null,
    shown,
    too_deep,
    too_many,
)
from runplane_mcp.errors import ParameterError

_INDEX = re.compile(r"0|[1-9][0-9]{0,3}")
# What quoting leaves as it is: nearly every name and value, and asking is a tenth of the work of quoting.
_PLAIN = re.compile(r"[A-Za-z0-9_.~-]*")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_.~\[\]-]*")
#: Keys that are remembered once they were read; a longer one is read each time.
_KEPT: Final = 64


def write(parameters: Parameters) -> str:
    """The pairs of these parameters, quoted and joined: names sorted, lists by index.

    ParameterError `parameter.*` for what has no single form: null, an empty list or object (Stripe's SDKs drop them
    silently), floats, names that would become nesting, more than there may be.
    """
    pairs = list(islice(_flatten(parameters), MOST_PAIRS + 1))
    if len(pairs) > MOST_PAIRS:
        raise too_many()
    return "&".join([f"{_quote_key(key)}={_quote(value)}" for key, value in pairs])


def pairs(encoded: str) -> list[tuple[str, str]]:
    """The flat key-value pairs, in order, decoded. ParameterError where it is no such text."""
    return [(decoded(unquote_plus, key), decoded(unquote_plus, value)) for key, value in _split(encoded)]


def read(encoded: str, found: dict[str, Text]) -> bool:
    """Reads pairs into `found`, beside what is there. Returns whether they stand in the one form that `write` gives them.

    ParameterError for a key that is given twice or is both a value and an object, a list with gaps, and names that are
    none.
    """
    exact, nested = True, False
    before: tuple[str, ...] = ()
    for quoted, pair in _split(encoded):
        plain = _PLAIN_KEY.fullmatch(quoted) is not None
        key = quoted if plain else decoded(unquote_plus, quoted)
        steps, order = _steps(key) if len(key) <= _KEPT else _steps.__wrapped__(key)
        here = found
        if len(steps) > 1:
            nested = True
            for step in steps[:-1]:
                below = here.setdefault(step, {})
                if not isinstance(below, dict):
                    raise ParameterError(
                        "parameter.twice", f"{shown(key)} is both a value and an object.", param=shown(key)
                    )
                here = below
        if steps[-1] in here:
            raise ParameterError(
                "parameter.twice", f"{shown(key)} is given twice.", param=shown(key), next_step="Give it once."
            )
        if _PLAIN.fullmatch(pair) and len(pair) <= MOST_TEXT:
            here[steps[-1]] = pair
        else:
            value = checked_text(shown(key), decoded(unquote_plus, pair))
            exact = exact and _quote(value) == pair
            here[steps[-1]] = value
        # Growing from key to key: sorted at every level, and nothing stands between two parts of one object.
        exact = exact and before < order and (plain or _quote_key(key) == quoted)
        before = order
    if nested:
        for name, held in found.items():
            if isinstance(held, dict):
                found[name] = _lists(name, held, inside_metadata=name == "metadata")
    return exact


def decoded(reader: Callable[..., str], quoted: str) -> str:
    """A quoted text, read by one of urllib's readers. ParameterError where it is not UTF-8."""
    try:
        return reader(quoted, errors="strict")
    except UnicodeDecodeError:
        raise ParameterError("parameter.form", "A request holds text that is not UTF-8.") from None


def _split(encoded: str) -> Iterator[tuple[str, str]]:
    """The pairs as they are quoted."""
    if not encoded:
        return
    if encoded.count("&") >= MOST_PAIRS:
        raise too_many()
    for pair in encoded.split("&"):
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise ParameterError("parameter.form", "A form field needs a name, `=` and a value.")
        yield key, value


def _flatten(parameters: Parameters) -> Iterator[tuple[str, str]]:
    for name in sorted(parameters):
        value = parameters[name]
        if not NAME.match(name):
            raise ParameterError("parameter.name", f"{shown(name)} is not a parameter's name.", param=shown(name))
        if name == "metadata" and isinstance(value, list | tuple):
            # On the wire it would read like an object with the keys 0, 1, …: two meanings.
            raise ParameterError("parameter.type", "`metadata` is an object of texts.", param="metadata")
        if type(value) is str:
            yield name, checked_text(name, value)
        else:
            yield from _flatten_value(name, value, depth=1, inside_metadata=name == "metadata")


def _flatten_value(key: str, value: object, *, depth: int, inside_metadata: bool) -> Iterator[tuple[str, str]]:
    if depth > MOST_DEPTH:
        raise too_deep(key)
    if isinstance(value, bool):
        yield key, "true" if value else "false"
    elif isinstance(value, int):
        yield key, str(checked_integer(key, value))
    elif isinstance(value, str):
        yield key, checked_text(key, value)
    elif isinstance(value, Mapping):
        if not value:
            raise _empty(key, "object")
        for name in value:
            checked_name(name, key, in_metadata=inside_metadata and depth == 1)
        for name in sorted(value):
            yield from _flatten_value(f"{key}[{name}]", value[name], depth=depth + 1, inside_metadata=inside_metadata)
    elif isinstance(value, list | tuple):
        if not value:
            raise _empty(key, "list")
        for index, item in enumerate(value):
            yield from _flatten_value(f"{key}[{index}]", item, depth=depth + 1, inside_metadata=inside_metadata)
    elif value is None:
        raise null(key)
    else:
        raise foreign(key, value)


def _empty(key: str, what: str) -> ParameterError:
    # All metadata at once cannot be removed: ours is among it.
    way = "give a key of it" if key == "metadata" else "give"
    return ParameterError(
        "parameter.empty",
        f"`{key}` is an empty {what}.",
        param=key,
        next_step=f'Leave it out, or {way} "" to remove what is there.',
    )


def _quote_key(key: str) -> str:
    # Brackets stay as they are, as Stripe's own SDKs write them: the bytes pass through the SDK unchanged.
    return key if _PLAIN_KEY.fullmatch(key) else quote_plus(key).replace("%5B", "[").replace("%5D", "]")


def _quote(value: str) -> str:
    return value if _PLAIN.fullmatch(value) else quote_plus(value)


@lru_cache(maxsize=4096)
def _steps(key: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names and indexes of a key, and the same as they sort: indexes by number. ParameterError for a key that is
    none."""
    head, *tail = key.split("[")
    if any(not part.endswith("]") or "]" in part[:-1] for part in tail) or "]" in head:
        raise _no_key(key)
    steps = (head, *(part[:-1] for part in tail))
    if len(steps) > MOST_DEPTH:
        raise too_deep(shown(key))
    order = []
    for depth, step in enumerate(steps):
        if steps[0] == "metadata" and depth == 1:
            if not METADATA_KEY.match(step):
                raise _no_key(key)
            order.append(step)
        elif depth and _INDEX.fullmatch(step):
            order.append(step.zfill(4))
        elif NAME.match(step):
            order.append(step)
        else:
            raise _no_key(key)
    return steps, tuple(order)


def _no_key(key: str) -> ParameterError:
    return ParameterError(
        "parameter.name",
        f"{shown(key)} is not a parameter's name.",
        param=shown(key),
        next_step="Names nest like a[b][0], with an index for each item of a list.",
    )


def _lists(key: str, value: Text, *, inside_metadata: bool) -> Text:
    if not isinstance(value, dict):
        return value
    read = {
        name: _lists(f"{key}[{name}]", item, inside_metadata=False) if type(item) is dict else item
        for name, item in value.items()
    }
    if inside_metadata or not any(name.isdigit() for name in read):
        return read
    # An index has one form: no gaps, no leading zeros, and none beside a name.
    if list(read) != [str(index) for index in range(len(read))]:
        raise ParameterError(
            "parameter.list",
            f"The indexes of `{key}` must run from 0 in order, without gaps.",
            param=key,
            next_step="Number its items 0, 1, 2 and so on.",
        )
    return list(read.values())
