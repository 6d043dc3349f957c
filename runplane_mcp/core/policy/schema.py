"""The JSON Schema of a policy file, for editors: made from the registry of facts and the readers' own tables of keys.

It describes shapes, and what each key means, while somebody types. What it lets pass may still be refused: only loading
tells of an id that stands twice, an action that the catalog does not have, or a condition that can never hold.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Final

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.decision import Outcome, Verdict
from runplane_mcp.core.facts import GROUP_SENTENCES, REGISTRY, TESTS, Fact, FactType
from runplane_mcp.core.hours import WEEKDAYS
from runplane_mcp.core.money import CURRENCIES, LARGEST_AMOUNT
from runplane_mcp.core.policy.condition_reader import ACTION_NAME
from runplane_mcp.core.policy.model import OF, PER, Writes
from runplane_mcp.core.policy.own_tests_reader import GIVEN_KEYS, MOST_TIMES, TEST_KEYS, TEST_NEEDS
from runplane_mcp.core.policy.reader import (
    APPROVAL_KEYS,
    HOURS_KEYS,
    HOURS_NEEDS,
    LEVEL_KEYS,
    MOST_RULES,
    OTHERWISE_KEYS,
    SECTIONS,
    SECTIONS_NEEDED,
)
from runplane_mcp.core.policy.rule_reader import (
    FROM_KEYS,
    LIMIT_KEYS,
    LIMIT_NEEDS,
    MODES,
    MOST_KEYS,
    MOST_TEXT,
    RULE_KEYS,
    RULE_NEEDS,
    STANDING,
)

#: The name of the file that holds it.
FILE: Final = "policy.schema.json"

_GROUP_NAME: Final = r"^[a-z0-9][a-z0-9._-]*$"
_PLAIN: Final = r"^[0-9]{1,15}(\.[0-9]{1,15})?$"
_DURATION: Final = r"^(?=.*[1-9])([0-9]{1,6}d)?([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$"
_OUTCOMES: Final = tuple(each.value for each in Outcome)

#: What each key means, where the readers do not say it themselves.
_SECTIONS: Final[Mapping[str, str]] = {
    "version": "The version of this format: 1.",
    "currency": "Amounts of this file are in major units of it: 500 is $500.00.",
    "rates": "What one unit of another currency is worth, and as of which day. After 90 days they count as unknown.",
    "timezone": "Where your business is, such as America/New_York. Hours, days and business hours are of this place.",
    "business_hours": "When people are there. Payouts outside of it are riskier.",
    "approval": "Who says yes, for every rule and limit that does not say otherwise.",
    "otherwise": "What holds where no `allow` rule covers the request.",
    "repeat_window": "The same money out, charge or destruction again within this time needs a person.",
    "risk_levels": "From which score on a risk is medium, high and critical.",
    "rules": "What is allowed, asked about or blocked. The strictest that applies wins; order never matters.",
    "limits": "How much within how long. Windows roll; what waits for approval counts as if it happened now.",
    "tests": "What must come out. `runplane policy check` runs them.",
}
_RULE: Final[Mapping[str, str]] = {
    "id": "A short name, such as large-refunds.",
    "when": "The tests of facts that must all hold. For *or*, write two rules.",
    "unless": "The exception: where all of these hold, the rule does not apply.",
    "then": "What happens.",
    "after": "Only with `then: allow`: how long it is held back, so that a person can stop it.",
    "from": "Who must say yes.",
    "expires_in": "How long the question stands.",
    "mode": "`shadow` is recorded and decides nothing: to try a rule out.",
    "why": "For people: why there is this rule.",
    "tell_agent": "For the agent. By default it learns no threshold.",
}
_LIMIT: Final[Mapping[str, str]] = {
    **_RULE,
    "per": "What has a sum of its own. Left out: all together.",
    "of": "What is summed.",
    "at_most": "The largest sum, number of requests, or both.",
    "within": "The rolling window.",
}
_GIVEN: Final[Mapping[str, str]] = {
    "at": "Local time, such as 2026-03-03 14:00. Noon on a business day if left out.",
    "times": "A sequence of so many requests.",
    "every": "How long from one to the next, such as 7m30s.",
}


def policy_schema() -> dict[str, Json]:
    """The whole schema, draft 2020-12."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Runplane policy",
        "description": "What AI agents may do in a Stripe account.",
        **_mapping(SECTIONS, _sections(), SECTIONS_NEEDED, _SECTIONS),
        "dependentRequired": {"business_hours": ["timezone"]},
        "$defs": {
            "condition": _condition(tuple(REGISTRY)),
            # The risk depends on the limits, so that no limit can test it.
            "limit_condition": {
                **_ref("condition"),
                "not": {"anyOf": [{"required": [name]} for name in ("risk", "risk_level")]},
            },
            "from": _from(),
            "duration": _text(_DURATION, "10m, 24h, 7d or 7m30s."),
            "day": _text(r"^2[01][0-9]{2}-[0-9]{2}-[0-9]{2}$", "YYYY-MM-DD."),
            "time": _text(r"^([01][0-9]|2[0-4]):[0-5][0-9]$", "HH:MM, such as 09:00."),
            "id": _text(f"^(?!(?:{_any(STANDING)})$)[a-z0-9][a-z0-9_-]{{0,63}}$", "Small letters, digits, - and _."),
            "words": {"type": ["string", "number"], "maxLength": MOST_TEXT},
            "group": _text(_GROUP_NAME, "A group of people, such as finance."),
            "currency": _text(f"^(?:{_any(CURRENCIES)})$", "Stripe's code, such as usd."),
            "yes_no": {"anyOf": [{"type": "boolean"}, {"type": "string", "enum": ["yes", "no"]}]},
            "number": {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": _PLAIN}]},
            "amount": {
                "anyOf": [
                    {"type": "number", "minimum": 0, "maximum": LARGEST_AMOUNT},
                    {"type": "string", "pattern": _PLAIN},
                ],
                "description": "Major units of the file's currency, without symbol or separators: 499.50",
            },
            "action": {
                "anyOf": [
                    {"oneOf": [{"const": name, "description": text} for name, text in GROUP_SENTENCES.items()]},
                    _text(f"^{ACTION_NAME.pattern}$", "resource.verb, such as refund.create."),
                ]
            },
        },
    }  # fmt: skip


