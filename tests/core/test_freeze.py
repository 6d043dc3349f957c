"""What a freeze holds: everything that fits all its parts, and what nobody can say."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runplane_mcp.core.freeze import Freeze, Scope, covering, freeze_id

LABELS = st.sampled_from(["support-bot", "billing-bot", "Support-Bot", ""])
PRINCIPALS = st.sampled_from(["stdio", "token-1"])
ACTIONS = st.one_of(
    st.none(), st.frozensets(st.sampled_from(["refund.create", "refunds", "payouts", "credits"]), min_size=1)
)
SCOPES = st.builds(
    Scope,
    st.none() | LABELS,
    st.none() | PRINCIPALS,
    st.none() | st.sampled_from(["refund.create", "refunds", "payouts"]),
)


@given(LABELS, PRINCIPALS, ACTIONS)
def test_a_freeze_of_everything_holds_everything(agent: str, principal: str, actions: frozenset[str] | None) -> None:
    assert Scope().covers(agent=agent, principal=principal, actions=actions)


@given(SCOPES, LABELS, PRINCIPALS, ACTIONS)
def test_leaving_a_part_of_a_scope_out_never_holds_less(
    scope: Scope, agent: str, principal: str, actions: frozenset[str] | None
) -> None:
    held = scope.covers(agent=agent, principal=principal, actions=actions)

    for wider in (replace(scope, agent=None), replace(scope, principal=None), replace(scope, action=None)):
        assert wider.covers(agent=agent, principal=principal, actions=actions) >= held


@given(SCOPES, LABELS, PRINCIPALS, ACTIONS)
def test_what_nobody_can_say_is_held_as_if_it_were_anything(
    scope: Scope, agent: str, principal: str, actions: frozenset[str] | None
) -> None:
    known = scope.covers(agent=agent, principal=principal, actions=actions)

    assert scope.covers(agent=agent, principal=principal, actions=None) >= known


@pytest.mark.parametrize(
    ("scope", "held"),
    [
        (Scope(agent="support-bot"), True),
        (Scope(agent="SUPPORT-BOT"), True),
        (Scope(agent="billing-bot"), False),
        (Scope(action="refunds"), True),
        (Scope(action="refund.create"), True),
        (Scope(action="payouts"), False),
        (Scope(agent="support-bot", action="refunds"), True),
        (Scope(agent="support-bot", action="payouts"), False),
        (Scope(agent="billing-bot", action="refunds"), False),
        (Scope(principal="stdio"), True),
        (Scope(principal="STDIO"), False),
    ],
)
def test_each_part_narrows(scope: Scope, held: bool) -> None:
    actions = frozenset({"refund.create", "refunds"})

    assert scope.covers(agent="support-bot", principal="stdio", actions=actions) is held
    freeze = Freeze("frz_1", scope, 0)
    expected = (freeze,) if held else ()
    assert covering([freeze], agent="support-bot", principal="stdio", actions=actions) == expected


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        (Scope(), "everything"),
        (Scope(action="refunds"), "refunds"),
        (Scope(agent="a"), "everything of agent a"),
        (Scope(agent="a", principal="p", action="payouts"), "payouts of agent a and principal p"),
    ],
)
def test_a_scope_is_said_in_words(scope: Scope, words: str) -> None:
    assert words == scope.words()
    assert f"Frozen: {words}." == Freeze("frz_1", scope, 0).sentence()
    said = Freeze("frz_1", scope, 0, said_by="max", reason="prices are wrong").sentence()
    assert f"Frozen: {words}, said to be by max: “prices are wrong”" == said


def test_an_id_is_made_of_exactly_128_random_bits() -> None:
    assert freeze_id(bytes(16)) == "frz_" + "00" * 16
    with pytest.raises(ValueError):
        freeze_id(bytes(15))
