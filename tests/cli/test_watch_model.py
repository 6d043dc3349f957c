"""The screen of `approvals watch` without a terminal: the card that is up never changes under somebody's eyes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from runplane_mcp.cli.output import span
from runplane_mcp.cli.watch.acts import outcome
from runplane_mcp.cli.watch.board import Board, ChangeKind, Moved, changes
from runplane_mcp.cli.watch.draw import Drawing, lines
from runplane_mcp.cli.watch.entries import StopScheduled
from runplane_mcp.cli.watch.keys import Keys
from runplane_mcp.cli.watch.model import QUIT, Screen
from runplane_mcp.cli.watch.prompt import Vote
from runplane_mcp.core.approval import Answer
from runplane_mcp.core.card import Card, VoteLine
from runplane_mcp.core.request import State
from runplane_mcp.gate.desk import VoteResult
from tests.cli.test_card import CARD

NOW = 1_772_564_400_000
MINUTE = 60_000


def card(number: int, **changes: object) -> Card:
    base = replace(
        CARD,
        votes=(),
        round=1,
        request_id=f"rpr_{number}",
        reference=f"RP-{number:04}",
        digest=f"{number:064}",
        created_at=NOW - 4 * MINUTE,
        expires_at=NOW + 23 * 60 * MINUTE,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def moved(number: int, status: str = "denied") -> Moved:
    return Moved(f"rpr_{number}", f"RP-{number:04}", status, "refund.create", "bot", 100, "usd", True, NOW - MINUTE)


def board(*waiting: Card, moved: tuple[Moved, ...] = (), gates: int = 1) -> Board:
    """Newest first, as the desk's cards come out."""
    return Board(waiting, moved, gates, NOW, NOW)


def pressed(screen: Screen, *keys: str) -> object:
    result: object = None
    for key in keys:
        result = screen.press(key)
    return result


def typed(screen: Screen, text: str) -> object:
    return pressed(screen, *text, "enter")


def drawn(screen: Screen, width: int = 80, height: int = 24) -> list[str]:
    console = Console(width=width, height=height, color_system=None)
    shown = []
    for line in lines(screen, console, width, height):
        shown.append(line.plain if isinstance(line, Text) else "".join(segment.text for segment in line))
    return shown


def screen_with(*waiting: Card, voter: str | None = "dana") -> Screen:
    screen = Screen(voter)
    screen.show(board(*waiting))
    return screen


# ── choosing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_newest_is_chosen_and_keys_move_within_what_there_is() -> None:
    screen = screen_with(card(3), card(2), card(1))

    assert screen.chosen == "rpr_3"
    pressed(screen, "down")
    assert screen.chosen == "rpr_2"
    pressed(screen, "down", "down", "j")
    assert screen.chosen == "rpr_1"
    pressed(screen, "home")
    assert screen.chosen == "rpr_3"
    pressed(screen, "up")
    assert screen.chosen == "rpr_3"


def test_the_choice_stays_with_its_request_while_others_come_and_go() -> None:
    screen = screen_with(card(2), card(1))
    pressed(screen, "down")
    screen.show(board(card(4), card(3), card(2), card(1)))

    assert screen.chosen == "rpr_1"


def test_when_the_chosen_one_goes_its_neighbour_is_chosen() -> None:
    screen = screen_with(card(3), card(2), card(1))
    pressed(screen, "down")
    screen.show(board(card(3), card(1)))

    chosen = [screen.chosen]
    screen.show(board())
    chosen.append(screen.chosen)

    assert chosen == ["rpr_1", None]
    assert pressed(screen, "enter", "down", "a") is None


def test_what_is_new_is_marked_until_somebody_has_looked_at_it() -> None:
    screen = Screen("dana")

    assert screen.show(board(card(1))) is False, "what waited before the watch began is no news"
    assert screen.show(board(card(2), card(1))) is True
    assert [line for line in drawn(screen) if "NEW" in line] == [line for line in drawn(screen) if "RP-0002" in line]
    assert screen.show(board(card(2), card(1))) is False
    pressed(screen, "up", "enter", "b")
    assert [line for line in drawn(screen) if "NEW" in line] == []
    again = card(2, digest="f" * 64, round=2)
    assert screen.show(board(again, card(1))) is True, "a new round is looked at anew"


# ── looking and voting ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_yes_is_on_exactly_the_card_that_is_up_and_takes_a_secret() -> None:
    screen = screen_with(card(2), card(1))
    pressed(screen, "down", "enter", "a")
    vote = typed(screen, "correct horse")

    assert isinstance(vote, Vote)
    assert (vote.card.digest, vote.answer, vote.person, vote.secret) == (
        f"{1:064}",
        Answer.YES,
        "dana",
        "correct horse",
    )
    assert "correct horse" not in repr(vote)


