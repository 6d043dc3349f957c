"""Canonical JSON (RFC 8785) for what Runplane hashes and signs: one value, one byte string.

Only what needs no number formatting is admitted: text, whole numbers within 2^53, booleans, null, lists and
objects. Floats never occur in anything we sign, so their rules are left out and a float is an error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from json.encoder import encode_basestring as quoted
from typing import TypeAlias

Json: TypeAlias = "str | int | bool | Sequence[Json] | Mapping[str, Json] | None"

_LARGEST = 2**53 - 1


def canonical(value: Json) -> bytes:
    """The canonical bytes of `value`. TypeError on floats and foreign types, ValueError on lone surrogates
    and on numbers that a JSON reader elsewhere could round."""
    return _written(value).encode("utf-8")


def digest_of(value: Json) -> str:
    """SHA-256 of the canonical bytes, as 64 hex digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


def _written(value: Json) -> str:
    # Every audit event and digest passes here: one walk that writes is twice as fast as one that sorts and one that dumps.
    if isinstance(value, str):
        return quoted(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if abs(value) > _LARGEST:
            raise ValueError(f"{value} does not fit into a JSON number")
        return int.__repr__(value)
    if isinstance(value, dict) or isinstance(value, Mapping):  # noqa: SIM101 - the exact type first: an abstract one is slow
        return "{" + ",".join([f"{quoted(name)}:{_written(value[name])}" for name in _in_order(value)]) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join([_written(item) for item in value]) + "]"
    raise TypeError(f"{type(value).__name__} has no canonical form")


def _in_order(names: Iterable[str]) -> list[str]:
    """RFC 8785 section 3.2.3: names sort by their UTF-16 code units, not by code points."""
    found = list(names)
    for name in found:
        if not isinstance(name, str):
            raise TypeError(f"an object's key is {type(name).__name__}, not text")
    if all(map(str.isascii, found)):
        return sorted(found)
    return sorted(found, key=lambda name: name.encode("utf-16-be"))
