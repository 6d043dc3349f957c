"""Foreign text shown so that it can hide nothing and do nothing (THREATS 13 and 14)."""

from __future__ import annotations

import json
import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runplane_mcp.core.text import MOST_MARKS, escaped, label, lookalike, visible, visible_lines

HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}

#: Texts that are likely to hold what matters, beside whatever hypothesis finds by itself.
HOSTILE = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("\u202e\u202d\u2066\u2069\u200b\u200d\ufeff\u2028\u2029\x1b\x07\r\n\t\x00\x9b\U000e0041\ud800"),
        st.sampled_from("\u0301\u0489\u20dd\ufe0f\U000e0100\u3164\u034f \u00a0⟨⟩[]❤"),
    ),
    max_size=60,
)


@settings(deadline=None)
@given(HOSTILE, st.booleans())
def test_nothing_hidden_is_ever_shown(text: str, hint: bool) -> None:
    shown = visible(text, hint=hint)

    assert not {unicodedata.category(character) for character in shown} & HIDDEN
    assert all(character == " " or unicodedata.category(character) != "Zs" for character in shown)


@settings(deadline=None)
@given(HOSTILE, st.integers(0, 300))
def test_what_is_shown_is_bounded(text: str, limit: int) -> None:
    assert len(visible(text, limit)) <= limit + 40


@settings(deadline=None)
@given(HOSTILE)
def test_what_is_shown_whole_can_be_shown_again(text: str) -> None:
    shown = visible(text, 10_000)

    assert visible(shown, 10_000) == shown


@settings(deadline=None)
@given(st.one_of(HOSTILE.filter(lambda text: not re.search("[\ud800-\udfff]", text)), st.none(), st.integers()))
def test_json_that_is_escaped_is_the_same_value_and_hides_nothing(value: str | int | None) -> None:
    shown = escaped(json.dumps({"name": value}, ensure_ascii=False))

    assert json.loads(shown) == {"name": value}
    assert not {unicodedata.category(character) for character in shown} & HIDDEN


@settings(deadline=None)
@given(HOSTILE, st.integers(1, 100))
def test_a_label_is_plain_or_quoted_and_cannot_end_its_quotation(text: str, limit: int) -> None:
    named = label(text, limit)

    assert not {unicodedata.category(character) for character in named} & HIDDEN
    assert named == text or (named[0], named[-1], named.count("“"), named.count("”")) == ("“", "”", 1, 1)
    assert named != text or re.fullmatch("[A-Za-z0-9_.@+/-]+", text)


@settings(deadline=None)
@given(HOSTILE)
def test_marks_never_pile_up(text: str) -> None:
    run = longest = 0
    for character in visible(text):
        run = run + 1 if unicodedata.category(character) in {"Mn", "Me"} else 0
        longest = max(longest, run)

    assert longest <= MOST_MARKS


@settings(deadline=None)
@given(st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=150).filter(str.isascii))
def test_plain_text_comes_back_as_it_was(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ACME \u202e(OFC yb)", "ACME ⟨U+202E⟩(OFC yb)"),
        ("a\u200b\u200b\u200bb", "a⟨U+200B ×3⟩b"),
        ("\x1b[2J\x1b[31mred", "⟨U+001B⟩[2J⟨U+001B⟩[31mred"),
        ("\x9b31m", "⟨U+009B⟩31m"),
        ("one\ntwo\tthree\r", "one⟨newline⟩two⟨tab⟩three⟨U+000D⟩"),
        ("\u2028\u2029", "⟨U+2028⟩⟨U+2029⟩"),
        ("\U000e0061\U000e0070", "⟨U+E0061⟩⟨U+E0070⟩"),
        ("\ud83d", "⟨U+D83D⟩"),
        ("\ufeffid", "⟨U+FEFF⟩id"),
        ("\u3164", "⟨U+3164⟩"),
        ("z" + "\u0335" * 40, "z\u0335\u0335\u0335⟨marks ×37⟩"),
        ("\u0301first", "⟨marks ×1⟩first"),
        ("ok" + " " * 70 + "✔ approved by CFO", "ok ⟨spaces ×70⟩ ✔ approved by CFO"),
        ("12\u00a0€", "12 €"),
        ("❤\ufe0f", "❤"),
        ("a\ufe0f", "a⟨U+FE0F⟩"),
        ("❤\ufe0f\ufe0e\ufe0f", "❤⟨U+FE0E⟩⟨U+FE0F⟩"),
        ("José Ångström, 山田太郎, محمد", "José Ångström, 山田太郎, محمد"),
        ("[bold]x[/bold] <b>y</b> `z`", "[bold]x[/bold] <b>y</b> `z`"),
        ("", ""),
    ],
)
def test_each_kind_of_trick_is_shown_for_what_it_is(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_very_long_text_is_cut_with_the_rest_counted() -> None:
    assert visible("x" * 100_000, 10) == "xxxxxxxxxx… ⟨99,990 characters more⟩"


def test_lines_keep_their_breaks_and_are_bounded_together() -> None:
    assert visible_lines("\n one\r\n\u202etwo \n") == ["one", "⟨U+202E⟩two"]
    assert visible_lines("a\nb\nc\nd", lines=2) == ["a", "b", "… ⟨3 characters more⟩"]
    assert visible_lines("abcdef\nghi", limit=4) == ["abcd… ⟨2 characters more⟩", "… ⟨3 characters more⟩"]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("\u0410cme Ltd", "“\u0410cme” mixes Cyrillic and Latin letters"),
        ("Gοοgle", "“Gοοgle” mixes Greek and Latin letters"),
        ("сосо", "“сосо” looks Latin but is Cyrillic"),
        ("ｒefund", "“ｒefund” mixes Fullwidth and Latin letters"),
        ("Иван Петров", None),
        ("Ada Moreno, тест", None),
        ("日本語のテキスト Aチーム", None),
        ("5 µm", None),
        ("Acme", None),
    ],
)
def test_letters_that_only_look_alike_are_named(text: str, hint: str | None) -> None:
    assert lookalike(text) == hint


def test_the_hint_follows_what_is_shown() -> None:
    assert visible("\u0410cme", hint=True) == "\u0410cme ⟨“\u0410cme” mixes Cyrillic and Latin letters⟩"
    assert visible_lines("\u0410cme", hint=True)[-1] == "⟨“\u0410cme” mixes Cyrillic and Latin letters⟩"
