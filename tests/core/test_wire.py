"""Parameters to bytes and back: one meaning has one form, and what could be read in two ways is refused.

THREATS row 6: parameter names and values that become something else on the wire.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runplane_mcp.core.wire import (
    FORM,
    LARGEST_INTEGER,
    MOST_BYTES,
    MOST_DEPTH,
    MOST_PAIRS,
    MOST_TEXT,
    Parameters,
    Value,
    WireRequest,
    as_text,
    encode,
    parse,
    path_parameters,
)
from runplane_mcp.errors import ParameterError

TEMPLATE = "/v1/things/{thing}/parts"

names = st.from_regex(r"[a-z][a-z0-9_.:-]{0,8}", fullmatch=True)
characters = st.characters(exclude_characters="\x00", exclude_categories=["Cs"])
scalars = st.one_of(
    st.text(characters, max_size=12),
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.booleans(),
    st.sampled_from(["", "a&b=c", "[0]", "%41"]),
)
values: st.SearchStrategy[Value] = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3), st.dictionaries(names, inner, min_size=1, max_size=3)
    ),
    max_leaves=8,
)
metadata = st.dictionaries(
    st.text("ab01 é&=%+.", min_size=1, max_size=5), st.text(characters, max_size=5), min_size=1, max_size=3
)
parameters: st.SearchStrategy[Parameters] = st.builds(
    lambda rest, held: rest | ({"metadata": held} if held else {}),
    st.dictionaries(names.filter(lambda name: name not in {"thing", "metadata"}), values, max_size=5),
    st.none() | metadata,
)

#: Anything at all, of the kinds that JSON, Python callers and careless parsers bring along.
junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=4)
    | st.sampled_from(["\ud800", "a][b", "..", "x" * 300, math.nan, 2**70, object()]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.integers() | st.none(), inner, max_size=3)
    ),
    max_leaves=8,
)


def refused(method: str, template: str, given: Mapping[str, object]) -> str:
    with pytest.raises(ParameterError) as caught:
        encode(method, template, cast("Parameters", given))
    return caught.value.code


@settings(deadline=None)
@given(parameters, st.sampled_from(["GET", "POST", "DELETE"]))
@example({"items": [{"price": "p", "quantity": 2}] * 12}, "POST")
@example({"metadata": {"0": "zero", "1": "one"}}, "POST")
@example({"metadata": {"a": ["x", "y"]}}, "POST")
def test_what_is_read_off_the_wire_is_what_was_put_on_it(given_: Parameters, method: str) -> None:
    asked = {"thing": "th_1", **given_}
    try:
        wire = encode(method, TEMPLATE, asked)
    except ParameterError:
        return

    assert parse(TEMPLATE, wire) == as_text(asked)


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=6) | names, junk, max_size=4))
@example({"a": [[[[[[[[[["deep"]]]]]]]]]]})
@example({"thing": None})
@example({"metadata": ["a"]})
def test_anything_at_all_is_encoded_or_refused(given_: dict[str, object]) -> None:
    """THREATS row 1: null, NaN, float, list, bool, huge."""
    asked = cast("Parameters", {"thing": "th_1", **given_})
    try:
        wire = encode("POST", TEMPLATE, asked)
    except ParameterError:
        return

    assert parse(TEMPLATE, wire) == as_text(asked)


@settings(deadline=None)
@given(parameters, st.randoms(use_true_random=False))
def test_equal_parameters_give_equal_bytes(given_: Parameters, random: object) -> None:
    def shuffled(value: Value) -> Value:
        if isinstance(value, dict):
            items = [(name, shuffled(item)) for name, item in value.items()]
            random.shuffle(items)  # type: ignore[attr-defined]
            return dict(items)
        return [shuffled(item) for item in value] if isinstance(value, list) else value

    asked: Parameters = {"thing": "th_1", **given_}

    assert encode("POST", TEMPLATE, cast("Parameters", shuffled(dict(asked)))) == encode("POST", TEMPLATE, asked)


wire_text = st.text("abm0129[]=&%+.metadata_é\x00 ", max_size=24)


@settings(deadline=None, max_examples=500)
@given(
    st.sampled_from(["GET", "POST", "DELETE", "PUT", "post"]),
    st.sampled_from(
        ["/v1/things/th_1/parts", "/v1/things/%2E%2E/parts", "/v1/things/a%2Fb/parts", "/v1/things/%/parts"]
    )
    | st.text(max_size=30),
    wire_text,
    wire_text.map(lambda text: text.encode()) | st.binary(max_size=12),
    st.sampled_from([FORM, "", "application/json"]),
)
def test_any_bytes_are_read_in_the_one_form_or_refused(
    method: str, path: str, query: str, body: bytes, kind: str
) -> None:
    wire = WireRequest(method, path, query, body, kind)
    try:
        read = parse(TEMPLATE, wire)
    except ParameterError:
        return

    assert encode(method, TEMPLATE, read) == wire


@settings(deadline=None, max_examples=300)
@given(
    parameters,
    st.integers(0, 60),
    st.sampled_from(["", "&", "=", "[", "]", "[0]", "+", "%", "%20", "a=1&", "0", "é", "~", "!", "\x00"]),
    st.integers(0, 3),
)
def test_a_form_that_was_tampered_with_is_read_in_the_one_form_or_refused(
    given_: Parameters, at: int, put: str, instead: int
) -> None:
    try:
        body = encode("POST", TEMPLATE, {"thing": "th_1", **given_}).body.decode()
    except ParameterError:
        return
    at %= len(body) + 1
    wire = WireRequest("POST", "/v1/things/th_1/parts", "", (body[:at] + put + body[at + instead :]).encode(), FORM)
    try:
        read = parse(TEMPLATE, wire)
    except ParameterError:
        return

    assert encode("POST", TEMPLATE, read) == wire


@pytest.mark.parametrize(
    "body",
    [
        b"metadata[!0]=x",  # a key that is not quoted as it is quoted
        b"amount=1&amount=2",  # which one counts?
        b"a[b]=1&a=2",
        b"a=2&a[b]=1",
        b"b=1&a=2",  # another order
        b"a[x]=1&b=2&a[y]=3",  # an object in two parts
        b"a[y]=1&a[x]=2",
        b"a[10]=1&a[9]=2",
        b"metadata[9]=1&metadata[10]=2",  # names, which sort as text
        b"amount=%31",  # another quoting
        b"a%5Bb%5D=1",
        b"items[1]=x",  # a gap
        b"items[00]=x",
        b"items[0]=x&items[a]=y",
        b"items[]=x",
        b"a][b=1",
        b"a[b=1",
        b"a]b=1",
        b"[a]=1",
        b"amount",
        b"=1",
        b"a=1&",
        b"a=\xff",
        b"a=%ff",
        b"a=%zz",
        "a[٢]=1".encode(),
        b"a" + b"[a]" * 400 + b"=1",
        b"&".join(b"a%d=1" % n for n in range(MOST_PAIRS + 1)),
        b"a=" + b"x" * MOST_BYTES,
        b"thing=th_2",  # beside the path's
    ],
)
def test_bytes_that_runplane_would_not_write_are_refused(body: bytes) -> None:
    with pytest.raises(ParameterError):
        parse(TEMPLATE, WireRequest("POST", "/v1/things/th_1/parts", body=body, content_type=FORM))


@pytest.mark.parametrize(
    "wire",
    [
        WireRequest("POST", "/v1/things/th_1/parts", "a=1", b"", FORM),
        WireRequest("POST", "/v1/things/th_1/parts", "", b"a=1", "application/json"),
        WireRequest("GET", "/v1/things/th_1/parts", "", b"a=1", FORM),
        WireRequest("get", "/v1/things/th_1/parts"),
        WireRequest("POST", "/v1/things/th_1/parts/", "", b"", FORM),
        WireRequest("POST", "/v1/things//parts", "", b"", FORM),
        WireRequest("POST", "/v1/things/%74h_1/parts", "", b"", FORM),
        WireRequest("POST", "/v1/things/%2e%2e/parts", "", b"", FORM),
        WireRequest("POST", "/v1/things/a%2Fb/parts", "", b"", FORM),
        WireRequest("POST", "/v1/things/" + "%41" * MOST_BYTES, "", b"", FORM),
    ],
)
def test_a_request_put_together_in_another_way_is_refused(wire: WireRequest) -> None:
    with pytest.raises(ParameterError):
        parse(TEMPLATE, wire)


@pytest.mark.parametrize(
    "name",
    [
        "transfer_data][destination",
        "a[b]",
        "a]",
        "[",
        "",
        " ",
        "a b",
        "a&b",
        "a=b",
        "0",
        "12",
        "ä",
        "a\n",
        "x" * 65,
        "amount\u200b",
    ],
)
def test_a_parameters_name_smuggles_nothing(name: str) -> None:
    assert refused("POST", "/v1/refunds", {name: "x"}) == "parameter.name"
    assert refused("POST", "/v1/refunds", {"inside": {name: "x"}}) == "parameter.name"


@pytest.mark.parametrize("key", ["a[b", "a]b", "a\x00", "a\x1b[2K", "\x7f", "\x85", "", "x" * 41, "\ud800"])
def test_a_metadata_key_smuggles_nothing(key: str) -> None:
    assert refused("POST", "/v1/refunds", {"metadata": {key: "x"}}) == "parameter.name"


@pytest.mark.parametrize(
    "value",
    [
        *(".", "..", "", "/", "a/b", "../refunds", "a\\b", "%2e%2e", "a%2Fb", "?a=1", "a?b", "#", "a#b"),
        *(";", "a;b", "...", ".git"),
        *(" ", "a b", "a\n", "a\r\nb", "a\x00b", "a\x1bb", "\x7f", "a\x85b", "\ud800", "x" * 256),
        *("a\u202eb", "a\u200bb", "a\u2028b", "\ufeff"),
        *(None, 1, True, 1.5, ["a"], {"a": "b"}, b"ch_1"),
    ],
)
def test_a_value_in_the_path_stays_one_step_of_it(value: object) -> None:
    assert refused("GET", "/v1/charges/{charge}", {"charge": value}) == "parameter.path_value"


def test_a_missing_value_of_the_path_is_said() -> None:
    assert refused("GET", "/v1/charges/{charge}", {}) == "parameter.missing"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "parameter.null"),
        (1.0, "parameter.type"),
        (math.nan, "parameter.type"),
        (math.inf, "parameter.type"),
        (b"1", "parameter.type"),
        (object(), "parameter.type"),
        ([], "parameter.empty"),
        ({}, "parameter.empty"),
        (LARGEST_INTEGER + 1, "parameter.integer"),
        (-LARGEST_INTEGER - 1, "parameter.integer"),
        ("a\x00b", "parameter.text"),
        ("\udfff", "parameter.text"),
        ("x" * (MOST_TEXT + 1), "parameter.too_long"),
        ([1] * (MOST_PAIRS + 1), "parameter.too_many"),
        (["é" * MOST_TEXT] * 20, "parameter.too_long"),
    ],
)
def test_a_value_without_one_meaning_is_refused(value: object, code: str) -> None:
    """THREATS row 1. `None`, `[]` and `{}` are dropped silently by Stripe's SDKs: an omitted amount is a full refund."""
    assert refused("POST", "/v1/refunds", {"amount": value}) == code