def test_without_a_name_it_is_asked_for_and_the_only_possible_one_is_offered() -> None:
    screen = Screen(None, "dana")
    screen.show(board(card(1)))
    pressed(screen, "enter", "a")
    assert "Your name [dana]: " in "\n".join(drawn(screen))
    pressed(screen, "enter")
    vote = typed(screen, "secret")
    assert isinstance(vote, Vote)
    assert vote.person == "dana"

    nobody = Screen(None, None)
    nobody.show(board(card(1)))
    pressed(nobody, "enter", "a")
    assert pressed(nobody, "enter", "enter") is None
    assert typed(nobody, " lee ") is None
    vote = typed(nobody, "secret")
    assert isinstance(vote, Vote)
    assert vote.person == "lee"


def test_a_no_may_carry_words_to_the_agent() -> None:
    screen = screen_with(card(1))
    pressed(screen, "enter", "d")
    assert typed(screen, "Ask for $450.") is None
    vote = typed(screen, "secret")

    assert isinstance(vote, Vote)
    assert (vote.answer, vote.note) == (Answer.NO, "Ask for $450.")


def test_the_secret_is_never_drawn_and_can_be_mended_or_given_up() -> None:
    """THREATS 23."""
    screen = screen_with(card(1))
    pressed(screen, "enter", "a", *"wrong", "erase", *"righx", "backspace", "t")
    assert all("righ" not in line and "wrong" not in line for line in drawn(screen))
    assert any("Secret of dana (not shown): " in line for line in drawn(screen))
    vote = pressed(screen, "enter")
    assert isinstance(vote, Vote)
    assert vote.secret == "right"

    screen.refused("That is not the secret of dana.", mistyped=True)
    shown = "\n".join(drawn(screen))
    assert "That is not the secret of dana." in shown
    assert "Secret of dana (not shown): " in shown
    again = typed(screen, "quite right")
    assert isinstance(again, Vote)
    assert (again.card, again.answer, again.secret) == (vote.card, vote.answer, "quite right")

    screen.refused("It has expired.")
    pressed(screen, "a", *"half", "escape")
    assert screen.prompt is None
    assert any("No vote was given" in line for line in drawn(screen))
    pressed(screen, "a")
    assert pressed(screen, "enter") is None, "an empty secret is no secret"


def test_keys_typed_into_a_question_are_no_commands() -> None:
    screen = screen_with(card(1))
    pressed(screen, "enter", "a")

    assert typed(screen, "quad") != QUIT
    assert pressed(screen, "q", "a", "d", "interrupt") is None, "while a vote is being signed, keys do nothing"


@pytest.mark.parametrize("at", ["card", "prompt"])
def test_a_card_that_changes_stays_as_it_was_and_cannot_be_answered_until_it_is_looked_at_again(at: str) -> None:
    """THREATS 9: nobody approves what is no longer what was seen."""
    screen = screen_with(card(1, headline="Refund $10.00"))
    pressed(screen, "enter")
    if at == "prompt":
        pressed(screen, "a", *"half a sec")
    changed = card(1, headline="Refund $900.00", digest="f" * 64, round=2)
    screen.show(board(changed))

    assert any("Refund $10.00" in line for line in drawn(screen))
    assert not any("Refund $900.00" in line for line in drawn(screen))
    assert any("It has changed" in line for line in drawn(screen))
    if at == "prompt":
        # The rest of a passphrase is no command, and the enter behind it only says that it was noticed.
        assert pressed(screen, *"retqad") is None
        assert not any("retqad" in line or "half" in line for line in drawn(screen))
        pressed(screen, "enter")
    assert pressed(screen, "a") is None
    assert screen.prompt is None
    pressed(screen, "r")
    assert any("Refund $900.00" in line for line in drawn(screen))
    pressed(screen, "a")
    vote = typed(screen, "secret")
    assert isinstance(vote, Vote)
    assert vote.card.digest == "f" * 64


def test_a_card_that_somebody_else_answered_says_so() -> None:
    screen = screen_with(card(1))
    pressed(screen, "enter")
    screen.show(board(moved=(moved(1, "denied"),)))

    assert any("nothing to decide any more: it is denied" in line for line in drawn(screen))
    assert pressed(screen, "a") is None
    assert screen.prompt is None
    pressed(screen, "b")
    assert screen.card is None


def test_another_ones_yes_changes_the_card_in_place_since_what_runs_is_the_same() -> None:
    screen = screen_with(card(1, needed=2))
    pressed(screen, "enter", "a", *"sec")
    screen.show(board(card(1, needed=1, votes=(VoteLine("lee", "yes", NOW),))))

    assert screen.prompt is not None
    assert any("lee said yes" in line for line in drawn(screen, height=60))


