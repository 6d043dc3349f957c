"""Making foreign text visible: what somebody wrote is shown as what it is, and can do nothing to the screen around it.

Names, descriptions, metadata and the agent's own words come from people and programs that may want to deceive whoever
reads them. A character that would be invisible, would move the cursor or would turn the direction of reading is shown
by its number, `⟨U+202E⟩`. Floods are counted instead of shown, and long texts are cut with the rest counted.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import groupby

#: Controls (terminal escapes among them), format characters (bidirectional, zero-width, tags), lone surrogates, private
#: use (a font decides what they look like), code points nobody has assigned, line and paragraph separators.
_ESCAPED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

#: Letters, marks and symbols that show nothing, although their category says they would.
_BLANK = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, range(0xFE00, 0xFE10)))
    + "".join(map(chr, range(0xE0100, 0xE01F0)))
)
#: After a symbol they only choose between its two drawings. Anywhere else they can carry hidden data.
_DRAWING_SELECTORS = frozenset("\ufe0e\ufe0f")
_NAMED = {"\n": "newline", "\t": "tab"}

MOST_SPACES = 3
MOST_MARKS = 3

#: Letters of other alphabets that cannot be told from Latin ones.
_LOOK_LATIN = frozenset("асеорхуіјѕһԁԛԝАВЕКМНОРСТХУІЈЅԌԚԜΑΒΕΖΗΙΚΜΝΟΡΤΥΧοντα")
#: Alphabets with letters that can be taken for another's. A word in two of them was hardly typed by accident; other
#: scripts are mixed every day (Japanese has three, and brand names stay Latin).
_ALIKE = frozenset(
    {"Latin", "Cyrillic", "Greek", "Armenian", "Cherokee", "Coptic", "Lisu", "Fullwidth", "Mathematical"}
)
#: What a name can be made of without being able to look like anything else.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+/-]*")
_WORD = re.compile(r"\w{2,}")
_HINT_REACH = 2_000


def visible(text: str, limit: int = 200, *, hint: bool = False) -> str:
    """`text` in one line that holds nothing hidden: no control, format, surrogate, private or separator character.

    At most `limit` characters are shown (escapes count as they stand), then how many are left: 40 characters at most.
    With `hint`, what is odd about its letters follows. What is shown whole can be shown again and stays as it is.
    """
    shown: list[str] = []
    length = taken = 0
    for piece, count in _pieces(text):
        if length + len(piece) > limit:
            shown.append(f"… ⟨{len(text) - taken:,} characters more⟩")
            break
        shown.append(piece)
        length += len(piece)
        taken += count
    if hint and (found := lookalike(text)) is not None:
        shown.append(f" ⟨{found}⟩")
    return "".join(shown)


def visible_lines(text: str, limit: int = 600, *, lines: int = 8, hint: bool = False) -> list[str]:
    """`text` as its own lines, each `visible`, for places where every line is fenced: at most `lines` of them and about
    `limit` characters together. Empty lines at the ends are left out."""
    written = re.split(r"\r\n|\n", text.strip("\r\n \t"))
    result: list[str] = []
    left = limit
    for number, line in enumerate(written):
        if number == lines or left <= 0:
            rest = sum(len(each) + 1 for each in written[number:]) - 1
            result.append(f"… ⟨{rest:,} characters more⟩")
            break
        shown = visible(line, left)
        left -= len(shown)
        result.append(shown)
    if hint and (found := lookalike(text)) is not None:
        result.append(f"⟨{found}⟩")
    return result


def label(name: str, limit: int = 60) -> str:
    """A name that somebody chose, to stand inside a sentence of ours: as it is where it can be nothing but a name, else
    `visible` between quotation marks, with what is odd about its letters. It cannot end the quotation: `bot · risk low`
    would otherwise read as two things that we say."""
    if _NAME.fullmatch(name) and len(name) <= limit:
        return name
    return f"“{unquoted(visible(name, limit, hint=True))}”"


def escaped(json_text: str) -> str:
    """The text of a JSON value in which everything that `visible` would show by its number is written as JSON's own
    `\\u202e`: it reads as exactly the same value, and does nothing to a screen that it is printed on."""
    if json_text.isascii() and "\x7f" not in json_text:
        return json_text  # JSON itself leaves no other control
    hidden = {each for each in set(json_text) if each != "\x20" and _kind(each) == each}
    return json_text.translate({ord(each): _as_json(each) for each in hidden})


def _as_json(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def unquoted(text: str) -> str:
    """`text` without our quotation marks, which only we may open and end."""
    return text.replace("“", '"').replace("”", '"')


def lookalike(text: str) -> str | None:
    """What is odd about the letters of a text, or None: `“Аcme” mixes Cyrillic and Latin`. Only the first 2,000
    characters are looked at. A word wholly in another alphabet is odd only where each letter looks Latin."""
    for match in _WORD.finditer(text[:_HINT_REACH]):
        word = match.group()
        alphabets = sorted({_alphabet(letter) for letter in word} & _ALIKE)
        if len(alphabets) > 1:
            return f"“{visible(word, 40)}” mixes {' and '.join(alphabets)} letters"
        if len(word) > 2 and all(letter in _LOOK_LATIN for letter in word):
            return f"“{visible(word, 40)}” looks Latin but is {' and '.join(alphabets)}"
    return None


def _alphabet(letter: str) -> str:
    return unicodedata.name(letter, "unnamed").split(" ")[0].split("-")[0].capitalize()


def _pieces(text: str) -> Iterator[tuple[str, int]]:
    """The text in pieces that are shown whole or not at all, each with how many characters of the text it is for."""
    marks = MOST_MARKS  # a mark at the start, or after an escape, would be drawn over our own characters
    before = ""
    for kind, group in groupby(text, _kind):
        if kind == "mark":
            run = list(group)
            room = MOST_MARKS - marks
            yield from ((mark, 1) for mark in run[:room])
            if len(run) > room:
                yield f"⟨marks ×{len(run) - room:,}⟩", len(run) - room
            marks = MOST_MARKS
        elif kind == "space":
            run = list(group)
            # A long run of spaces would push what follows to a place where it looks like a line of ours.
            yield (" " * len(run) if len(run) <= MOST_SPACES else f" ⟨spaces ×{len(run):,}⟩ "), len(run)
            marks = 0
        elif kind == "shown":
            for before in group:
                yield before, 1
            marks = 0
        else:
            number = sum(1 for _ in group)
            if number == 1 and kind in _DRAWING_SELECTORS and unicodedata.category(before or " ") == "So":
                yield "", 1
            else:
                name = _NAMED.get(kind, f"U+{ord(kind):04X}")
                yield (f"⟨{name}⟩" if number == 1 else f"⟨{name} ×{number:,}⟩"), number
            marks = MOST_MARKS
        if kind != "shown":
            before = ""


def _kind(character: str) -> str:
    """`shown`, `space`, `mark`, or the character itself where its number is shown instead: runs of one are counted."""
    if character == " ":
        return "space"
    category = unicodedata.category(character)
    if category == "Zs":
        return "space"  # a blank of another width is still a blank
    if category in _ESCAPED_CATEGORIES or character in _BLANK:
        return character
    return "mark" if category in {"Mn", "Me"} else "shown"
