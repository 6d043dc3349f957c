"""What an operation's parameters may be: names, types, amounts, expansions, and the metadata keys that are ours.

The same rules twice: strictly by JSON type for what an agent sent, and by text for what stands on the wire, so that a
wire request that came another way is held to the same.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Final

from runplane_mcp.core.amounts import FREE, INTEGER, check_amount, check_amounts, is_amount
from runplane_mcp.core.values import MOST_DEPTH, Bare, Parameters, Text, null, shown
from runplane_mcp.errors import ParameterError

#: A type of `data/operations.json` in words. `unset` is the empty text, which removes what is there; `signed` and
#: `unsigned` are judged: whole numbers that other than an amount of money may be below zero, or zero.
TYPES: Final = {
    "string": "a text",
    "integer": "a whole number",
    "signed": "a whole number, below zero where it takes back",
    "unsigned": "a whole number, zero or more",
    "boolean": "true or false",
    "object": "an object",
    "array": "a list",
    "unset": '"" to remove it',
}
#: Options of Stripe's SDKs. Among the parameters of a call they would choose another key or account.
OPTIONS: Final = frozenset(
    """
    api_key stripe_account stripe_context stripe_version idempotency_key headers base max_network_retries content_type
    """.split()
)
_EXPANSION = re.compile(r"[a-z][a-z0-9_]{0,63}(?:\.[a-z][a-z0-9_]{0,63}){0,3}")
_MOST_EXPANSIONS = 20
#: Names that are told to somebody who sent one that there is not.
_MOST_TOLD = 20
_OURS = "runplane_"


def check_asked(
    params: Mapping[str, str], required: Iterable[str], in_path: Collection[str], asked: Parameters
) -> None:
    """ParameterError `parameter.*` unless `asked` is what the operation takes, each value of exactly its JSON type: a
    boolean or `"60000"` is no whole number, and null is nothing at all."""
    _names(params, required, in_path, asked)
    for name, value in asked.items():
        declared = params.get(name)
        if value is None:
            raise null(name, unset=declared is not None and "unset" in declared)
        if declared is None:
            continue
        wanted = wanted_in(declared)
        if wanted.isdisjoint(found := types_of(value)):
            raise wrong_type(name, declared, value, empty=found == UNSET)
        if is_amount(name):
            check_amount(name, wanted, value)
        elif not isinstance(value, str | int) and name not in FREE:
            check_amounts(name, value)
    _check_expansions(params, asked)
    refuse_reserved(asked)


def check_wire(
    params: Mapping[str, str],
    required: Iterable[str],
    in_path: Collection[str],
    read: Mapping[str, Text],
    *,
    typed: bool = False,
) -> None:
    """The same for parameters as they read on the wire, where numbers are text; in JSON (`typed`), what stood without
    quotes is `Bare`. Metadata of ours is left alone here: the effective request carries it."""
    _names(params, required, in_path, read)
    for name, text in read.items():
        declared = params.get(name)
        if declared is None:
            continue
        wanted = wanted_in(declared)
        if wanted.isdisjoint(found := types_in(text, typed=typed)):
            raise wrong_type(name, declared, text, empty=found == UNSET)
        if is_amount(name):
            # Text that is a whole number is meant as one wherever that can be.
            check_amount(name, wanted, text or None, typed=typed)
        elif type(text) is not str and name not in FREE:
            check_amounts(name, text, typed=typed)
    _check_expansions(params, read)


def refuse_reserved(asked: Parameters) -> None:
    """ParameterError `parameter.reserved` where metadata, at any depth, names a key that only Runplane writes, or is
    emptied as a whole: it is evidence of who caused what, and an agent that could set or unset it could forge that."""
    for name, value in asked.items():
        if not isinstance(value, str):
            _refuse_reserved(value, depth=1, inside_metadata=_is_metadata(name))


def in_words(declared: str) -> str:
    """A declared type as people say it: `a text or "" to remove it`."""
    return " or ".join(TYPES[each] for each in declared.split("|"))


def _names(
    params: Mapping[str, str], required: Iterable[str], in_path: Collection[str], given: Mapping[str, object]
) -> None:
    for name in given:
        if name not in params and name not in in_path:
            raise _unknown(name, [*in_path, *params])
    for name in in_path:
        if name not in given:
            raise _missing(name, "Give its Stripe id.")
    for name in required:
        if name not in given:
            raise _missing(min(each for each in required if each not in given), "Give it.")


def _missing(name: str, next_step: str) -> ParameterError:
    return ParameterError("parameter.missing", f"`{name}` is missing.", param=name, next_step=next_step)


def _unknown(name: object, known: list[str]) -> ParameterError:
    written = shown(name)
    plain = name.lower() if isinstance(name, str) and len(name) <= 80 else ""
    head, nested, _ = plain.partition("[")
    if plain in OPTIONS:
        hint = "Key, account, version and headers are set by Runplane, not by a request."
    elif nested and head in known:
        hint = f"Give `{head}` as an object or a list."
    elif nearest := get_close_matches(plain, known, 1):
        hint = f"Did you mean `{nearest[0]}`?"
    else:
        told = ", ".join(sorted(known)[:_MOST_TOLD]) or "none"
        more = len(known) - _MOST_TOLD
        hint = f"It takes {told}" + (f" and {more} more." if more > 0 else ".")
    return ParameterError(
        "parameter.unknown", f"This operation has no parameter {written}.", param=written, next_step=hint
    )


@cache
def wanted_in(declared: str) -> frozenset[str]:
    return frozenset(declared.split("|"))


def wrong_type(name: str, declared: str, value: object, *, empty: bool) -> ParameterError:
    """`parameter.type`, `.empty` or `.null`, and what to send for `value` instead. `name` may be a path with dots."""
    if value is None:
        return null(name, unset="unset" in declared)
    meant = in_words(declared)
    code = "parameter.empty" if empty else "parameter.type"
    told = f"`{name}` is empty; it must be {meant}." if empty else f"`{name}` must be {meant}, not {_called(value)}."
    return ParameterError(code, told, param=name, next_step=_instead(name, wanted_in(declared), value))


def _called(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | Bare):
        return "a number" if str(value) not in {"true", "false"} else "true or false"
    if isinstance(value, str):
        return "text"
    if isinstance(value, float):
        return "a number with a point"
    return "an object" if isinstance(value, Mapping) else "a list" if isinstance(value, list | tuple) else "this"


def _instead(name: str, wanted: frozenset[str], value: object) -> str:
    """What to send for a value of the wrong type."""
    if value == "":
        return "Leave it out or fill it."
    if not wanted.isdisjoint({"integer", "signed", "unsigned"}):
        if isinstance(value, str) and INTEGER.fullmatch(value):
            return f"Send {value} without quotes."
        if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
            return f"Send {int(value)} without a point."
        return "Write $12.50 as 1250." if is_amount(name.rpartition(".")[2]) else "Send digits only, without quotes."
    if "boolean" in wanted:
        return "Send true or false, without quotes."
    if "string" in wanted and isinstance(value, int | float | Bare):
        return "Put it in quotes."
    if "array" in wanted:
        return "Send a list, also for one."
    if "object" in wanted:
        example = '{"value": 1250, "currency": "usd"}' if is_amount(name) else '{"name": "value"}'
        return f"Send an object like {example}, without quotes around it."
    return "Send text."


_OBJECT, _ARRAY, UNSET = frozenset({"object"}), frozenset({"array"}), frozenset({"unset"})
_STRING, _BOOLEAN, _NOTHING = frozenset({"string"}), frozenset({"boolean"}), frozenset[str]()
_NEGATIVE = frozenset({"integer", "signed"})
_WHOLE = _NEGATIVE | {"unsigned"}
# On a form all of these are text too.
_NEGATIVE_TEXT, _WHOLE_TEXT, _BOOLEAN_TEXT = _NEGATIVE | _STRING, _WHOLE | _STRING, _BOOLEAN | _STRING


def types_of(value: object) -> frozenset[str]:
    """The declared types that a JSON value is of; none for a float."""
    if isinstance(value, str):
        return _STRING if value else UNSET
    if isinstance(value, bool):
        return _BOOLEAN
    if isinstance(value, int):
        return _WHOLE if value >= 0 else _NEGATIVE
    if isinstance(value, Mapping):
        return _OBJECT
    return _ARRAY if isinstance(value, list | tuple) else _NOTHING


def types_in(text: object, *, typed: bool = False) -> frozenset[str]:
    """The declared types that a text on the wire can stand for."""
    if isinstance(text, dict):
        return _OBJECT
    if isinstance(text, list):
        return _ARRAY
    if not isinstance(text, str):
        return _NOTHING
    if not text:
        return UNSET
    if typed and not isinstance(text, Bare):
        return _STRING
    if INTEGER.fullmatch(text):
        if text.startswith("-"):
            return _NEGATIVE if typed else _NEGATIVE_TEXT
        return _WHOLE if typed else _WHOLE_TEXT
    if text in {"true", "false"}:
        return _BOOLEAN if typed else _BOOLEAN_TEXT
    return _STRING


def _check_expansions(params: Mapping[str, str], given: Mapping[str, object]) -> None:
    """`expand`, and `include` in /v2, can reach into other objects: only plain dotted names, at most four deep."""
    for name in ("expand", "include"):
        value = given.get(name)
        if value is None or name not in params:
            continue
        paths = value if isinstance(value, list | tuple) else [None]
        if len(paths) > _MOST_EXPANSIONS or not all(isinstance(p, str) and _EXPANSION.fullmatch(p) for p in paths):
            raise ParameterError(
                "parameter.expand",
                f"`{name}` is a list of at most {_MOST_EXPANSIONS} field names such as `data.customer`.",
                param=name,
                next_step="Name fields, joined by dots, at most four deep.",
            )


def _is_metadata(name: object) -> bool:
    """`invoice_metadata` too: it is written onto the invoice as its metadata."""
    return isinstance(name, str) and (name == "metadata" or name.endswith("_metadata"))


def _refuse_reserved(value: object, *, depth: int, inside_metadata: bool) -> None:
    if depth > MOST_DEPTH:
        raise ParameterError(
            "parameter.too_deep",
            f"The parameters are nested more than {MOST_DEPTH} deep.",
            next_step="Nest less.",
        )
    if isinstance(value, Mapping):
        for name, item in value.items():
            if inside_metadata and isinstance(name, str) and name.strip().casefold().startswith(_OURS):
                raise ParameterError(
                    "parameter.reserved",
                    f"Metadata keys that begin with `{_OURS}` are Runplane's own.",
                    param="metadata",
                    next_step="Use another key.",
                )
            if not isinstance(item, str):
                _refuse_reserved(item, depth=depth + 1, inside_metadata=_is_metadata(name))
            elif not item and not inside_metadata and _is_metadata(name):
                raise ParameterError(
                    "parameter.reserved",
                    "Metadata is not emptied as a whole: keys of Runplane's own may be among them.",
                    param="metadata",
                    next_step='Empty its keys one by one, as {"colour": ""}.',
                )
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_reserved(item, depth=depth + 1, inside_metadata=False)
