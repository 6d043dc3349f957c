"""What models send is taken exactly as it is, or refused with what to send instead."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from runplane_mcp.errors import ParameterError
from runplane_mcp.interfaces.mcp.arguments import MOST_BYTES, MOST_DEPTH, check_size, shown
from runplane_mcp.interfaces.mcp.tools import BY_NAME, TOOLS

REFUND = {"payment_intent": "pi_ada_900"}
PAYOUT = {"amount": 2500, "currency": "usd"}
SUBSCRIPTION = {"subscription": "sub_1"}
AT_END = {"at_period_end": True}

WRITES = [row for row in TOOLS if row.operation is not None and not row.annotations.read_only_hint]
JARGON = re.compile(
    r"valid(?:ation)?\b|pydantic|_type|input_|ctx|literal|dict\b|\bstr\b|\bint\b|None|error", re.IGNORECASE
)


def refused(tool: str, sent: Mapping[str, Any]) -> ParameterError:
    row = BY_NAME[tool]
    with pytest.raises(ParameterError) as caught:
        row.split(row.shape.read(sent))
    return caught.value


@pytest.mark.parametrize(
    ("amount", "code", "hint"),
    [
        ("60000", "parameter.type", "Send 60000 without quotes."),
        (60000.0, "parameter.type", "Send 60000 without a point."),
        (600.5, "parameter.type", "a number with a point"),
        (float("nan"), "parameter.type", "a whole number"),
        (float("inf"), "parameter.type", "a whole number"),
        (True, "parameter.type", "a whole number, not true or false"),
        (None, "parameter.null", "Leave it out"),
        ([60000], "parameter.type", "not a list"),
        ({"value": 60000}, "parameter.type", "not an object"),
        ("", "parameter.type", "a whole number"),
        ("all", "parameter.type", "a whole number"),
        (0, "parameter.amount", "from 1 to"),
        (-100, "parameter.amount", "from 1 to"),
        (10**12 + 1, "parameter.amount", "from 1 to"),
        (2**70, "parameter.amount", "from 1 to"),
    ],
)
def test_an_amount_is_a_whole_number_and_nothing_that_looks_like_one(amount: Any, code: str, hint: str) -> None:
    error = refused("create_refund", {**REFUND, "amount": amount})

    assert (error.code, error.param) == (code, "amount")
    assert hint in error.message


def test_what_is_not_sent_is_not_there() -> None:
    row = BY_NAME["create_refund"]

    operation_id, parameters, own = row.split(row.shape.read({**REFUND, "justification": "double charge"}))

    assert operation_id == "PostRefunds"
    assert parameters == REFUND
    assert (own.justification, own.ticket, own.idempotency_key, own.repeat_of) == ("double charge", None, None, None)


@pytest.mark.parametrize(
    ("tool", "sent", "nearest"),
    [
        ("create_refund", {**REFUND, "amuont": 5}, "amount"),
        ("create_refund", {"payment_intnet": "pi_1"}, "payment_intent"),
        ("cancel_subscription", {"subscription": "sub_1", "cancel_at_period_end": True}, "at_period_end"),
        ("create_transfer", {"amount": 1, "currency": "usd", "destinaton": "acct_1"}, "destination"),
    ],
)
def test_an_unknown_parameter_is_answered_with_the_nearest_one(tool: str, sent: dict[str, Any], nearest: str) -> None:
    error = refused(tool, sent)

    assert error.code == "parameter.unknown"
    assert f"Did you mean `{nearest}`?" in error.message


@pytest.mark.parametrize(
    "name", ["api_key", "stripe_account", "headers", "transfer_data][destination", "a][b", "usage", "expand", "base"]
)
def test_parameters_that_could_steer_an_sdk_are_unknown(name: str) -> None:
    error = refused("create_refund", {**REFUND, name: "x"})

    assert error.code == "parameter.unknown"
    assert "It takes: payment_intent, charge, amount" in error.message or "Did you mean" in error.message


def test_a_missing_parameter_says_what_it_is() -> None:
    error = refused("create_payout", {"currency": "usd"})

    assert (error.code, error.param) == ("parameter.missing", "amount")
    assert "smallest unit" in error.message


#: Tool, what is sent, and the code and parameter that it is refused with.
REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    ("create_refund", {}, "parameter.missing", "payment_intent"),
    ("create_refund", {**REFUND, "charge": "ch_1"}, "parameter.conflict", "charge"),
    ("create_refund", {**REFUND, "metadata": {"order": 6735}}, "parameter.type", "metadata.order"),
    ("create_refund", {**REFUND, "metadata": {str(n): "x" for n in range(50)}}, "parameter.too_many", "metadata"),
    ("create_refund", {**REFUND, "metadata": "order=6735"}, "parameter.type", "metadata"),
    ("create_refund", {**REFUND, "metadata": {"k": "nul \x00"}}, "parameter.text", "metadata"),
    ("create_refund", {**REFUND, "justification": "x" * 2001}, "parameter.too_long", "justification"),
    ("create_refund", {**REFUND, "ticket": "half \ud800 a pair"}, "parameter.text", "ticket"),
    ("create_transfer", {"currency": "usd", "destination": "acct_1"}, "parameter.missing", "amount"),
    ("create_payout", {**PAYOUT, "currency": "USD"}, "parameter.value", "currency"),
    ("create_payout", {**PAYOUT, "currency": "usd\n"}, "parameter.value", "currency"),
    ("create_payout", {**PAYOUT, "method": "fast"}, "parameter.value", "method"),
    ("create_payout", {**PAYOUT, "statement_descriptor": "x" * 23}, "parameter.too_long", "statement_descriptor"),
    ("cancel_subscription", {"subscription": 7}, "parameter.type", "subscription"),
    ("cancel_subscription", {"subscription": ""}, "parameter.empty", "subscription"),
    ("cancel_subscription", {**SUBSCRIPTION, "at_period_end": "true"}, "parameter.type", "at_period_end"),
    ("cancel_subscription", {**SUBSCRIPTION, **AT_END, "prorate": True}, "parameter.conflict", "prorate"),
    ("cancel_subscription", {**SUBSCRIPTION, **AT_END, "invoice_now": False}, "parameter.conflict", "invoice_now"),
    (
        "cancel_subscription",
        {**SUBSCRIPTION, "cancellation_details": {"feedback": "bad"}},
        "parameter.value",
        "cancellation_details.feedback",
    ),
    (
        "cancel_subscription",
        {**SUBSCRIPTION, "cancellation_details": {"comments": "x"}},
        "parameter.unknown",
        "cancellation_details.comments",
    ),
    ("list_customers", {"limit": 101}, "parameter.range", "limit"),
    ("list_customers", {"limit": 0}, "parameter.range", "limit"),
    ("list_subscriptions", {"status": "gone"}, "parameter.value", "status"),
    ("retrieve_balance", {"currency": "usd"}, "parameter.unknown", "currency"),
]


@pytest.mark.parametrize(("tool", "sent", "code", "param"), REFUSED)
def test_what_cannot_be_taken_is_refused_with_its_name(tool: str, sent: dict[str, Any], code: str, param: str) -> None:
    error = refused(tool, sent)

    assert (error.code, error.param) == (code, param)


@pytest.mark.parametrize(
    ("tool", "sent", "code"),
    [
        ("wait_for_request", {"request_id": "RP-7F3K", "seconds": 26}, "parameter.range"),
        ("get_request", {}, "parameter.missing"),
        ("list_requests", {"open_only": 1}, "parameter.type"),
        ("cancel_request", {"request_id": None}, "parameter.null"),
    ],
)
def test_control_tools_are_as_strict(tool: str, sent: dict[str, Any], code: str) -> None:
    with pytest.raises(ParameterError) as caught:
        BY_NAME[tool].shape.read(sent)

    assert caught.value.code == code


@given(
    st.dictionaries(
        st.sampled_from(
            ["payment_intent", "charge", "amount", "reason", "metadata", "reverse_transfer", "x", "ticket"]
        ),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
            max_leaves=6,
        ),
    )
)
def test_whatever_is_sent_is_taken_as_it_is_or_refused_in_plain_words(sent: dict[str, Any]) -> None:
    row = BY_NAME["create_refund"]
    try:
        read = row.shape.read(sent)
    except ParameterError as error:
        refusal = error
    else:
        assert read == sent
        return

    words = re.sub(r"`[^`]*`", "", refusal.message)
    assert refusal.code.startswith("parameter.")
    assert not JARGON.search(words), words


def test_at_most_three_problems_are_told_in_one_answer() -> None:
    error = refused("create_payout", {"ammount": 5, "currency": "USD", "method": 1, "source_type": 2})

    assert error.code == "parameter.unknown"
    assert [
        name for name in ("`ammount`", "`amount`", "`currency`", "`method`", "`source_type`") if name in error.message
    ] == [
        "`ammount`",
        "`amount`",
        "`currency`",
    ]


def test_too_much_and_too_deep_is_refused_before_anything_reads_it() -> None:
    nested: dict[str, Any] = {}
    for _ in range(5000):
        nested = {"a": nested}
    with pytest.raises(ParameterError) as deep:
        check_size(nested)
    with pytest.raises(ParameterError) as long:
        check_size({"metadata": "x" * MOST_BYTES})
    with pytest.raises(ParameterError) as digits:
        check_size({"amount": 10**5000})

    assert [deep.value.code, long.value.code, digits.value.code] == [
        "parameter.too_deep",
        "parameter.too_long",
        "parameter.integer",
    ]
    assert MOST_DEPTH < 50


def test_of_a_name_that_is_megabytes_long_no_more_is_looked_at_than_could_be_a_secret() -> None:
    """THREATS 26: a tool's name of eight megabytes stopped the gate for a minute, over and over."""
    key = "sk_live_" + "q7w8e9r0t1y2u3i4"
    told = shown(f"pay {key} " + "DE89 " * 1_000_000)

    assert told.startswith("pay [redacted] DE89 DE89")
    assert int(told.split("⟨")[1].split()[0].replace(",", "")) < 20_000