def test_an_endless_value_is_refused_before_it_is_walked_through() -> None:
    looped: list[object] = []
    looped.append(looped)

    assert refused("POST", "/v1/refunds", {"a": looped}) == "parameter.too_deep"


def test_nesting_has_a_bottom() -> None:
    value: object = "x"
    for _ in range(MOST_DEPTH - 1):
        value = {"a": value}
    wire = encode("POST", "/v1/refunds", cast("Parameters", {"a": value}))

    assert parse("/v1/refunds", wire) == {"a": value}
    assert refused("POST", "/v1/refunds", {"a": {"a": value}}) == "parameter.too_deep"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "HEAD", "post", "", "POST\r\n"])
def test_a_method_that_stripe_does_not_have_is_refused(method: str) -> None:
    assert refused(method, "/v1/refunds", {}) == "parameter.method"


def test_a_refund_reads_as_it_is_written() -> None:
    wire = encode("POST", "/v1/refunds", {"payment_intent": "pi_1", "amount": 65000, "metadata": {"ticket no": "A&B"}})

    assert wire.body == b"amount=65000&metadata[ticket+no]=A%26B&payment_intent=pi_1"
    assert (wire.url, wire.content_type) == ("/v1/refunds", FORM)


def test_a_read_has_its_parameters_in_the_query() -> None:
    wire = encode("GET", "/v1/charges/{charge}", {"charge": "ch_1", "expand": ["customer", "refunds"]})

    assert wire.url == "/v1/charges/ch_1?expand[0]=customer&expand[1]=refunds"
    assert wire.body == b""


def test_a_path_value_is_quoted() -> None:
    wire = encode("GET", "/v1/coupons/{coupon}", {"coupon": "50&off=é"})

    assert wire.path == "/v1/coupons/50%26off%3D%C3%A9"
    assert parse("/v1/coupons/{coupon}", wire) == {"coupon": "50&off=é"}


def test_the_names_in_a_path_are_known() -> None:
    assert path_parameters("/v1/customers/{customer}/sources/{id}") == ("customer", "id")