def _sections() -> dict[str, dict[str, Json]]:
    return {
        "version": {"enum": [1, "1"]},
        "currency": _ref("currency"),
        "rates": _rates(),
        "timezone": {"type": "string", "minLength": 1},
        "business_hours": _mapping(
            HOURS_KEYS,
            {
                "days": _one_or_more(_text(rf"^(?:{'|'.join(WEEKDAYS)})(?:-(?:{'|'.join(WEEKDAYS)}))?$", "mon-fri.")),
                "open": _ref("time"),
                "close": _ref("time"),
                "closed_on": _one_or_more(_ref("day")),
            },
            HOURS_NEEDS,
        ),
        "approval": _mapping(APPROVAL_KEYS, {"from": _ref("from"), "expires_in": _ref("duration")}, ("from",), _RULE),
        "otherwise": _mapping(
            OTHERWISE_KEYS,
            {
                "reads": {"enum": list(_OUTCOMES)},
                "writes": {"enum": [each.value for each in Writes]},
                "unjudged": {"enum": list(_OUTCOMES[1:])},
            },
        ),
        "repeat_window": _ref("duration"),
        "risk_levels": _mapping(LEVEL_KEYS, dict.fromkeys(LEVEL_KEYS, _whole(1, 100))),
        "rules": _list(_mapping(RULE_KEYS, _rule(), RULE_NEEDS, _RULE)),
        "limits": _list(_mapping(LIMIT_KEYS, _limit(), LIMIT_NEEDS, _LIMIT)),
        "tests": _list(_mapping(TEST_KEYS, _test(), TEST_NEEDS)),
    }


def _rates() -> dict[str, Json]:
    return {
        "type": "object",
        "properties": {"as_of": _ref("day")},
        "propertyNames": {"anyOf": [{"const": "as_of"}, _ref("currency")]},
        "additionalProperties": {"allOf": [_ref("number"), {"not": {"enum": [0, "0"]}}]},
        "required": ["as_of"],
    }


def _common() -> dict[str, dict[str, Json]]:
    return {
        "id": _ref("id"),
        "from": _ref("from"),
        "expires_in": _ref("duration"),
        "mode": {"enum": list(MODES)},
        "why": _ref("words"),
        "tell_agent": _ref("words"),
    }


def _rule() -> dict[str, dict[str, Json]]:
    condition = _ref("condition")
    return {
        **_common(),
        "when": condition,
        "unless": condition,
        "then": {"enum": list(_OUTCOMES)},
        "after": _ref("duration"),
    }


def _limit() -> dict[str, dict[str, Json]]:
    return {
        **_common(),
        "when": _ref("limit_condition"),
        "per": _one_or_more({"enum": list(PER)}),
        "of": {"enum": list(OF)},
        "at_most": {
            **_mapping(MOST_KEYS, {"total": _more_than_nothing(), "count": _whole(1, 10**6)}),
            "minProperties": 1,
        },
        "within": _ref("duration"),
        "then": {"enum": list(_OUTCOMES[1:])},
    }


def _more_than_nothing() -> dict[str, Json]:
    return {"allOf": [_ref("amount"), {"not": {"enum": [0, "0"]}}]}


