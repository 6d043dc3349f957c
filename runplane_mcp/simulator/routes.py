"""A route: one endpoint as a method, a path, the parameters it has and the function that answers it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from runplane_mcp.simulator.objects import Obj, Params
from runplane_mcp.simulator.parameters import Reader, array, text
from runplane_mcp.simulator.transaction import Transaction

Handler = Callable[[Transaction, Params], Obj]

_EXPAND: Mapping[str, Reader] = {"expand": array(text, most=50)}


def is_v2(path: str) -> bool:
    """Whether a path is one of Stripe's second API, with JSON bodies and lists and errors of its own."""
    return path.startswith("/v2/")


@dataclass(frozen=True)
class Route:
    """`handler` gets the parameters that were given, and the path's values under their names in braces.

    `leaves_failed`: told to decline, the handler leaves a failed object behind instead of moving money.
    `reads`: a POST that changes nothing, and so is counted as no write.
    """

    method: str
    path: str
    handler: Handler
    readers: Mapping[str, Reader] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    leaves_failed: bool = False
    reads: bool = False

    def parameters(self) -> Mapping[str, Reader]:
        """All parameters, `expand` with them: every endpoint of the first API has it."""
        return self.readers if is_v2(self.path) else {**self.readers, **_EXPAND}


def retrieve_route(path: str, kind: str) -> Route:
    """`GET …/{name}`: the object itself, or 404 `resource_missing`. A deleted one is answered as deleted."""
    name = path[path.rindex("{") + 1 : path.rindex("}")]

    def retrieve(tx: Transaction, params: Params) -> Obj:
        found = tx.find(params[name])
        if found is not None and found["object"] == kind and found.get("deleted"):
            return found
        return tx.require(kind, params[name], name, status=404)

    return Route("GET", path, retrieve)


class RouteTable:
    """Finds the route of a method and path. A path's fixed words come before its parameters."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._by_shape: dict[tuple[str, int], list[tuple[tuple[str, ...], Route]]] = {}
        for route in self.routes:
            segments = tuple(route.path.split("/"))
            self._by_shape.setdefault((route.method, len(segments)), []).append((segments, route))
        for candidates in self._by_shape.values():
            candidates.sort(key=lambda candidate: [segment.startswith("{") for segment in candidate[0]])

    def find(self, method: str, path: str) -> tuple[Route, Params] | None:
        segments = path.split("/")
        for template, route in self._by_shape.get((method, len(segments)), ()):
            values: Params = {}
            for expected, given in zip(template, segments, strict=True):
                if expected.startswith("{"):
                    values[expected[1:-1]] = unquote(given)
                elif expected != given:
                    break
            else:
                return route, values
        return None