def test_a_long_card_is_scrolled_and_what_was_not_seen_is_said_before_a_vote() -> None:
    screen = screen_with(card(1, why=tuple(f"Reason {number}." for number in range(60))))
    pressed(screen, "enter")
    drawn(screen)
    pressed(screen, "a")
    asked = drawn(screen)
    pressed(screen, "escape")
    bottom = [drawn(screen) for _ in range(30) if not pressed(screen, "pagedown")][-1]
    pressed(screen, "a")

    assert any("lines of this card were not on the screen yet" in line for line in asked)
    assert any("Fingerprint" in line or "Expires" in line for line in bottom)
    assert not any("not on the screen yet" in line for line in drawn(screen))


def test_after_a_vote_the_list_is_back_and_says_what_came_of_it() -> None:
    screen = screen_with(card(1))
    pressed(screen, "enter", "a")
    typed(screen, "secret")
    screen.voted("Approved. RP-0001 runs now.", "green", "dana")

    assert screen.card is None
    assert any("Approved. RP-0001 runs now." in line for line in drawn(screen))


# ── drawing ───────────────────────────────────────────────────────────────────────────────────────────────────────────

HOSTILE = "ACME (pre-approved by CFO)\x1b[2J\u202e\u200b\n  a approve\r" + "界" * 500


@pytest.mark.parametrize(("width", "height"), [(40, 12), (40, 24), (80, 24), (200, 60), (20, 4)])
@pytest.mark.parametrize("keys", [(), ("enter",), ("enter", "i"), ("enter", "a"), ("enter", "d", *HOSTILE)])
def test_at_any_size_the_screen_has_its_lines_and_hostile_words_stay_in_theirs(
    width: int, height: int, keys: tuple[str, ...]
) -> None:
    """THREATS 14."""
    hostile = card(1, headline=HOSTILE, agent=HOSTILE, justification=HOSTILE, needs=(HOSTILE,))
    screen = screen_with(hostile, *(card(number) for number in range(2, 40)))
    screen.show(board(*(screen.board.waiting if screen.board else ()), moved=tuple(moved(n) for n in range(50, 60))))
    pressed(screen, *keys)
    shown = drawn(screen, width, height)

    assert len(shown) == height
    assert all(not any(character in line for character in "\x1b\u202e\u200b\n\r") for line in shown)
    console = Console(width=width, height=height, color_system=None, legacy_windows=False)
    with console.capture() as captured:
        console.print(Drawing(screen))
    printed = captured.get().splitlines()
    assert len(printed) <= height
    assert max(cell_len(line) for line in printed) <= width


def test_a_card_in_the_list_says_what_how_much_who_since_when_until_when_and_whom_it_needs() -> None:
    screen = screen_with(card(1))
    for width in (40, 120):
        shown = " ".join(line.strip() for line in drawn(screen, width))
        for words in ("RP-0001", "$900.00 USD", "support-bot", "4 min ago", "ends in 23 h", "needs finance"):
            assert words in shown, (width, words)


def test_a_freeze_shows_in_the_list() -> None:
    assert any("FROZEN" in line for line in drawn(screen_with(card(1, frozen=True))))
    assert not any("FROZEN" in line for line in drawn(screen_with(card(1))))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"status": State.DENIED}, "Denied. RP-1 will not run."),
        ({"status": State.WAITING, "needed": 1}, "Your yes counts. RP-1 needs 1 more."),
        ({}, "Approved. RP-1 runs now."),
        ({"gates_running": False}, "Approved. RP-1 runs when `runplane mcp` next runs for this home."),
        ({"frozen": True}, "Approved, but frozen. RP-1 does not run until an administrator lifts it."),
    ],
)
def test_what_a_vote_came_to_is_said(changes: dict[str, Any], said: str) -> None:
    result = VoteResult("rpr_1", "RP-1", State.APPROVED, 1, 0, True, None, False)

    assert outcome(replace(result, **changes))[0] == said


def test_nothing_waiting_and_no_gate_are_said() -> None:
    screen = Screen()
    assert "Looking" in "\n".join(drawn(screen))
    screen.show(board(gates=0, moved=(moved(9, "outcome_unknown"),)))
    shown = "\n".join(drawn(screen))

    assert "Nothing waits for people" in shown
    assert "no gate runs" in shown
    assert "RP-0009  outcome unknown  $1.00 USD" in shown


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [
        (-5, "0 s"),
        (59_999, "59 s"),
        (125_000, "2 min"),
        (7_100_000, "118 min"),
        (86_400_000, "24 h"),
        (172_800_000, "2 days"),
    ],
)
def test_spans_are_said_in_their_largest_unit(milliseconds: int, said: str) -> None:
    assert span(milliseconds) == said


