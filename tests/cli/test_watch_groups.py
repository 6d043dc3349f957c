"""Groups on the screen of `approvals watch`, without a terminal: one entry, one card, one no, and never a yes.

THREATS rows 9 and 15.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runplane_mcp.cli.watch.entries import Stop
from runplane_mcp.cli.watch.model import Screen
from runplane_mcp.cli.watch.prompt import Vote
from runplane_mcp.core.approval import Answer
from runplane_mcp.core.card import Card, Cause
from runplane_mcp.core.grouping import CardGroup, grouped
from tests.cli.test_watch_model import NOW, board, card, drawn, pressed, screen_with, typed

LIMIT = Cause("limit", "refunds-an-hour", "Refunds of an agent over $1,000.00 USD in 1 hour need a person.")


def held(number: int, **changes: object) -> Card:
    """One of many that a limit holds."""
    one = card(number, causes=(LIMIT,), principal="stdio", created_at=NOW - 600_000 + number * 1_000)
    return replace(one, **changes)  # type: ignore[arg-type]


def many(count: int, first: int = 1) -> list[Card]:
    """Newest first."""
    return [held(number) for number in reversed(range(first, first + count))]


def handle_of(*cards: Card) -> str:
    ((group,), _) = grouped(cards)
    return group.handle


def test_a_group_is_one_entry_before_the_others() -> None:
    screen = screen_with(*many(40), card(90))
    shown = "\n".join(drawn(screen))

    assert "41 wait for people" in shown
    assert f"▸ {handle_of(*many(3))}  40 requests" in shown
    assert "$36,000.00 USD" in shown
    assert "(refunds-an-hour)" in shown
    assert "RP-0090" in shown
    assert "RP-0001" not in shown
    pressed(screen, "down")
    assert screen.chosen == "rpr_90"


def test_it_opens_to_a_card_of_its_own_that_says_what_can_be_done() -> None:
    screen = screen_with(*many(40))
    pressed(screen, "enter")
    shown = "\n".join(drawn(screen, height=60))

    assert "40 requests of support-bot wait for one reason" in shown
    assert "32 in between" in shown
    assert "d deny all · f freeze the agent · enter look through · b back" in shown
    assert "a approve" not in shown


def test_a_no_is_to_exactly_what_was_up_however_many_came_meanwhile() -> None:
    first = many(5)
    screen = screen_with(*first)
    pressed(screen, "enter")
    screen.show(board(held(9), held(8), *first[1:]))
    shown = "\n".join(drawn(screen, height=60))
    pressed(screen, "d")
    asked = "\n".join(drawn(screen, height=60))
    assert typed(screen, "Not these.") is None
    vote = typed(screen, "correct horse")

    assert "2 more came since, which a no does not touch: r looks again. 1 of these are" in shown
    assert f"DENY {handle_of(*first)}, fingerprint" in asked
    assert isinstance(vote, Vote)
    assert isinstance(vote.card, CardGroup)
    assert {each.digest for each in vote.card.cards} == {each.digest for each in first}
    assert (vote.answer, vote.note, vote.secret) == (Answer.NO, "Not these.", "correct horse")


def test_a_mistyped_secret_is_asked_for_again_and_what_was_given_ends_at_the_list() -> None:
    screen = screen_with(*many(3))
    pressed(screen, "enter", "d", "enter")
    vote = typed(screen, "wrong")
    screen.refused("That is not the secret of dana.", mistyped=True)
    again = typed(screen, "right")

    assert isinstance(vote, Vote)
    assert isinstance(again, Vote)
    assert (again.card, again.secret) == (vote.card, "right")
    screen.voted("Denied all 3.", "red", "dana")
    assert (screen.group, screen.prompt, screen.message) == (None, None, "Denied all 3.")


def test_looking_through_leads_to_each_card_and_back() -> None:
    screen = screen_with(*many(4), card(90))
    pressed(screen, "enter", "enter")
    assert "b back to the group" in "\n".join(drawn(screen))
    assert screen.chosen == "rpr_4"
    pressed(screen, "down", "enter")
    assert screen.card == held(3)
    pressed(screen, "a")
    vote = typed(screen, "secret")
    assert isinstance(vote, Vote)
    assert (vote.card, vote.answer) == (held(3), Answer.YES)
    screen.voted("Approved.", "green", "dana")
    screen.show(board(held(4), held(2), held(1), card(90)))
    assert screen.within == handle_of(*many(3))
    pressed(screen, "b")
    assert screen.group is not None
    assert screen.group.group.count == 3
    pressed(screen, "b")
    assert "↑↓ choose · enter look · q quit" in drawn(screen)
    assert screen.chosen == handle_of(*many(3))


def test_when_too_few_are_left_it_is_no_group_any_more() -> None:
    screen = screen_with(*many(3))
    pressed(screen, "enter", "enter", "down")
    screen.show(board(held(2), held(1)))

    assert (screen.within, screen.chosen) == (None, "rpr_2")
    assert "RP-0002" in "\n".join(drawn(screen))


def test_a_chosen_card_that_becomes_one_of_many_is_chosen_as_their_group() -> None:
    screen = screen_with(card(90), held(2), held(1))
    pressed(screen, "down")
    assert screen.chosen == "rpr_2"
    screen.show(board(held(3), card(90), held(2), held(1)))

    assert screen.chosen == handle_of(*many(3))


@pytest.mark.parametrize("at", ["card", "prompt"])
def test_what_others_answered_altogether_cannot_be_answered_any_more(at: str) -> None:
    screen = screen_with(*many(3))
    pressed(screen, "enter")
    if at == "prompt":
        pressed(screen, "d", "enter", *"half a sec")
    screen.show(board(held(9)))

    assert any("There is nothing to decide any more" in line for line in drawn(screen))
    assert pressed(screen, *"retdaf" if at == "prompt" else "d", "enter") is None
    assert screen.prompt is None
    pressed(screen, "r")
    assert screen.group is None


def test_freezing_takes_two_keys_and_no_secret() -> None:
    screen = screen_with(*many(3))
    pressed(screen, "enter", "f")
    asked = "\n".join(drawn(screen))
    assert "FREEZE support-bot" in asked
    assert pressed(screen, "f", "y", "q", "d") is None, "only enter freezes"
    assert pressed(screen, "escape") is None
    assert "Nothing was frozen." in "\n".join(drawn(screen))
    assert pressed(screen, "f", "enter") == Stop("support-bot")
    assert pressed(screen, "d", "q") is None, "while it freezes, keys do nothing"
    screen.stopped("support-bot is frozen.", "bold red")
    screen.show(board(*(replace(each, frozen=True) for each in many(3))))

    assert "support-bot is frozen." in "\n".join(drawn(screen))
    assert screen.group is not None
    assert screen.group.group.frozen == 3
    pressed(screen, "d")
    assert screen.prompt is not None


def test_a_name_that_is_none_is_quoted_wherever_it_stands() -> None:
    """THREATS 14."""
    name = "bot\u202e: 0 requests\x1b[2J"
    screen = screen_with(*(replace(each, agent=name) for each in many(3)))
    screens = [*drawn(screen)]
    pressed(screen, "enter")
    screens += drawn(screen)
    pressed(screen, "f")
    screens += drawn(screen)

    assert not {"\u202e", "\x1b"} & set("".join(screens))
    assert any("FREEZE “bot⟨U+202E⟩: 0 requests" in line for line in screens)


def test_a_group_has_no_yes_at_all() -> None:
    ((group,), _) = grouped(many(3))

    with pytest.raises(ValueError, match="never approved"):
        Vote(group, Answer.YES, "dana", "secret")


KEYS = ["up", "down", "enter", "escape", "a", "d", "f", "i", "r", "b", "x", "y", "pagedown", "interrupt", "end"]


@given(st.lists(st.sampled_from([*KEYS, "more", "less"]), max_size=40))
def test_whatever_is_pressed_and_whatever_comes_no_group_is_approved(keys: list[str]) -> None:
    now = [*many(4), card(90)]
    screen = screen_with(*now)
    for number, key in enumerate(keys):
        if key == "more":
            now = [held(100 + number), *now]
            screen.show(board(*now))
        elif key == "less":
            now = now[1:]
            screen.show(board(*now))
        else:
            up = screen.group.group if screen.group is not None else screen.card
            given_now = screen.press(key)
            if isinstance(given_now, Vote):
                assert given_now.card == up
                assert given_now.answer is Answer.NO or isinstance(given_now.card, Card)
                screen.refused("no")
            elif isinstance(given_now, Stop):
                screen.stopped("frozen", "")
        assert (screen.group is None) or (screen.card is None)
        drawn(screen)


@pytest.mark.parametrize("width", [40, 60, 80, 160])
@pytest.mark.parametrize("height", [3, 10, 24])
def test_it_fits_any_terminal(width: int, height: int) -> None:
    screen = Screen("dana")
    screen.show(board(*(replace(each, agent="長" * 200) for each in many(5))))
    for keys in ([], ["enter"], ["f"], ["escape", "d"]):
        pressed(screen, *keys)
        assert len(drawn(screen, width, height)) == height
