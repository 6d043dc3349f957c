"""People, votes, and when a requirement is met: pure functions.

A vote is a signature over the digest that its person saw. Votes of another round or another digest never count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from runplane_mcp.core.canonical import canonical
from runplane_mcp.core.decision import Need
from runplane_mcp.core.request import same_digest

PERSON_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}\Z")
GROUP_ID = PERSON_ID


class Role(StrEnum):
    ADMIN = "admin"
    APPROVER = "approver"
    AUDITOR = "auditor"


class Answer(StrEnum):
    YES = "yes"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can vote. `public_key` is 32 bytes of Ed25519, in hex; `salt` and the scrypt figures turn the person's
    passphrase into the private half, which is never stored. `event_seq` is the audit event that enrolled the key."""

    id: str
    role: Role
    groups: frozenset[str]
    public_key: str
    salt: str
    scrypt_n: int
    scrypt_r: int
    scrypt_p: int
    active: bool
    added_by: str | None
    event_seq: int

    @property
    def may_vote(self) -> bool:
        return self.active and self.role is not Role.AUDITOR


@dataclass(frozen=True, slots=True)
class Vote:
    """One person's signed answer. `at` is wall time in milliseconds. `note` is the person's words to the agent."""

    request_id: str
    round: int
    person: str
    answer: Answer
    digest: str
    at: int
    proof_kind: str
    proof: str
    note: str | None = None


class Standing(StrEnum):
    OPEN = "open"
    APPROVED = "approved"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class Tally:
    """Where an approval stands. `needed` counts the yes votes still missing over all needs; `one_person` says that only
    one enrolled person can vote, so that four eyes were never possible."""

    standing: Standing
    yes: tuple[str, ...]
    needed: int
    denied_by: str | None = None
    one_person: bool = False


def vote_statement(*, store: str, request_id: str, digest: str, answer: Answer, person: str, at: int) -> bytes:
    """The exact bytes that a vote signs. The store's id keeps a vote from counting in a copy of the database."""
    return canonical(
        {
            "type": "runplane.vote/1",
            "store": store,
            "request_id": request_id,
            "digest": digest,
            "answer": answer.value,
            "person": person,
            "at": at,
        }
    )


def tally(
    requirement: Sequence[Need],
    votes: Iterable[Vote],
    people: Mapping[str, Person],
    *,
    digest: str,
    round: int,
    owner: str | None = None,
) -> Tally:
    """Counts the votes of one round. One no denies. A yes counts for each need whose groups its person is in.

    `owner` is whoever owns the agent or lowered the amount: their yes counts, but is not enough alone unless nobody else
    could ever vote (one-person mode). A requirement without needs is never met: an approval needs somebody.
    """
    counted: dict[str, Vote] = {}
    for vote in votes:
        person = people.get(vote.person)
        if person is None or not person.may_vote or vote.round != round or not same_digest(vote.digest, digest):
            continue
        counted[vote.person] = vote
    enrolled = [person for person in people.values() if person.may_vote]
    one_person = len(enrolled) == 1
    yes = tuple(sorted(name for name, vote in counted.items() if vote.answer is Answer.YES))
    for name, vote in sorted(counted.items()):
        if vote.answer is Answer.NO:
            return Tally(Standing.DENIED, yes, 0, denied_by=name, one_person=one_person)
    missing = 0
    counting: set[str] = set()
    for need in requirement:
        eligible = [name for name in yes if people[name].groups & need.groups]
        missing += max(0, need.people - len(eligible))
        counting.update(eligible)
    # Only who is asked counts as a second person: anybody else's yes must not help the owner over the line.
    if missing == 0 and owner is not None and counting == {owner} and not one_person:
        missing = 1
    met = bool(requirement) and missing == 0
    return Tally(Standing.APPROVED if met else Standing.OPEN, yes, missing, one_person=one_person)


def eligible_people(need: Need, people: Iterable[Person]) -> list[str]:
    """Who of the enrolled people could meet this need: empty or too few is said at once, not a day later."""
    return sorted(person.id for person in people if person.may_vote and person.groups & need.groups)
