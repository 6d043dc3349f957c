"""A no to each card of a group: one passphrase, and a signed vote over every digest that was shown.

There is no way to say yes to a group: a hundred requests that nobody has read are not approved by one keystroke, whatever
they do. An answer is therefore nothing that can be passed in here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from runplane_mcp.core.approval import Answer, Person
from runplane_mcp.core.card import Card
from runplane_mcp.core.grouping import CardGroup, group_named, grouped
from runplane_mcp.errors import ApprovalError, RequestError, RunplaneError
from runplane_mcp.gate.clock import Clock
from runplane_mcp.gate.desk import Desk
from runplane_mcp.gate.rounds import check_note, open_round
from runplane_mcp.gate.votes import cast_vote
from runplane_mcp.store.base import Transaction

#: So many are denied in one transaction. A flood of thousands must not keep the database from those who freeze, look, or
#: record the outcome of what is running.
BATCH: Final = 25


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """One of a group that was not denied, and why: it is no longer what was shown, or not this person's to answer."""

    request_id: str
    reference: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class GroupDenial:
    """What a no to a group came to. `denied` are the ids of those that will not run, in the order in which they were
    shown."""

    group: CardGroup
    denied: tuple[str, ...]
    left: tuple[LeftAlone, ...]


async def find_group(desk: Desk, handle: str, *, digest: str | None = None) -> CardGroup:
    """The group as it is now. ApprovalError `approval.no_group`; with `digest`, `approval.changed` where it is not exactly
    what was seen: a request came, went or changed."""
    groups, _ = grouped(await desk.cards())
    group = group_named(groups, handle)
    if digest is not None and not group.same_as(digest):
        raise ApprovalError(
            "approval.changed",
            f"{group.handle} is not what you saw: requests came, went or changed.",
            next_step="Look again: runplane approvals list --groups. If more keep coming, freeze the agent first.",
        )
    return group


async def deny_group(desk: Desk, group: CardGroup, *, person: str, secret: str, note: str | None = None) -> GroupDenial:
    """One person's no to each card of `group` as it was shown to them. Whatever came later is not touched; whatever
    changed, moved or was answered meanwhile is left alone and named. The note reaches the agent with each.

    ApprovalError `approval.note`, `approval.none_denied`; PersonError `person.unknown`, `person.secret`. An error of the
    store leaves those denied that were denied before it: the same again goes on with the rest.
    """
    note = check_note(note)
    voter = await desk.keys.person(person)
    key = await desk.keys.unlock(voter, secret)
    denied: list[str] = []
    left: list[LeftAlone] = []
    for start in range(0, len(group.cards), BATCH):
        batch = group.cards[start : start + BATCH]
        work = partial(_deny, clock=desk.clock, batch=batch, group=group.digest, voter=voter, key=key, note=note)
        done, refused = await desk.store.write(work)
        denied += done
        left += refused
    if not denied:
        raise ApprovalError(
            "approval.none_denied",
            f"None of the {group.count} was denied. The first: {left[0].message}",
            next_step="Look again: runplane approvals list",
        )
    return GroupDenial(group, tuple(denied), tuple(left))


def _deny(
    tx: Transaction,
    *,
    clock: Clock,
    batch: Sequence[Card],
    group: str,
    voter: Person,
    key: Ed25519PrivateKey,
    note: str | None,
) -> tuple[list[str], list[LeftAlone]]:
    denied: list[str] = []
    left: list[LeftAlone] = []
    at = clock.wall()
    for card in batch:
        try:
            seen = open_round(tx, card.request_id, digest=card.digest, voter=voter, clock=clock)
            if isinstance(seen, RunplaneError):
                raise seen
            cast_vote(tx, seen, person=voter.id, key=key, answer=Answer.NO, at=at, note=note, event={"group": group})
        except (ApprovalError, RequestError) as error:
            # Each stands for itself: whatever these say was said before anything of this one was written, or is an
            # expiry that has to be.
            left.append(LeftAlone(card.request_id, card.reference, error.code, error.message))
        else:
            denied.append(card.request_id)
    return denied, left
