"""The simulator answers what Stripe has, and takes no parameter that Stripe does not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from runplane_mcp.simulator.aliases import ALIASES
from runplane_mcp.simulator.parameters import Array, Hash
from runplane_mcp.simulator.resources import TABLE
from runplane_mcp.simulator.v2.fields import Record

_DATA = files("runplane_mcp.core").joinpath("data")
SHAPES = json.loads(_DATA.joinpath("parameters.json").read_text())
_OPERATIONS = json.loads(_DATA.joinpath("operations.json").read_text())["operations"]
#: Every list takes it here, where Stripe's own takes it in most.
_EVERY_LIST = {"created"}
#: What the simulator takes although Stripe does not.
_UNDECLARED = {"POST /v1/prices": {"product_data.description"}}


def shape(method: str, path: str) -> str:
    return f"{method} " + re.sub(r"\{\w+\}", "{}", path)


BY_SHAPE = {shape(found["method"], found["path"]): found for found in _OPERATIONS}
ALIAS_SHAPES = {shape(method, alias.path) for alias in ALIASES for method in alias.methods.split()}


def test_every_route_is_an_operation_of_stripe() -> None:
    unknown = {shape(route.method, route.path) for route in TABLE.routes} - set(BY_SHAPE) - ALIAS_SHAPES

    assert unknown == set()


def unknown(readers: Mapping[str, Any], known: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """Every parameter of a route, at whatever depth, that Stripe's SDK does not declare there."""
    for name, reader in readers.items():
        if name not in known:
            yield f"{before}{name}"
            continue
        inner = reader.item if isinstance(reader, Array) else reader
        number = known[name][1] if isinstance(known[name], list) else None
        if isinstance(inner, Hash | Record) and number is not None:
            within = inner.readers if isinstance(inner, Hash) else inner.fields
            yield from unknown(within, SHAPES["shapes"][number], f"{before}{name}.")


def test_every_parameter_is_one_of_stripes_at_whatever_depth() -> None:
    extra = {}
    for route in TABLE.routes:
        name = shape(route.method, route.path)
        if name in ALIAS_SHAPES:
            continue
        found = set(unknown(route.readers, SHAPES["operations"].get(BY_SHAPE[name]["operation_id"], {})))
        found -= _UNDECLARED.get(name, set())
        found -= _EVERY_LIST if route.method == "GET" else set()
        found -= {"page"} if name.startswith("GET /v2/") else set()
        if found:
            extra[name] = found

    assert extra == {}


def test_what_stripe_requires_is_required() -> None:
    optional = {}
    for route in TABLE.routes:
        name = shape(route.method, route.path)
        needed = set() if name in ALIAS_SHAPES else set(BY_SHAPE[name]["required"])
        if needed - set(route.required):
            optional[name] = needed - set(route.required)

    assert optional == {}
