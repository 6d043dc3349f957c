"""Canonical JSON (RFC 8785) for what Runplane hashes and signs: one value, one byte string.

Only what needs no number formatting is admitted: text, whole numbers within 2^53, booleans, null, lists and
objects. Floats never occur in anything we sign, so their rules are left out and a float is an error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from json.encoder import encode_basestring as quoted
from typing import Final, TypeAlias

Json: TypeAlias = "str | int | bool | Sequence[Json] | Mapping[str, Json] | None"

#: Beyond it a JSON reader elsewhere may round: such numbers have no form.
LARGEST: Final = 2**53 - 1


def canonical(value: Json) -> bytes:
    """The canonical bytes of `value`. TypeError on floats and foreign types, ValueError on lone surrogates
    and on numbers that a JSON reader elsewhere could round."""
    return _written(value).encode("utf-8")


def digest_of(value: Json) -> str:
    """SHA-256 of the canonical bytes, as 64 hex digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


def _written(value: Json) -> str:
    # Every audit event, row and digest passes here. One walk that writes is twice as fast as one that sorts and one that
    # dumps, and most of what it meets is plain text and objects of plain text: exactly these types are asked for first.
    if type(value) is str:
        return quoted(value)
    if type(value) is dict:
        return _object(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if abs(value) > LARGEST:
            raise ValueError(f"{value} does not fit into a JSON number")
        return int.__repr__(value)
    if isinstance(value, list | tuple):
        return "[" + ",".join([_written(item) for item in value]) + "]"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Mapping):
        return _object(value)
    raise TypeError(f"{type(value).__name__} has no canonical form")


def _object(value: Mapping[str, Json]) -> str:
    parts = []
    for name in _in_order(value):
        item = value[name]
        parts.append(f"{quoted(name)}:{quoted(item) if type(item) is str else _written(item)}")
    return "{" + ",".join(parts) + "}"


def _in_order(names: Iterable[str]) -> list[str]:
    """RFC 8785 section 3.2.3: names sort by their UTF-16 code units, not by code points."""
    found = sorted(names)
    # A key that is no text has no place among others, and joined to them it is a TypeError too.
    if "".join(found).isascii():
        return found
    return sorted(found, key=lambda name: name.encode("utf-16-be"))
