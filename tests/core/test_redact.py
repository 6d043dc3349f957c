"""What has the shape of a secret is taken out; what only looks long is left alone. THREATS 23."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runplane_mcp.core.redact import LEFT_OUT, MOST_DEPTH, REDACTED, redact, redact_text

KEY = "sk_live_" + "a1b2c3d4e5f6"
CARD = "4242424242424242"


@pytest.mark.parametrize(
    "secret",
    [
        KEY,
        "rk_test_" + "a1b2c3d4",
        "sk_org_live_" + "a1b2c3d4",
        "rk_runplane_" + "a1b2c3d4",
        "whsec_" + "a1b2c3d4",
        "ek_live_" + "a1b2c3d4",
        "pi_3Abc_secret_d4e5f6",
        "vs_1Abc_secret_d4e5f6",
        CARD,
        "4242 4242 4242 4242",
        "4242-4242-4242-4242",
        "3782 822463 10005",
    ],
)
def test_a_secret_is_taken_out_wherever_it_stands(secret: str) -> None:
    for text in (secret, f"it is {secret}.", f"({secret})", f"7 {secret} 12"):
        assert REDACTED in redact_text(text)
        assert secret not in redact_text(text)


@pytest.mark.parametrize(
    "harmless",
    [
        "+4915112345679",  # telephone numbers have up to fifteen digits
        "1772564400000",  # milliseconds
        "order 1000200030004",
        "12345678901234567890123456",
        "re_5ef6014dfd5aa31a2563789b",
        "pi_3MtwBwLkdIwHu7ix28a3tqPa",
        "a secret_ingredient",
    ],
)
def test_what_is_only_long_is_left_alone(harmless: str) -> None:
    assert redact_text(harmless) == harmless


def test_fields_that_open_something_are_taken_out_by_name_and_an_invoices_number_is_not() -> None:
    found = redact({"client_secret": "x", "number": "ABCD-0001", "nested": [{"cvc": "123", "secret": None}]})

    assert found == {"client_secret": REDACTED, "number": "ABCD-0001", "nested": [{"cvc": REDACTED, "secret": None}]}


def test_a_name_is_no_place_for_a_secret_either() -> None:
    assert redact({KEY: 1}) == {REDACTED: 1}


def test_what_nests_without_end_is_left_out_at_some_depth() -> None:
    """Stripe's answer could be anybody's. A success must be recorded whatever hangs on it."""
    deep: object = 1
    for _ in range(5_000):
        deep = [deep]
    text = json.dumps(redact({"id": "re_1", "deep": deep}))

    assert LEFT_OUT in text
    assert text.count("[") <= MOST_DEPTH + 1


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()), st.lists))
def test_the_result_can_be_written_down_and_sent_on(value: object) -> None:
    json.dumps(redact({"any": value}), ensure_ascii=False).encode("utf-8")


@given(st.text(st.characters(categories=["Cs", "L"])))
def test_a_name_can_be_written_down_and_sent_on(name: str) -> None:
    json.dumps(redact({name: 1}), ensure_ascii=False).encode("utf-8")
