"""Lowering makes a request less and changes nothing else about it, or is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runplane_mcp.core.catalog import load
from runplane_mcp.core.facts import UNKNOWN, FactValue
from runplane_mcp.core.lower import at_period_end, lowered_amount
from runplane_mcp.core.money import LARGEST_AMOUNT, Money
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.wire import encode, pairs
from runplane_mcp.errors import ApprovalError

CATALOG = load()


def classified(method: str, path: str, /, **parameters: Any) -> Classified:
    return CATALOG.classify(encode(method, path, parameters))


def refund(amount: int | None = None, **more: Any) -> Classified:
    given = {"payment_intent": "pi_1", **more}
    return classified("POST", "/v1/refunds", **(given if amount is None else {**given, "amount": amount}))


@given(st.integers(1, LARGEST_AMOUNT), st.integers(0, LARGEST_AMOUNT), st.booleans())
def test_the_lowered_request_is_the_one_that_was_asked_with_less_or_there_is_none(
    before: int, after: int, spelled_out: bool
) -> None:
    runs = refund(before, metadata={"runplane_request": "rpr_1"})
    asked = refund(before if spelled_out else None)
    if not 0 < after < before:
        with pytest.raises(ApprovalError) as refused:
            lowered_amount(asked, runs, Money(before, "usd"), Money(after, "usd"))
        assert refused.value.code == "approval.not_lower"
        return
    wire = lowered_amount(asked, runs, Money(before, "usd"), Money(after, "usd"))

    assert dict(pairs(wire)) == {"payment_intent": "pi_1", "amount": str(after)}
    assert CATALOG.classify(wire).operation is asked.operation


def test_what_else_was_asked_stays() -> None:
    asked = refund(90_000, reason="duplicate", metadata={"order": "A & B"}, reverse_transfer=True)
    wire = lowered_amount(asked, asked, Money(90_000, "usd"), Money(65_000, "usd"))

    assert dict(pairs(wire)) == {**dict(pairs(asked.wire)), "amount": "65000"}


@pytest.mark.parametrize(
    ("asked", "amount", "why"),
    [
        (refund(90_000), UNKNOWN, "what it would move"),
        (refund(90_000), None, "what it would move"),
        (refund(90_000), Money(80_000, "usd"), "what it would move"),
        (refund(), Money(90_000, "usd"), "what it would move"),
        (
            classified("POST", "/v1/credit_notes", invoice="in_1", amount=90_000, refund_amount=90_000),
            Money(90_000, "usd"),
            "in parts",
        ),
        (classified("POST", "/v1/charges/ch_1/capture", amount=90_000), Money(90_000, "usd"), "given up"),
        (classified("POST", "/v1/payment_intents/pi_1", amount=90_000), Money(90_000, "usd"), "given up"),
        (classified("DELETE", "/v1/subscriptions/sub_1"), Money(90_000, "usd"), "not a parameter"),
        (classified("DELETE", "/v1/customers/cus_1"), Money(90_000, "usd"), "not a parameter"),
        (classified("POST", "/v1/invoiceitems/ii_1", amount=90_000), Money(90_000, "usd"), "given up"),
    ],
    ids=lambda value: value.action if isinstance(value, Classified) else None,
)
def test_what_is_not_said_by_one_amount_cannot_be_lowered(
    asked: Classified, amount: FactValue | None, why: str
) -> None:
    with pytest.raises(ApprovalError) as refused:
        lowered_amount(asked, asked, amount, Money(1, "usd"))

    assert refused.value.code == "approval.not_lowerable"
    assert why in refused.value.message


def test_another_currency_is_refused_with_the_right_one() -> None:
    with pytest.raises(ApprovalError) as refused:
        lowered_amount(refund(9_000), refund(9_000), Money(9_000, "eur"), Money(10, "usd"))

    assert refused.value.code == "approval.currency"
    assert "'100 eur'" in str(refused.value)


@pytest.mark.parametrize("path", ["/v1/subscriptions/sub_1", "/v1/customers/cus_1/subscriptions/sub_1"])
def test_an_end_at_once_becomes_one_at_the_periods_end_with_nothing_prorated(path: str) -> None:
    asked = classified("DELETE", path, prorate=True, invoice_now=True, cancellation_details={"comment": "moved away"})
    wire = at_period_end(asked, CATALOG)
    lowered = CATALOG.classify(wire)

    assert (wire.method, wire.path) == ("POST", path)
    assert dict(pairs(wire)) == {"cancel_at_period_end": "true", "cancellation_details[comment]": "moved away"}
    assert (lowered.action, lowered.groups) == ("subscription.cancel", frozenset({"cancellations"}))


@pytest.mark.parametrize(
    "asked",
    [
        refund(90_000),
        classified("POST", "/v1/subscriptions/sub_1", cancel_at_period_end=True),
        classified("POST", "/v1/subscriptions/sub_1", cancel_at_period_end=False),
        classified("DELETE", "/v1/customers/cus_1"),
    ],
    ids=lambda asked: asked.action,
)
def test_nothing_but_an_end_at_once_is_put_off(asked: Classified) -> None:
    with pytest.raises(ApprovalError) as refused:
        at_period_end(asked, CATALOG)

    assert refused.value.code == "approval.not_lowerable"
