"""The text of a policy file: YAML without its guesses, refused with the place where it is none, whatever the text."""

from __future__ import annotations

import re
from contextlib import suppress
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runplane_mcp.core.compile import compile_policy
from runplane_mcp.core.policy import PolicyInvalid, Problem, load
from runplane_mcp.core.policy.document import MOST_CHARACTERS
from tests.core.policies import ACTIONS, HEAD, SHIPPED, decided, problems, refund
from tests.core.policy_mistakes import CATALOG, GOOD


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", "1:1", "the file is empty"),
        ("# nothing\n", "1:1", "the file is empty"),
        ("rules:\n\t- id: a\n", "2:1", "indent with spaces"),
        ("why: this: that\n", "1:10", "put the text between quotes"),
        ("rules: [a\n", "1:8", "this [ is never closed"),
        ("rules:\n  - id: a\n  -id: b\n", "3:3", "a blank behind the dash"),
        ("version:1\nrules: []\n", "2:6", "no blank behind its colon"),
        ("version: 1\nrules []\ntests: []\n", "2:1", "a colon and a blank behind the key"),
        ('why: "open\nrules: []\n', "1:6", "this quote is never closed"),
        ("a: {b: 1}\n  c: 2\n", "2:3", "check the indentation"),
        ("a: &x 1\n", "1:4", "anchors"),
        ("a: 1\nb: *x\n", "2:4", "aliases"),
        ("a: !!int 1\n", "1:4", "tags"),
        ("a: !!python/object/apply:os.system [ls]\n", "1:4", "tags"),
        ("a: 1\n---\nb: 2\n", "2:1", "a second document"),
        ("? [a]\n: b\n", "1:3", "a key is plain text"),
        ("a: \x07\n", "1:4", "U+0007"),
        ("a: 1\nb: \ud800\n", "2:4", "U+D800"),
        ("[" * 100_000, "1:13", "nested more than 12 deep"),
        ("{a: " * 5_000, "1:49", "nested more than 12 deep"),
        ("a" * (MOST_CHARACTERS + 1), "1:1", "longer than 262,144"),
        ("5\n", "1:1", "the policy is not a mapping"),
        ("~\n", "1:1", "the policy is empty"),
    ],
)
def test_text_that_is_no_policy_is_refused_with_its_place(text: str, place: str, words: str) -> None:
    (found,) = problems(text, "")

    assert found.startswith(f"{place} policy.")
    assert words in found


def test_an_error_shows_nothing_hidden() -> None:
    (found,) = problems('rules: [{id: "a\\e[2J\\u202e", when: {bulk: true}, then: block}]\n')

    assert "\x1b" not in found
    assert "⟨U+202E⟩" in found


PIECES = st.sampled_from(
    [
        *(
            "rules:",
            "limits:",
            "tests:",
            "when:",
            "unless:",
            "then: ",
            "block",
            "id: a",
            "given:",
            "action: refunds",
            "by:",
        ),
        *(
            "amount:",
            "{over: 5}",
            "{",
            "}",
            "[",
            "]",
            ", ",
            ": ",
            "\n",
            "\n  - ",
            "\n    ",
            "~",
            "'",
            '"',
            "|",
            ">",
            "#",
        ),
        *("&a", "*a", "!!str ", "---", "? ", "at: 2026-03-08 02:30", "times: 3", "every: 1s", "from:", "per:", "each"),
        *(
            "{total: 1}",
            "at_most:",
            "within: 1h",
            "\t",
            "0",
            "-1",
            "1e9",
            "9" * 40,
            "2199-12-31",
            "é",
            "\u202e",
            "\U0001f600",
        ),
    ]
)
SOUP = st.lists(PIECES, max_size=25).map("".join)


def loads(text: str) -> None:
    """Any other error fails the test."""
    with suppress(PolicyInvalid):
        load(text, known_actions=ACTIONS)


@settings(max_examples=200, deadline=None)
@given(SOUP)
@example("rules:\n  - {id: a, when: {date: {between: [2026-01-01, 2026-01-02]}}, then: block}")
def test_any_text_loads_or_is_a_policy_error(text: str) -> None:
    loads(text)
    loads(HEAD + text)


SHIPPED_TEXT = SHIPPED.read_text(encoding="utf-8")


@settings(max_examples=80, deadline=None)
@given(st.integers(0, len(SHIPPED_TEXT)), st.integers(0, 40), st.one_of(PIECES, st.text(max_size=8)))
def test_the_shipped_policy_with_anything_changed_loads_or_is_a_policy_error(start: int, cut: int, put: str) -> None:
    loads(SHIPPED_TEXT[:start] + put + SHIPPED_TEXT[start + cut :])


EXAMPLE_TEXTS = [each.read_text(encoding="utf-8") for each in sorted((SHIPPED.parent / "examples").rglob("*.yaml"))]
FILES = [GOOD, SHIPPED_TEXT, *(text for text in EXAMPLE_TEXTS if "rules:" in text)]
_WORD = re.compile(r"[\w.$-]+")
#: What stands where something of another type belongs.
_OTHER = (
    *("", "null", "~", "[]", "{}", "[[[]]]", "{a: 1}", "[a, a]", "0", "-1", "1e400", "9" * 5000, "nan", ".inf", "0x10"),
    *(
        "yes",
        "2026-02-30",
        "24:00",
        "25h",
        "999999999999d",
        "\u00b2",
        "\u0663",
        '"\\uD800"',
        "\0",
        "|",
        "- -",
        "over: 5",
    ),
)


def changed_somewhere(random: Random) -> str:
    """A good policy with a few words of other types, and lines written twice, left out or put elsewhere."""
    text = random.choice(FILES)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        lines = text.split("\n")
        match random.randrange(4):
            case 0:
                lines.insert(random.randrange(len(lines)), random.choice(lines))
                text = "\n".join(lines)
            case 1:
                del lines[random.randrange(len(lines))]
                text = "\n".join(lines)
            case _:
                word = random.choice(list(_WORD.finditer(text)))
                text = text[: word.start()] + random.choice(_OTHER) + text[word.end() :]
    return text


@pytest.mark.parametrize("count", [40, pytest.param(2000, marks=pytest.mark.slow)])
def test_a_policy_changed_anywhere_decides_or_tells_where_it_is_wrong(count: int) -> None:
    random = Random(count)
    for _ in range(count):
        text = changed_somewhere(random)
        found: tuple[Problem, ...] | None = None
        try:
            policy = compile_policy(load(text, known_actions=CATALOG), actions=CATALOG)
        except PolicyInvalid as error:
            found = error.problems
        if found is None:
            assert decided(policy, refund(800)).verdict
            continue
        lines = len(text.splitlines()) + 1
        assert found
        assert all(1 <= each.line <= lines and each.column >= 1 and each.message for each in found)
