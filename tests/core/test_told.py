"""What single parameters add to an operation (THREATS 4: another way to the same money, however deep it stands)."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runplane_mcp.core.catalog import Catalog, load, read_catalog
from runplane_mcp.core.operation import Judgement
from runplane_mcp.core.request import Kind
from runplane_mcp.core.told import also_said
from runplane_mcp.core.wire import Text, Value, encode

CATALOG = load()
TOLD = [each for each in CATALOG.operations if each.telling is not None]
MEANINGS = {
    "plain": {"description": "Words."},
    "adds": {"transfer_data": {"groups": ["transfers"], "facts": ["redirects_funds"], "reason": "sends it on."}},
    "families": {"/v1/gifts": ["credits"], "/v1/gifts/cards": ["discounts"]},
}
PARAMS = {
    "amount": "integer",
    "confirm": "boolean",
    "description": "string",
    "new": "string",
    "settings": "object",
    "transfer_data": "object",
}


def catalog(**judged: object) -> Catalog:
    row: dict[str, object] = {
        "method": "POST",
        "path": "/v1/things",
        "operation_id": "PostThings",
        "alias_of": None,
        "params": PARAMS,
        "required": [],
        "host": "api",
        "api_version": "v1",
        "availability": "ga",
    }
    judgement = {
        "operation_id": "PostThings",
        "effect": {"sentence": "Make a thing.", "undo": "Can be undone."},
        "answers": "thing",
        "reason": "Makes a thing.",
        "plain": ["amount", "confirm", "settings"],
        "types": {"amount": "signed"},
        "adds": {
            "confirm=true": {"groups": ["charges"], "facts": ["amount"], "reason": "charges at once."},
            "amount<0": {"groups": ["credits"], "reason": "gives credit."},
            "settings.schedule": {"groups": ["bank_details"], "reason": "changes when money leaves."},
        },
        **judged,
    }
    return read_catalog(
        json.dumps({"operations": [row]}), json.dumps({"judgements": [judgement]}), meanings=json.dumps(MEANINGS)
    )


def judged(asked: Mapping[str, Value], catalog: Catalog = catalog()) -> set[str]:  # noqa: B008 - it never changes
    return set(catalog.classify(encode("POST", "/v1/things", asked)).groups)


@pytest.mark.parametrize(
    ("asked", "groups"),
    [
        ({}, set()),
        ({"amount": 5, "description": "x", "settings": {"color": "red"}}, set()),
        ({"confirm": False}, set()),
        ({"confirm": True}, {"charges"}),
        ({"amount": -5, "confirm": True}, {"charges", "credits"}),
        ({"settings": {"schedule": "daily"}}, {"bank_details"}),
        ({"settings": {"deep": [{"transfer_data": {"destination": "acct_1"}}]}}, {"transfers"}),
        ({"transfer_data": {"destination": "acct_1"}}, {"transfers"}),
    ],
)
def test_each_parameter_adds_its_own_and_nothing_else(asked: Mapping[str, Value], groups: set[str]) -> None:
    assert judged(asked) == groups


def test_a_parameter_that_nobody_told_makes_it_everything_it_can_be() -> None:
    assert judged({"new": "x"}) == {"bank_details", "charges", "credits", "transfers"}


def test_what_a_line_says_of_a_name_goes_before_its_common_meaning() -> None:
    ours = catalog(plain=["amount", "confirm", "settings", "transfer_data", "settings.transfer_data"])

    assert judged({"transfer_data": {"destination": "x"}, "settings": {"transfer_data": "x"}}, ours) == set()
    assert judged({"settings": {"inner": {"transfer_data": "x"}}}, ours) == {"transfers"}


@pytest.mark.parametrize("amount", ["-1", "1e5", "x", "+5"])
def test_a_number_that_cannot_be_read_may_be_below_zero(amount: str) -> None:
    [operation] = catalog().operations

    judgement, added = operation.judge({"amount": amount})

    assert judgement.groups == {"credits"}
    assert [each.path for each in added] == ["amount"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"adds": {"amount>5": {"reason": "x."}}},
        {"adds": {"a b": {"reason": "x."}}},
        {"adds": {"amount": {"groups": ["refund"], "reason": "x."}}},
        {"adds": {"amount": {"facts": ["amout"], "reason": "x."}}},
        {"adds": {"amount": {"group": ["refunds"], "reason": "x."}}},
        {"adds": {"amount": {"groups": ["refunds"]}}},
    ],
)
def test_a_judgement_that_tells_what_cannot_be_does_not_load(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="PostThings"):
        catalog(**wrong)


@pytest.mark.parametrize(
    "effect",
    [
        {"sentence": "x"},
        {"sentence": "x", "undo": "x", "look": {}},
        {"sentence": "x", "undo": "x", "customer": "charge:customer"},
        {"sentence": "x", "undo": "x", "amount": "amount - "},
    ],
)
def test_an_effect_that_cannot_be_is_not_read(effect: dict[str, object]) -> None:
    """The test that asks every declared effect is in `test_declared.py`."""
    [operation] = catalog(effect=effect).operations

    with pytest.raises((ValueError, KeyError)):
        _ = operation.declaration


def test_what_nobody_judged_is_in_the_groups_of_its_family() -> None:
    rows: list[dict[str, object]] = [
        {"method": "POST", "path": path, "operation_id": path, "alias_of": None, "params": {}, "required": [],
         "host": "api", "api_version": "v1", "availability": "public_preview"}
        for path in ("/v1/gifts", "/v1/gifts/cards/{id}", "/v1/other")
    ]  # fmt: skip
    found = read_catalog(json.dumps({"operations": rows}), meanings=json.dumps(MEANINGS)).operations

    assert [(each.judged, set(each.groups)) for each in found] == [
        (False, {"credits"}), (False, {"discounts"}), (False, set()),
    ]  # fmt: skip


def test_each_parameter_of_an_operation_that_tells_its_parameters_is_told() -> None:
    assert {
        each.operation_id: sorted(each.telling.untold) for each in TOLD if each.telling and each.telling.untold
    } == {}


def test_a_told_name_is_one_that_the_operation_has() -> None:
    """A misspelt name in `plain` would leave the real one untold, and one in `adds` would let it add nothing."""
    for each in TOLD:
        assert each.telling is not None
        named = {path.split(".")[0] for path in (*each.telling.plain, *(when.path for when, _ in each.telling.own))}
        if each.alias_of is None:
            assert named <= each.params.keys(), each.operation_id


NAMES = st.sampled_from(["transfer_data", "discounts", "on_behalf_of", "schedule", "inner"])
TEXTS: st.SearchStrategy[Text] = st.recursive(
    st.sampled_from(["", "true", "false", "5", "-5", "acct_1"]),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(NAMES, inner, max_size=2)),
    max_leaves=4,
)


def within(less: Judgement, more: Judgement) -> bool:
    return less.groups <= more.groups and less.facts <= more.facts


@settings(max_examples=200)
@given(st.data())
def test_more_parameters_never_make_less(data: st.DataObject) -> None:
    operation = data.draw(st.sampled_from([each for each in TOLD if not each.variants]))
    names = sorted({*operation.params, "unheard_of"})
    asked = data.draw(st.dictionaries(st.sampled_from(names), TEXTS, max_size=4))
    name, value = data.draw(st.tuples(st.sampled_from(names), TEXTS))
    before, _ = operation.judge({key: text for key, text in asked.items() if key != name})

    after, _ = operation.judge({**asked, name: value})

    assert within(before, after)
    assert within(operation.least, before)


def test_only_writes_tell_what_their_parameters_add() -> None:
    assert {each.operation_id for each in TOLD if each.kind is Kind.READ and each.least.groups - {"access"}} == set()


def test_who_gets_the_money_is_said_before_whatever_else_is_given_to_hide_it() -> None:
    operation = CATALOG.by_id("PostCheckoutSessions")
    assert operation is not None
    _, added = operation.judge(
        {
            "branding_settings": {"display_name": "x"},
            "cancel_url": "https://a.test",
            "custom_fields": [{"key": "x"}],
            "custom_text": {"submit": {"message": "x"}},
            "discounts": [{"coupon": "co_1"}],
            "payment_intent_data": {"on_behalf_of": "acct_8", "transfer_data": {"destination": "acct_9"}},
            "success_url": "https://a.test",
        }
    )
    said = also_said(added)

    assert said.startswith(
        " `on_behalf_of` makes the payment another account's. `transfer_data` sends the money on to another account."
    )
    assert said.endswith(" And 6 more.")


@pytest.mark.parametrize("status", ["active", "Active", "ACTIVE", " active", "active\n"])
def test_another_spelling_of_a_value_is_no_other_value(status: str) -> None:
    """If Stripe forgave it, a card would be switched on by a request that was judged to do nothing of the kind."""
    card = CATALOG.by_id("PostIssuingCardsCard")
    assert card is not None

    wire = encode(card.method, card.path, {"card": "ic_1", "status": status})

    assert "access" in CATALOG.classify(wire).groups
