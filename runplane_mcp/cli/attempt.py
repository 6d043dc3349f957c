"""What a policy would say about a request that nobody made: nothing is looked up and nothing is recorded.

What the parameters do not tell takes the neutral value that a policy's own tests take, and all limits are empty. Only an
amount that is left out is never assumed: it stays unknown, as it would be if Stripe could not be asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from typing import Final
from urllib.parse import unquote

from runplane_mcp.core.amounts import amount_of
from runplane_mcp.core.catalog import Catalog
from runplane_mcp.core.compile import CompiledPolicy
from runplane_mcp.core.decide import decide
from runplane_mcp.core.decision import Decision, Usage
from runplane_mcp.core.effects import effect_of
from runplane_mcp.core.explain import Trace, evaluate
from runplane_mcp.core.facts import NONE, REGISTRY, UNKNOWN, FactType, FactValue
from runplane_mcp.core.money import CURRENCIES, Money, parse_money
from runplane_mcp.core.operation import EFFECT_FACTS, Classified, Operation
from runplane_mcp.core.policy import ActionInfo, PolicyTest, values
from runplane_mcp.core.policy.document import Place
from runplane_mcp.core.policy_tests import given_facts
from runplane_mcp.core.request import Kind
from runplane_mcp.core.wire import JSON, Text, Value, content_type_of, encode
from runplane_mcp.errors import ParameterError
from runplane_mcp.gate.answer_secrets import never_held

#: Stands for ids that were not given; it is no id of Stripe's.
PLACEHOLDER: Final = "not-given"
#: The decision's own results, which nobody can give.
_NOT_GIVEN: Final = frozenset({"risk", "risk_level", "action", "kind", "operation", "known"})
_UNKNOWN_OPERATION: Final = ActionInfo("unknown", frozenset(), frozenset(), Kind.WRITE)


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of it. `operation` is None for one that the catalog does not have. `amounts` are the amounts among the
    parameters, `assumed` the facts of the effect that took neutral values."""

    operation: Operation | None
    action: ActionInfo
    facts: Mapping[str, FactValue]
    assumed: tuple[str, ...]
    amounts: Mapping[str, Money]
    decision: Decision
    traces: tuple[Trace, ...]


def attempt(
    policy: CompiledPolicy, catalog: Catalog, op: str, given: Mapping[str, str], *, agent: str, at: int
) -> Tried:
    """Decides about `op` (a tool, an operation id, or method and path) with these parameters of Stripe's and facts, by
    their names, at policy time `at` in milliseconds.

    ParameterError for an `op` that nobody knows the meaning of and for what no request could have.
    """
    operation, parameters, rest = _operation(catalog, op, given)
    known: dict[str, FactValue] = {"agent": agent, "principal": "stdio"}
    amounts: dict[str, Money] = {}
    action = _UNKNOWN_OPERATION
    if operation is None:
        known["known"] = False
    else:
        classified = _classify(catalog, operation, parameters, policy.policy.currency)
        currency = _currency(classified, policy.policy.currency)
        amounts = _amounts(classified.parameters, currency)
        action = ActionInfo(classified.action, classified.groups, classified.facts, operation.kind)
        known |= {"operation": operation.operation_id, "judged": operation.judged}
        known |= _told(classified, amounts, currency)
    for name, text in rest.items():
        known[name] = _fact(name, text, known.get("currency"), policy.policy.currency)
    test = PolicyTest("", Place(1, 1), action.name, known, None, 1, 0, each_customer=False, expected={}, by=())
    facts = given_facts(policy, test, action, at, 0, repeats=0)
    decision = decide(policy, facts, [Usage() for _ in policy.buckets(facts)])
    return Tried(
        operation=operation,
        action=action,
        facts=facts,
        assumed=tuple(sorted((action.facts & EFFECT_FACTS & facts.keys()) - known.keys())),
        amounts=amounts,
        decision=never_held(decision, operation, parameters) if operation is not None else decision,
        traces=evaluate(policy, facts, decision.risk),
    )


