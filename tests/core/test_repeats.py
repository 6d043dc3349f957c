"""When two attempts are one, and what stands for the second: pure rules, as properties where they have to hold for all.

THREATS row 2 (changed case, extra parameters), row 15 (ask again after a denial), row 18 (keys).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runplane_mcp.core.catalog import load
from runplane_mcp.core.effects import effect_of
from runplane_mcp.core.facts import NONE, UNKNOWN, Facts
from runplane_mcp.core.money import Money
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.repeats import (
    CALL,
    DENIED_FOR,
    RESULT_FOR,
    Earlier,
    How,
    Repeating,
    duplicate,
    owed,
    repeating,
    same_effect,
    stands_for,
)
from runplane_mcp.core.request import TRANSITIONS, ActionRequest, Kind, State, StripeIdentity
from runplane_mcp.core.wire import encode
from tests.core.stripe_objects import charge, classified, effect, intent

NOW = 1_772_564_400_000
WIRE = encode("POST", "/v1/things", {})
WINDOW = 600
SECOND = 1_000


def request(state: State = State.RECEIVED, **changes: Any) -> ActionRequest:
    """One that was asked an hour ago by wall and policy time, and changed half a minute later."""
    base = ActionRequest(
        id="rpr_1",
        reference="RP-1111",
        state=state,
        version=1,
        principal="stdio",
        agent="support-bot",
        via="mcp",
        operation_id="PostRefunds",
        action="refund.create",
        kind=Kind.WRITE,
        identity=StripeIdentity("simulator:w1", "acct_1", livemode=False),
        created_at=NOW - 3600 * SECOND,
        policy_at=NOW - 3600 * SECOND,
        changed_at=NOW - 3570 * SECOND,
        as_asked=None,
    )
    return replace(base, **changes)


def ended(ago: int, state: State = State.SUCCEEDED, *, asked_ago: int | None = None, **changes: Any) -> ActionRequest:
    """A request that ended `ago` milliseconds before now, held by people unless `round` says otherwise."""
    asked = NOW - (ago if asked_ago is None else asked_ago)
    return request(state, created_at=asked, policy_at=asked, changed_at=NOW - ago, **{"round": 1, **changes})


def stands(earlier: Earlier, kind: Repeating = Repeating.GUARDED, repeats: str | None = None) -> How | None:
    found = stands_for(earlier, kind, now=NOW, window=WINDOW, repeats=repeats)
    return None if found is None else found[0]


# -- what asking twice may mean ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation_id", "parameters", "expected"),
    [
        ("PostRefunds", {"charge": "ch_1"}, Repeating.GUARDED),
        ("PostChargesChargeRefund", {"charge": "ch_1"}, Repeating.GUARDED),
        ("PostPayouts", {"amount": 500, "currency": "usd"}, Repeating.GUARDED),
        ("PostTransfers", {"amount": 500, "currency": "usd", "destination": "acct_2"}, Repeating.GUARDED),
        ("DeleteCustomersCustomer", {"customer": "cus_1"}, Repeating.GUARDED),
        ("DeleteSubscriptionsSubscriptionExposedId", {"subscription_exposed_id": "sub_1"}, Repeating.GUARDED),
        # At the period's end it can be undone until then, and asked for twice it ends once.
        (
            "PostSubscriptionsSubscriptionExposedId",
            {"subscription_exposed_id": "sub_1", "cancel_at_period_end": True},
            Repeating.ONE,
        ),
        (
            "PostSubscriptionsSubscriptionExposedId",
            {"subscription_exposed_id": "sub_1", "metadata": {"a": "b"}},
            Repeating.ONE,
        ),
        # Whatever is not told apart may be a cancellation for good.
        (
            "PostSubscriptionsSubscriptionExposedId",
            {"subscription_exposed_id": "sub_1", "cancel_at": 1_800_000_000},
            Repeating.GUARDED,
        ),
        ("GetBalance", {}, Repeating.SEPARATE),
        # A payment that is confirmed in the same request takes the customer's money each time.
        ("PostCharges", {"amount": 500, "currency": "usd", "customer": "cus_1"}, Repeating.GUARDED),
        ("PostPaymentIntents", {"amount": 500, "currency": "usd", "confirm": True}, Repeating.GUARDED),
        ("PostPaymentIntents", {"amount": 500, "currency": "usd", "confirm": False}, Repeating.SEPARATE),
        ("PostPaymentIntents", {"amount": 500, "currency": "usd"}, Repeating.SEPARATE),
    ],
)
def test_money_out_charges_and_destruction_are_guarded_before_anything_is_looked_up(
    operation_id: str, parameters: dict[str, Any], expected: Repeating
) -> None:
    asked = classified(operation_id, **parameters)

    assert expected is repeating(asked, effect_of(asked, {}).facts)


def test_every_operation_that_moves_money_out_or_deletes_is_guarded_by_the_catalogs_data() -> None:
    for operation in load().operations:
        widest = Classified(operation, operation.action, operation.groups, operation.effect, operation.facts, {}, WIRE)
        kind = repeating(widest, {})

        if operation.kind is Kind.WRITE and (
            operation.money_out
            or operation.money_in
            or not operation.judged
            or operation.groups & {"deletions", "cancellations"}
        ):
            assert kind is Repeating.GUARDED, operation.operation_id
        if kind is Repeating.SEPARATE and operation.kind is Kind.WRITE:
            assert operation.action.endswith(".create"), operation.operation_id


def test_whatever_moves_money_out_can_be_told_apart_by_its_effect() -> None:
    """Else an agent would get around the question by adding a parameter."""
    for operation in load().operations:
        if operation.judged and (operation.money_out or operation.money_in):
            assert "amount" in operation.facts, operation.operation_id
            assert operation.facts & {"object", "destination", "customer"}, operation.operation_id


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Repeating.SEPARATE),
        ({"groups": frozenset({"discounts", "charges"})}, Repeating.SEPARATE),
        ({"action": "thing.finalize"}, Repeating.ONE),
        ({"money_out": True}, Repeating.GUARDED),
        ({"money_in": True}, Repeating.GUARDED),
        ({"groups": frozenset({"deletions"})}, Repeating.GUARDED),
        ({"judged": False}, Repeating.GUARDED),
    ],
)
def test_a_create_that_moves_no_money_out_is_never_merged(changes: dict[str, object], expected: Repeating) -> None:
    """Two customers of one name are two customers, and two drafts of one customer two invoices."""
    payout = load().by_id("PostPayouts")
    assert payout is not None
    harmless: dict[str, Any] = {"action": "thing.create", "groups": frozenset(), "money_out": False, "variants": ()}
    made = replace(payout, **{**harmless, **changes})

    assert expected is repeating(Classified(made, made.action, made.groups, made.effect, made.facts, {}, WIRE), {})


# -- the same effect -----------------------------------------------------------------------------------------------

CHARGE = charge()
LOOKED = {"payment_intent": intent(CHARGE), "charge": CHARGE}


@pytest.mark.parametrize(
    ("operation_id", "parameters"),
    [
        ("PostRefunds", {"payment_intent": "pi_1"}),
        ("PostRefunds", {"charge": "ch_1", "amount": 90_000}),
        ("PostRefunds", {"charge": "ch_1", "reason": "requested_by_customer", "metadata": {"attempt": "2"}}),
        ("PostRefunds", {"charge": "ch_1", "reverse_transfer": False, "refund_application_fee": False}),
        ("PostRefunds", {"charge": "ch_1", "instructions_email": "x@example.com"}),
        ("PostRefunds", {"charge": "ch_1", "currency": "USD"}),
        ("PostChargesChargeRefund", {"charge": "ch_1"}),
        ("PostChargesChargeRefunds", {"charge": "ch_1", "amount": 90_000}),
        ("PostTerminalRefunds", {"charge": "ch_1"}),
    ],
)
def test_one_refund_is_the_same_however_it_is_spelled(operation_id: str, parameters: dict[str, Any]) -> None:
    """THREATS 2 and 4: another name of the charge, an alias, defaults left out, extra parameters, changed case."""
    plain = same_effect(request(), effect("PostRefunds", LOOKED, charge="ch_1").facts)
    spelled = effect(operation_id, LOOKED, **parameters)

    assert plain is not None
    assert same_effect(request(operation_id=operation_id), spelled.facts) == plain


def test_another_amount_object_currency_action_or_principal_is_another_effect() -> None:
    facts: Facts = {"amount": Money(500, "usd"), "object": "ch_1", "destination": NONE, "customer": "cus_1"}
    same = {
        same_effect(who, what)
        for who, what in (
            (request(), facts),
            (request(), {**facts, "amount": Money(501, "usd")}),
            (request(), {**facts, "amount": Money(500, "eur")}),
            (request(), {**facts, "object": "ch_2"}),
            (request(), {**facts, "destination": "acct_2"}),
            (request(action="transfer.create"), facts),
            (request(principal="agent:2"), facts),
            (request(identity=StripeIdentity("stripe", "acct_1", livemode=True)), facts),
        )
    }

    assert len(same) == 8
    assert None not in same


def test_where_the_amount_or_the_object_is_not_known_there_is_no_telling() -> None:
    assert same_effect(request(), {"amount": UNKNOWN, "object": "ch_1"}) is None
    assert same_effect(request(), {"amount": Money(500, "usd"), "object": UNKNOWN, "destination": NONE}) is None
    assert same_effect(request(), {"object": "cus_1"}) is not None


# -- what stands for the second ------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", sorted(TRANSITIONS))
def test_what_is_open_stands_for_the_same_but_not_for_mere_creates(state: State) -> None:
    earlier = Earlier(open=request(state))

    assert stands(earlier) is How.OPEN
    assert stands(earlier, Repeating.ONE) is How.OPEN
    assert stands(earlier, Repeating.SEPARATE) is None


@pytest.mark.parametrize("kind", list(Repeating))
@pytest.mark.parametrize("state", [State.DENIED, State.REPLACED])
def test_a_denial_stands_for_a_day_and_nothing_that_an_agent_says_lifts_it(kind: Repeating, state: State) -> None:
    """THREATS 15."""
    fresh, old = ended(DENIED_FOR - 1, state), ended(DENIED_FOR, state)

    assert stands(Earlier(refused=fresh), kind) is How.REFUSED
    assert stands(Earlier(refused=fresh), kind, repeats=fresh.id) is How.REFUSED
    assert stands(Earlier(refused=old), kind) is None


def test_a_result_waits_for_its_agent_once_and_for_less_than_a_day() -> None:
    fresh = ended(RESULT_FOR - 1)

    assert stands(Earlier(ended=fresh)) is How.RESULT
    assert stands(Earlier(ended=fresh, told=True)) is None
    assert stands(Earlier(ended=fresh), repeats=fresh.id) is None
    assert stands(Earlier(ended=fresh), Repeating.SEPARATE) is None
    assert stands(Earlier(ended=ended(0, asked_ago=RESULT_FOR))) is How.RESULT, "it ended a moment ago"
    assert stands(Earlier(ended=ended(WINDOW * SECOND, asked_ago=RESULT_FOR))) is None
    assert RESULT_FOR < 24 * 3600 * SECOND, "what runs once a day must be new each day"


def test_only_what_no_call_was_answered_with_is_owed() -> None:
    at_once = ended(0, asked_ago=CALL, round=0, attempt=1)

    assert not owed(at_once)
    assert owed(replace(at_once, round=1))
    assert owed(replace(at_once, attempt=2))
    assert owed(replace(at_once, changed_at=at_once.changed_at + 1))
    assert owed(replace(at_once, state=State.FAILED, round=1))
    assert not owed(replace(at_once, state=State.EXPIRED, round=1))


def test_a_denial_goes_before_a_result() -> None:
    for denied, done in ((1_000, 2_000), (2_000, 1_000)):
        assert stands(Earlier(refused=ended(denied, State.DENIED), ended=ended(done))) is How.REFUSED
    assert stands(Earlier(refused=ended(DENIED_FOR, State.DENIED), ended=ended(1_000))) is How.RESULT


def test_what_is_open_or_was_done_within_the_window_is_done_twice_by_the_same() -> None:
    opened, recent, older = request(State.WAITING, id="open"), ended(1_000, id="recent"), ended(9_000, id="older")
    since = NOW - 5_000

    assert duplicate([Earlier(effected=older), Earlier(effected=recent)], since=since) == recent
    assert duplicate([Earlier(effected=older)], since=since) is None
    assert duplicate([Earlier(effected=recent), Earlier(open=opened)], since=since) == opened
    assert duplicate([Earlier(ended=recent, refused=recent)], since=since) is None


def test_what_was_just_denied_is_asked_about_when_it_is_spelled_otherwise() -> None:
    denied, done = ended(1_000, State.DENIED, id="denied"), ended(2_000, id="done")

    assert duplicate([Earlier(refused=denied)], since=NOW, denied_since=NOW - 1_001) == denied
    assert duplicate([Earlier(refused=denied)], since=NOW, denied_since=NOW - 1_000) is None
    assert duplicate([Earlier(refused=denied)], since=0) is None
    assert duplicate([Earlier(refused=denied), Earlier(effected=done)], since=0, denied_since=0) == done


# -- for all: nothing that an agent varies makes it looser ----------------------------------------------------------

AGES = st.integers(min_value=0, max_value=3 * 24 * 3600 * SECOND)


@st.composite
def histories(draw: st.DrawFn) -> Earlier:
    def maybe(*states: State) -> ActionRequest | None:
        if not draw(st.booleans()):
            return None
        ago = draw(AGES)
        state = draw(st.sampled_from(states))
        round_, attempt = draw(st.integers(0, 3)), draw(st.integers(0, 3))
        return ended(ago, state, asked_ago=ago + draw(AGES), id=f"rpr_{draw(AGES)}", round=round_, attempt=attempt)

    return Earlier(
        open=maybe(*TRANSITIONS),
        refused=maybe(State.DENIED, State.REPLACED),
        ended=maybe(State.SUCCEEDED, State.FAILED),
        effected=maybe(State.SUCCEEDED),
        told=draw(st.booleans()),
    )


@given(histories(), st.sampled_from(Repeating), st.integers(60, 7 * 24 * 3600), st.data())
def test_naming_a_request_in_repeat_of_frees_nothing_but_its_own_result(
    earlier: Earlier, kind: Repeating, window: int, data: st.DataObject
) -> None:
    known = [each.id for each in (earlier.open, earlier.refused, earlier.ended, earlier.effected) if each is not None]
    named = data.draw(st.sampled_from([*known, "rpr_other"]))
    plain = stands_for(earlier, kind, now=NOW, window=window, repeats=None)
    naming = stands_for(earlier, kind, now=NOW, window=window, repeats=named)

    assert naming == plain or (plain == (How.RESULT, earlier.ended) and naming is None and named == plain[1].id)


@given(histories(), st.sampled_from(Repeating), st.integers(60, 7 * 24 * 3600))
def test_what_stands_is_always_an_earlier_request_of_the_right_kind(
    earlier: Earlier, kind: Repeating, window: int
) -> None:
    found = stands_for(earlier, kind, now=NOW, window=window, repeats=None)

    if found is None:
        assert earlier.open is None or kind is Repeating.SEPARATE
        return
    how, first = found
    assert (
        first.state
        in {
            How.OPEN: set(TRANSITIONS),
            How.REFUSED: {State.DENIED, State.REPLACED},
            How.RESULT: {State.SUCCEEDED, State.FAILED},
        }[how]
    )


@given(histories(), st.integers(60, 7 * 24 * 3600), st.integers(0, 7 * 24 * 3600))
def test_a_longer_window_never_lets_more_through(earlier: Earlier, window: int, more: int) -> None:
    def unasked(seconds: int) -> bool:
        """Whether nothing stands for it and nothing asks about it."""
        stood = stands_for(earlier, Repeating.GUARDED, now=NOW, window=seconds, repeats=None)
        return stood is None and duplicate([earlier], since=NOW - seconds * SECOND) is None

    assert not unasked(window + more) or unasked(window)
