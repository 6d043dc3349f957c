"""Reading what models send, and telling them what was wrong with it and what to send instead."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from runplane_mcp.core.redact import redact_text
from runplane_mcp.core.text import visible
from runplane_mcp.core.wire import Value
from runplane_mcp.errors import ParameterError
from runplane_mcp.interfaces.mcp.fields import OWN_WORDS

#: All arguments of one call together, as JSON (bytes). Stdio knows no limit of its own.
MOST_BYTES = 256 * 1024
MOST_DEPTH = 16
#: Characters of a name that are looked through for secrets: more than any secret is long.
_LOOKED_THROUGH = 20_000
#: Problems that are told in one answer.
MOST_PROBLEMS = 3


class Shape:
    """One tool's arguments: their JSON Schema for clients, and the reading of what a client sent."""

    def __init__(self, tool: str, form: type) -> None:
        self._tool = tool
        self._adapter: TypeAdapter[dict[str, Value]] = TypeAdapter(form)

    @cached_property
    def schema(self) -> dict[str, Any]:
        """Without references and titles: some clients follow no `$ref`, and titles only repeat the names."""
        raw = self._adapter.json_schema()
        schema = cast("dict[str, Any]", _plain(raw, raw.get("$defs", {})))
        # What a tool is about stands first; the words that every write takes stand last.
        properties = schema.get("properties", {})
        schema["properties"] = dict(sorted(properties.items(), key=lambda item: item[0] in OWN_WORDS))
        return schema

    def read(self, sent: Mapping[str, object] | None) -> dict[str, Value]:
        """The arguments, exactly as sent. ParameterError `parameter.*` says which one, and what to send instead."""
        given = {} if sent is None else dict(sent)
        check_size(given)
        _check_text(given)
        try:
            return self._adapter.validate_python(given)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_context=True)
        problems.sort(key=lambda problem: _ORDER.get(problem["type"], 2))
        told = [self._explain(problem) for problem in problems[:MOST_PROBLEMS]]
        first = told[0]
        raise ParameterError(
            first.code, " ".join(f"{each.message} {each.next_step}".strip() for each in told), param=first.param
        )

    def _explain(self, problem: ErrorDetails) -> ParameterError:
        path = [step for step in problem["loc"] if step != "[key]"]
        name = shown(".".join(map(str, path))) or "arguments"
        kind = problem["type"]
        context = problem.get("ctx", {})
        field = self._field(path)
        example = next(iter(field.get("examples", [])), None)
        if problem["input"] is None and kind not in _ORDER:
            return ParameterError(
                "parameter.null", f"`{name}` is null.", next_step="Leave it out or give a value.", param=name
            )
        if kind == "extra_forbidden":
            known = list(self._field(path[:-1]).get("properties", {}))
            near = nearest(str(path[-1]), known)
            offer = f"Did you mean `{near}`?" if near else f"It takes: {', '.join(known) or 'nothing'}."
            if not near and "parameters" in known:
                offer = "Stripe's own parameters go into `parameters`."
            message = f"{self._tool} has no parameter `{name}`."
            return ParameterError("parameter.unknown", message, next_step=offer, param=name)
        if kind == "missing":
            told = f"Give it: {field['description']}" if "description" in field else "Give it."
            return ParameterError("parameter.missing", f"`{name}` is missing.", next_step=told, param=name)
        if kind in _WANTED:
            message = f"`{name}` must be {_WANTED[kind]}, not {_called(problem['input'])}."
            return ParameterError(
                "parameter.type", message, next_step=_instead(problem["input"], kind, example), param=name
            )
        if kind == "literal_error":
            choices = ", ".join(field.get("enum", []))
            return ParameterError("parameter.value", f"`{name}` must be one of: {choices}.", param=name)
        if kind == "string_pattern_mismatch":
            return ParameterError("parameter.value", f"`{name}` must look like {example}.", param=name)
        if kind in {"greater_than_equal", "less_than_equal"}:
            code = "parameter.amount" if name == "amount" else "parameter.range"
            least, most = field.get("minimum"), field.get("maximum")
            return ParameterError(code, f"`{name}` must be from {least:,} to {most:,}.", param=name)
        if kind == "string_too_long":
            message = f"`{name}` is longer than {context['max_length']} characters."
            return ParameterError("parameter.too_long", message, param=name)
        if kind == "string_too_short":
            return ParameterError(
                "parameter.empty", f"`{name}` is empty.", next_step="Leave it out or fill it.", param=name
            )
        if kind == "too_long":
            message = f"`{name}` has more than {context['max_length']} entries."
            return ParameterError("parameter.too_many", message, param=name)
        return ParameterError("parameter.value", f"`{name}` cannot be used as it is.", param=name)

    def _field(self, path: list[int | str]) -> dict[str, Any]:
        """The schema of one field, {} for one that the shape does not have."""
        found: dict[str, Any] = self.schema
        for step in path:
            found = found.get("properties", {}).get(step, {})
        return found


