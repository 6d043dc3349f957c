"""What is proposed instead of a value that is none: always one that a policy takes, never one that it took already."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runplane_mcp.core.policy import meant, values


def money(text: str) -> int:
    return values.money(text, "usd")


#: How a value is read, and what is proposed instead of it.
READERS: list[tuple[Callable[[str], object], Callable[[str], str | None]]] = [
    (money, lambda text: meant.amount(text, "usd")),
    (values.number, meant.number),
    (values.yes_no, meant.yes_no),
    (values.time_of_day, meant.time_of_day),
    (lambda text: values.duration(text, 1, 10**15), meant.duration),
    (values.day, meant.day),
]
TEXT = st.one_of(
    st.from_regex(r"[$€ ]?[0-9]{1,4}[.,:' _-]?[0-9]{0,3}( ?(am|pm|h|usd|%|k|min|hours|w))?", fullmatch=True),
    st.from_regex(r"[0-9]{1,4}[-./][0-9]{1,2}[-./][0-9]{1,4}\.?", fullmatch=True),
    st.sampled_from(["on", "off", "Y", "day", "fortnight", "", ".", "١", "1e3", "99999999999999999999 usd"]),
    st.text(max_size=6),
)


@settings(max_examples=400, deadline=None)
@given(TEXT)
def test_what_is_proposed_is_taken(text: str) -> None:
    for read, propose in READERS:
        guess = propose(text)
        if guess is None:
            continue
        try:
            read(text)
        except ValueError:
            assert guess != text
            read(guess)


@pytest.mark.parametrize(
    ("guess", "expected"),
    [
        (meant.weekdays("Monday-Friday"), "mon-fri"),
        (meant.weekdays("Mon to Fri"), "mon-fri"),
        (meant.weekdays("mon, wed and fri"), "[mon, wed, fri]"),
        (meant.weekdays("weekdays"), "mon-fri"),
        (meant.weekdays("payday"), None),
        (meant.days_between("sat-mon"), "[sat, sun, mon]"),
        (meant.outcome("Require-Approval"), "require_approval"),
        (meant.outcome("approve"), None),  # let it through, or ask for an approval?
        (meant.groups("Finance and leads"), "{any_of: [finance, leads]}"),
        (meant.comparison(">= 500"), "{at_least: 500}"),
        (meant.amount("12/25", "usd"), None),
        (meant.day("12/25/2026"), None),  # others read the day first
        (meant.amount("1,5", "jpy"), None),
        (meant.zone("pst"), "America/Los_Angeles"),
    ],
)
def test_what_was_meant_is_proposed_where_it_is_plain(guess: str | None, expected: str | None) -> None:
    assert expected == guess
