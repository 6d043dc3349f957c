"""What an operation's parameters may be, by JSON type and by the text on the wire.

THREATS row 1 (null, NaN, float, string, negative, list, bool, huge), row 6 (options of an SDK as parameters), row 18
(evidence edited through metadata).
"""

from __future__ import annotations

import math
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runplane_mcp.core.amounts import amount_of, number_of
from runplane_mcp.core.money import LARGEST_AMOUNT
from runplane_mcp.core.parameters import check_asked, check_wire
from runplane_mcp.core.wire import Parameters, Text, as_text
from runplane_mcp.errors import ParameterError

PARAMS = {
    "amount": "integer",
    "refund_amount": "integer",
    "limit": "integer",
    "created": "integer|object",
    "reverse_transfer": "boolean",
    "charge": "string",
    "description": "string|unset",
    "metadata": "object",
    "lines": "array",
    "expand": "array",
}


def code_of(asked: object, **given: object) -> str | None:
    values = {"charge": "ch_1", **cast("dict[str, object]", asked), **given}
    try:
        check_asked(PARAMS, {"charge"}, ("id",), cast("Parameters", {"id": "x_1", **values}))
    except ParameterError as error:
        return error.code
    return None


def wire_code_of(asked: dict[str, Text]) -> str | None:
    try:
        check_wire(PARAMS, {"charge"}, ("id",), {"id": "x_1", "charge": "ch_1", **asked})
    except ParameterError as error:
        return error.code
    return None


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (1, None),
        (LARGEST_AMOUNT, None),
        (0, "parameter.amount"),
        (-1, "parameter.amount"),
        (LARGEST_AMOUNT + 1, "parameter.amount"),
        (2**70, "parameter.amount"),
        ("60000", "parameter.type"),
        ("", "parameter.empty"),
        (60000.0, "parameter.type"),
        (math.nan, "parameter.type"),
        (math.inf, "parameter.type"),
        (True, "parameter.type"),
        (False, "parameter.type"),
        (None, "parameter.null"),
        ([100], "parameter.type"),
        ([], "parameter.type"),
        ({"value": 100}, "parameter.type"),
        (b"100", "parameter.type"),
    ],
)
@pytest.mark.parametrize("name", ["amount", "refund_amount"])
def test_an_amount_is_a_whole_number_of_minor_units(name: str, value: object, code: str | None) -> None:
    assert code_of({name: value}) == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1", None),
        (str(LARGEST_AMOUNT), None),
        *((text, "parameter.amount") for text in ("0", "-1", str(LARGEST_AMOUNT + 1), "9" * 15)),
        *(
            (text, "parameter.type")
            for text in ("1e5", "100.0", "+5", "05", " 5", "5 ", "٥", "0x10", "1_000", "9" * 40)
        ),
        ("", "parameter.empty"),
        (["5"], "parameter.type"),
        ({"a": "5"}, "parameter.type"),
    ],
)
def test_on_the_wire_an_amount_is_plain_digits(text: Text, code: str | None) -> None:
    assert wire_code_of({"amount": text}) == code
    assert (amount_of(text) is None) == (code is not None)


@settings(deadline=None)
@given(st.text(max_size=14) | st.integers().map(str))
def test_an_amount_read_off_the_wire_is_between_one_and_the_largest(text: str) -> None:
    read = amount_of(text)

    assert read is None or (1 <= read <= LARGEST_AMOUNT and str(read) == text)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "api_key",
            "stripe_account",
            "stripe_context",
            "idempotency_key",
            "stripe_version",
            "headers",
            "base",
            "usage",
        ),
        *("max_network_retries", "content_type", "params", "options", "method_", "url_", "api_base", "host"),
        *("amount ", "Amount", "transfer_data][destination", "amount\u200b", "", "runplane_request"),
    ],
)
def test_a_parameter_that_the_operation_does_not_have_is_refused(name: str) -> None:
    assert code_of({name: "x"}) == "parameter.unknown"
    assert wire_code_of({name: "x"}) == "parameter.unknown"


def test_the_nearest_name_is_offered() -> None:
    with pytest.raises(ParameterError) as caught:
        check_asked(PARAMS, (), (), {"ammount": 100})

    assert caught.value.next_step == "Did you mean `amount`?"


def test_of_many_parameters_some_are_named() -> None:
    with pytest.raises(ParameterError) as caught:
        check_asked({f"p{number:02}": "string" for number in range(47)}, (), (), {"zzz": "x"})

    assert caught.value.next_step.startswith("It takes p00, p01, ")
    assert caught.value.next_step.endswith(", p19 and 27 more.")


def test_a_name_that_is_no_text_is_refused() -> None:
    assert code_of({7: "x"}) == "parameter.unknown"


