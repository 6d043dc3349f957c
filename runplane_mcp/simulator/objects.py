"""The shape every object of the simulated world has: plain dictionaries, as Stripe's JSON has them."""

from __future__ import annotations

import os
from typing import Any

API_VERSION = "2026-10-28.endive"

#: A Stripe object, decoded from JSON. Its `object` key says what it is, its `id` which one.
Obj = dict[str, Any]
#: What a route was asked with, read and checked: only the parameters that were given.
Params = dict[str, Any]


def new_id(prefix: str) -> str:
    """A fresh id such as `re_3f…`: random, so that no id of a world that was reset ever comes back."""
    return f"{prefix}_{os.urandom(12).hex()}"


def list_object(url: str, data: list[Obj], *, has_more: bool = False) -> Obj:
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def merge_metadata(held: dict[str, str], given: dict[str, str]) -> dict[str, str]:
    """Metadata after an update: keys are added or replaced, a key given as `""` is unset, and giving nothing at all
    (`metadata=""`, read as an empty mapping) unsets every key."""
    if not given:
        return {}
    return {key: value for key, value in {**held, **given}.items() if value != ""}
