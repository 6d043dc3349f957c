"""The catalog: every Stripe operation, and what a wire request is in its words.

Stripe's own description of each is in `data/operations.json`. What we judged it to do is in `data/judgements/`, one
operation a line, to be read by a person; what names of parameters mean wherever they stand, in `data/meanings.json`. What
is in none is unknown and never passes.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from runplane_mcp.core.facts import GROUPS
from runplane_mcp.core.judgements import read_operations
from runplane_mcp.core.operation import Classified, Operation
from runplane_mcp.core.parameters import check_asked, check_wire
from runplane_mcp.core.request import Kind
from runplane_mcp.core.shapes import NO_SHAPES, Shapes, read_shapes
from runplane_mcp.core.wire import JSON, Parameters, WireRequest, parse
from runplane_mcp.errors import ParameterError

#: What Stripe publishes, and what names mean in every operation; `data/judgements/` has what we judged.
PUBLISHED: Final = "operations.json"
MEANINGS: Final = "meanings.json"
#: What stands inside of parameters, by Stripe's SDK.
PARAMETERS: Final = "parameters.json"
NO_MEANINGS: Final = '{"plain": {}, "adds": {}, "families": {}}'


@dataclass(frozen=True, slots=True)
class ActionInfo:
    """An action over all its operations: every group it can be in, every fact it can have. `always` are the groups that
    each request of it is in; `unjudged` says that nobody has judged some operation of it."""

    name: str
    groups: frozenset[str]
    facts: frozenset[str]
    kind: Kind
    always: frozenset[str] = frozenset()
    unjudged: bool = False


@dataclass(slots=True)
class _Step:
    """One step of a path: what may follow it, written out or as a parameter, and the operation that ends here."""

    written: dict[str, _Step] = field(default_factory=dict)
    parameter: _Step | None = None
    operation: Operation | None = None

    def find(self, steps: list[str], at: int) -> Operation | None:
        if at == len(steps):
            return self.operation
        # `/v1/invoices/create_preview` is not `/v1/invoices/{invoice}`: what is written out goes first.
        step = steps[at]
        following = self.written.get(step)
        found = following.find(steps, at + 1) if following is not None else None
        if found is None and self.parameter is not None and step:
            # Whoever reads paths without regard to case would take `/v1/invoices/Create_Preview` for the former too.
            if following is None and step.lower() in self.written:
                return None
            found = self.parameter.find(steps, at + 1)
        return found


class Catalog:
    """All operations, found by id or by method and path."""

    def __init__(self, operations: Iterable[Operation], shapes: Shapes = NO_SHAPES) -> None:
        self.shapes: Final = shapes
        self.operations: Final = tuple(operations)
        self._by_id = {operation.operation_id: operation for operation in self.operations}
        self._by_method: dict[str, _Step] = {}
        for operation in self.operations:
            here = self._by_method.setdefault(operation.method, _Step())
            for step in operation.path.split("/"):
                if not step.startswith("{"):
                    here = here.written.setdefault(step, _Step())
                    continue
                if here.parameter is None:
                    here.parameter = _Step()
                here = here.parameter
            if here.operation is not None:
                raise ValueError(f"{operation.operation_id} and {here.operation.operation_id} have the same path")
            here.operation = operation

    def by_id(self, operation_id: str) -> Operation | None:
        return self._by_id.get(operation_id)

    def find(self, method: str, path: str) -> Operation | None:
        """The operation of a method and a quoted path without query. None for every other spelling of either: a
        trailing slash, another case, an empty or quoted segment is not the same path."""
        first = self._by_method.get(method)
        return first.find(path.split("/"), 0) if first is not None else None

    def check(self, operation: Operation, parameters: Parameters) -> None:
        """ParameterError for what an agent sent wrongly: a parameter that the operation does not have, another type, a
        missing one, an amount that is none, a key of ours in the metadata. To be asked before anything is encoded."""
        check_asked(operation.params, operation.required, operation.path_parameters, parameters)
        self.shapes.check_asked(operation.target_id, parameters)

    def classify(self, wire: WireRequest) -> Classified:
        """What the bytes of a wire request are. ParameterError where they are not what `encode` writes or do not fit the
        operation, `parameter.operation` where the catalog has no such operation: then it never passes.

        The bytes alone say which operation it is. A value in the path can make it another one than was meant.
        """
        operation = self.find(wire.method, wire.path)
        if operation is None:
            raise ParameterError(
                "parameter.operation",
                f"Runplane knows no operation {ascii(wire.method)[1:-1][:20]} {ascii(wire.path)[1:-1][:80]}.",
                next_step=self._near(wire.method, wire.path),
            )
        parameters = parse(operation.path, wire)
        typed = wire.content_type == JSON
        check_wire(operation.params, operation.required, operation.path_parameters, parameters, typed=typed)
        self.shapes.check_wire(operation.target_id, parameters, typed=typed)
        judged, added = operation.judge(parameters)
        return Classified(
            operation,
            judged.action,
            judged.groups,
            judged.effect,
            judged.facts,
            MappingProxyType(parameters),
            wire,
            added,
        )

    def _near(self, method: str, path: str) -> str:
        """What was probably meant by a method and a path that are none: the same in small letters, without empty steps or a
        slash at its end, and POST for other ways to change something. Never a deletion."""
        cleaned = "/".join(["", *filter(None, path[:200].split("?")[0].lower().split("/"))])
        upper = method.upper()[:10]
        found = self.find("POST" if upper in {"PUT", "PATCH"} else upper, cleaned)
        return f"Did you mean {found.method} {found.path}?" if found is not None else "List the tools."

    @cached_property
    def actions(self) -> Mapping[str, ActionInfo]:
        """Every action, with all that any of its operations can be."""
        found: dict[str, ActionInfo] = {}
        for operation in self.operations:
            for judged in operation.judgements:
                none = ActionInfo(judged.action, frozenset(), frozenset(), operation.kind, always=judged.groups)
                before = found.get(judged.action, none)
                found[judged.action] = replace(
                    before,
                    groups=before.groups | judged.groups,
                    facts=before.facts | judged.facts,
                    always=before.always & judged.groups,
                    unjudged=before.unjudged or not operation.judged,
                )
        return MappingProxyType(dict(sorted(found.items())))

    def groups(self) -> Mapping[str, tuple[str, ...]]:
        """Each of the twelve groups with the actions that can be in it."""
        actions = self.actions.values()
        return {group: tuple(info.name for info in actions if group in info.groups) for group in GROUPS}


@dataclass(frozen=True, slots=True)
class Texts:
    """The catalog's files as they are: what Stripe publishes, our judgements file by file, the common meanings, what
    stands inside of parameters."""

    published: str
    judged: tuple[str, ...]
    meanings: str
    parameters: str


def texts() -> Texts:
    """The files that come with the package."""
    data = files("runplane_mcp.core").joinpath("data")
    judged = sorted(data.joinpath("judgements").iterdir(), key=lambda file: file.name)
    return Texts(
        data.joinpath(PUBLISHED).read_text(encoding="utf-8"),
        tuple(file.read_text(encoding="utf-8") for file in judged if file.name.endswith(".json")),
        data.joinpath(MEANINGS).read_text(encoding="utf-8"),
        data.joinpath(PARAMETERS).read_text(encoding="utf-8"),
    )


@cache
def load() -> Catalog:
    """The catalog that comes with the package, read once: some milliseconds."""
    found = texts()
    # All of it stays: looking through it for garbage again and again while it grows takes a fifth of the time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return read_catalog(found.published, *found.judged, meanings=found.meanings, parameters=found.parameters)
    finally:
        if collecting:
            gc.enable()


def read_catalog(published: str, *judged: str, meanings: str = NO_MEANINGS, parameters: str | None = None) -> Catalog:
    """A catalog from the JSON of its files. ValueError or KeyError where a judgement is incomplete, stands twice, names
    an operation, group, fact or effect that there is not, or makes an action both read and write."""
    shapes = read_shapes(parameters) if parameters is not None else NO_SHAPES
    catalog = Catalog(read_operations(published, judged, meanings, shapes), shapes)
    kinds: dict[str, Kind] = {}
    for operation in catalog.operations:
        for each in operation.judgements:
            if kinds.setdefault(each.action, operation.kind) is not operation.kind:
                raise ValueError(f"{each.action} both reads and writes")
    return catalog
