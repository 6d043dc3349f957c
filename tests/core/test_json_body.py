"""JSON bodies of /v2: one meaning has one form, types survive being read and written again, and what two readers could
read differently is refused.

THREATS row 1 (null, NaN, float, string, negative, list, bool, huge), row 6 (exact bytes).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runplane_mcp.core import json_body
from runplane_mcp.core.catalog import load
from runplane_mcp.core.effect import Effect
from runplane_mcp.core.effects import effective
from runplane_mcp.core.wire import (
    FORM,
    JSON,
    LARGEST_INTEGER,
    MOST_BYTES,
    MOST_DEPTH,
    MOST_PAIRS,
    MOST_TEXT,
    Bare,
    Parameters,
    Text,
    Value,
    WireRequest,
    as_text,
    encode,
    pairs,
    parse,
)
from runplane_mcp.errors import ParameterError

from .test_wire import junk, names, parameters, values

CATALOG = load()
TEMPLATE = "/v2/core/things/{thing}/parts"
PATH = "/v2/core/things/th_1/parts"
empties: st.SearchStrategy[Value] = st.sampled_from(cast("list[Value]", [{}, [], [{}], {"a": []}]))


def typed(value: Text) -> object:
    """A text with what `==` does not see: whether it stands without quotes."""
    if isinstance(value, dict):
        return {name: typed(item) for name, item in value.items()}
    if isinstance(value, list):
        return [typed(item) for item in value]
    return (str(value), isinstance(value, Bare))


def read(body: bytes) -> dict[str, Text]:
    return parse(TEMPLATE, WireRequest("POST", PATH, body=body, content_type=JSON))


@settings(deadline=None)
@given(parameters, st.dictionaries(names, empties, max_size=2))
@example({"amount": {"value": 1000, "currency": "usd"}}, {})
@example({"a": "1", "b": 1, "c": True, "d": "true", "e": "", "f": "é😀\u2028\x7f</"}, {})
@example({"metadata": {"0": "zero", "a b": "x"}}, {"include": []})
def test_what_is_read_is_what_was_written_types_and_all(given_: Parameters, more: dict[str, Value]) -> None:
    asked = cast("dict[str, Value]", {**more, **given_, "thing": "th_1"})
    try:
        wire = encode("POST", TEMPLATE, asked)
    except ParameterError:
        return
    found = parse(TEMPLATE, wire)

    assert wire.content_type == JSON
    assert wire.body.isascii()
    assert typed(found) == typed(as_text(asked))
    assert encode("POST", TEMPLATE, found) == wire
    assert json.loads(wire.body) == {name: value for name, value in asked.items() if name != "thing"}


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=6) | names, junk, max_size=4))
@example({"a": {"b": None}})
@example({"a": [[[[[[[[[["deep"]]]]]]]]]]})
@example({"a": Bare("1e5")})
def test_anything_at_all_is_written_or_refused(given_: dict[str, object]) -> None:
    asked = cast("Parameters", {"thing": "th_1", **given_})
    try:
        wire = encode("POST", TEMPLATE, asked)
    except ParameterError:
        return

    assert typed(parse(TEMPLATE, wire)) == typed(as_text(asked))


@settings(deadline=None, max_examples=300)
@given(
    st.dictionaries(names, values | empties, max_size=3),
    st.integers(0, 60),
    st.sampled_from(
        ["", " ", "0", "1", ".", "e", "-", '"', ",", "\\", "{", "}", "[", "]", "null", "\\u0061", "é", "\n"]
    ),
    st.integers(0, 3),
)
def test_bytes_that_were_tampered_with_are_read_in_the_one_form_or_refused(
    asked: dict[str, Value], at: int, put: str, instead: int
) -> None:
    body = json_body.write(asked).decode() if deep(asked) <= MOST_DEPTH else "{}"
    at %= len(body) + 1
    tampered = (body[:at] + put + body[at + instead :]).encode()
    try:
        found = read(tampered)
    except ParameterError:
        return

    assert encode("POST", TEMPLATE, {**found, "thing": "th_1"}).body == tampered


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=16) | st.text('{}[]":,0123456789.eE+-truefalsnN aI\\ud8', max_size=24).map(str.encode))
def test_any_bytes_are_read_in_the_one_form_or_refused(body: bytes) -> None:
    try:
        found = read(body)
    except ParameterError:
        return

    assert encode("POST", TEMPLATE, found).body == body


def deep(value: object) -> int:
    if isinstance(value, Mapping):
        return 1 + max((deep(item) for item in value.values()), default=0)
    return 1 + max((deep(item) for item in value), default=0) if isinstance(value, list | tuple) else 0


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"amount":1,"amount":2}', "parameter.twice"),
        (b'{"a":{"b":1,"b":1}}', "parameter.twice"),
        (b'{"thing":"th_2"}', "parameter.twice"),  # beside the path's
        (b'{"amount":1.0}', "parameter.type"),
        (b'{"amount":1e5}', "parameter.type"),
        (b'{"amount":100.50}', "parameter.type"),
        (b'{"amount":NaN}', "parameter.type"),
        (b'{"amount":Infinity}', "parameter.type"),
        (b'{"amount":-Infinity}', "parameter.type"),
        (b'{"amount":-0}', "parameter.form"),
        (b'{"amount":+5}', "parameter.form"),
        (b'{"amount":05}', "parameter.form"),
        (b'{"amount":0x10}', "parameter.form"),
        (f'{{"amount":{LARGEST_INTEGER + 1}}}'.encode(), "parameter.integer"),
        (f'{{"amount":-{LARGEST_INTEGER + 1}}}'.encode(), "parameter.integer"),
        (b'{"amount":' + b"9" * 5000 + b"}", "parameter.integer"),
        (b'{"amount":null}', "parameter.null"),
        (b'{"a":[null]}', "parameter.null"),
        (b'{"a":"\\ud800"}', "parameter.text"),
        (b'{"a":"\\udfff\\ud800"}', "parameter.text"),
        (b'{"metadata":{"\\ud800":"x"}}', "parameter.name"),
        (b'{"a":"\\u0000"}', "parameter.text"),
        (b'{"a":"\x00"}', "parameter.form"),
        (b'{"a":"\xff"}', "parameter.form"),
        (b'{"a":"\xed\xa0\x80"}', "parameter.form"),  # half a surrogate pair as UTF-8
        ('{"a":"é"}'.encode("utf-16"), "parameter.form"),
        ('{"a":"é"}'.encode(), "parameter.form"),  # not escaped: another form
        (b'{"a":"\\u0061"}', "parameter.form"),
        (b'{"a":"\\/"}', "parameter.form"),
        (b'{"a":"\\u00E9"}', "parameter.form"),
        (b'{"b":1,"a":2}', "parameter.form"),
        (b'{"a": 1}', "parameter.form"),
        (b'{"a":1}\n', "parameter.form"),
        (b'\xef\xbb\xbf{"a":1}', "parameter.form"),
        (b'{"a":1}{"a":2}', "parameter.form"),
        (b'{"a":1,}', "parameter.form"),
        (b"{'a':1}", "parameter.form"),
        (b'{"a":True}', "parameter.form"),
        (b'{/**/"a":1}', "parameter.form"),
        (b"", "parameter.form"),
        (b"[]", "parameter.form"),
        (b"null", "parameter.form"),
        (b'"a"', "parameter.form"),
        (b"a=1", "parameter.form"),
        (b'{"a][b":1}', "parameter.name"),
        (b'{"a":{"b][c":1}}', "parameter.name"),
        (b'{"0":1}', "parameter.name"),
        (b'{"":1}', "parameter.name"),
        (b'{"__proto__ ":1}', "parameter.name"),
        (b'{"a":' * MOST_DEPTH + b'{"a":1}' + b"}" * MOST_DEPTH, "parameter.too_deep"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "parameter.too_deep"),
        (b'{"a":' + b"[" * 100_000, "parameter.too_deep"),
        (b'{"a":[' + b",".join([b"1"] * (MOST_PAIRS + 1)) + b"]}", "parameter.too_many"),
        (b'{"a":[' + b",".join([b"{}"] * (MOST_PAIRS + 1)) + b"]}", "parameter.too_many"),
        (b'{"a":"' + b"x" * (MOST_TEXT + 1) + b'"}', "parameter.too_long"),
        (b'{"a":"' + b"x" * MOST_BYTES + b'"}', "parameter.too_long"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(ParameterError) as caught:
        read(body)

    assert caught.value.code == code


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "parameter.null"),
        ({"a": None}, "parameter.null"),
        (1.0, "parameter.type"),
        (math.nan, "parameter.type"),
        (b"1", "parameter.type"),
        (Bare("1.0"), "parameter.type"),
        (Bare("-0"), "parameter.type"),
        (Bare("null"), "parameter.type"),
        (Bare('"'), "parameter.type"),
        (LARGEST_INTEGER + 1, "parameter.integer"),
        ("\ud800", "parameter.text"),
        ("x" * (MOST_TEXT + 1), "parameter.too_long"),
        ([1] * (MOST_PAIRS + 1), "parameter.too_many"),
        ([[]] * (MOST_PAIRS + 1), "parameter.too_many"),
        (["é" * MOST_TEXT] * 20, "parameter.too_long"),
        ({"a][b": 1}, "parameter.name"),
        ({1: 1}, "parameter.name"),
    ],
)
def test_a_value_without_one_meaning_is_not_written(value: object, code: str) -> None:
    with pytest.raises(ParameterError) as caught:
        encode("POST", TEMPLATE, {"thing": "th_1", "a": cast("Value", value)})

    assert caught.value.code == code


def test_an_endless_value_is_refused_before_it_is_walked_through() -> None:
    looped: list[object] = []
    looped.append(looped)

    with pytest.raises(ParameterError) as caught:
        encode("POST", TEMPLATE, {"thing": "th_1", "a": cast("Value", looped)})
    assert caught.value.code == "parameter.too_deep"


def test_an_outbound_payment_reads_as_it_is_written() -> None:
    asked: Parameters = {
        "to": {"recipient": "acct_2", "payout_method": "usba_1"},
        "amount": {"value": 150000, "currency": "usd"},
        "metadata": {"order no": "A&B"},
    }
    wire = encode("POST", "/v2/money_management/outbound_payments", asked)

    assert wire.body == (
        b'{"amount":{"currency":"usd","value":150000},"metadata":{"order no":"A&B"},'
        b'"to":{"payout_method":"usba_1","recipient":"acct_2"}}'
    )
    assert pairs(wire) == [
        ("amount[currency]", "usd"),
        ("amount[value]", "150000"),
        ("metadata[order no]", "A&B"),
        ("to[payout_method]", "usba_1"),
        ("to[recipient]", "acct_2"),
    ]


def test_what_runs_keeps_the_types_of_what_was_asked() -> None:
    """Our mark and what was looked up are added; a number stays a number, and text that looks like one stays text."""
    asked: Parameters = {
        "from": {"financial_account": "fa_1", "currency": "usd"},
        "to": {"recipient": "acct_2", "payout_method": "usba_1"},
        "amount": {"value": 150000, "currency": "usd"},
        "description": "2026",
    }
    operation = CATALOG.by_id("PostV2MoneyManagementOutboundPayments")
    assert operation is not None
    taken = {name: value for name, value in asked.items() if name in operation.params}
    found = replace(
        CATALOG.classify(encode("POST", operation.path, taken)), operation=replace(operation, takes_metadata=True)
    )
    wire = effective(found, Effect("Pay.", {}, "No.", fill={"statement_descriptor": "RENT"}), "rpr_1")

    assert json.loads(wire.body) == {
        **taken,
        "statement_descriptor": "RENT",
        "metadata": {"runplane_request": "rpr_1"},
    }
    assert CATALOG.classify(wire).parameters["amount"] == {"currency": "usd", "value": "150000"}


def test_every_parameter_that_stripe_declares_can_be_named_and_is_not_too_deep() -> None:
    for operation in CATALOG.operations:
        if operation.alias_of is None:
            for path in CATALOG.shapes.paths(operation.operation_id):
                steps = path.split(".")
                wire = encode("POST", "/v2/x", nested(steps))
                assert parse("/v2/x", wire) == nested(steps)
                assert parse("/v1/x", encode("POST", "/v1/x", nested(steps))) == nested(steps)
    deepest = {"schedule_details": {"phases": [{"items": [{"price_data": {"recurring": {"interval": "month"}}}]}]}}

    assert parse("/v1/x", encode("POST", "/v1/x", deepest)) == deepest


def nested(steps: list[str]) -> dict[str, Text]:
    value: Text = "x"
    for step in reversed(steps):
        value = {step: value}
    return cast("dict[str, Text]", value)


def test_a_post_without_parameters_is_an_empty_object() -> None:
    assert encode("POST", TEMPLATE, {"thing": "th_1"}).body == b"{}"
    assert read(b"{}") == {"thing": "th_1"}


def test_what_is_empty_is_sent_and_shown_as_it_is() -> None:
    """In a form it would vanish; here it switches something on."""
    wire = encode("POST", "/v2/core/accounts", {"configuration": {"customer": {}}, "include": []})

    assert wire.body == b'{"configuration":{"customer":{}},"include":[]}'
    assert pairs(wire) == [("configuration[customer]", "{}"), ("include", "[]")]


def test_reads_and_deletions_of_the_second_namespace_have_a_query_like_those_of_the_first() -> None:
    wire = encode("GET", "/v2/core/accounts/{id}", {"id": "acct_1", "include": ["identity", "defaults"]})

    assert wire.url == "/v2/core/accounts/acct_1?include[0]=identity&include[1]=defaults"
    assert (wire.body, wire.content_type) == (b"", "")


@pytest.mark.parametrize(
    ("template", "kind", "body"),
    [(TEMPLATE, FORM, b"a=1"), (TEMPLATE, "", b'{"a":1}'), ("/v1/things/{thing}/parts", JSON, b'{"a":1}')],
)
def test_a_body_of_the_other_namespace_is_refused(template: str, kind: str, body: bytes) -> None:
    with pytest.raises(ParameterError) as caught:
        parse(template, WireRequest("POST", template.replace("{thing}", "th_1"), body=body, content_type=kind))

    assert caught.value.code == "parameter.content_type"
