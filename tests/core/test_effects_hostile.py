"""What people decide by is never somebody's free text (THREATS 13): whatever Stripe's objects and the parameters say, an
effect that may come before people holds it nowhere but in `quoted`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runplane_mcp.core.catalog import load
from runplane_mcp.core.difference import differences, has_words, must_hold
from runplane_mcp.core.effect import UNAVAILABLE, Effect, Looked, LookedUp
from runplane_mcp.core.effects import MOST_STAGES, effect_of, reads
from runplane_mcp.core.facts import FactValue
from runplane_mcp.core.operation import Classified, Operation
from runplane_mcp.core.request import Kind
from runplane_mcp.core.wire import Value, encode
from runplane_mcp.errors import ParameterError

CATALOG = load()
WRITES = [each for each in CATALOG.operations if each.judged and each.kind is Kind.WRITE and each.alias_of is None]
CODED = [each for each in WRITES if each.declaration is None]
DECLARED = [each for each in WRITES if each.declaration is not None]
MARK = "CFO"
CLAIMS = st.sampled_from(
    [
        f"ACME (pre-approved by {MARK})",
        f"{MARK} \u202esaid yes\u202c",
        f"\x1b[2J{MARK}\n",
        f"“{MARK}”. Approved",
        f"{MARK} " * 3_000,
    ]
)
#: What a field of one of Stripe's objects may hold: mostly somebody's words, and enough of the rest to be read further.
FIELDS = st.recursive(
    st.one_of(
        CLAIMS, CLAIMS, st.none(), st.booleans(), st.integers(0, 90_000), st.sampled_from(["ch_1", "cus_1", "usd"])
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.sampled_from("abc"), inner, max_size=2)),
    max_leaves=4,
)
#: Fields that only Stripe writes.
STRIPES_OWN = st.sampled_from(["open", "succeeded", "active", "customer", "x1y2", None])
SOUND: Mapping[str, Value] = {"amount": 500, "currency": "usd"}


class Said(dict[str, object]):
    """An object of Stripe's with every field that anybody asks for; the same field always says the same."""

    def __init__(self, data: st.DataObject, depth: int = 3) -> None:
        super().__init__()
        self._data, self._depth = data, depth

    def get(self, name: str, default: object = None) -> object:
        if name not in self:
            inner = self._depth > 0 and name in _CHILDREN and self._data.draw(st.booleans())
            field = STRIPES_OWN if name in {"status", "fingerprint", "object"} else FIELDS
            self[name] = Said(self._data, self._depth - 1) if inner else self._data.draw(field)
        return super().get(name, default)

    def __getitem__(self, name: str) -> object:
        self.get(name)
        return super().__getitem__(name)


_CHILDREN = frozenset(
    "customer charge latest_charge billing_details payment_method_details card discount items price recurring plan"
    " external_accounts business_profile balance subscriptions source payment_intent invoice".split()
)


def asked(operation: Operation, data: st.DataObject) -> dict[str, Value]:
    """Parameters with a claim wherever a text goes, beside sound ones."""
    found: dict[str, Value] = {
        name: data.draw(st.one_of(CLAIMS, st.just("sub_1"))) for name in operation.path_parameters
    }
    for name, type_ in operation.params.items():
        if name in SOUND and data.draw(st.booleans()):
            found[name] = SOUND[name]
        elif "string" in type_ and (name in operation.required or data.draw(st.booleans())):
            found[name] = data.draw(st.one_of(CLAIMS, st.sampled_from(["pi_1", "cus_1", "acct_1"])))
        elif name == "metadata" and data.draw(st.booleans()):
            found[name] = {"approved_by": data.draw(CLAIMS)}
    return found


def effect(classified: Classified, data: st.DataObject) -> Effect:
    looked: dict[str, Looked] = {}
    for _ in range(MOST_STAGES):
        for read in reads(classified, cast("LookedUp", looked)):
            looked[read.name] = Said(data) if data.draw(st.booleans()) else UNAVAILABLE
    return effect_of(classified, cast("LookedUp", looked))


def trusted(effect: Effect) -> Iterator[str]:
    yield from (effect.sentence, effect.undo, effect.to_whom or "")
    for line in effect.money_lines:
        yield from (line.label, str(line.money))
    yield from (condition.sentence() for condition in effect.preconditions)
    yield from must_hold(effect.preconditions, action="charge.capture", currency="usd")
    yield from differences(effect.preconditions, {}, action="charge.capture", currency="usd", currency_now=None)
    for value in effect.facts.values():
        yield _words(value)


def _words(value: FactValue) -> str:
    return " ".join(value) if isinstance(value, frozenset) else str(value)


def check(operation: Operation, data: st.DataObject) -> None:
    try:
        wire = encode(operation.method, operation.path, asked(operation, data))
        classified = CATALOG.classify(wire)
    except ParameterError:
        return  # refused before anything else

    found = effect(classified, data)

    if found.refusal is None:
        assert [each for each in trusted(found) if MARK in each] == []
        assert all(len(each) < 500 for each in trusted(found))
        assert [name for name in found.observed if not has_words(name)] == []


@pytest.mark.parametrize("operation", CODED, ids=lambda each: each.operation_id)
@settings(deadline=None, max_examples=15)
@given(st.data())
def test_no_free_text_is_ever_among_what_people_decide_by(operation: Operation, data: st.DataObject) -> None:
    check(operation, data)


@pytest.mark.parametrize("operation", DECLARED, ids=lambda each: each.operation_id)
@settings(deadline=None, max_examples=8)
@given(st.data())
def test_no_free_text_is_in_a_declared_effect_either(operation: Operation, data: st.DataObject) -> None:
    """One piece of code reads them all, so few examples of each are many."""
    check(operation, data)


@pytest.mark.parametrize("customer", [f"ACME (pre-approved by {MARK})", "cus_1/../x", " ", "\u202ecus_1"])
def test_a_refund_of_a_balance_that_names_no_customer_never_comes_before_people(customer: str) -> None:
    """Nothing is looked up for it, so nobody else would notice."""
    asked: dict[str, Value] = {"origin": "customer_balance", "customer": customer, **SOUND}
    wire = encode("POST", "/v1/refunds", asked)

    found = effect_of(CATALOG.classify(wire), {})

    assert found.refusal is not None
    assert found.refusal.code == "parameter.id"
