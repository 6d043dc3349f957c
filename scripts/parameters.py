"""Writes `data/parameters.json`: what stands inside of parameters, and of which types, as Stripe's own SDK declares it.

The published list of operations names only top-level parameters, each with one type. The SDK that is installed declares the
rest as typed dictionaries, which are read here as source, not run. Shapes that are alike are written once.
"""

from __future__ import annotations

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

import stripe

#: A shape: each name with its types, and the shape of what stands inside. None: anything may.
Shape: TypeAlias = "dict[str, tuple[str, Shape]] | None"

_ROOT: Final = Path(stripe.__file__).parent
_SIMPLE: Final[Mapping[str, frozenset[str]]] = {
    "str": frozenset({"string"}),
    "int": frozenset({"integer"}),
    # Agents write fractions as text: a JSON number with a fraction has no single form.
    "float": frozenset({"integer", "string"}),
    "Decimal": frozenset({"string"}),
    "bool": frozenset({"boolean"}),
    "Any": frozenset({"string"}),
}
_WRAPPERS: Final = frozenset({"NotRequired", "Required", "Optional"})
_LISTS: Final = frozenset({"List", "list"})
_MOST_DEPTH: Final = 8


@dataclass
class _Annotation:
    """The types of an annotation, and the typed dictionaries that stand in it."""

    types: set[str] = field(default_factory=set)
    inner: list[str] = field(default_factory=list)
    anything: bool = False


class _Declarations:
    """All typed dictionaries of the SDK, found by name, in the same file first."""

    def __init__(self) -> None:
        self._found: dict[str, list[tuple[Path, ast.AST]]] = defaultdict(list)
        self._known: dict[tuple[str, Path], Shape] = {}
        for path in [*sorted((_ROOT / "params").rglob("*.py")), _ROOT / "v2" / "_amount.py"]:
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef):
                    self._found[node.name].append((path, node))
                elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                    self._found[ast.unparse(node.targets[0])].append((path, node.value))

    def shape(self, name: str, near: Path, above: tuple[str, ...] = ()) -> Shape:
        """The shape of a typed dictionary; None where it is none, or stands inside of itself."""
        declared = self._declared(name, near)
        if declared is None or name in above or len(above) > _MOST_DEPTH:
            return None
        path = declared[0]
        if (name, path) not in self._known:
            found: dict[str, tuple[str, Shape]] = {}
            for inner, annotation in self._fields(*declared).items():
                read = _Annotation()
                _read(annotation, read)
                shapes = [self.shape(each, path, (*above, name)) for each in read.inner]
                merged = None if read.anything or not shapes else _merged(shapes)
                found[inner] = ("|".join(sorted(read.types)), merged)
            self._known[name, path] = found
        return self._known[name, path]

    def _declared(self, name: str, near: Path) -> tuple[Path, ast.AST] | None:
        all_of_it = self._found.get(name, [])
        return next((each for each in all_of_it if each[0] == near), all_of_it[0] if all_of_it else None)

    def _fields(self, path: Path, node: ast.AST) -> dict[str, ast.expr]:
        if isinstance(node, ast.Call):
            [_, fields] = node.args
            assert isinstance(fields, ast.Dict)
            return {
                str(ast.literal_eval(key)): value for key, value in zip(fields.keys, fields.values, strict=True) if key
            }
        assert isinstance(node, ast.ClassDef)
        found: dict[str, ast.expr] = {}
        for base in node.bases:
            above = self._declared(ast.unparse(base), path)
            if above is not None:
                found |= self._fields(*above)
        found |= {ast.unparse(each.target): each.annotation for each in node.body if isinstance(each, ast.AnnAssign)}
        return found


def _read(node: ast.expr, into: _Annotation) -> None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        _read(ast.parse(node.value, mode="eval").body, into)
    elif isinstance(node, ast.BinOp):
        _read(node.left, into)
        _read(node.right, into)
    elif isinstance(node, ast.Subscript):
        _read_subscript(ast.unparse(node.value), node.slice, into)
    else:
        name = ast.unparse(node)
        if name == "None":
            return
        if name in _SIMPLE:
            into.types |= _SIMPLE[name]
        else:
            into.types.add("object")
            into.inner.append(name)


def _read_subscript(name: str, inner: ast.expr, into: _Annotation) -> None:
    parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    if name in _WRAPPERS or name == "Union":
        for part in parts:
            _read(part, into)
    elif name == "Literal":
        for part in parts:
            value = ast.literal_eval(part)
            into.types.add("boolean" if isinstance(value, bool) else "string" if value else "unset")
    elif name in _LISTS:
        into.types.add("array")
        element = _Annotation()
        _read(parts[0], element)
        into.inner += element.inner
        into.anything = into.anything or element.anything
    elif name == "IO":
        into.types.add("string")
    else:
        # Dictionaries of the customer's own, such as metadata.
        into.types.add("object")
        into.anything = True


