"""The worst case in words: one line for `policy check`, and how it is reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from runplane_mcp.core.explain import value_words
from runplane_mcp.core.exposure import Bound, Exposure, Step
from runplane_mcp.core.exposure.bound import SPANS
from runplane_mcp.core.exposure.cells import OTHER
from runplane_mcp.core.exposure.ways import What
from runplane_mcp.core.facts import NONE, FactValue
from runplane_mcp.core.policy.sentences import money_words

SPAN_WORDS: Final = dict(zip(SPANS, ("an hour", "a day", "a week"), strict=True))
_NAMED: Final = 3


def amount_words(bound: Bound, currency: str) -> str:
    """`$1,000.00`, or `unbounded`."""
    return "unbounded" if bound.amount is None else money_words(bound.amount, currency)


def worst_case(found: Exposure) -> str:
    """`Worst case, nobody asked: $1,000.00 an hour, $3,000.00 a day, $10,000.00 a week.`"""
    return f"Worst case, nobody asked: {_spans_words(found.total, found.currency) or 'no money at all'}."


def revenue_case(found: Exposure) -> str:
    """`Monthly revenue lost, nobody asked: $400.00 an hour, …`, or nothing where none can be lost."""
    words = _spans_words(found.revenue, found.currency)
    return f"Monthly revenue lost, nobody asked: {words}." if words else ""


def _spans_words(bounds: Mapping[int, Bound], currency: str) -> str:
    endless = next((bound for bound in bounds.values() if bound.amount is None), None)
    if endless is not None:
        return f"unbounded, by {operations_words(endless.unbounded_by)}"
    if not any(bound.amount for bound in bounds.values()):
        return ""
    return ", ".join(f"{amount_words(bounds[span], currency)} {SPAN_WORDS[span]}" for span in SPANS)


def operations_words(ids: tuple[str, ...]) -> str:
    """The first few by name."""
    more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
    return ", ".join(ids[:_NAMED]) + more


def step_words(step: Step, currency: str) -> str:
    """`2 × refund.create of $500.00 (customer cus_1)`."""
    facts = [words for name, value in step.facts.items() if (words := _fact_words(name, value))]
    where = f" ({', '.join(facts)})" if facts else ""
    of = "any amount" if step.each is None else money_words(step.each, currency)
    held = ", held back so that people can stop it" if step.stoppable else ""
    times = "any number of" if step.count is None else f"{step.count} ×"
    return f"{times} {step.action}{_MOVES[step.what]}{of}{where}{held}"


def _fact_words(name: str, value: FactValue) -> str:
    """What a fact has to be. That any will do is not said, nor what an ordinary request is."""
    said = name.replace("_", " ")
    if value is False:
        return f"not {said}" if name == "business_hours" else ""
    if value is True:
        return said if name == "business_hours" else ""
    if isinstance(value, frozenset | str) and OTHER in value:
        return f"another {said} each time" if value == OTHER and name in _VARIED else ""
    if value is NONE:
        return f"no {said}"
    return f"{said} {value_words(value)}"


_MOVES: Final = {
    What.AMOUNT: " of ",
    What.RELEASED: " that gives up ",
    What.REVENUE: " that loses monthly ",
    What.NOTHING: ": ",
}
_VARIED: Final = frozenset({"customer", "destination", "object"})
