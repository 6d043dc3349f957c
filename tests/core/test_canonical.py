"""Canonical JSON: RFC 8785 for the values that Runplane signs and hashes."""

from __future__ import annotations

import hashlib
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runplane_mcp.core.canonical import Json, canonical, digest_of

LARGEST = 2**53 - 1

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
scalars = st.none() | st.booleans() | st.integers(min_value=-LARGEST, max_value=LARGEST) | texts
values: st.SearchStrategy[Json] = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12
)


@given(values)
def test_what_is_written_reads_back_as_it_was(value: Json) -> None:
    assert json.loads(canonical(value)) == value


@given(values)
def test_equal_values_have_one_form_whatever_their_order(value: Json) -> None:
    assert canonical(shuffled(value)) == canonical(value)
    assert canonical(json.loads(canonical(value))) == canonical(value)


@given(values, values)
def test_different_values_have_different_forms(one: Json, other: Json) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)

    assert (canonical(one) == canonical(other)) == same


def shuffled(value: Json) -> Json:
    if isinstance(value, dict):
        names = list(value)
        random.Random(len(names)).shuffle(names)
        return {name: shuffled(value[name]) for name in names}
    if isinstance(value, list):
        return tuple(shuffled(item) for item in value)
    return value


def test_names_sort_by_utf_16_as_in_the_rfcs_example() -> None:
    """RFC 8785 section 3.2.3: the emoji, beyond the basic plane, comes before the Hebrew letter within it."""
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    written = canonical(dict.fromkeys(names, 0))

    assert list(json.loads(written)) == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


def test_text_is_escaped_only_where_the_rfc_says() -> None:
    """RFC 8785 section 3.2.2.2."""
    text = "\u20ac$\u000f\nA'\u0042\u0022\u005c\\\"/\u007f\u2028"

    assert canonical(text) == '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/\x7f\u2028"'.encode()


def test_there_is_no_white_space() -> None:
    assert canonical({"b": [1, True, None], "a": {}}) == b'{"a":{},"b":[1,true,null]}'


def test_a_digest_is_that_of_the_form() -> None:
    assert digest_of({"a": 1}) == hashlib.sha256(b'{"a":1}').hexdigest()


def test_true_is_not_one_and_text_is_not_a_number() -> None:
    different: list[Json] = [True, 1, "1", "true", None, "", [], {}]

    assert len({canonical(value) for value in different}) == 8


@pytest.mark.parametrize("value", [1.0, float("nan"), b"bytes", {1, 2}, object(), {1: "a"}, {None: "a"}, [0.5]])
def test_what_has_no_form_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        canonical(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [LARGEST + 1, -LARGEST - 1, 2**70, "\ud800", {"\udfff": 1}, ["a", ["\ud800"]]])
def test_what_another_reader_could_take_for_something_else_is_refused(value: Json) -> None:
    with pytest.raises(ValueError):
        canonical(value)
