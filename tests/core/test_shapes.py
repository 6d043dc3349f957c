"""What stands inside of parameters is checked as deep as Stripe's own SDK declares it (THREATS 6)."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from runplane_mcp.core.catalog import load, texts
from runplane_mcp.core.wire import Value, encode
from runplane_mcp.errors import ParameterError
from scripts.parameters import answers, shapes_of, text_of

CATALOG = load()


def refused(operation_id: str, **asked: Value) -> ParameterError:
    operation = CATALOG.by_id(operation_id)
    assert operation is not None
    with pytest.raises(ParameterError) as by_wire:
        CATALOG.classify(encode(operation.method, operation.path, asked))
    with pytest.raises(ParameterError) as as_asked:
        CATALOG.check(operation, asked)
    assert by_wire.value.code == as_asked.value.code
    return as_asked.value


def test_the_file_is_what_the_installed_sdk_declares() -> None:
    """`scripts/catalog` writes it anew."""
    found = texts()

    assert text_of(shapes_of(json.loads(found.published)["operations"])) == found.parameters


def test_each_judged_operation_answers_what_the_sdk_says() -> None:
    """Whether an answer is the one that was waited for hangs on it."""
    known = answers()
    wrong = {}
    for each in CATALOG.operations:
        if each.judged and each.alias_of is None:
            says = known.get((each.method, "/".join("{}" if s.startswith("{") else s for s in each.path.split("/"))))
            if says is not None and says not in each.answers.split("|"):
                wrong[each.operation_id] = (each.answers, says)

    assert wrong == {}


@pytest.mark.parametrize(
    ("asked", "param", "hint"),
    [
        ({"items": [{"quantitty": 2}]}, "items.quantitty", "Did you mean `quantity`?"),
        ({"items": [{"price_data": {"unit_amont": 2}}]}, "items.price_data.unit_amont", "Did you mean `unit_amount`?"),
        ({"transfer_data": {"headers": "x"}}, "transfer_data.headers", "It takes amount_percent, destination."),
    ],
)
def test_a_name_that_cannot_stand_inside_is_refused_with_the_nearest(
    asked: Mapping[str, Value], param: str, hint: str
) -> None:
    error = refused("PostSubscriptionsSubscriptionExposedId", subscription_exposed_id="sub_1", **asked)

    assert (error.code, error.param, error.next_step) == ("parameter.unknown", param, hint)


def test_a_value_of_another_type_is_refused_where_it_stands() -> None:
    error = refused(
        "PostSubscriptionsSubscriptionExposedId", subscription_exposed_id="sub_1", items=[{"quantity": "many"}]
    )

    assert (error.code, error.param) == ("parameter.type", "items.quantity")


def test_text_of_a_command_line_becomes_a_number_only_where_nothing_else_can_stand() -> None:
    operation = CATALOG.by_id("PostV2MoneyManagementOutboundPayments")
    assert operation is not None
    given: dict[str, Value] = {
        "amount": {"value": "65000", "currency": "840"},
        "description": "2026",
        "metadata": {"order": "7", "paid": "true"},
        "to": {"payout_method_options": {"bank_account": {"preferred_networks": ["1"]}}},
    }

    assert CATALOG.shapes.as_json(operation.operation_id, operation.params, given) == {
        **given,
        "amount": {"value": 65000, "currency": "840"},
    }
    assert CATALOG.shapes.as_json("none", {"closed": "boolean", "limit": "integer", "x": "string"}, {
        "closed": "true", "limit": "3", "x": "3", "y": "3",
    }) == {"closed": True, "limit": 3, "x": "3", "y": "3"}  # fmt: skip


def test_what_is_the_customers_own_is_taken_as_it_is() -> None:
    operation = CATALOG.by_id("PostRefunds")
    assert operation is not None

    CATALOG.check(operation, {"charge": "ch_1", "metadata": {"anything": "they like"}})


def test_names_that_redirect_money_are_found_however_deep_an_operation_has_them() -> None:
    """An operation is in the groups of every common meaning that can stand anywhere inside of its parameters."""
    for each in CATALOG.operations:
        if each.telling is None or each.alias_of is not None:
            continue
        for path in CATALOG.shapes.paths(each.operation_id):
            name = path.rsplit(".", 1)[-1]
            addition = each.telling.common.adds.get(name)
            if addition is not None and path not in each.telling.plain and "." in path:
                assert addition.groups <= each.groups or path in {when.path for when, _ in each.telling.own}, path
