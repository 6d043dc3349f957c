"""Waiting cards that have one cause, put together: a limit that was passed holds a hundred requests, and nobody reads a
hundred cards with care.

A group is for looking and for saying no. There is nothing here, nor anywhere, that approves one: each yes is over one
digest.

What makes a group is who asked and what the policy said, as the decision record has it. No word of the agent or of Stripe
is in it, so nobody can write a request into another one's group, or a cause that the policy never gave.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from runplane_mcp.core.canonical import canonical
from runplane_mcp.core.card import Card, Cause
from runplane_mcp.core.request import State, fingerprint, reference, same_digest
from runplane_mcp.errors import ApprovalError

#: So many cards of one cause are a group. Two are read as quickly as a group of two is understood.
FEWEST: Final = 3
#: Causes that somebody wrote down come before those that stand without a rule, such as the risk: a passed limit tells more
#: about a hundred requests than that each of them is of medium risk. Of two that hold as many, the first here. The others
#: hold only what would do the same: a payout and a deletion of medium risk have nothing in common.
_WRITTEN: Final = ("limit", "rule")
_SHORTEST_HANDLE: Final = 4

#: Place, source and id of a cause, and the action where it holds only one.
_Name: TypeAlias = tuple[int, str, str, str]


@dataclass(frozen=True, slots=True)
class CardGroup:
    """Three or more waiting cards of one agent and one cause, oldest first. `handle` is what people call it by: the same
    for as long as the agent and the cause are, whatever comes and goes. `digest` is SHA-256 over exactly these cards."""

    handle: str
    digest: str
    principal: str
    agent: str
    cause: Cause
    cards: tuple[Card, ...]

    @property
    def reference(self) -> str:
        return self.handle

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.digest)

    @property
    def count(self) -> int:
        return len(self.cards)

    @property
    def money(self) -> tuple[tuple[str, int], ...]:
        """Currency and the sum of the amounts in it (minor units), by currency. What is unknown is not in it."""
        sums: Counter[str] = Counter()
        for card in self.cards:
            if card.amount is not None and card.currency is not None:
                sums[card.currency] += card.amount
        return tuple(sorted(sums.items()))

    @property
    def unknown_amounts(self) -> int:
        """How many there are of which nobody knows the amount."""
        return sum(card.facts.get("amount") == {"missing": "unknown"} for card in self.cards)

    @property
    def actions(self) -> tuple[str, ...]:
        """What they would do, the most frequent first."""
        counted = Counter(card.action for card in self.cards)
        return tuple(sorted(counted, key=lambda action: (-counted[action], action)))

    @property
    def customers(self) -> int:
        """How many different customers they are about, as far as that is known."""
        return len({card.customer for card in self.cards if card.customer is not None})

    @property
    def oldest(self) -> int:
        """When the first was asked: milliseconds, policy time."""
        return self.cards[0].created_at

    @property
    def newest(self) -> int:
        return self.cards[-1].created_at

    @property
    def expires_at(self) -> int | None:
        """When the first of them ends unanswered; None where none ever does."""
        return min((card.expires_at for card in self.cards if card.expires_at is not None), default=None)

    @property
    def frozen(self) -> int:
        """How many of them a freeze holds."""
        return sum(card.frozen for card in self.cards)

    @property
    def voted(self) -> int:
        """How many of them somebody has said yes to, although it was not enough yet."""
        return sum(bool(card.votes) for card in self.cards)

    def same_as(self, digest: str) -> bool:
        """Whether these are exactly the cards that `digest` is of."""
        return same_digest(self.digest, digest)


def group_digest(digests: Iterable[str]) -> str:
    """SHA-256, in hex, over the digests of the members: sorted, each on a line of its own, as `sort | sha256sum` does."""
    lines = sorted(digest.lower() for digest in digests)
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def grouped(cards: Sequence[Card]) -> tuple[tuple[CardGroup, ...], tuple[Card, ...]]:
    """The groups among `cards`, that of the oldest card first, and the cards that are in none, in the order given. Each
    card is in exactly one place; the order in which they came makes no difference to the groups.

    Of an agent's cards, the cause that holds most of them makes the first group, of the rest that which holds most, and so
    on. What a person lowered is asked by a person and stays alone.
    """
    apart: defaultdict[tuple[str, str], list[Card]] = defaultdict(list)
    for card in cards:
        if card.status == State.WAITING and card.replaces is None and card.causes:
            apart[card.principal, card.agent].append(card)
    found: list[tuple[Cause, tuple[Card, ...]]] = []
    for held in apart.values():
        if len(held) >= FEWEST:
            found.extend(_of_one_agent(sorted(held, key=_age)))
    found.sort(key=lambda each: (_age(each[1][0]), _name(each[0], each[1][0])))
    handles = _handles([_identity(members[0], cause) for cause, members in found])
    groups = tuple(
        CardGroup(
            handle=handle,
            digest=group_digest(card.digest for card in members),
            principal=members[0].principal,
            agent=members[0].agent,
            cause=cause,
            cards=members,
        )
        for handle, (cause, members) in zip(handles, found, strict=True)
    )
    taken = {card.request_id for group in groups for card in group.cards}
    return groups, tuple(card for card in cards if card.request_id not in taken)


def group_named(groups: Iterable[CardGroup], handle: str) -> CardGroup:
    """The group that people call so, in any case. ApprovalError `approval.no_group`."""
    wanted = handle.strip().upper()
    for group in groups:
        if group.handle == wanted:
            return group
    raise ApprovalError(
        "approval.no_group", f"No group {handle[:40]!r} waits.", next_step="See what waits: runplane approvals list"
    )


def _of_one_agent(cards: Sequence[Card]) -> list[tuple[Cause, tuple[Card, ...]]]:
    found: list[tuple[Cause, tuple[Card, ...]]] = []
    left = list(cards)
    for written in (True, False):
        while len(left) >= FEWEST:
            holding: defaultdict[_Name, list[Card]] = defaultdict(list)
            for card in left:
                for name in {_name(cause, card) for cause in card.causes if (cause.source in _WRITTEN) is written}:
                    holding[name].append(card)
            if not holding:
                break
            name = min(holding, key=lambda each: (-len(holding[each]), each))
            if len(holding[name]) < FEWEST:
                break
            members = tuple(holding[name])
            # A policy that was activated meanwhile may say it in other words: those of the newest card hold.
            found.append((next(cause for cause in members[-1].causes if _name(cause, members[-1]) == name), members))
            taken = {card.request_id for card in members}
            left = [card for card in left if card.request_id not in taken]
    return found


def _name(cause: Cause, card: Card) -> _Name:
    if cause.source in _WRITTEN:
        return _WRITTEN.index(cause.source), cause.source, cause.id, ""
    return len(_WRITTEN), cause.source, cause.id, card.action


def _age(card: Card) -> tuple[int, str]:
    return card.created_at, card.request_id


def _identity(card: Card, cause: Cause) -> bytes:
    content = canonical([card.principal, card.agent, *_name(cause, card)[1:]])
    return hashlib.sha256(content).digest()


def _handles(identities: Sequence[bytes]) -> list[str]:
    """`G-7F3K` for each, longer where two would be called the same: an agent may choose its label until they are."""
    lengths = dict.fromkeys(identities, _SHORTEST_HANDLE)
    while True:
        names = {identity: reference(identity, length) for identity, length in lengths.items()}
        counted = Counter(names.values())
        alike = [identity for identity, name in names.items() if counted[name] > 1]
        if not alike:
            return ["G-" + names[identity].removeprefix("RP-") for identity in identities]
        for identity in alike:
            lengths[identity] += 1