def _operation(
    catalog: Catalog, op: str, given: Mapping[str, str]
) -> tuple[Operation | None, dict[str, Value], dict[str, str]]:
    """The operation, its parameters, and what of `given` are facts by their names."""
    method, _, path = op.partition(" ")
    if path:
        operation = next((each for each in catalog.operations if (each.method, each.path) == (method, path)), None)
        operation = operation or catalog.find(method, path)
        if operation is None:
            return None, {}, {name: text for name, text in given.items() if name in REGISTRY}
        parameters, facts = _sorted(operation, given)
        return operation, _from_path(operation, path) | parameters, facts
    operation = catalog.by_id(op)
    if operation is None:
        return _of_tool(catalog, op, given)
    return operation, *_sorted(operation, given)


def _of_tool(
    catalog: Catalog, tool: str, given: Mapping[str, str]
) -> tuple[Operation | None, dict[str, Value], dict[str, str]]:
    # The tools' table needs the MCP types, which no other command of the terminal does.
    from runplane_mcp.interfaces.mcp.tools import TOOLS

    # A generic tool is every operation at once: which one it is has to be said.
    rows = {row.name: row for row in TOOLS if row.operation is not None and row.generic is None}
    row = rows.get(tool)
    if row is None and any(each.name == tool and each.generic is not None for each in TOOLS):
        raise ParameterError(
            "parameter.operation",
            f"{tool} is a tool for any operation.",
            next_step="Name the operation itself, such as PostRefunds.",
        )
    if row is None:
        near = get_close_matches(tool, [*rows, *(each.operation_id for each in catalog.operations)], n=1)
        raise ParameterError(
            "parameter.operation",
            f"{tool!r} is neither a tool nor an operation of the catalog.",
            next_step=f"Did you mean {near[0]}?"
            if near
            else "Write a tool's name, PostRefunds, or 'POST /v1/refunds'.",
        )
    takes = row.shape.schema.get("properties", {})
    parameters = _nested({name: text for name, text in given.items() if name.partition("[")[0] in takes})
    for name in row.shape.schema.get("required", []):
        if name not in {*parameters, "amount", "currency"}:
            parameters[name] = PLACEHOLDER
    try:
        operation_id, asked = row.called({name: _typed(value) for name, value in parameters.items()})
    except ParameterError as error:
        # Which payment it is changes nothing here: what would be looked up of it is neutral anyway.
        if error.code != "parameter.missing" or error.param in {None, "amount", "currency"}:
            raise
        operation_id, asked = row.called({**parameters, str(error.param): PLACEHOLDER})
    rest = {name: text for name, text in given.items() if name.partition("[")[0] not in takes}
    operation = catalog.by_id(operation_id)
    if operation is not None:
        more, facts = _sorted(operation, rest)
        return operation, asked | more, facts
    return None, asked, {name: text for name, text in rest.items() if name in REGISTRY}


def _sorted(operation: Operation, given: Mapping[str, str]) -> tuple[dict[str, Value], dict[str, str]]:
    """Parameters of the operation, and the facts among the rest. ParameterError for what is neither."""
    takes = {*operation.params, *operation.path_parameters}
    parameters = {name: text for name, text in given.items() if name.partition("[")[0] in takes}
    facts = {name: text for name, text in given.items() if name not in parameters}
    for name in facts:
        if name not in REGISTRY or name in _NOT_GIVEN:
            near = get_close_matches(name, [*takes, *(REGISTRY.keys() - _NOT_GIVEN)], n=1)
            raise ParameterError(
                "parameter.unknown",
                f"{operation.operation_id} has no parameter {ascii(name)[:80]}, and no fact is called that.",
                param=name,
                next_step=f"Did you mean {near[0]}?" if near else "See `runplane policy facts`.",
            )
    return _nested(parameters), facts


def _nested(flat: Mapping[str, str]) -> dict[str, Value]:
    """`metadata[order]=7` and `items[0][price]=p` as Stripe reads them. What has no one reading is refused."""
    found: dict[str, Value] = {}
    for key, text in flat.items():
        head, *steps = key.replace("]", "").split("[")
        if key != head + "".join(f"[{step}]" for step in steps):
            raise ParameterError("parameter.name", f"{ascii(key)[:80]} is not a parameter's name.", param=key)
        here, path = found, [head, *steps]
        for step in path[:-1]:
            below = here.setdefault(step, {})
            if not isinstance(below, dict):
                raise ParameterError("parameter.twice", f"{ascii(key)[:80]} is both a value and an object.", param=key)
            here = below
        here[path[-1]] = text
    return {name: _listed(value) for name, value in found.items()}


