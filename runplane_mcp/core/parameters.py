"""What an operation's parameters may be: names, types, amounts, expansions, and the metadata keys that are ours.

The same rules twice: strictly by JSON type for what an agent sent, and by text for what stands on the wire, so that a
wire request that came another way is held to the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Final

from runplane_mcp.core.money import LARGEST_AMOUNT
from runplane_mcp.core.wire import MOST_DEPTH, Parameters, Text, Value
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
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,15})")
_AMOUNT = re.compile(r"[1-9][0-9]{0,12}")
_EXPANSION = re.compile(r"[a-z][a-z0-9_]{0,63}(?:\.[a-z][a-z0-9_]{0,63}){0,3}")
_MOST_EXPANSIONS = 20
_OURS = "runplane_"


def check_asked(params: Mapping[str, str], required: Iterable[str], in_path: Iterable[str], asked: Parameters) -> None:
    """ParameterError `parameter.*` unless `asked` is what the operation takes, each value of exactly its JSON type: a
    boolean or `"60000"` is no whole number, and null is nothing at all."""
    _names(params, required, in_path, asked)
    for name, value in asked.items():
        if value is None:
            raise ParameterError(
                "parameter.null",
                f"`{name}` is null.",
                param=name,
                next_step='Leave it out, or give "" to remove what is there.',
            )
        if name in params:
            _check_type(name, params[name], types_of(value))
            _check_amount(name, params[name], value if isinstance(value, int) else None)
    _check_expand(asked.get("expand"))
    refuse_reserved(asked)


def check_wire(
    params: Mapping[str, str], required: Iterable[str], in_path: Iterable[str], read: Mapping[str, Text]
) -> None:
    """The same for parameters as they read on the wire, where numbers are text. Metadata of ours is left alone here:
    the effective request carries it."""
    _names(params, required, in_path, read)
    for name, text in read.items():
        if name in params:
            _check_type(name, params[name], types_in(text))
            if _is_amount(name) and isinstance(text, str):
                _check_amount(name, params[name], int(text) if _INTEGER.fullmatch(text) else 0)
    _check_expand(read.get("expand"))


def refuse_reserved(asked: Parameters) -> None:
    """ParameterError `parameter.reserved` where metadata, at any depth, names a key that only Runplane writes: it is
    evidence of who caused what, and an agent that could set it could forge that."""
    _refuse_reserved(asked, depth=0, inside_metadata=False)


def amount_of(text: Text | None) -> int | None:
    """The amount a text on the wire stands for, or None for what is none: a sign, a fraction, leading zeros, zero, a
    list, more than 10^12."""
    if not isinstance(text, str) or not _AMOUNT.fullmatch(text) or int(text) > LARGEST_AMOUNT:
        return None
    return int(text)


def number_of(text: Text | None) -> int | None:
    """The whole number a text on the wire stands for, zero and below zero too; None for what is none or out of reach."""
    if not isinstance(text, str) or not _INTEGER.fullmatch(text) or abs(int(text)) > LARGEST_AMOUNT:
        return None
    return int(text)


def _names(params: Mapping[str, str], required: Iterable[str], in_path: Iterable[str], given: Iterable[str]) -> None:
    known = [*params, *in_path]
    there = list(given)
    for name in there:
        if name not in known:
            shown = ascii(name)[:80]
            nearest = get_close_matches(name, known, 1) if isinstance(name, str) and len(name) <= 80 else []
            hint = f"Did you mean `{nearest[0]}`?" if nearest else f"It takes {', '.join(sorted(known)) or 'none'}."
            raise ParameterError(
                "parameter.unknown", f"This operation has no parameter {shown}.", param=shown, next_step=hint
            )
    for name in [*in_path, *sorted(required)]:
        if name not in there:
            raise ParameterError("parameter.missing", f"`{name}` is missing.", param=name, next_step="Give it.")


def _check_type(name: str, declared: str, found: frozenset[str]) -> None:
    wanted = declared.split("|")
    if found.isdisjoint(wanted):
        meant = " or ".join(TYPES[each] for each in wanted)
        code = "parameter.empty" if found == {"unset"} else "parameter.type"
        raise ParameterError(code, f"`{name}` must be {meant}.", param=name)


def types_of(value: Value) -> frozenset[str]:
    """The declared types that a JSON value is of; none for a float."""
    if isinstance(value, bool):
        return frozenset({"boolean"})
    if isinstance(value, int):
        return frozenset({"integer", "signed", "unsigned"} if value >= 0 else {"integer", "signed"})
    if isinstance(value, str):
        return frozenset({"string" if value else "unset"})
    if isinstance(value, Mapping):
        return frozenset({"object"})
    return frozenset({"array"}) if isinstance(value, list | tuple) else frozenset()


def types_in(text: Text) -> frozenset[str]:
    """The declared types that a text on the wire can stand for."""
    if isinstance(text, dict):
        return frozenset({"object"})
    if isinstance(text, list):
        return frozenset({"array"})
    if not text:
        return frozenset({"unset"})
    found = {"string"}
    if _INTEGER.fullmatch(text):
        found |= {"integer", "signed"} if text.startswith("-") else {"integer", "signed", "unsigned"}
    if text in {"true", "false"}:
        found.add("boolean")
    return frozenset(found)


def _is_amount(name: str) -> bool:
    return name == "amount" or name.endswith("_amount")


def _check_amount(name: str, declared: str, value: int | None) -> None:
    wanted = declared.split("|")
    least = -LARGEST_AMOUNT if "signed" in wanted else 0 if "unsigned" in wanted else 1
    if value is not None and _is_amount(name) and not least <= value <= LARGEST_AMOUNT:
        raise ParameterError(
            "parameter.amount",
            f"`{name}` is a whole number of the currency's smallest unit, from {least:,} to {LARGEST_AMOUNT:,}.",
            param=name,
        )


def _check_expand(value: object) -> None:
    """`expand` can reach into other objects: only plain dotted names, at most four deep as at Stripe."""
    if value is None:
        return
    paths = value if isinstance(value, list | tuple) else [None]
    if len(paths) > _MOST_EXPANSIONS or not all(isinstance(each, str) and _EXPANSION.fullmatch(each) for each in paths):
        raise ParameterError(
            "parameter.expand", "`expand` is a list of field names such as `data.customer`.", param="expand"
        )


def _is_metadata(name: object) -> bool:
    """`invoice_metadata` too: it is written onto the invoice as its metadata."""
    return isinstance(name, str) and (name == "metadata" or name.endswith("_metadata"))


def _refuse_reserved(value: object, *, depth: int, inside_metadata: bool) -> None:
    if depth > MOST_DEPTH:
        raise ParameterError("parameter.too_deep", f"The parameters are nested more than {MOST_DEPTH} deep.")
    if isinstance(value, Mapping):
        for name, item in value.items():
            if inside_metadata and isinstance(name, str) and name.strip().casefold().startswith(_OURS):
                raise ParameterError(
                    "parameter.reserved",
                    f"Metadata keys that begin with `{_OURS}` are Runplane's own.",
                    param="metadata",
                    next_step="Use another key.",
                )
            _refuse_reserved(item, depth=depth + 1, inside_metadata=_is_metadata(name))
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_reserved(item, depth=depth + 1, inside_metadata=False)
