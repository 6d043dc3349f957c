"""A row of the table of tools: all there is to a tool. Nothing is registered by decorating a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias

from mcp_types import ToolAnnotations

from runplane_mcp.core.request import Kind, OwnArguments
from runplane_mcp.core.wire import Value
from runplane_mcp.interfaces.mcp.arguments import Shape
from runplane_mcp.interfaces.mcp.fields import OWN_WORDS
from runplane_mcp.interfaces.mcp.toolset import Toolset

#: A Stripe operation id and the parameters it is called with.
Operation: TypeAlias = tuple[str, dict[str, Value]]


@dataclass(frozen=True)
class ToolRow:
    """One tool. `operation` is the Stripe operation that takes its arguments as they are, or makes an operation of them;
    a control tool has none, and a handler in `control.py` under its name. `toolsets` says whose work it is for; in
    `all` is every tool."""

    name: str
    title: str
    description: str
    form: type
    annotations: ToolAnnotations
    toolsets: frozenset[Toolset]
    operation: str | Callable[[dict[str, Value]], Operation] | None = None
    #: The operation that an attempt is recorded under when `operation` can make nothing of its arguments.
    otherwise: str = ""
    #: Other operations that `operation` can choose.
    also: tuple[str, ...] = ()
    #: Of a tool that takes every operation of one kind by its id: that kind. It is recorded under what it was asked for.
    generic: Kind | None = None

    @property
    def usually(self) -> str:
        return self.operation if isinstance(self.operation, str) else self.otherwise

    @property
    def operations(self) -> tuple[str, ...]:
        """Every Stripe operation that a call of it can become; none for a control tool, or for one that takes any."""
        return (self.usually, *self.also) if self.operation is not None and self.generic is None else ()

    @cached_property
    def shape(self) -> Shape:
        return Shape(self.name, self.form)

    def split(self, given: Mapping[str, Value]) -> tuple[str, dict[str, Value], OwnArguments]:
        """The operation, Stripe's parameters and our own arguments. ParameterError as from `called`."""
        own = {name: value for name, value in given.items() if name in OWN_WORDS and isinstance(value, str)}
        parameters = {name: given[name] for name in given if name not in OWN_WORDS}
        return *self.called(parameters), OwnArguments(**own)

    def called(self, parameters: dict[str, Value]) -> Operation:
        """The operation of these arguments. ParameterError for what does not go together."""
        if self.operation is None:
            raise ValueError(f"{self.name} is a control tool")
        return (self.operation, parameters) if isinstance(self.operation, str) else self.operation(parameters)


def renamed(operation_id: str, **names: str) -> Callable[[dict[str, Value]], Operation]:
    """An operation whose own names of some arguments would say nothing to a model: ours, each with Stripe's."""
    return lambda given: (operation_id, {names.get(name, name): value for name, value in given.items()})


#: Toolsets as rows have them. A control tool is in all.
DEFAULT: Final = frozenset({Toolset.DEFAULT})
SUPPORT: Final = frozenset({Toolset.SUPPORT})
BILLING: Final = frozenset({Toolset.BILLING})
BOTH: Final = SUPPORT | BILLING
EVERYWHERE: Final = frozenset(Toolset)


READ: Final = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=True)
MONEY_OUT: Final = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=True
)
#: Adds something and takes nothing away; done twice, there are two.
CREATE: Final = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True
)
#: Overwrites what is there.
CHANGE: Final = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=True)
CANCEL: Final = CHANGE
LOOK: Final = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
TAKE_BACK: Final = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)

GOVERNED: Final = (
    "The company's policy decides: it may be done at once, wait for a person, or be blocked; the answer says which. "
    "Never send it again to get around a wait or a block."
)
