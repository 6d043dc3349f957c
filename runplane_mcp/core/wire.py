"""Parameters to the exact wire request and back. The wire request is the truth: what is decided, shown, digested,
stored and sent are the same bytes, and facts are computed from `parse(encode(parameters))`.

Anything that could be read in two ways is refused instead of guessed at.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from urllib.parse import quote, unquote

from runplane_mcp.core import form, json_body
from runplane_mcp.core.values import (
    LARGEST_INTEGER,
    MOST_BYTES,
    MOST_DEPTH,
    MOST_PAIRS,
    MOST_TEXT,
    Bare,
    Parameters,
    Text,
    Value,
    bare,
    shown,
    too_long,
)
from runplane_mcp.errors import ParameterError

__all__ = [
    "FORM",
    "JSON",
    "LARGEST_INTEGER",
    "MOST_BYTES",
    "MOST_DEPTH",
    "MOST_PAIRS",
    "MOST_TEXT",
    "Bare",
    "Parameters",
    "Text",
    "Value",
    "WireRequest",
    "as_text",
    "content_type_of",
    "encode",
    "pairs",
    "parse",
    "path_parameters",
]

FORM = "application/x-www-form-urlencoded"
JSON = json_body.CONTENT_TYPE

_PATH_PARAMETER = re.compile(r"\{([A-Za-z0-9_]+)\}")
# What begins with a dot climbs or hides, and `;` begins the parameters of a path's step (RFC 3986, 3.3) for some readers.
_PATH_VALUE = re.compile(r"(?!\.)[^\x00-\x20\x7f-\x9f/\\%?#;]{1,255}\Z")
_PLAIN_STEP = re.compile(r"[A-Za-z0-9_.~-]+")
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

    @property
    def v2(self) -> bool:
        """Whether it is of the second namespace: JSON bodies, other errors and lists, keys kept for a DELETE too."""
        return self.path.startswith("/v2/")

    @property
    def keyed(self) -> bool:
        """Whether Stripe remembers an idempotency key of it: of any POST, and of a DELETE in /v2."""
        return self.method == "POST" or (self.method == "DELETE" and self.v2)


@cache
def path_parameters(template: str) -> tuple[str, ...]:
    """The names in braces of a path template, in order."""
    return tuple(_PATH_PARAMETER.findall(template))


def content_type_of(method: str, path: str) -> str:
    """How a request's parameters are written in its body; empty for one without a body."""
    if method != "POST":
        return ""
    return JSON if path.startswith("/v2/") else FORM


def encode(method: str, template: str, parameters: Parameters) -> WireRequest:
    """The one wire request of these parameters: names sorted, lists by index: equal parameters give equal bytes.

    Parameters named in the template go into the path, the others into the body of a POST (a form, JSON in /v2) or the
    query of a GET or DELETE. ParameterError `parameter.*` for whatever has no single meaning on the wire.
    """
    if method not in _METHODS:
        raise ParameterError("parameter.method", f"Stripe has no method {method!r}.")
    rest = dict(parameters)
    for given in rest:
        if not isinstance(given, str):
            raise ParameterError("parameter.name", f"{shown(given)} is not a parameter's name.", param=shown(given))
    path = template
    for name in path_parameters(template):
        if name not in rest:
            raise ParameterError(
                "parameter.missing", f"`{name}` is missing.", param=name, next_step="Give its Stripe id."
            )
        path = path.replace("{" + name + "}", _step(_path_value(name, rest.pop(name))))
    content_type = content_type_of(method, template)
    if content_type == JSON:
        body = json_body.write(rest)
        if len(body) > MOST_BYTES:
            raise too_long()
        return WireRequest(method, path, body=body, content_type=JSON)
    encoded = form.write(rest)
    if len(encoded) > MOST_BYTES:
        raise too_long()
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
        raise too_long()
    matched = _pattern(template).fullmatch(wire.path)
    if matched is None:
        raise ParameterError("parameter.path", f"{ascii(wire.path)[1:200]} is not of the form {template}.")
    _check_parts(template, wire)
    found: dict[str, Text] = {}
    exact = True
    for name, quoted in zip(path_parameters(template), matched.groups(), strict=True):
        found[name] = value = _path_value(name, form.decoded(unquote, quoted))
        exact = exact and _step(value) == quoted
    if wire.content_type == JSON:
        exact = json_body.read(wire.body, found) and exact
    else:
        exact = form.read(_encoded(wire), found) and exact
    if not exact:
        raise ParameterError("parameter.form", "The request is not written the way Runplane writes it.")
    return found


def pairs(wire: WireRequest) -> list[tuple[str, str]]:
    """The flat key-value pairs of the query or body, decoded, as people are shown them."""
    if wire.content_type == JSON:
        found: dict[str, Text] = {}
        json_body.read(wire.body, found)
        return list(json_body.pairs(found))
    return form.pairs(_encoded(wire))


def as_text(value: Value) -> Text:
    """A value as it reads after the wire: the left side of `parse(encode(p)) == as_text(p)`."""
    if isinstance(value, bool | int):
        return bare(value)
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return {name: as_text(item) for name, item in value.items()}
    return [as_text(item) for item in value]


@cache
def _pattern(template: str) -> re.Pattern[str]:
    """What the path of a template looks like, a group for each of its parameters."""
    pattern = re.escape(template)
    for name in path_parameters(template):
        pattern = pattern.replace(re.escape("{" + name + "}"), "([^/]+)")
    return re.compile(pattern)


def _check_parts(template: str, wire: WireRequest) -> None:
    """ParameterError for parts that no request has together: each of them would be read by some and not by others."""
    if wire.method not in _METHODS:
        raise ParameterError("parameter.method", f"Stripe has no method {ascii(wire.method)[:20]}.")
    if wire.method == "POST":
        if wire.query:
            raise ParameterError(
                "parameter.query", "A POST has its parameters in the body.", next_step="Move the query into the body."
            )
        if wire.content_type != (expected := content_type_of("POST", template)):
            raise ParameterError(
                "parameter.content_type", f"The body of this request is {expected}.", next_step="Write it like that."
            )
    elif wire.body or wire.content_type:
        raise ParameterError(
            "parameter.body", f"A {wire.method} has no body.", next_step="Move the parameters into the query."
        )


def _encoded(wire: WireRequest) -> str:
    if not wire.body.isascii() or not wire.query.isascii():
        raise ParameterError("parameter.form", "A request holds bytes that are not ASCII.")
    return wire.body.decode("ascii") if wire.method == "POST" else wire.query


def _path_value(name: str, value: object) -> str:
    # Unprintable is also what would hide in a card or turn its direction: format characters, odd blanks, surrogates.
    if not isinstance(value, str) or not _PATH_VALUE.match(value) or not value.isprintable():
        raise ParameterError(
            "parameter.path_value",
            f"`{name}` is not an id of Stripe: {shown(value)}.",
            param=name,
            next_step="Give its id, as Stripe shows it.",
        )
    return value


def _step(value: str) -> str:
    """A value as one step of a path."""
    return value if _PLAIN_STEP.fullmatch(value) else quote(value, safe="")