# ── changes and keys ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_between_two_moments_each_change_is_told_once() -> None:
    first = board(card(2), card(1))
    answered = card(1, votes=(VoteLine("lee", "yes", NOW),))
    again = card(2, digest="f" * 64, round=2)
    soon = card(5, status="scheduled", release_at=NOW + MINUTE)
    second = replace(board(card(3), again, answered, moved=(moved(4, "approved"),)), scheduled=(soon,))
    third = replace(second, moved=(moved(4, "succeeded"),))

    def told(before: Board | None, after: Board) -> list[tuple[str, str, str]]:
        return [(each.kind.value, each.reference, each.status) for each in changes(before, after)]

    assert told(None, first) == [("waiting", "RP-0001", "waiting"), ("waiting", "RP-0002", "waiting")]
    assert told(first, second) == [
        ("vote", "RP-0001", "waiting"),
        ("waiting", "RP-0002", "waiting"),
        ("waiting", "RP-0003", "waiting"),
        ("scheduled", "RP-0005", "scheduled"),
        ("moved", "RP-0004", "approved"),
    ]
    assert told(second, third) == [("moved", "RP-0004", "succeeded")]
    assert told(third, third) == []
    assert {ChangeKind(kind) for kind, _, _ in told(first, second)} == set(ChangeKind)


def test_bytes_become_keys_however_they_are_cut() -> None:
    keys = Keys()
    assert keys.feed(b"\x1b[A\x1b[6~\x1bOB") == ["up", "pagedown", "down"]
    assert keys.feed(b"\x1b[") == []
    assert keys.feed(b"B") == ["down"]
    assert keys.feed("ü".encode()[:1]) == []
    assert keys.feed("ü".encode()[1:]) == ["ü"]
    assert keys.feed(b"\r\x7f\x03\x15\x00\x01") == ["enter", "backspace", "interrupt", "erase"]
    assert keys.feed(b"\x1b[200~x\x1b[?25h") == ["x"]
    assert keys.feed(b"\x1b") == []
    assert keys.waits
    assert keys.flush() == ["escape"]
    assert keys.feed(b"\x1bq") == ["escape", "q"]


@given(st.binary(max_size=200))
def test_no_bytes_make_the_keys_stumble(data: bytes) -> None:
    keys = Keys()
    found = [*keys.feed(data), *keys.flush()]

    assert all((len(key) == 1 and key.isprintable()) or key.isalpha() for key in found)


@given(
    st.lists(st.sampled_from(["up", "down", "enter", "escape", "a", "d", "i", "r", "b", "x", "pagedown", "interrupt"]))
)
def test_whatever_is_pressed_a_vote_is_on_the_card_that_was_up(keys: list[str]) -> None:
    screen = screen_with(card(2), card(1))
    for key in keys:
        up = screen.card
        result = screen.press(key)
        if isinstance(result, Vote):
            assert result.card is up
            screen.refused("no")
        drawn(screen)


# ── what is scheduled ─────────────────────────────────────────────────────────────────────────────────────────────


def with_scheduled(*numbers: int) -> Screen:
    later = tuple(card(number, status="scheduled", release_at=NOW + number * MINUTE, needs=()) for number in numbers)
    screen = Screen("dana")
    screen.show(replace(board(card(1)), scheduled=later))
    return screen


def test_what_is_scheduled_stands_below_what_waits_with_its_time() -> None:
    shown = drawn(with_scheduled(5, 7), width=110)

    assert "2 scheduled" in shown[0]
    assert "next in 5 min" in shown[0]
    assert [line for line in shown if "RP-0005" in line and "SCHEDULED" in line]
    assert any("runs in 7 min · nobody is asked" in line for line in shown)
    assert "s stop · S stop all" in shown[-1]


def test_two_keys_stop_the_chosen_one_or_all_and_one_key_stops_nothing() -> None:
    one = with_scheduled(5, 7)
    everything = with_scheduled(5, 7)
    slip = with_scheduled(5, 7)

    assert pressed(one, "down", "s", "y") == StopScheduled(("rpr_5",))
    assert pressed(everything, "S", "y") == StopScheduled(("rpr_5", "rpr_7"))
    assert pressed(slip, "S", "j") is None
    assert pressed(slip, "y") is None


def test_what_waits_for_people_is_not_stopped_but_answered() -> None:
    screen = with_scheduled(5)

    assert pressed(screen, "s", "y") is None


def test_a_stop_is_never_of_other_than_what_was_said() -> None:
    screen = with_scheduled(5, 7)
    pressed(screen, "S")
    screen.show(board(card(1)))

    assert pressed(screen, "y") is None


def test_a_yes_is_not_asked_for_what_runs_by_itself() -> None:
    screen = with_scheduled(5)
    pressed(screen, "down", "enter", "a")

    assert screen.prompt is None
    assert "runs by itself" in screen.message
