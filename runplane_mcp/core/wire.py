"""Parameters to the exact wire request and back. The wire request is the truth: what is decided, shown, digested,
stored and sent are the same bytes, and facts are computed from `parse(encode(parameters))`.

Anything that could be read in two ways is refused instead of guessed at.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import TypeAlias
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from runplane_mcp.errors import ParameterError

#: What an agent may send as the value of a parameter.
Value: TypeAlias = "str | int | bool | Sequence[Value] | Mapping[str, Value]"
Parameters: TypeAlias = Mapping[str, Value]
#: The same after a trip over the wire: numbers and booleans have become text.
Text: TypeAlias = "str | list[Text] | dict[str, Text]"

FORM = "application/x-www-form-urlencoded"

MOST_TEXT = 20_000
MOST_PAIRS = 1_000
MOST_BYTES = 256 * 1024
MOST_DEPTH = 8
#: Larger numbers change on their way through readers that keep numbers as doubles.
LARGEST_INTEGER = 2**53 - 1

# Not only digits (that would be a list's index), no brackets (`transfer_data][destination` smuggles nesting).
_NAME = re.compile(r"(?![0-9]+\Z)[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63}\Z")
# Metadata keys are the customer's own words: anything that can be seen, but no brackets.
_METADATA_KEY = re.compile(r"[^\x00-\x1f\x7f-\x9f\[\]]{1,40}\Z")
_PATH_PARAMETER = re.compile(r"\{([A-Za-z0-9_]+)\}")
_PATH_VALUE = re.compile(r"[^\x00-\x20\x7f-\x9f/\\%?#]{1,255}\Z")
_INDEX = re.compile(r"0|[1-9][0-9]{0,3}")
# What quoting leaves as it is: nearly every name and value, and asking is a tenth of the work of quoting.
_PLAIN = re.compile(r"[A-Za-z0-9_.~-]*")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_.~\[\]-]*")
_METHODS = frozenset({"GET", "POST", "DELETE"})


@dataclass(frozen=True, slots=True)
class WireRequest:
    """One HTTP request to Stripe, but for host and headers: `path` quoted, `query` without `?`, `body` as sent."""

    method: str
    path: str
    query: str = ""
    body: bytes = b""
    content_type: str = ""

    @property
    def url(self) -> str:
        """Path and query as they stand in the request line."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def body_sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


@cache
def path_parameters(template: str) -> tuple[str, ...]:
    """The names in braces of a path template, in order."""
    return tuple(_PATH_PARAMETER.findall(template))


def encode(method: str, template: str, parameters: Parameters) -> WireRequest:
    """The one wire request of these parameters: names sorted, lists by index: equal parameters give equal bytes.

    Parameters named in the template go into the path, the others into the body of a POST or the query of a GET or
    DELETE. ParameterError `parameter.*` for whatever has no single meaning on the wire.
    """
    if method not in _METHODS:
        raise ParameterError("parameter.method", f"Stripe has no method {method!r}.")
    rest = dict(parameters)
    for given in rest:
        if not isinstance(given, str):
            raise ParameterError("parameter.name", f"{_shown(given)} is not a parameter's name.", param=_shown(given))
    path = template
    for name in path_parameters(template):
        if name not in rest:
            raise ParameterError(
                "parameter.missing", f"`{name}` is missing.", param=name, next_step="Give its Stripe id."
            )
        path = path.replace("{" + name + "}", quote(_path_value(name, rest.pop(name)), safe=""))
    pairs = list(islice(_flatten(rest), MOST_PAIRS + 1))
    if len(pairs) > MOST_PAIRS:
        raise ParameterError("parameter.too_many", f"More than {MOST_PAIRS} values in one request.")
    encoded = "&".join([f"{_quote_key(key)}={_quote(value)}" for key, value in pairs])
    if len(encoded) > MOST_BYTES:
        raise ParameterError("parameter.too_long", f"The request is longer than {MOST_BYTES} bytes.")
    if method == "POST":
        return WireRequest(method, path, body=encoded.encode("ascii"), content_type=FORM)
    return WireRequest(method, path, query=encoded)


