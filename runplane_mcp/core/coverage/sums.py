"""What the boxes come to, to the cent, and whether that is what Stripe says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from runplane_mcp.core.coverage.boxes import Box, Placed
from runplane_mcp.core.coverage.lines import PAYMENTS, Lines
from runplane_mcp.core.effect import StripeObject
from runplane_mcp.core.effects import objects as o

#: A box, with the people of what was approved.
Key: TypeAlias = tuple[Box, tuple[str, ...]]
_ORDER: Final = {box: place for place, box in enumerate(Box)}


@dataclass(slots=True)
class Sum:
    """Lines and minor units: what came in, what went out (below zero)."""

    lines: int = 0
    into: int = 0
    out: int = 0

    @property
    def net(self) -> int:
        return self.into + self.out

    def add(self, amount: int) -> None:
        self.lines += 1
        self.into += max(amount, 0)
        self.out += min(amount, 0)


@dataclass(frozen=True, slots=True)
class Book:
    """All lines of one balance and currency (`balance` None: beside all balances), by box, in the order of a report."""

    balance: str | None
    currency: str
    boxes: Mapping[Key, Sum]
    total: Sum = field(default_factory=Sum)


@dataclass(frozen=True, slots=True)
class Noted:
    """What Stripe held at an earlier moment (seconds), noted then in the audit log as event `seq`. `missing` is by how much
    the lines since then miss what it holds now, per currency: nothing, unless Stripe's list lacks a line."""

    at: int
    seq: int
    missing: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Tie:
    """Whether a balance's boxes come to what Stripe says. `stripe` is the sum of Stripe's own net amounts. `opening` and
    `closing` are what the balance held at both ends, None where Stripe no longer tells. `checked`: both ends are known from
    elsewhere than from each other, so that a line that Stripe's list does not show would be missed. `noted` is an earlier
    balance that the lines since then were checked with."""

    currency: str
    boxes: int
    stripe: int
    opening: int | None = None
    closing: int | None = None
    checked: bool = False
    noted: Noted | None = None

    @property
    def missing(self) -> int:
        """Minor units of the balance that no line explains."""
        if self.opening is not None and self.closing is not None and self.opening + self.boxes != self.closing:
            return self.closing - self.opening - self.boxes
        return self.noted.missing.get(self.currency, 0) if self.noted is not None else 0

    @property
    def ties(self) -> bool:
        return self.boxes == self.stripe and self.missing == 0


def books_of(placed: Iterable[Placed]) -> tuple[Book, ...]:
    """The sums per balance and currency: what is booked first, then by currency."""
    sums: dict[tuple[str | None, str], dict[Key, Sum]] = {}
    for each in placed:
        boxes = sums.setdefault((each.line.balance, each.line.currency), {})
        boxes.setdefault((each.box, each.people), Sum()).add(each.line.amount)
    return tuple(
        _book(balance, currency, boxes)
        for (balance, currency), boxes in sorted(sums.items(), key=lambda each: _place(*each[0]))
    )


def _place(balance: str | None, currency: str) -> tuple[bool, bool, str, str]:
    return balance is None, balance != PAYMENTS, balance or "", currency


def _book(balance: str | None, currency: str, boxes: Mapping[Key, Sum]) -> Book:
    ordered = dict(sorted(boxes.items(), key=lambda each: (_ORDER[each[0][0]], each[0][1])))
    total = Sum()
    for each in ordered.values():
        total.lines, total.into, total.out = total.lines + each.lines, total.into + each.into, total.out + each.out
    return Book(balance, currency, ordered, total)


def held(balance: StripeObject) -> Mapping[str, int] | None:
    """What Stripe's balance holds now, per currency, available and pending together. None where it cannot be read."""
    found: dict[str, int] = {}
    for name in ("available", "pending"):
        parts = o.listed({"data": balance.get(name)})
        if parts is None:
            return None
        for part in parts:
            amount, currency = o.signed(part, "amount"), o.text(part, "currency")
            if amount is None or currency is None:
                return None
            found[currency.lower()] = found.get(currency.lower(), 0) + amount
    return found


def ties_of(
    books: Iterable[Book],
    lines: Lines,
    *,
    now: Mapping[str, int] | None,
    after: Mapping[str, int] | None,
    whole: bool,
    noted: Noted | None = None,
) -> tuple[Tie, ...]:
    """How each currency's booked lines stand to what Stripe says. `now` is what the balance holds now, `after` what the
    lines from the end of the period until now come to; either is None where that is not known. `whole`: there is no line
    before the period, so that it began with nothing. `noted`: an earlier balance, and what the lines since miss."""
    boxes = {book.currency: book.total.net for book in books if book.balance == PAYMENTS}
    stripe = {currency: net for (balance, currency), net in lines.net.items() if balance == PAYMENTS}
    found = []
    for currency in sorted({*boxes, *stripe}):
        net, said = boxes.get(currency, 0), stripe.get(currency, 0)
        if now is None or after is None:
            found.append(Tie(currency, net, said, noted=noted))
            continue
        closing = now.get(currency, 0) - after.get(currency, 0)
        opening = 0 if whole else closing - said
        found.append(Tie(currency, net, said, opening, closing, whole, noted))
    return tuple(found)
