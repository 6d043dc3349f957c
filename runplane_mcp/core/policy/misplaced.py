"""Keys that stand where they mean nothing: what they are called here, or where they belong."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Final

from runplane_mcp.core.facts import REGISTRY, TESTS

#: What people call keys, in other languages of rules and in their own.
_ALSO_CALLED: Final[Mapping[str, tuple[str, ...]]] = {
    "if": ("when",),
    "conditions": ("when",),
    "condition": ("when",),
    "match": ("when",),
    "where": ("when",),
    "except": ("unless",),
    "exception": ("unless",),
    "action": ("then",),
    "effect": ("then",),
    "decision": ("then",),
    "outcome": ("then",),
    "expect": ("then",),
    "expected": ("then",),
    "reason": ("why",),
    "description": ("why", "it"),
    "comment": ("why",),
    "message": ("tell_agent",),
    "name": ("id", "it"),
    "title": ("it", "id"),
    "test": ("it",),
    "input": ("given",),
    "facts": ("given",),
    "rule": ("by", "rules"),
    "approvers": ("from",),
    "approver": ("from",),
    "ask": ("from",),
    "timeout": ("expires_in",),
    "expires": ("expires_in",),
    "ttl": ("expires_in",),
    "window": ("within",),
    "period": ("within",),
    "every": ("within",),
    "interval": ("within", "every"),
    "max": ("at_most",),
    "maximum": ("at_most",),
    "limit": ("at_most", "limits"),
    "group_by": ("per",),
    "by": ("per",),
    "for": ("per",),
    "amount": ("total",),
    "sum": ("total", "of"),
    "requests": ("count",),
    "number": ("count", "people"),
    "times": ("count",),
    "groups": ("any_of",),
    "any": ("any_of",),
    "quorum": ("people",),
    "approvals": ("people", "approval"),
    "default": ("otherwise",),
    "defaults": ("otherwise",),
    "zone": ("timezone",),
    "tz": ("timezone",),
    "hours": ("business_hours",),
    "start": ("open",),
    "end": ("close",),
    "holidays": ("closed_on",),
    "when": ("at",),
    "time": ("at",),
    "repeat": ("times",),
}
#: Tests as programs write them.
_OPS: Final[Mapping[str, str]] = {
    **dict.fromkeys((">", "gt", "more_than", "greater_than", "above", "exceeds", "min_exclusive"), "over"),
    **dict.fromkeys((">=", "gte", "ge", "min", "minimum", "from", "≥"), "at_least"),
    **dict.fromkeys(("<", "lt", "less_than", "below"), "under"),
    **dict.fromkeys(("<=", "lte", "le", "max", "maximum", "up_to", "to", "≤"), "at_most"),
    **dict.fromkeys(("=", "==", "eq", "is", "equals", "one_of"), "in"),
    **dict.fromkeys(("!=", "<>", "ne", "neq", "not", "is_not", "nin", "none_of"), "not_in"),
    **dict.fromkeys(("range",), "between"),
    **dict.fromkeys(("prefix", "begins_with", "like"), "starts_with"),
    **dict.fromkeys(("contains", "has", "any", "any_of"), "any_in"),
    **dict.fromkeys(("all", "all_of", "only"), "all_in"),
    **dict.fromkeys(("present", "defined", "is_set"), "exists"),
}
_IN_A_LIMIT: Final = frozenset({"per", "at_most", "within", "of"})
_BELONGS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("total", "count"), "inside of `at_most` of a limit"),
    **dict.fromkeys(("people", "group", "any_of"), "inside of `from`, as {group: finance, people: 2}"),
    **dict.fromkeys(("open", "close", "days", "closed_on"), "inside of `business_hours`"),
    **dict.fromkeys(("reads", "writes", "unjudged"), "inside of `otherwise`"),
    **dict.fromkeys(("medium", "high", "critical"), "inside of `risk_levels`"),
    "as_of": "inside of `rates`",
    **dict.fromkeys(("given", "it", "by"), "to a test: write it under `tests`"),
    **dict.fromkeys(("at", "times", "every"), "inside of `given` of a test"),
    **dict.fromkeys(("from", "expires_in"), "to a rule or limit that asks, or for all of them inside of `approval`"),
    **dict.fromkeys(("when", "unless", "then", "id", "why", "tell_agent"), "to one rule: write it under `rules`"),
    **dict.fromkeys(
        ("version", "currency", "rates", "timezone", "business_hours", "otherwise", "repeat_window", "risk_levels"),
        "to the whole file: write it without indentation",
    ),
    **dict.fromkeys(("rules", "limits", "tests"), "to the whole file: write it without indentation"),
}
_LOGIC: Final[Mapping[str, str]] = {
    **dict.fromkeys(("or", "any", "any_of", "anyof", "one_of", "either"), "For *or*, write two rules."),
    **dict.fromkeys(
        ("and", "all", "all_of", "allof", "both"), "All tests of a condition must hold: write them side by side."
    ),
    **dict.fromkeys(("not", "none", "none_of"), "For *not*, use `not_in` or `none_in`, or write an `unless`."),
}


def near(text: str, options: Collection[str]) -> str | None:
    """The one of `options` that was meant: another name of it, another case, a dash, a letter."""
    low = text.lower().replace("-", "_").replace(" ", "_")
    for name in (low, *_ALSO_CALLED.get(low, ())):
        if name in options:
            return name
    close = get_close_matches(low, sorted(options), n=1, cutoff=0.7)
    return close[0] if close else None


def op_meant(text: str, options: Collection[str]) -> str | None:
    """The test that was meant by `gt` or `>=`, where it is one of `options`."""
    found = _OPS.get(text.lower())
    return found if found in options else near(text, options)


def belongs(key: str, what: str) -> str | None:
    """Where a key belongs that means something, but not in `what` (`a rule`, `a limit`, `a test`, …)."""
    if what in ("a rule", "a limit") and key in REGISTRY and key != "business_hours":
        return f"{key} is a fact: test it inside of `when`, as when: {{{key}: …}}."
    if what == "a test" and key in REGISTRY:
        return f"{key} is a fact: give it inside of `given`."
    if key in _IN_A_LIMIT and what != "a limit":
        return f"`{key}` belongs to a limit: write it under `limits`."
    if key == "unless" and what == "a limit":
        return "A limit has no exception: say in `when` what counts."
    if key in ("risk", "risk_level") and what == "given":
        return "The risk comes out of the decision: give what makes it, such as disputed: true."
    found = _BELONGS.get(key)
    return None if found is None else f"`{key}` belongs {found}."


def in_condition(key: str) -> str | None:
    """What to write instead of a key that is no fact in a condition."""
    logic = _LOGIC.get(key.lower())
    if logic is not None:
        return logic
    if any(key in tests for tests in TESTS.values()):
        return f"`{key}` is a test: write it inside of its fact, as amount: {{{key}: 500}}."
    return belongs(key, "a condition")