def parse(template: str, wire: WireRequest) -> dict[str, Text]:
    """What a wire request says, as nested text, path parameters included: the reading that facts are computed from.

    ParameterError for a path that does not fit the template and for bytes that `encode` would not have written:
    double keys, gaps in a list, a name that is both a value and an object, another order, another way of quoting. One
    meaning has one form, so that nothing can be read differently by us and by Stripe.
    """
    if len(wire.body) + len(wire.query) > MOST_BYTES or len(wire.path) > MOST_BYTES:
        raise ParameterError("parameter.too_long", f"The request is longer than {MOST_BYTES} bytes.")
    found: dict[str, Text] = {}
    matched = _pattern(template).fullmatch(wire.path)
    if matched is None:
        raise ParameterError("parameter.path", f"{wire.path} is not of the form {template}.")
    for name, value in zip(path_parameters(template), matched.groups(), strict=True):
        found[name] = _path_value(name, _decoded(unquote, value))
    for key, value in pairs(wire):
        _place(found, key, value)
    read = {name: _lists(value, inside_metadata=name == "metadata") for name, value in found.items()}
    if encode(wire.method, template, read) != wire:
        raise ParameterError("parameter.form", "The request is not written the way Runplane writes it.")
    return read


@cache
def _pattern(template: str) -> re.Pattern[str]:
    """What the path of a template looks like, a group for each of its parameters."""
    pattern = re.escape(template)
    for name in path_parameters(template):
        pattern = pattern.replace(re.escape("{" + name + "}"), "([^/]+)")
    return re.compile(pattern)


def pairs(wire: WireRequest) -> list[tuple[str, str]]:
    """The flat key-value pairs of the query or form body, in order, decoded."""
    if not wire.body.isascii() or not wire.query.isascii():
        raise ParameterError("parameter.form", "A request holds bytes that are not ASCII.")
    encoded = wire.body.decode("ascii") if wire.method == "POST" else wire.query
    if not encoded:
        return []
    if encoded.count("&") >= MOST_PAIRS:
        raise ParameterError("parameter.too_many", f"More than {MOST_PAIRS} values in one request.")
    result = []
    for pair in encoded.split("&"):
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise ParameterError("parameter.form", "A form field needs a name, `=` and a value.")
        result.append((_decoded(unquote_plus, key), _decoded(unquote_plus, value)))
    return result


def _decoded(reader: Callable[..., str], quoted: str) -> str:
    try:
        return reader(quoted, errors="strict")
    except UnicodeDecodeError:
        raise ParameterError("parameter.form", "A request holds text that is not UTF-8.") from None