def _merged(shapes: list[Shape]) -> Shape:
    """What may stand in one of several dictionaries; anything where one of them may hold anything."""
    merged: dict[str, tuple[str, Shape]] = {}
    for shape in shapes:
        if shape is None:
            return None
        for name, (types, inner) in shape.items():
            if name in merged:
                before, within = merged[name]
                types = "|".join(sorted({*types.split("|"), *before.split("|")}))
                inner = _merged([within, inner]) if within is not None and inner is not None else None
            merged[name] = (types, inner)
    return merged


@dataclass(frozen=True)
class _Method:
    """A method of the SDK's services: HTTP method, path template, what it takes and answers, and where names come from."""

    http: str
    path: str
    takes: str
    answers: str
    modules: Mapping[str, str]

    def file(self, name: str) -> Path:
        return _ROOT.parent.joinpath(*self.modules.get(name, "").split(".")).with_suffix(".py")


@cache
def _declarations() -> _Declarations:
    """All of the SDK's source is read once."""
    return _Declarations()


@cache
def _methods() -> tuple[_Method, ...]:
    return tuple(_read_methods())


def _read_methods() -> Iterator[_Method]:
    for path in sorted(_ROOT.rglob("*_service.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        modules = {
            alias.name: node.module
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module
            for alias in node.names
        }
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef):
                continue
            named = [each.annotation for each in function.args.args if each.arg == "params" and each.annotation]
            takes = re.findall(r"\w+Params", ast.unparse(named[0])) if named else []
            for call in ast.walk(function):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "_request":
                    method, route = call.args[0], call.args[1]
                    if isinstance(route, ast.Call):
                        assert isinstance(route.func, ast.Attribute)
                        route = route.func.value
                    yield _Method(
                        str(ast.literal_eval(method)).upper(),
                        str(ast.literal_eval(route)),
                        takes[0] if takes else "",
                        ast.unparse(function.returns).strip("'\"") if function.returns else "",
                        modules,
                    )


def shapes_of(operations: list[Mapping[str, object]]) -> dict[str, Shape]:
    """The shape of each operation's parameters, by operation id; those of the path left out. Previews and aliases, which
    the SDK does not have, have none."""
    declarations = _declarations()
    by_route = {(each.http, _bare(each.path)): each for each in _methods()}
    found: dict[str, Shape] = {}
    for row in operations:
        method = by_route.get((str(row["method"]), _bare(str(row["path"]))))
        if row["alias_of"] is None and method is not None and method.takes:
            in_path = re.findall(r"\{(\w+)\}", str(row["path"]))
            shape = declarations.shape(method.takes, method.file(method.takes)) or {}
            found[str(row["operation_id"])] = {each: what for each, what in shape.items() if each not in in_path}
    return found


def answers() -> dict[tuple[str, str], str]:
    """The `object` of what each method and bare path answers, as far as the SDK says one."""
    names: dict[str, dict[Path, str]] = defaultdict(dict)
    for path in sorted(_ROOT.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            for each in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(each, ast.AnnAssign) and ast.unparse(each.target) == "OBJECT_NAME" and each.value:
                    names[node.name][path] = str(ast.literal_eval(each.value))  # type: ignore[attr-defined]
    found = {}
    for method in _methods():
        listed = re.match(r"Search|List", method.answers)
        objects = names.get(method.answers, {})
        own = objects.get(method.file(method.answers), next(iter(objects.values()), ""))
        name = {"Search": "search_result", "List": "list"}[listed[0]] if listed else own
        if name:
            found[method.http, _bare(method.path)] = name
    return found


def _bare(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def text_of(shapes: Mapping[str, Shape]) -> str:
    """The text of the file: shapes that occur inside of others once each, by number; a name without a number may hold
    anything that its type allows."""
    numbers: dict[str, int] = {}
    lines: list[str] = []

    def written(shape: Mapping[str, tuple[str, Shape]]) -> dict[str, object]:
        return {
            name: types if inner is None else [types, number(inner)] for name, (types, inner) in sorted(shape.items())
        }

    def number(shape: Mapping[str, tuple[str, Shape]]) -> int:
        text = json.dumps(written(shape))
        if text not in numbers:
            numbers[text] = len(lines)
            lines.append(text)
        return numbers[text]

    operations = {name: written(shape) for name, shape in shapes.items() if shape is not None}
    meta = {
        "source": f"the typed parameters of Stripe's SDK for Python {stripe.VERSION}",
        "shapes": "what stands inside of parameters; a number is another shape of this list; no number: anything may",
    }
    head = ",\n".join(f"{json.dumps(name)}: {json.dumps(text)}" for name, text in meta.items())
    rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(shape)}" for name, shape in operations.items())
    inner = ",\n".join(lines)
    return f'{{\n"meta": {{\n{head}\n}},\n"shapes": [\n{inner}\n],\n"operations": {{\n{rows}\n}}\n}}\n'