def _test() -> dict[str, dict[str, Json]]:
    verdicts = tuple(each.value for each in Verdict)
    counts = _mapping(verdicts, dict.fromkeys(verdicts, _whole(0, MOST_TIMES)))
    times: dict[str, dict[str, Json]] = {
        "at": _text(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}$", _GIVEN["at"]),
        "times": {**_whole(1, MOST_TIMES), "description": _GIVEN["times"]},
        "every": {**_ref("duration"), "description": _GIVEN["every"]},
        "action": _text(f"^{ACTION_NAME.pattern}$", "One action, such as refund.create."),
    }
    facts = {name: _given(REGISTRY[name]) for name in GIVEN_KEYS if name not in times}
    return {
        "it": _ref("words"),
        "given": _mapping(GIVEN_KEYS, {**facts, **times}),
        "then": {"anyOf": [{"enum": list(verdicts)}, counts]},
        "by": _one_or_more({"type": "string"}),
    }


def _given(fact: Fact) -> dict[str, Json]:
    one = _value(fact)
    some = _one_or_more(one) if fact.type is FactType.SET else one
    return {"anyOf": [{"enum": ["unknown", "none"]}, some], "description": _described(fact)}


def _condition(names: Sequence[str]) -> dict[str, Json]:
    properties: dict[str, Json] = {name: _tests(REGISTRY[name]) for name in names}
    return {"type": "object", "properties": properties, "additionalProperties": False, "minProperties": 1}


def _tests(fact: Fact) -> dict[str, Json]:
    """What a condition may put to a fact: a value, a list, or a mapping of tests."""
    one = _value(fact)
    several = _one_or_more(one)
    tests: dict[str, Json] = {
        name: _ref("yes_no")
        if name == "exists"
        else {"type": "array", "items": one, "minItems": 2, "maxItems": 2}
        if name == "between"
        else one
        if name in ("over", "at_least", "under", "at_most")
        else _one_or_more({"type": ["string", "number"]})
        if name == "starts_with"
        else several
        for name in TESTS[fact.type]
    }
    mapping: dict[str, Json] = {
        "type": "object",
        "properties": tests,
        "additionalProperties": False,
        "minProperties": 1,
    }
    plain = one if fact.type is FactType.YES_NO else several
    return {"anyOf": [plain, mapping], "description": _described(fact)}


def _value(fact: Fact) -> dict[str, Json]:
    if fact.name in ("action", "currency"):
        return _ref(fact.name)
    if fact.choices:
        return {"enum": list(fact.choices)}
    least, to, most = fact.unit.partition(" to ")
    match fact.type:
        case FactType.MONEY:
            return _ref("amount")
        case FactType.NUMBER if to:
            return {"allOf": [_ref("number"), {"minimum": int(least), "maximum": int(most)}]}
        case FactType.NUMBER:
            return _ref("number")
        case FactType.YES_NO:
            return _ref("yes_no")
        case FactType.DATE:
            return _ref("day")
        case _:
            return {"type": ["string", "number"]}


def _from() -> dict[str, Json]:
    both = _mapping(
        FROM_KEYS,
        {"group": _ref("group"), "any_of": _one_or_more(_ref("group")), "people": _whole(1, 10)},
    )
    return {"anyOf": [_ref("group"), {**both, "oneOf": [{"required": ["group"]}, {"required": ["any_of"]}]}]}


def _described(fact: Fact) -> str:
    unit = f" In {fact.unit}." if fact.unit and fact.unit != fact.type.value and " to " not in fact.unit else ""
    return f"{fact.sentence}{unit}"


def _mapping(
    keys: Sequence[str],
    values: Mapping[str, dict[str, Json]],
    required: Sequence[str] = (),
    descriptions: Mapping[str, str] | None = None,
) -> dict[str, Json]:
    """A mapping of exactly `keys`. KeyError for one that nobody has described here, as when a reader has learned it."""
    properties: dict[str, Json] = {
        key: {**values[key], **({"description": descriptions[key]} if descriptions else {})} for key in keys
    }
    found: dict[str, Json] = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**found, "required": list(required)} if required else found


def _list(item: dict[str, Json]) -> dict[str, Json]:
    return {"type": "array", "items": item, "minItems": 1, "maxItems": MOST_RULES}


def _one_or_more(one: dict[str, Json]) -> dict[str, Json]:
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}


def _whole(least: int, most: int) -> dict[str, Json]:
    digits = {"type": "string", "pattern": r"^[0-9]{1,7}$"}
    return {"anyOf": [{"type": "integer", "minimum": least, "maximum": most}, digits]}


def _text(pattern: str, description: str) -> dict[str, Json]:
    return {"type": "string", "pattern": pattern, "description": description}


def _any(names: Collection[str]) -> str:
    return "|".join(sorted(names))


def _ref(name: str) -> dict[str, Json]:
    return {"$ref": f"#/$defs/{name}"}


@cache
def schema_text() -> str:
    """The schema as it is written into a file."""
    return json.dumps(policy_schema(), indent=1, ensure_ascii=False) + "\n"
