"""What could be read in two ways is refused: paths, parameters, bodies, over the whole catalog.

THREATS row 1 (amounts), row 6 (`..` as an id, `a][b`, options of an SDK), row 17 (currencies), row 22 (path forms, double
keys, encodings).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runplane_mcp.core.catalog import load
from runplane_mcp.core.operation import Operation
from runplane_mcp.core.wire import FORM, JSON, Parameters, Value, WireRequest, encode
from runplane_mcp.errors import ParameterError

from .test_wire import junk

CATALOG = load()
REFUNDS = "/v1/refunds"
IDS = {"POST": "PostRefunds", "GET": "GetRefunds"}


def refusal(wire: WireRequest) -> str | None:
    """The code of what is wrong with a request as it came."""
    try:
        CATALOG.classify(wire)
    except ParameterError as error:
        return error.code
    return None


def post(body: str, path: str = REFUNDS) -> str | None:
    return refusal(WireRequest("POST", path, body=body.encode(), content_type=FORM))


def get(query: str, path: str = REFUNDS) -> str | None:
    return refusal(WireRequest("GET", path, query))


def asked(operation_id: str, **given: object) -> ParameterError | None:
    """What is wrong with what an agent asked for, as the pipeline finds it."""
    operation = CATALOG.by_id(operation_id)
    assert operation is not None
    parameters = cast("Parameters", given)
    try:
        CATALOG.check(operation, parameters)
        CATALOG.classify(encode(operation.method, operation.path, parameters))
    except ParameterError as error:
        return error
    return None


def test_what_the_table_starts_from_is_fine() -> None:
    assert post("charge=ch_1") is None
    assert get("limit=3") is None
    assert refusal(WireRequest("DELETE", "/v1/customers/cus_1")) is None
    assert post("charge=ch_1&metadata[a]=b&metadata[c]=d") is None


@pytest.mark.parametrize(
    "path",
    [
        *("//v1/refunds", "/v1//refunds", "/v1/refunds/", "/v1/refunds//", "v1/refunds", "/v1/./refunds"),
        *("/v1/../v1/refunds", "/v1/%72efunds", "/v1%2Frefunds", "/v1/%2E/refunds", "/v1/refunds%2F"),
        *("/v1/refunds;a=b", "/v1;a/refunds", "/v1/Refunds", "/V1/refunds", "/v1/REFUNDS", "/v1/refunds%00"),
        *("/v1/refunds?", "/v1/refunds#a", "/v1\\refunds", "/v1/refunds\n", "/v1/refunds ", "/v1/refund\u017f"),
        *("https://api.stripe.com/v1/refunds", "", "/", "*", "/v1", "/v3/refunds", "/v1/refunds/re_1/x/y"),
    ],
)
def test_a_path_has_one_form(path: str) -> None:
    assert post("charge=ch_1", path) == "parameter.operation"


@pytest.mark.parametrize(
    "step",
    [
        *(".", "..", "...", ".hidden", "%2e", "%2E%2E", "a%2Fb", "a%2fb", "a%5Cb", "a%25b", "%", "%zz"),
        *("a%3Bb", "a;b", "a%3Fb", "a%23b", "a%00b", "a%0Ab", "a%20b", "a+b", "a b", "%ff", "%E2%80%AE"),
        *("%63h_1", "ch_1%", "a\\b", "é", "a:b", "a@b"),
        "x" * 256,
    ],
)
def test_an_id_in_the_path_has_one_form(step: str) -> None:
    assert get("", f"/v1/refunds/{step}") is not None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("charge=ch_1&charge=ch_2", "parameter.twice"),
        ("charge=ch_1&charge=ch_1", "parameter.twice"),
        ("charge=ch_1&metadata[a]=b&metadata[a]=c", "parameter.twice"),
        ("charge=ch_1&metadata=&metadata[a]=b", "parameter.twice"),
        ("charge=ch_1&metadata[a]=b&metadata=", "parameter.twice"),
        ("expand[]=charge", "parameter.name"),
        ("expand[]=charge&expand[0]=charge", "parameter.name"),
        ("expand[0]=charge&expand[2]=customer", "parameter.list"),
        ("expand[1]=charge", "parameter.list"),
        ("expand[1]=a&expand[0]=b", "parameter.list"),
        ("expand[00]=charge", "parameter.name"),
        ("expand[01]=charge", "parameter.name"),
        ("expand[-1]=charge", "parameter.name"),
        ("expand[99999]=charge", "parameter.name"),
        ("expand[0]=charge&expand[a]=b", "parameter.list"),
        ("expand=charge", "parameter.type"),
        ("charge]=ch_1", "parameter.name"),
        ("charge[=ch_1", "parameter.name"),
        ("charge][x=ch_1", "parameter.name"),
        ("metadata[a]b=c", "parameter.name"),
        ("metadata[a][=c", "parameter.name"),
        ("metadata[[a]]=c", "parameter.name"),
        ("metadata[]=c", "parameter.name"),
        ("[charge]=ch_1", "parameter.name"),
        ("charge", "parameter.form"),
        ("=ch_1", "parameter.form"),
        ("charge=ch_1&", "parameter.form"),
        ("&charge=ch_1", "parameter.form"),
        ("charge=ch_1;amount=5", "parameter.form"),
        ("charge=%63h_1", "parameter.form"),
        ("%63harge=ch_1", "parameter.form"),
        ("charge=ch_1&amount=5", "parameter.form"),  # another order
        ("charge=a%00b", "parameter.text"),
        ("charge=%ed%a0%80", "parameter.form"),
        ("charge=%ff", "parameter.form"),
        ("charge=é", "parameter.form"),
        ("metadata%5Ba%5D=b", "parameter.form"),
        ('{"charge":"ch_1"}', "parameter.form"),
        ("Charge=ch_1", "parameter.unknown"),
        ("charge.=ch_1", "parameter.unknown"),
        ("charge=", "parameter.empty"),
        ("metadata=", "parameter.empty"),
        ("payment_intent[id]=pi_1", "parameter.type"),
        ("reverse_transfer=1", "parameter.type"),
        ("reverse_transfer=True", "parameter.type"),
    ],
)
def test_a_form_has_one_reading(body: str, code: str) -> None:
    assert post(body) == code


AMOUNTS = [
    *("1e5", "1E5", "100.0", "100.", ".5", "+5", "-5", " 5", "5 ", "05", "0x10", "1_000", "1,000", "0", "-0"),
    *("NaN", "Infinity", "٥", "５", "5\u200b", "true", "null", ""),
    *("9" * 13, "9" * 40, "$5", "5usd", "1/2", "1e", "0b1", "five"),
]


@pytest.mark.parametrize("amount", AMOUNTS)
def test_an_amount_is_digits_and_nothing_else(amount: str) -> None:
    wire = encode("POST", REFUNDS, {"charge": "ch_1", "amount": amount})

    assert refusal(wire) in {"parameter.type", "parameter.amount", "parameter.empty"}


@pytest.mark.parametrize("amount", [each for each in AMOUNTS if each not in {"", "0", "-5"}])
def test_an_amount_inside_of_something_is_digits_too(amount: str) -> None:
    """Nobody but Stripe would look at it, and it may round where we would not."""
    intent: Parameters = {
        "amount": 5000,
        "currency": "usd",
        "transfer_data": {"destination": "acct_1", "amount": amount},
    }

    assert refusal(encode("POST", "/v1/payment_intents", intent)) == "parameter.amount"
    assert asked("PostPaymentIntents", **intent) is not None


def test_amounts_inside_are_left_to_stripe_where_they_are_whole() -> None:
    lines = {"invoice": "in_1", "lines": [{"amount": -500, "description": "back", "metadata": {"amount": "12.50"}}]}

    assert asked("PostInvoicesInvoiceAddLines", **lines) is None
    assert asked("PostRefunds", charge="ch_1", metadata={"amount": "12.50", "tip_amount": "none"}) is None


@pytest.mark.parametrize("value", ["1000", 10.0, True, "1e3", None, [1000], {"a": 1}, 0, -1, 10**12 + 1])
def test_an_amount_of_the_second_namespace_is_a_whole_number(value: object) -> None:
    found = asked(
        "PostV2MoneyManagementOutboundPayments", amount={"value": value, "currency": "usd"}, to={"recipient": "a"}
    )

    assert found is not None
    assert found.code in {"parameter.type", "parameter.amount", "parameter.null"}
    assert found.param in {"amount[value]", "amount.value"}


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (WireRequest("POST", REFUNDS, "charge=ch_1", b"", FORM), "parameter.query"),
        (WireRequest("POST", REFUNDS, "charge=ch_1", b"charge=ch_1", FORM), "parameter.query"),
        (WireRequest("POST", REFUNDS, "", b"charge=ch_1", ""), "parameter.content_type"),
        (WireRequest("POST", REFUNDS, "", b"charge=ch_1", "multipart/form-data"), "parameter.content_type"),
        (WireRequest("POST", REFUNDS, "", b"charge=ch_1", FORM + "; charset=utf-7"), "parameter.content_type"),
        (WireRequest("POST", REFUNDS, "", b"{}", JSON), "parameter.content_type"),
        (WireRequest("POST", "/v2/core/accounts", "", b"", FORM), "parameter.content_type"),
        (WireRequest("POST", "/v2/core/accounts", "include[0]=identity", b"{}", JSON), "parameter.query"),
        (WireRequest("GET", REFUNDS, "", b"limit=3"), "parameter.body"),
        (WireRequest("GET", REFUNDS, "", b"", FORM), "parameter.body"),
        (WireRequest("DELETE", "/v1/customers/cus_1", "", b"a=b", FORM), "parameter.body"),
        (WireRequest("DELETE", "/v2/core/event_destinations/we_1", "", b"{}", JSON), "parameter.body"),
        (WireRequest("post", REFUNDS, "", b"charge=ch_1", FORM), "parameter.operation"),
        (WireRequest("PUT", REFUNDS, "", b"charge=ch_1", FORM), "parameter.operation"),
        (WireRequest("PATCH", REFUNDS), "parameter.operation"),
        (WireRequest("HEAD", REFUNDS), "parameter.operation"),
    ],
)
def test_a_request_has_its_parameters_in_one_place(wire: WireRequest, code: str) -> None:
    assert refusal(wire) == code


@pytest.mark.parametrize("value", [None, [], {}])
def test_what_an_sdk_would_drop_silently_is_refused_with_the_way_to_say_it(value: object) -> None:
    """An amount that silently vanished is a full refund. Absent, empty and a value are three states."""
    inside = asked("PostCustomersCustomer", customer="cus_1", shipping={"address": value, "name": "Ada"})
    outside = asked("PostCustomersCustomer", customer="cus_1", address=value)

    for found in (inside, outside):
        assert found is not None
        assert found.code in {"parameter.null", "parameter.empty", "parameter.type"}
        assert found.next_step.startswith("Leave it out") or found.code == "parameter.type"
    assert outside is not None
    assert 'or give ""' in outside.next_step or outside.code == "parameter.type"
    assert asked("PostCustomersCustomer", customer="cus_1", address="") is None
    assert asked("PostCustomersCustomer", customer="cus_1") is None


def test_the_next_page_of_a_list_can_be_asked_for_in_both_namespaces() -> None:
    assert asked("GetRefunds", starting_after="re_1") is None
    assert asked("GetV2CoreAccounts", page="page_2", limit=10) is None
    assert asked("GetV2CoreAccountsId", id="acct_1", page="page_2") is not None


# ── over the whole catalog ───────────────────────────────────────────────────────────────────────────────────────────

#: Values that no path takes: they climb, split, hide, or are no text at all.
NO_IDS: list[object] = [
    *(".", "..", "...", "/", "a/b", "../refunds", "a/..", "%", "a%", "%2e%2e", "%2F"),
    *("?", "a?b=c", "#", "a#b", "\\", "a\\b"),
    *(
        "",
        " ",
        "a b",
        "a\t",
        "a\n",
        "a\r\nHost: x",
        "\x00",
        "a\x00",
        "\x1b[2K",
        "\x7f",
        "\x85",
        "a;b",
        "\ud800",
        "x" * 256,
    ),
    *("a\u202eb", "a\u200bb", "a\u2028b", "a\u00a0b", "\ufeff", "a\u3000b"),
    *(None, 1, 0, -1, True, 1.5, [], {}, ["a"], {"id": "a"}, b"ch_1"),
]
TAKING = [operation for operation in CATALOG.operations if operation.path_parameters]


def test_no_path_of_the_catalog_takes_what_is_no_id() -> None:
    """Each parameter of each path, with every value. One test: a million parameters of pytest would be slow."""
    tried = 0
    for operation in TAKING:
        for name in operation.path_parameters:
            others: dict[str, Value] = dict.fromkeys(operation.path_parameters, "id_1")
            for value in NO_IDS:
                with pytest.raises(ParameterError) as caught:
                    encode(operation.method, operation.path, {**others, name: cast("Value", value)})
                assert caught.value.code == "parameter.path_value"
                assert caught.value.param == name
                tried += 1

    assert tried > 50 * len(TAKING) > 25_000


def test_each_operation_is_found_by_a_path_with_ids_and_by_no_other_spelling() -> None:
    for operation in CATALOG.operations:
        path = filled(operation)
        assert CATALOG.find(operation.method, path) is operation

        for other in (path + "/", path + "//", "/" + path, "/." + path, "/x/.." + path, path.upper(), path[1:]):
            assert CATALOG.find(operation.method, other) is None
        for step in set(operation.path.split("/")) - {""}:
            if not step.startswith("{"):
                for spelled in (step.title(), f"{step};a", f"%{ord(step[0]):02X}{step[1:]}"):
                    found = CATALOG.find(operation.method, path.replace(f"/{step}", f"/{spelled}", 1))
                    # Where a parameter may stand too, it is at most a value of that, which quoting or `;` make none.
                    assert found is not operation


def filled(operation: Operation) -> str:
    path = operation.path
    for name in operation.path_parameters:
        path = path.replace("{" + name + "}", "id_1")
    return path


def test_every_literal_beside_a_parameter_goes_before_it() -> None:
    """`/v1/invoices/create_preview` is not the invoice `create_preview`: for each such pair of the catalog."""
    by_method: dict[str, list[list[str]]] = {}
    for operation in CATALOG.operations:
        by_method.setdefault(operation.method, []).append(operation.path.split("/"))
    pairs = 0
    for operation in TAKING:
        steps = operation.path.split("/")
        for at, step in enumerate(steps):
            if not step.startswith("{"):
                continue
            beside = {
                other[at]
                for other in by_method[operation.method]
                if len(other) > at and other[:at] == steps[:at] and not other[at].startswith("{")
            }
            for literal in beside:
                pairs += 1
                parameters: dict[str, Value] = dict.fromkeys(operation.path_parameters, "id_1")
                path = encode(operation.method, operation.path, {**parameters, step[1:-1]: literal}).path
                found = CATALOG.find(operation.method, path)
                same = [*steps[:at], literal, *steps[at + 1 :]]
                if same in by_method[operation.method]:
                    assert found is not None
                    assert found.path.split("/") == same
                for spelled in (literal.upper(), literal.title()):
                    shouted = encode(operation.method, operation.path, {**parameters, step[1:-1]: spelled}).path
                    assert CATALOG.find(operation.method, shouted) is None

    assert pairs > 50


methods = st.sampled_from(["GET", "POST", "DELETE", "PUT", "get", ""])
paths = st.one_of(
    st.text(max_size=30),
    st.sampled_from([filled(operation) for operation in CATALOG.operations]),
    st.builds(lambda operation, end: filled(operation) + end, st.sampled_from(CATALOG.operations), st.text(max_size=6)),
)
queries = st.text("abm0129[]=&%+.metadata_amountexpand é\x00", max_size=24)


@settings(deadline=None)
@given(
    methods, paths, queries, queries.map(str.encode) | st.binary(max_size=24), st.sampled_from(["", FORM, JSON, "a/b"])
)
def test_any_request_at_all_is_classified_or_refused(
    method: str, path: str, query: str, body: bytes, kind: str
) -> None:
    refusal(WireRequest(method, path, query, body, kind))


@settings(deadline=None)
@given(st.sampled_from(CATALOG.operations), st.data())
def test_any_parameters_of_any_operation_are_checked_written_and_classified_or_refused(
    operation: Operation, data: st.DataObject
) -> None:
    names = st.sampled_from([*operation.params, *operation.path_parameters, "other"])
    given_ = data.draw(st.dictionaries(names | st.text(max_size=4), junk | st.just("id_1"), max_size=5))
    given_ |= {name: "id_1" for name in operation.path_parameters if name not in given_}
    try:
        CATALOG.check(operation, cast("Parameters", given_))
        found = CATALOG.classify(encode(operation.method, operation.path, cast("Parameters", given_)))
    except ParameterError:
        return

    assert found.operation is operation
    assert isinstance(found.parameters, Mapping)
