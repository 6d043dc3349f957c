"""What stands inside of parameters: names and types at any depth, as Stripe's own SDK declares them.

`data/parameters.json` is written by `scripts/catalog`. Previews have no shape: of them only the top-level names are known.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Final, TypeAlias, cast

from runplane_mcp.core.amounts import INTEGER
from runplane_mcp.core.parameters import UNSET, types_in, types_of, wanted_in, wrong_type
from runplane_mcp.core.wire import Text, Value
from runplane_mcp.errors import ParameterError

#: Each name with its types, and the number of the shape of what stands inside.
_Written: TypeAlias = Mapping[str, "str | Sequence[str | int]"]

#: The declared types that a value is of, or that a text can stand for.
_TypesOf: TypeAlias = Callable[[object], frozenset[str]]

_types_in_json: Final = partial(types_in, typed=True)
_NO_NAMES: Final = frozenset[str]()


@dataclass(frozen=True)
class Shapes:
    """All shapes. Numbers are places in `inner`."""

    inner: tuple[_Written, ...]
    operations: Mapping[str, _Written]

    def types(self, operation_id: str) -> Mapping[str, str]:
        """The top-level parameters of an operation with all their types; empty where it has no shape."""
        return {name: _types(what) for name, what in self.operations.get(operation_id, {}).items()}

    def inside(self, operation_id: str, name: str) -> int | None:
        """The shape of what stands inside of a top-level parameter, None where nobody declares it."""
        what = self.operations.get(operation_id, {}).get(name)
        return None if what is None else _number(what)

    def fields(self, shape: int) -> Iterator[tuple[str, str]]:
        """What can stand in a shape: each name with all its types."""
        return ((name, _types(what)) for name, what in self.inner[shape].items())

    def within(self, shape: int, name: str) -> int | None:
        """The shape of what stands inside of a field of a shape."""
        return _number(self.inner[shape][name])

    def names_inside(self, operation_id: str, known: dict[int, frozenset[str]]) -> frozenset[str]:
        """Every name that can stand inside of a parameter, at whatever depth. `known` keeps what was found, by shape."""
        found = _NO_NAMES
        for what in self.operations.get(operation_id, {}).values():
            number = _number(what)
            if number is not None:
                found |= self._names(number, known)
        return found

    def paths(self, operation_id: str) -> Iterator[str]:
        """Every path into the parameters: `transfer_data.destination`."""
        yield from self._paths("", self.operations.get(operation_id, {}))

    def type_at(self, operation_id: str, path: str) -> str:
        """The types of what stands at a path. KeyError for one that there is not."""
        shape: _Written = self.operations[operation_id]
        *above, last = path.split(".")
        for name in above:
            number = _number(shape[name])
            shape = self.inner[number] if number is not None else {}
        return _types(shape[last])

    def as_json(self, operation_id: str, params: Mapping[str, str], given: Mapping[str, Value]) -> dict[str, Value]:
        """Parameters whose numbers and booleans came as text, from a command line, as JSON has them: wherever only a number
        or a boolean can stand. `params` are the top-level types, for an operation that has no shape."""
        shape = self.operations.get(operation_id, {})
        return {name: self._json(value, shape.get(name, params.get(name))) for name, value in given.items()}

    def check_asked(self, operation_id: str, asked: Mapping[str, Value]) -> None:
        """ParameterError `parameter.unknown` or `parameter.type` for what the agent put inside of parameters wrongly: a
        name that cannot stand there, a value of another JSON type."""
        self._check("", self.operations.get(operation_id), asked, types_of)

    def check_wire(self, operation_id: str, read: Mapping[str, Text], *, typed: bool = False) -> None:
        """The same for parameters as they read on the wire, where numbers are text; in JSON (`typed`), bare text."""
        self._check("", self.operations.get(operation_id), read, _types_in_json if typed else types_in)

    def _json(self, value: Value, what: str | Sequence[str | int] | None) -> Value:
        if isinstance(value, str):
            known = wanted_in(_types(what)) if what is not None else _NO_NAMES
            if value in {"true", "false"} and "boolean" in known:
                return value == "true"
            whole = "string" not in known and not known.isdisjoint({"integer", "signed", "unsigned"})
            return int(value) if whole and INTEGER.fullmatch(value) else value
        number = _number(what) if what is not None else None
        if isinstance(value, Mapping):
            inner = self.inner[number] if number is not None else {}
            return {name: self._json(item, inner.get(name)) for name, item in value.items()}
        return [self._json(item, what) for item in value] if isinstance(value, list | tuple) else value

    def _names(self, number: int, known: dict[int, frozenset[str]]) -> frozenset[str]:
        if number not in known:
            known[number] = _NO_NAMES
            shape = self.inner[number]
            within = [self._names(each, known) for what in shape.values() if (each := _number(what)) is not None]
            known[number] = frozenset(shape).union(*within)
        return known[number]

    def _paths(self, before: str, shape: _Written) -> Iterator[str]:
        for name, what in shape.items():
            yield f"{before}{name}"
            number = _number(what)
            if number is not None:
                yield from self._paths(f"{before}{name}.", self.inner[number])

    def _check(self, before: str, shape: _Written | None, given: Mapping[str, object], of: _TypesOf) -> None:
        if shape is None:
            return
        for name, value in given.items():
            what = shape.get(name)
            if what is None:
                if before:
                    raise _unknown(before.rstrip("."), name, shape)
                continue  # names of the operation itself, and of its path, are checked elsewhere
            if before and (found := of(value)).isdisjoint(wanted_in(_types(what))):
                raise wrong_type(f"{before}{name}", _types(what), value, empty=found == UNSET)
            number = _number(what)
            if number is None:
                continue
            if type(value) is dict:
                self._check(f"{before}{name}.", self.inner[number], value, of)
            else:
                for inner in _objects(f"{before}{name}", value):
                    self._check(f"{before}{name}.", self.inner[number], inner, of)


NO_SHAPES: Final = Shapes((), {})


def read_shapes(text: str) -> Shapes:
    document = json.loads(text)
    return Shapes(
        tuple(cast("list[_Written]", document["shapes"])), cast("Mapping[str, _Written]", document["operations"])
    )


def _types(what: str | Sequence[str | int]) -> str:
    return what if isinstance(what, str) else str(what[0])


def _number(what: str | Sequence[str | int]) -> int | None:
    return None if isinstance(what, str) else int(what[1])


def _objects(path: str, value: object) -> Iterator[Mapping[str, object]]:
    """The objects that a value is, or that a list of them holds. Other things in a list of objects are not taken."""
    if isinstance(value, Mapping):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            if isinstance(item, Mapping):
                yield item
            elif not isinstance(item, str | int):
                raise ParameterError("parameter.type", f"`{path}` must be a list of objects.", param=path)


def _unknown(where: str, name: str, shape: _Written) -> ParameterError:
    shown = ascii(name)[:80]
    nearest = get_close_matches(name, shape, 1) if len(name) <= 80 else []
    names = sorted(shape)
    some = ", ".join(names[:12]) + (" …" if len(names) > 12 else "")
    hint = f"Did you mean `{nearest[0]}`?" if nearest else f"It takes {some or 'none'}."
    return ParameterError(
        "parameter.unknown", f"`{where}` has no parameter {shown}.", param=f"{where}.{name}"[:160], next_step=hint
    )
