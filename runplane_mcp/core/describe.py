"""An operation in words, for a model that is about to call it: small, and enough to call it without guessing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from runplane_mcp.core.actions import singular
from runplane_mcp.core.operation import Operation
from runplane_mcp.core.parameters import TYPES
from runplane_mcp.core.request import Kind
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
_TEXTS: Final[Mapping[str, str]] = {
    "currency": "usd", "country": "US", "email": "jane@example.com", "query": "email:'jane@example.com'",
    "account": "acct_1Abc", "return_url": "https://example.com", "url": "https://example.com",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter outside the catalog's own types: `means` in words, `brings` the groups that giving it can put a
    request in which is not in them without it."""

    name: str
    means: str
    required: bool
    brings: tuple[str, ...]


def in_words(declared: str) -> str:
    """A declared type as people say it: `a text or "" to remove it`."""
    return " or ".join(TYPES[each] for each in declared.split("|"))


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
    return _UNDO[operation.reversible] if operation.judged else "Nobody has said whether it can be undone."


def parameters_of(operation: Operation) -> Iterator[Parameter]:
    """Its parameters: those of the path first, then those that must be given, then the others by name."""
    for name in operation.path_parameters:
        yield Parameter(name, "the id, a text", required=True, brings=())
    least = _groups(operation, {})
    for name in sorted(operation.params, key=lambda each: (each not in operation.required, each)):
        declared = operation.params[name]
        brings: frozenset[str] = frozenset()
        if operation.judged:
            for kind in declared.split("|"):
                for value in _TRIED.get(kind, ("x",)):
                    brings |= _groups(operation, {name: value}) - least
        unit = ", in the currency's smallest unit" if name.endswith("amount") and "integer" in declared else ""
        yield Parameter(name, f"{in_words(declared)}{unit}", name in operation.required, tuple(sorted(brings)))


def example_of(operation: Operation) -> dict[str, Value]:
    """Parameters that it takes: those it must have, each with a value of the right form. An object or a list has only a
    stand-in inside, since what stands in it is Stripe's to say."""
    found: dict[str, Value] = {name: _id_in(operation, name) for name in operation.path_parameters}
    for name in sorted(operation.required):
        found[name] = _example(name, operation.params[name].split("|")[0])
    return found


def _groups(operation: Operation, given: Mapping[str, Text]) -> frozenset[str]:
    required: dict[str, Text] = dict.fromkeys(operation.required, "x")
    return operation.judge({**required, **given}).groups


def _example(name: str, kind: str) -> Value:
    match kind:
        case "integer" | "signed" | "unsigned":
            return 1000 if name.endswith("amount") else 1
        case "boolean":
            return True
        case "object":
            return {"name": "value"}
        case "array":
            return ["value"]
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
