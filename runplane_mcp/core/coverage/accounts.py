"""Which connected accounts a reading is of, as settings and options say it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

#: All that Stripe lists.
ALL: Final = "all"
_ACCOUNT: Final = re.compile(r"-?acct_[A-Za-z0-9_]{1,250}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Beside those on which the home has asked for something: `named`, and `all` that are connected; never `without`."""

    named: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    all: bool = False

    def over(self, others: Wanted) -> Wanted:
        """Both; where they contradict each other, it is this one that counts."""
        named, without = self.named | (others.named - self.without), self.without | (others.without - self.named)
        return Wanted(named, without, self.all or others.all)


NOT_MORE: Final = Wanted()


def wanted_in(text: str) -> Wanted:
    """The same with commas between them."""
    return wanted(word for word in text.split(",") if word.strip())


def wanted(words: Iterable[str]) -> Wanted:
    """`acct_…` for one, `-acct_…` for none of it, `all`. ValueError for anything else."""
    named, without, everything = set[str](), set[str](), False
    for word in (each.strip() for each in words):
        if word == ALL:
            everything = True
        elif not _ACCOUNT.fullmatch(word):
            raise ValueError(f"{word[:60]!a} is no account: acct_…, -acct_… to leave one out, or all")
        elif word.startswith("-"):
            without.add(word[1:])
        else:
            named.add(word)
    return Wanted(frozenset(named), frozenset(without), everything)