def as_text(value: Value) -> Text:
    """A value as it reads after the wire: the left side of `parse(encode(p)) == as_text(p)`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return {name: as_text(item) for name, item in value.items()}
    return [as_text(item) for item in value]


def _flatten(parameters: Parameters) -> Iterator[tuple[str, str]]:
    for name in sorted(parameters):
        if not _NAME.match(name):
            raise ParameterError("parameter.name", f"{_shown(name)} is not a parameter's name.", param=_shown(name))
        if name == "metadata" and isinstance(parameters[name], list | tuple):
            # On the wire it would read like an object with the keys 0, 1, …: two meanings.
            raise ParameterError("parameter.type", "`metadata` is an object of texts.", param="metadata")
        yield from _flatten_value(name, parameters[name], depth=1, inside_metadata=name == "metadata")


def _flatten_value(key: str, value: object, *, depth: int, inside_metadata: bool) -> Iterator[tuple[str, str]]:
    if depth > MOST_DEPTH:
        raise ParameterError("parameter.too_deep", f"`{key}` is nested more than {MOST_DEPTH} deep.", param=key)
    if isinstance(value, bool):
        yield key, "true" if value else "false"
    elif isinstance(value, int):
        if abs(value) > LARGEST_INTEGER:
            raise ParameterError("parameter.integer", f"`{key}` is larger than any number Stripe takes.", param=key)
        yield key, str(value)
    elif isinstance(value, str):
        yield key, _text_value(key, value)
    elif isinstance(value, Mapping):
        if not value:
            raise ParameterError(
                "parameter.empty",
                f"`{key}` is an empty object.",
                param=key,
                next_step='Leave it out, or give "" to remove it.',
            )
        grammar = _METADATA_KEY if inside_metadata and depth == 1 else _NAME
        for name in value:
            if not isinstance(name, str) or not grammar.match(name) or _has_surrogate(name):
                raise ParameterError(
                    "parameter.name", f"{_shown(name)} in `{key}` is not a parameter's name.", param=key
                )
        for name in sorted(value):
            yield from _flatten_value(f"{key}[{name}]", value[name], depth=depth + 1, inside_metadata=inside_metadata)
    elif isinstance(value, list | tuple):
        if not value:
            raise ParameterError(
                "parameter.empty",
                f"`{key}` is an empty list.",
                param=key,
                next_step='Leave it out, or give "" to remove it.',
            )
        for index, item in enumerate(value):
            yield from _flatten_value(f"{key}[{index}]", item, depth=depth + 1, inside_metadata=inside_metadata)
    elif value is None:
        raise ParameterError(
            "parameter.null",
            f"`{key}` is null.",
            param=key,
            next_step='Leave it out, or give "" to remove what is there.',
        )
    else:
        raise ParameterError(
            "parameter.type", f"`{key}` is a {type(value).__name__}, which Stripe does not take.", param=key
        )


def _text_value(key: str, value: str) -> str:
    if len(value) > MOST_TEXT:
        raise ParameterError("parameter.too_long", f"`{key}` is longer than {MOST_TEXT} characters.", param=key)
    if "\x00" in value or _has_surrogate(value):
        raise ParameterError("parameter.text", f"`{key}` holds characters that cannot be sent.", param=key)
    return value


def _path_value(name: str, value: object) -> str:
    # Unprintable is also what would hide in a card or turn its direction: format characters, odd blanks, surrogates.
    fits = isinstance(value, str) and value not in {".", ".."} and _PATH_VALUE.match(value) and value.isprintable()
    if not isinstance(value, str) or not fits:
        raise ParameterError(
            "parameter.path_value",
            f"`{name}` is not an id of Stripe: {_shown(value)}.",
            param=name,
            next_step="Give its id.",
        )
    return value


def _has_surrogate(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)


def _shown(value: object) -> str:
    return ascii(value)[:80]


def _quote_key(key: str) -> str:
    # Brackets stay as they are, as Stripe's own SDKs write them: the bytes pass through the SDK unchanged.
    return key if _PLAIN_KEY.fullmatch(key) else quote_plus(key).replace("%5B", "[").replace("%5D", "]")


def _quote(value: str) -> str:
    return value if _PLAIN.fullmatch(value) else quote_plus(value)


def _place(found: dict[str, Text], key: str, value: str) -> None:
    head, *tail = key.split("[")
    if any(not part.endswith("]") or "]" in part[:-1] for part in tail) or "]" in head:
        raise ParameterError("parameter.name", f"{_shown(key)} is not a parameter's name.")
    steps = [head, *(part[:-1] for part in tail)]
    if len(steps) > MOST_DEPTH:
        raise ParameterError("parameter.too_deep", f"{_shown(key)} is nested more than {MOST_DEPTH} deep.")
    for depth, step in enumerate(steps):
        if steps[0] == "metadata" and depth == 1:
            fits = _METADATA_KEY.match(step)
        else:
            fits = _NAME.match(step) or (_INDEX.fullmatch(step) if depth else None)
        if not fits:
            raise ParameterError("parameter.name", f"{_shown(key)} is not a parameter's name.")
    here = found
    for step in steps[:-1]:
        below = here.setdefault(step, {})
        if not isinstance(below, dict):
            raise ParameterError("parameter.twice", f"{_shown(key)} is both a value and an object.")
        here = below
    if steps[-1] in here:
        raise ParameterError("parameter.twice", f"{_shown(key)} is given twice.")
    here[steps[-1]] = value


def _lists(value: Text, *, inside_metadata: bool) -> Text:
    if not isinstance(value, dict):
        return value
    read = {name: _lists(item, inside_metadata=False) for name, item in value.items()}
    indexed = [name for name in read if _INDEX.fullmatch(name)]
    if inside_metadata or not indexed:
        return read
    if len(indexed) != len(read) or sorted(map(int, indexed)) != list(range(len(read))):
        raise ParameterError("parameter.list", "A list's indexes must run from 0 without gaps.")
    return [read[str(index)] for index in range(len(read))]