_ORDER = {"extra_forbidden": 0, "missing": 1}
_WANTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "dict_type": "an object",
    "list_type": "a list",
}


def shown(name: str, limit: int = 60) -> str:
    """A name that an agent sent, as it may be repeated and written down: visible, cut, and no key or card number. Of one
    that is megabytes long only the beginning is looked at: reading all of it for secrets would stop the gate for a
    minute."""
    return visible(redact_text(name[:_LOOKED_THROUGH]), limit)


def nearest(name: str, known: list[str]) -> str | None:
    """The known name that `name` was probably meant to be."""
    found = difflib.get_close_matches(name[:64].lower(), known, n=1, cutoff=0.6)
    return found[0] if found else None


def check_size(sent: Mapping[str, object]) -> None:
    """ParameterError `parameter.too_deep` for what nests without end, `parameter.too_long` beyond 256 KiB of JSON."""
    left: list[tuple[object, int]] = [(sent, 1)]
    while left:
        node, depth = left.pop()
        if depth > MOST_DEPTH:
            raise ParameterError(
                "parameter.too_deep", "The arguments are nested too deep.", next_step="Send them flat."
            )
        if isinstance(node, Mapping):
            left.extend((item, depth + 1) for item in node.values())
        elif isinstance(node, list):
            left.extend((item, depth + 1) for item in node)
    try:
        size = len(json.dumps(sent))
    except ValueError:
        # Thousands of digits: Python itself refuses to write such a number down.
        raise ParameterError("parameter.integer", "A number is larger than any that can be sent.") from None
    if size > MOST_BYTES:
        raise ParameterError(
            "parameter.too_long", f"The arguments are longer than {MOST_BYTES // 1024} KiB.", next_step="Send less."
        )


def _check_text(value: object, name: str = "arguments") -> None:
    # Half a surrogate pair and NUL can be neither stored nor sent; refused here, before anything is written down.
    if isinstance(value, str):
        if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise ParameterError("parameter.text", f"`{name}` holds characters that cannot be sent.", param=name)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _check_text(key, name)
            _check_text(item, shown(str(key)) if name == "arguments" else name)
    elif isinstance(value, list):
        for item in value:
            _check_text(item, name)


def _called(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    names: dict[type, str] = {
        str: "text",
        int: "a number",
        float: "a number with a point",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), "this")


def _instead(value: object, kind: str, example: object) -> str:
    if kind == "dict_type" and isinstance(value, str) and value.lstrip().startswith("{"):
        return "Send the object itself, not its JSON text."
    if kind == "int_type":
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 15:
            return f"Send {int(value)} without quotes."
        if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
            return f"Send {int(value)} without a point."
        return f"Send a whole number like {example}." if example is not None else ""
    if kind == "string_type" and isinstance(value, int | float) and not isinstance(value, bool):
        return "Put it in quotes."
    return f'Send something like "{example}".' if example is not None else ""


def _plain(node: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        return [_plain(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = definitions[node["$ref"].rsplit("/", 1)[-1]]
        return _plain({**target, **{key: value for key, value in node.items() if key != "$ref"}}, definitions)
    kept: dict[str, Any] = {}
    for key, value in node.items():
        if key == "properties":
            kept[key] = {name: _plain(item, definitions) for name, item in value.items()}
        elif key not in {"title", "$defs"}:
            kept[key] = _plain(value, definitions)
    return kept