def test_a_cancellation_at_the_period_s_end_is_an_update_and_one_at_once_is_a_delete() -> None:
    row = BY_NAME["cancel_subscription"]

    at_once = row.split(row.shape.read({"subscription": "sub_1", "prorate": True}))
    not_at_end = row.split(row.shape.read({"subscription": "sub_1", "at_period_end": False}))
    at_end = row.split(row.shape.read({"subscription": "sub_1", "at_period_end": True, "ticket": "T-1"}))

    assert at_once[:2] == (
        "DeleteSubscriptionsSubscriptionExposedId",
        {"subscription_exposed_id": "sub_1", "prorate": True},
    )
    assert not_at_end[:2] == ("DeleteSubscriptionsSubscriptionExposedId", {"subscription_exposed_id": "sub_1"})
    assert at_end[:2] == (
        "PostSubscriptionsSubscriptionExposedId",
        {"subscription_exposed_id": "sub_1", "cancel_at_period_end": True},
    )
    assert at_end[2].ticket == "T-1"


def test_every_write_takes_our_own_words_and_no_read_does() -> None:
    own = {"justification", "ticket", "idempotency_key", "repeat_of"}

    for row in TOOLS:
        assert own & row.shape.schema["properties"].keys() == (own if row in WRITES else set()), row.name


def test_schemas_are_self_contained_closed_and_without_null() -> None:
    for row in TOOLS:
        schema = row.shape.schema
        text = json.dumps(schema)
        Draft202012Validator.check_schema(schema)

        assert schema["type"] == "object"
        assert schema["additionalProperties"] is False
        assert "$ref" not in text, row.name
        assert "null" not in text, row.name


def test_schemas_agree_with_what_is_read() -> None:
    examples: list[tuple[str, dict[str, Any]]] = [
        ("create_refund", {**REFUND, "amount": 1, "metadata": {"order": "6735"}, "reason": "duplicate"}),
        ("create_payout", {**PAYOUT, "method": "instant"}),
        ("cancel_subscription", {"subscription": "sub_1", "cancellation_details": {"feedback": "unused"}}),
        ("list_payment_intents", {"customer": "cus_ada", "limit": 100}),
    ]
    for tool, sent in examples:
        row = BY_NAME[tool]

        assert list(Draft202012Validator(row.shape.schema).iter_errors(sent)) == []
        assert row.shape.read(sent) == sent
