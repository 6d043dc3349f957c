"""Where Stripe shows what a request has made or changed: the list that its answer is in, or the object in its path.

It follows from the catalog: a list at the operation's own path, the list of what it answers, the object that the path
names. Never a search: Stripe's search lags behind what happened.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from runplane_mcp.core.catalog import Catalog
from runplane_mcp.core.operation import Operation
from runplane_mcp.core.wire import Text, Value, WireRequest, encode, parse
from runplane_mcp.errors import ParameterError

#: What these answer is new, although an object of its kind is in their path: the payout that takes another back.
_MAKES_ANOTHER: Final = frozenset({"PostPayoutsPayoutReverse"})
#: What an id of Stripe's own looks like: only such narrow a list. A text could be read otherwise by Stripe.
_ID: Final = re.compile(r"[a-z]{1,20}_[A-Za-z0-9_]{1,120}")
#: The type of a list's own parameters, of what it shows nothing.
_PAGING: Final = frozenset({"created", "ending_before", "expand", "limit", "starting_after"})


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """`path` is the object, or with `listed` a list, newest first, that `filters` narrow and that with `spans` can be asked
    for a stretch of time. `verb`: what the request did to the object in its path other than writing it anew."""

    path: str
    listed: bool
    filters: Mapping[str, str]
    spans: bool
    verb: bool = False

    def page(self, *, since: int, until: int, after: str | None = None, limit: int = 100) -> WireRequest:
        """A page of the list, or the object. `since` and `until` are seconds since 1970."""
        if not self.listed:
            return WireRequest("GET", self.path)
        asked: dict[str, Value] = {**self.filters, "limit": limit}
        if self.spans:
            asked["created"] = {"gte": max(since, 0), "lte": max(until, 0)}
        if after is not None:
            asked["starting_after"] = after
        return WireRequest("GET", self.path, encode("GET", "/v1", asked).query)


def whereabouts(catalog: Catalog, operation: Operation, wire: WireRequest) -> Whereabouts | None:
    """None where the catalog names no such place, or what it asks for is not in the request; for /v2, whose lists
    are others, and for what is no POST."""
    target = catalog.by_id(operation.target_id)
    if target is None or target.host != "api" or wire.method != "POST" or wire.v2:
        return None
    try:
        asked = parse(operation.path, wire)
    except ParameterError:
        return None
    reads = {each.path: each for each in catalog.operations if each.method == "GET" and each.availability == "ga"}
    for at, verb in _places(target, reads):
        found = _at(reads[at], asked, verb=verb)
        if found is not None:
            return found
    return None


def _places(target: Operation, reads: Mapping[str, Operation]) -> Iterator[tuple[str, bool]]:
    """Paths of reads, the likeliest first, each with whether the operation is a verb of what is there."""
    own = reads.get(target.path)
    if own is not None and (_lists(own) or _answers(own, target)):
        yield target.path, False
        return
    owner = target.path.rpartition("/")[0]
    above = reads.get(owner)
    if (
        above is not None
        and owner.endswith("}")
        and _answers(above, target)
        and target.operation_id not in _MAKES_ANOTHER
    ):
        yield owner, True
        return
    for path, read in reads.items():
        items = path.rpartition("/")[0]
        if path.endswith("}") and _answers(read, target) and items in reads and _lists(reads[items]):
            yield items, False


def _lists(read: Operation) -> bool:
    return read.answers == "list" and "starting_after" in read.params


def _answers(read: Operation, target: Operation) -> bool:
    return bool(target.answers) and read.answers == target.answers


def _at(read: Operation, asked: Mapping[str, Text], *, verb: bool) -> Whereabouts | None:
    named = {name: asked[name] for name in read.path_parameters if name in asked}
    if len(named) < len(read.path_parameters):
        return None
    try:
        path = encode("GET", read.path, named).path
    except ParameterError:
        return None
    if not _lists(read):
        return Whereabouts(path, listed=False, filters={}, spans=False, verb=verb)
    filters = {
        name: value
        for name, value in asked.items()
        if name in read.params and name not in _PAGING and isinstance(value, str) and _ID.fullmatch(value)
    }
    if not read.required <= filters.keys():
        return None
    return Whereabouts(path, listed=True, filters=filters, spans="created" in read.params)
