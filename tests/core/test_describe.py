"""An operation in words: small, true, and enough to call it without guessing."""

from __future__ import annotations

import json

import pytest

from runplane_mcp.core.catalog import load
from runplane_mcp.core.describe import LONGEST_SENTENCE, example_of, parameters_of, sentence_of, undo_of
from runplane_mcp.core.operation import Operation
from runplane_mcp.core.request import Kind
from runplane_mcp.core.wire import encode

CATALOG = load()


def operation(id: str) -> Operation:
    found = CATALOG.by_id(id)
    assert found is not None
    return found


def test_the_example_of_every_operation_is_taken_and_is_that_operation() -> None:
    for each in CATALOG.operations:
        example = example_of(CATALOG, each)
        CATALOG.check(each, example)
        classified = CATALOG.classify(encode(each.method, each.path, example))

        assert classified.operation is each


def test_every_parameter_is_told_with_its_type_and_whether_it_must_be_given() -> None:
    for each in CATALOG.operations:
        parameters = list(parameters_of(CATALOG, each))
        names = [parameter.name for parameter in parameters]

        assert sorted(names) == sorted({*each.params, *each.path_parameters})
        assert {each.name for each in parameters if each.required} == {*each.required, *each.path_parameters}
        assert names[: len(each.path_parameters)] == [*each.path_parameters]
        assert all(parameter.means for parameter in parameters)


def test_what_is_told_of_an_operation_is_small() -> None:
    sizes = {
        each.operation_id: len(
            json.dumps([[p.name, p.means, p.inside, p.brings] for p in parameters_of(CATALOG, each)])
        )
        for each in CATALOG.operations
    }

    assert max(sizes.values()) < 12_000, max(sizes, key=lambda id: sizes[id])
    assert max(len(sentence_of(each)) for each in CATALOG.operations) <= max(LONGEST_SENTENCE, 140)


def test_what_a_parameter_can_make_of_an_operation_is_told() -> None:
    brings = {each.name: each.brings for each in parameters_of(CATALOG, operation("PostCustomers"))}

    assert "credits" in brings["balance"]
    assert brings["name"] == brings["metadata"] == ()
    changes = {
        each.name: each.brings for each in parameters_of(CATALOG, operation("PostSubscriptionsSubscriptionExposedId"))
    }
    assert "cancellations" in changes["cancel_at_period_end"]
    assert "transfers" in changes["transfer_data"]
    assert changes["description"] == ()


def test_what_stands_inside_of_a_parameter_is_told_as_far_as_stripes_sdk_declares_it() -> None:
    inside = {
        each.name: each.inside for each in parameters_of(CATALOG, operation("PostSubscriptionsSubscriptionExposedId"))
    }

    assert inside["items"]["quantity"] == "a whole number"
    assert inside["transfer_data"].keys() >= {"destination"}
    assert inside["metadata"] == {}


@pytest.mark.parametrize(
    ("id", "undo"),
    [
        ("PostRefunds", "Cannot be undone."),
        ("PostPayouts", "Whether it can be undone depends."),
        ("GetBalance", "Changes nothing."),
    ],
)
def test_whether_it_can_be_undone_is_told(id: str, undo: str) -> None:
    assert undo_of(operation(id)) == undo


def test_an_operation_that_nobody_has_judged_says_so() -> None:
    for each in CATALOG.operations:
        if not each.judged:
            assert "Nobody has judged yet" in sentence_of(each)
            assert each.kind is Kind.READ or undo_of(each) == "Nobody has said whether it can be undone."
            assert not any(parameter.brings for parameter in parameters_of(CATALOG, each))


def test_amounts_are_said_to_be_in_the_smallest_unit() -> None:
    amount = next(each for each in parameters_of(CATALOG, operation("PostRefunds")) if each.name == "amount")

    assert amount.means == "a whole number, in the currency's smallest unit"


def test_no_value_in_the_path_makes_a_read_a_write() -> None:
    """The generic tool for reads would else be a way to a write that its hints deny."""
    for each in (each for each in CATALOG.operations if each.kind is Kind.READ):
        for other in CATALOG.operations:
            if each.method == other.method and other.kind is Kind.WRITE:
                ours, theirs = each.path.split("/"), other.path.split("/")
                assert len(ours) != len(theirs) or any(
                    a != b and not a.startswith("{") for a, b in zip(ours, theirs, strict=True)
                ), (each.operation_id, other.operation_id)