def _listed(value: Value) -> Value:
    if not isinstance(value, dict):
        return value
    below = {name: _listed(item) for name, item in value.items()}
    if sorted(below) == sorted(map(str, range(len(below)))):
        return [below[str(index)] for index in range(len(below))]
    return below


def _from_path(operation: Operation, path: str) -> dict[str, Value]:
    """The ids in a path that was written out, none in a template."""
    if path == operation.path:
        return {}
    steps = zip(operation.path.split("/"), path.split("/"), strict=True)
    return {name[1:-1]: unquote(step) for name, step in steps if name.startswith("{")}


def _typed(value: Value) -> Value:
    """A parameter as an agent would send it, for what a tool makes of it."""
    if value in ("true", "false"):
        return value == "true"
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16 else value


def _classify(catalog: Catalog, operation: Operation, parameters: Mapping[str, Value], currency: str) -> Classified:
    """The wire request with what it needs filled in, in the catalog's words. An amount is never filled in."""
    filled = dict(parameters)
    for name in (*operation.path_parameters, *sorted(operation.required)):
        if name not in filled and name != "amount":
            filled[name] = currency if name == "currency" else PLACEHOLDER
    amount = filled.get("amount")
    if isinstance(amount, str) and amount_of(amount) is None:
        raise _not_minor(amount)
    if content_type_of(operation.method, operation.path) == JSON:
        filled = catalog.shapes.as_json(operation.target_id, operation.params, filled)
    return catalog.classify(encode(operation.method, operation.path, filled))


def _not_minor(text: str) -> ParameterError:
    try:
        money = parse_money(text)
        hint = f"Write amount={money.amount} for {money}."
    except ParameterError:
        hint = "Write amount=65000 for $650.00."
    return ParameterError(
        "parameter.amount",
        f"amount={ascii(text)[:40]} is not in Stripe's units: a whole number of the currency's smallest.",
        param="amount",
        next_step=hint,
    )


def _currency(classified: Classified, default: str) -> str:
    written = classified.parameters.get("currency")
    return written.lower() if isinstance(written, str) and written.lower() in CURRENCIES else default


def _amounts(parameters: Mapping[str, Text], currency: str) -> dict[str, Money]:
    found = {}
    for name, text in parameters.items():
        number = amount_of(text) if name == "amount" or name.endswith("_amount") else None
        if number is not None:
            found[name] = Money(number, currency)
    return found


def _told(classified: Classified, amounts: Mapping[str, Money], currency: str) -> dict[str, FactValue]:
    """The facts that the parameters alone tell."""
    found: dict[str, FactValue] = {
        name: value
        for name, value in effect_of(classified, {}).facts.items()
        if value is not UNKNOWN and value != PLACEHOLDER
    }
    if "amount" in classified.facts:
        # Nothing else may stand in for an amount: a refund without one is all that remains.
        found.setdefault("amount", amounts.get("amount", UNKNOWN))
    if "currency" in classified.facts:
        found["currency"] = currency
    return found


def _fact(name: str, text: str, currency: FactValue | None, default: str) -> FactValue:
    """One fact as it was given: `none` and `unknown` are the two ways of having no value."""
    if text in {"none", "unknown"}:
        return NONE if text == "none" else UNKNOWN
    fact = REGISTRY[name]
    try:
        match fact.type:
            case FactType.MONEY:
                return Money(values.whole(text, 0, 10**12), currency if isinstance(currency, str) else default)
            case FactType.NUMBER:
                number = values.number(text)
                return int(number) if number.denominator == 1 else Fraction(number)
            case FactType.YES_NO:
                return values.yes_no(text)
            case FactType.SET:
                return frozenset(part.strip() for part in text.split(","))
            case FactType.DATE:
                return values.day(text).isoformat()
            case FactType.TEXT:
                if fact.choices and text not in fact.choices:
                    raise ValueError(f"write one of: {', '.join(fact.choices)}")
                return text
    except ValueError as error:
        raise ParameterError(
            "parameter.fact", f"{name}={ascii(text)[:60]} does not fit: {error}.", param=name
        ) from None
