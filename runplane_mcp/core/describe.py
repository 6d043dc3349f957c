"""An operation in words, for a model that is about to call it: small, and enough to call it without guessing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from runplane_mcp.core.actions import singular
from runplane_mcp.core.catalog import Catalog
from runplane_mcp.core.operation import Operation
from runplane_mcp.core.parameters import in_words
from runplane_mcp.core.request import Kind
from runplane_mcp.core.shapes import Shapes
from runplane_mcp.core.wire import Text, Value

#: Characters of one sentence in a listing.
LONGEST_SENTENCE: Final = 200

_UNDO: Final = {True: "Can be undone.", False: "Cannot be undone.", None: "Whether it can be undone depends."}
#: What is tried for a parameter, to find out what it can make of an operation.
_TRIED: Final[Mapping[str, tuple[Text, ...]]] = {
    "integer": ("1", "-1"),
    "signed": ("1", "-1"),
    "unsigned": ("0", "1"),
    "boolean": ("true", "false"),
    "object": ({"x": "x"},),
    "array": (["x"],),
    "unset": ("",),
}
#: How ids of Stripe's begin, by what they are ids of.
_PREFIXES: Final[Mapping[str, str]] = {
    "account": "acct", "balance_transaction": "txn", "charge": "ch", "checkout_session": "cs", "coupon": "coupon",
    "credit_note": "cn", "customer": "cus", "destination": "acct", "dispute": "dp", "event": "evt",
    "external_account": "ba", "fee": "fee", "file": "file", "file_link": "link", "invoice": "in", "invoiceitem": "ii",
    "line_item": "il",
    "mandate": "mandate", "payment_intent": "pi", "payment_link": "plink", "payment_method": "pm", "payout": "po",
    "person": "person", "plan": "plan", "price": "price", "product": "prod", "promotion_code": "promo", "quote": "qt",
    "refund": "re", "reversal": "trr", "setup_intent": "seti", "source": "src", "subscription": "sub",
    "subscription_item": "si", "subscription_schedule": "sub_sched", "tax_id": "txi", "tax_rate": "txr", "topup": "tu",
    "transfer": "tr", "webhook_endpoint": "we",
}  # fmt: skip
_SIMPLE: Final = frozenset({"string", "boolean", "integer"})
#: How deep the inside of a parameter is looked through.
_MOST_FILLED: Final = 5
_TEXTS: Final[Mapping[str, str]] = {
    "currency": "usd", "country": "US", "email": "jane@example.com", "query": "email:'jane@example.com'",
    "account": "acct_1Abc", "return_url": "https://example.com", "url": "https://example.com",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: `means` in words, `inside` what stands inside of it, as far as Stripe's SDK declares it, `brings` the
    groups that a request can be in with it and is not in without it, whatever stands inside."""

    name: str
    means: str
    required: bool
    inside: Mapping[str, str]
    brings: tuple[str, ...]


def sentence_of(operation: Operation) -> str:
    """What it does, in one sentence of our own."""
    if not operation.judged:
        resource, verb = operation.action.rsplit(".", 1)
        doing = f"{verb.replace('_', ' ').capitalize()}: {resource.replace('_', ' ')}."
        return f"{doing} Nobody has judged yet what it does."
    text = operation.reason
    return text if len(text) <= LONGEST_SENTENCE else f"{text[: LONGEST_SENTENCE - 1].rstrip()}…"


def undo_of(operation: Operation) -> str:
    """Whether what it does can be undone, in one sentence."""
    if operation.kind is Kind.READ:
        return "Changes nothing."
    if operation.declaration is not None:
        return operation.declaration.undo
    return _UNDO[operation.reversible] if operation.judged else "Nobody has said whether it can be undone."


def parameters_of(catalog: Catalog, operation: Operation) -> Iterator[Parameter]:
    """Its parameters: those of the path first, then those that must be given, then the others by name."""
    for name in operation.path_parameters:
        yield Parameter(name, "the id, a text", required=True, inside={}, brings=())
    least = _groups(operation, {})
    for name in sorted(operation.params, key=lambda each: (each not in operation.required, each)):
        declared = operation.params[name]
        shape = catalog.shapes.inside(operation.target_id, name)
        brings: frozenset[str] = frozenset()
        if operation.judged:
            whole: tuple[Text, ...] = () if shape is None else (_filled(catalog.shapes, shape, 0),)
            for value in (*whole, *(value for kind in declared.split("|") for value in _TRIED.get(kind, ("x",)))):
                brings |= _groups(operation, {name: value}) - least
        inside = {} if shape is None else {each: _means(each, what) for each, what in catalog.shapes.fields(shape)}
        yield Parameter(
            name,
            _means(name, declared),
            name in operation.required,
            dict(sorted(inside.items())),
            tuple(sorted(brings)),
        )


def example_of(catalog: Catalog, operation: Operation) -> dict[str, Value]:
    """Parameters that it takes: those it must have, each with a value of the right form. Where nobody declares what stands
    inside of an object or a list, there is a stand-in, since that is Stripe's to say."""
    found: dict[str, Value] = {name: _id_in(operation, name) for name in operation.path_parameters}
    for name in sorted(operation.required):
        shape = catalog.shapes.inside(operation.target_id, name)
        found[name] = _example(catalog.shapes, name, operation.params[name], shape)
    return found


def _means(name: str, declared: str) -> str:
    unit = ", in the currency's smallest unit" if name.endswith("amount") and "integer" in declared else ""
    return f"{in_words(declared)}{unit}"


def _groups(operation: Operation, given: Mapping[str, Text]) -> frozenset[str]:
    required: dict[str, Text] = dict.fromkeys(operation.required, "x")
    judged, _ = operation.judge({**required, **given})
    return judged.groups


def _filled(shapes: Shapes, shape: int, depth: int) -> dict[str, Text]:
    """An object with everything in it that can be, as far as requests nest."""
    found: dict[str, Text] = {}
    for name, _ in shapes.fields(shape):
        within = shapes.within(shape, name)
        found[name] = "x" if within is None or depth > _MOST_FILLED else _filled(shapes, within, depth + 1)
    return found


def _example(shapes: Shapes, name: str, declared: str, shape: int | None) -> Value:
    kind = declared.split("|")[0]
    match kind:
        case "integer" | "signed" | "unsigned":
            return 1000 if name.endswith("amount") else 1
        case "boolean":
            return True
        case "object" | "array":
            inner: Value = "value" if kind == "array" else {"name": "value"}
            if shape is not None and {"value", "currency"} <= {each for each, _ in shapes.fields(shape)}:
                inner = {"value": 1000, "currency": "usd"}
            elif shape is not None:
                # The simplest thing that can stand there.
                first, what = min(shapes.fields(shape), key=lambda each: (each[1] not in _SIMPLE, each[0]))
                inner = {first: _example(shapes, first, what, shapes.within(shape, first))}
            return [inner] if kind == "array" else inner
        case _:
            known = _PREFIXES.get(name)
            if name.endswith("amount"):
                return "1000"
            return _TEXTS.get(name) or (f"{known}_1Abc" if known else "value")


def _id_in(operation: Operation, name: str) -> str:
    """An id as it stands in the path for `name`: of what the segment before it lists."""
    steps = operation.path.split("/")
    of = singular(steps[steps.index("{" + name + "}") - 1])
    prefix = _PREFIXES.get(of) or _PREFIXES.get(name)
    return f"{prefix}_1Abc" if prefix else f"id_of_{of}"