def test_what_is_required_is_asked_for() -> None:
    with pytest.raises(ParameterError) as body:
        check_asked(PARAMS, {"charge"}, ("id",), {"id": "x_1"})
    with pytest.raises(ParameterError) as path:
        check_wire(PARAMS, {"charge"}, ("id",), {"charge": "ch_1"})

    assert (body.value.code, body.value.param) == ("parameter.missing", "charge")
    assert (path.value.code, path.value.param) == ("parameter.missing", "id")


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("limit", -3, None),
        ("limit", "3", "parameter.type"),
        ("created", 1700000000, None),
        ("created", {"gte": 1700000000}, None),
        ("created", "1700000000", "parameter.type"),
        ("reverse_transfer", True, None),
        ("reverse_transfer", "true", "parameter.type"),
        ("reverse_transfer", 1, "parameter.type"),
        ("charge", "", "parameter.empty"),
        ("charge", 7, "parameter.type"),
        ("description", "", None),
        ("metadata", {"a": "b"}, None),
        ("metadata", "", "parameter.empty"),  # it would unset every key, ours with them
        ("metadata", [], "parameter.type"),
        ("lines", [{"a": 1}], None),
        ("lines", {"0": 1}, "parameter.type"),
        ("lines", "", "parameter.empty"),
    ],
)
def test_each_value_has_exactly_its_type(name: str, value: object, code: str | None) -> None:
    assert code_of({name: value}) == code


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("limit", "-3", None),
        ("limit", "three", "parameter.type"),
        ("created", {"gte": "1700000000"}, None),
        ("created", ["1"], "parameter.type"),
        ("reverse_transfer", "true", None),
        ("reverse_transfer", "True", "parameter.type"),
        ("reverse_transfer", "1", "parameter.type"),
        ("charge", "", "parameter.empty"),
        ("charge", {"id": "ch_1"}, "parameter.type"),
        ("description", "", None),
        ("metadata", "", "parameter.empty"),
        ("lines", "x", "parameter.type"),
    ],
)
def test_on_the_wire_each_text_can_stand_for_its_type(name: str, text: Text, code: str | None) -> None:
    assert wire_code_of({name: text}) == code


@pytest.mark.parametrize("path", ["customer", "data.customer", "a.b.c.d", "latest_charge.payment_method_details2"])
def test_expand_takes_dotted_names(path: str) -> None:
    assert code_of({"expand": [path]}) is None
    assert wire_code_of({"expand": [path]}) is None


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "a..b",
        "a.b.c.d.e",
        "A",
        "a b",
        "a[b]",
        "a/b",
        "*",
        "a.*",
        "a\n",
        "a.",
        ".a",
        "customer,charge",
        "a" * 65,
    ],
)
def test_expand_takes_nothing_else(path: str) -> None:
    assert code_of({"expand": [path]}) == "parameter.expand"
    assert wire_code_of({"expand": [path]}) == "parameter.expand"


@pytest.mark.parametrize("value", [[["customer"]], [{"a": "b"}], [None], [1], ["customer"] * 21])
def test_expand_is_a_short_list_of_texts(value: object) -> None:
    assert code_of({"expand": value}) == "parameter.expand"


@pytest.mark.parametrize(
    "key", ["runplane_request", "runplane_", "Runplane_Request", " runplane_request", "RUNPLANE_x"]
)
@pytest.mark.parametrize("value", ["rpr_forged", ""])
def test_metadata_keys_of_ours_can_be_neither_set_nor_unset(key: str, value: str) -> None:
    assert code_of({"metadata": {key: value}}) == "parameter.reserved"
    assert code_of({"lines": [{"data": {"metadata": {key: value}}}]}) == "parameter.reserved"


@pytest.mark.parametrize("name", ["metadata", "invoice_metadata"])
def test_metadata_inside_of_a_parameter_is_not_emptied_as_a_whole(name: str) -> None:
    """That would take our keys away, with whatever else there is."""
    assert code_of({"lines": [{"id": "il_1", name: ""}]}) == "parameter.reserved"
    assert code_of({"lines": [{"id": "il_1", name: {"colour": "", "metadata": ""}}]}) is None


def test_words_that_only_look_like_ours_are_free() -> None:
    assert code_of({"metadata": {"about runplane_request": "x", "order": "runplane_request"}}) is None
    assert code_of({"lines": [{"runplane_note": "x"}]}) is None


def test_an_endless_value_is_refused_before_it_is_walked_through() -> None:
    looped: list[object] = []
    looped.append(looped)

    assert code_of({"lines": looped}) == "parameter.too_deep"


def test_the_effective_request_may_carry_our_key() -> None:
    assert wire_code_of({"metadata": {"runplane_request": "rpr_1"}}) is None


SIGNED = {"amount": "signed", "unit_amount": "unsigned", "quantity": "unsigned"}


def signed_code_of(asked: dict[str, object]) -> str | None:
    """The code that both readings agree on."""
    try:
        check_asked(SIGNED, (), (), asked)  # type: ignore[arg-type]
    except ParameterError as error:
        with pytest.raises(ParameterError):
            check_wire(SIGNED, (), (), {name: as_text(value) for name, value in asked.items()})  # type: ignore[arg-type]
        return error.code
    check_wire(SIGNED, (), (), {name: as_text(value) for name, value in asked.items()})  # type: ignore[arg-type]
    return None


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"amount": -500}, None),
        ({"amount": 0}, None),
        ({"amount": -(10**12)}, None),
        ({"amount": -(10**12) - 1}, "parameter.amount"),
        ({"amount": 10**12 + 1}, "parameter.amount"),
        ({"amount": "1e5"}, "parameter.type"),
        ({"unit_amount": 0}, None),
        ({"unit_amount": -1}, "parameter.type"),
        ({"quantity": 0}, None),
        ({"quantity": -1}, "parameter.type"),
    ],
)
def test_only_what_is_judged_so_may_be_below_zero_or_zero(asked: dict[str, object], code: str | None) -> None:
    """THREATS row 1."""
    assert signed_code_of(asked) == code


def test_a_number_is_read_below_zero_too() -> None:
    assert [number_of(text) for text in ("-5", "0", "007", "1.0", "", str(10**12 + 1))] == [-5, 0, *[None] * 4]
    assert number_of(["5"]) is None
    assert number_of(None) is None
