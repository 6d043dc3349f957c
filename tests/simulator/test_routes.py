"""The simulator answers what Stripe has, and takes no parameter that Stripe does not."""

from __future__ import annotations

import json
import re
from importlib.resources import files

from runplane_mcp.simulator.aliases import ALIASES
from runplane_mcp.simulator.resources import TABLE

_OPERATIONS = json.loads(files("runplane_mcp.core").joinpath("data/operations.json").read_text())["operations"]
#: Every list takes it here, where Stripe's own takes it in most.
_EVERY_LIST = {"created"}
#: A word of the language that the list of operations was read off, which is why it is missing there.
_UNPUBLISHED = {"POST /v2/money_management/outbound_payments": {"from"}}


def shape(method: str, path: str) -> str:
    return f"{method} " + re.sub(r"\{\w+\}", "{}", path)


BY_SHAPE = {shape(found["method"], found["path"]): found for found in _OPERATIONS}
ALIAS_SHAPES = {shape(method, alias.path) for alias in ALIASES for method in alias.methods.split()}


def test_every_route_is_an_operation_of_stripe() -> None:
    unknown = {shape(route.method, route.path) for route in TABLE.routes} - set(BY_SHAPE) - ALIAS_SHAPES

    assert unknown == set()


def test_every_parameter_is_one_of_stripes() -> None:
    extra = {}
    for route in TABLE.routes:
        name = shape(route.method, route.path)
        if name in ALIAS_SHAPES:
            continue
        known = set(BY_SHAPE[name]["params"] or {}) | _UNPUBLISHED.get(name, set())
        known |= _EVERY_LIST if route.method == "GET" else set()
        known |= {"page"} if name.startswith("GET /v2/") else set()
        if set(route.readers) - known:
            extra[name] = set(route.readers) - known

    assert extra == {}


def test_what_stripe_requires_is_required() -> None:
    optional = {}
    for route in TABLE.routes:
        name = shape(route.method, route.path)
        needed = set() if name in ALIAS_SHAPES else set(BY_SHAPE[name]["required"])
        if needed - set(route.required):
            optional[name] = needed - set(route.required)

    assert optional == {}
