"""When a requirement is met: properties of counting votes. Every yes must be of this round, this digest, and an eligible
person; one no is enough."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runplane_mcp.core.approval import (
    GROUP_ID,
    PERSON_ID,
    Answer,
    Person,
    Role,
    Standing,
    Tally,
    Vote,
    eligible_people,
    tally,
    vote_statement,
)
from runplane_mcp.core.decision import Need

DIGEST = hashlib.sha256(b"what they saw").hexdigest()
OTHER = hashlib.sha256(b"something else").hexdigest()
GROUPS = ["finance", "leads", "board"]
NAMES = ["ana", "ben", "eve", "kim", "lee"]


def person(name: str, *groups: str, role: Role = Role.APPROVER, active: bool = True) -> Person:
    return Person(name, role, frozenset(groups), "00" * 32, "00" * 16, 2**17, 8, 1, active, None, 1)


def vote(name: str, answer: Answer = Answer.YES, *, digest: str = DIGEST, round: int = 1) -> Vote:
    return Vote("rpr_1", round, name, answer, digest, 0, "ed25519", "00")


def everybody(*people: Person) -> dict[str, Person]:
    return {each.id: each for each in people}


def counted(
    needs: list[Need], votes: list[Vote], people: dict[str, Person], owner: str | None = None, round: int = 1
) -> Tally:
    return tally(needs, votes, people, digest=DIGEST, round=round, owner=owner)


ONE = [Need(frozenset({"finance"}))]
TWO = [Need(frozenset({"finance"}), 2)]
ANA, BEN, EVE = person("ana", "finance"), person("ben", "finance", "leads"), person("eve", "board")

PEOPLE = st.lists(
    st.builds(
        person,
        st.sampled_from(NAMES),
        st.sampled_from(GROUPS),
        st.sampled_from(GROUPS),
        role=st.sampled_from([Role.APPROVER, Role.APPROVER, Role.ADMIN, Role.AUDITOR]),
        active=st.sampled_from([True, True, True, False]),
    ),
    min_size=1,
    max_size=5,
).map(lambda people: everybody(*people))
VOTES = st.lists(
    st.builds(
        vote,
        st.sampled_from([*NAMES, "nobody"]),
        st.sampled_from([Answer.YES] * 5 + [Answer.NO]),
        digest=st.sampled_from([DIGEST] * 4 + [OTHER]),
        round=st.sampled_from([1, 1, 1, 2]),
    ),
    max_size=6,
    unique_by=lambda vote: (vote.person, vote.round),
)
NEEDS = st.lists(
    st.builds(Need, st.frozensets(st.sampled_from(GROUPS), min_size=1), st.integers(1, 2)), min_size=1, max_size=2
)
OWNERS = st.none() | st.sampled_from(NAMES)


def test_one_yes_of_the_group_is_enough_where_one_is_needed() -> None:
    assert Standing.APPROVED is counted(ONE, [vote("ana")], everybody(ANA, BEN)).standing
    assert Standing.OPEN is counted(ONE, [vote("eve")], everybody(ANA, EVE)).standing


def test_two_people_are_two_people() -> None:
    """THREATS 9: the same person twice, by two rows in the database, is one."""
    people = everybody(ANA, BEN)

    assert 1 == counted(TWO, [vote("ana"), vote("ana")], people).needed
    assert Standing.APPROVED is counted(TWO, [vote("ana"), vote("ben")], people).standing


def test_each_need_is_needed_and_a_vote_counts_in_all_of_its_groups() -> None:
    needs = [*ONE, Need(frozenset({"leads", "board"}))]

    assert Standing.OPEN is counted(needs, [vote("ana")], everybody(ANA, BEN, EVE)).standing
    assert Standing.APPROVED is counted(needs, [vote("ana"), vote("eve")], everybody(ANA, BEN, EVE)).standing
    assert Standing.APPROVED is counted(needs, [vote("ben")], everybody(ANA, BEN, EVE)).standing


@pytest.mark.parametrize(
    "wrong",
    [vote("ana", digest=OTHER), vote("ana", round=2), vote("mallory"), vote("ana", digest=DIGEST[:-1])],
    ids=["another digest", "another round", "a stranger", "a cut digest"],
)
def test_a_vote_for_something_else_never_counts(wrong: Vote) -> None:
    """THREATS 9: no longer what was seen."""
    assert Tally(Standing.OPEN, (), 1, one_person=True) == counted(ONE, [wrong], everybody(ANA))
    assert Standing.OPEN is counted(ONE, [replace(wrong, answer=Answer.NO)], everybody(ANA)).standing


@pytest.mark.parametrize(
    "gone", [replace(ANA, active=False), replace(ANA, role=Role.AUDITOR), replace(ANA, groups=frozenset())]
)
def test_a_yes_of_somebody_who_may_not_vote_any_more_does_not_count(gone: Person) -> None:
    assert Standing.OPEN is counted(ONE, [vote("ana")], everybody(gone, BEN)).standing
    assert ["ben"] == eligible_people(ONE[0], [gone, BEN])


def test_a_requirement_without_needs_is_never_met() -> None:
    assert Standing.OPEN is counted([], [vote("ana")], everybody(ANA)).standing


def test_the_owner_of_the_agent_is_not_enough_alone() -> None:
    people = everybody(ANA, BEN)

    assert Tally(Standing.OPEN, ("ana",), 1) == counted(ONE, [vote("ana")], people, owner="ana")
    assert Standing.APPROVED is counted(ONE, [vote("ana"), vote("ben")], people, owner="ana").standing
    assert Standing.APPROVED is counted(ONE, [vote("ben")], people, owner="ana").standing


def test_the_yes_of_somebody_who_is_not_asked_does_not_help_the_owner() -> None:
    """THREATS 11: anybody's yes beside the owner's would otherwise do for a second person of finance."""
    people = everybody(ANA, BEN, EVE)

    assert Standing.OPEN is counted(ONE, [vote("ana"), vote("eve")], people, owner="ana").standing


def test_where_one_person_is_all_there_is_it_says_so() -> None:
    alone = counted(ONE, [vote("ana")], everybody(ANA, person("old", "finance", active=False)), owner="ana")

    assert Tally(Standing.APPROVED, ("ana",), 0, one_person=True) == alone


@given(NEEDS, VOTES, PEOPLE, OWNERS)
def test_one_no_denies_whatever_else_is_said(
    needs: list[Need], votes: list[Vote], people: dict[str, Person], owner: str | None
) -> None:
    naysayers = [
        each.person
        for each in votes
        if each.answer is Answer.NO
        and each.digest == DIGEST
        and each.round == 1
        and each.person in people
        and people[each.person].may_vote
    ]

    assert bool(naysayers) is (counted(needs, votes, people, owner).standing is Standing.DENIED)


@given(NEEDS, VOTES, PEOPLE, OWNERS)
def test_an_approval_has_enough_eligible_people_for_every_need(
    needs: list[Need], votes: list[Vote], people: dict[str, Person], owner: str | None
) -> None:
    result = counted(needs, votes, people, owner)
    eligible = [{*result.yes} & {*eligible_people(need, people.values())} for need in needs]
    enough = all(len(names) >= need.people for names, need in zip(eligible, needs, strict=True))
    alone = {owner} == set().union(*eligible) and not result.one_person

    assert (result.standing is Standing.APPROVED) is (enough and not alone and result.denied_by is None)


@given(NEEDS, VOTES, PEOPLE, OWNERS, st.data())
def test_the_order_of_votes_never_matters(
    needs: list[Need], votes: list[Vote], people: dict[str, Person], owner: str | None, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(votes))

    assert counted(needs, votes, people, owner) == counted(needs, shuffled, people, owner)


@given(NEEDS, VOTES, PEOPLE, OWNERS)
def test_another_round_starts_from_nothing(
    needs: list[Need], votes: list[Vote], people: dict[str, Person], owner: str | None
) -> None:
    """THREATS 9: going back to waiting voids every earlier vote."""
    result = counted(needs, votes, people, owner, round=3)

    assert (Standing.OPEN, ()) == (result.standing, result.yes)


@given(NEEDS, VOTES, PEOPLE, OWNERS, NEEDS)
def test_another_need_never_makes_an_approval_easier(
    needs: list[Need], votes: list[Vote], people: dict[str, Person], owner: str | None, more: list[Need]
) -> None:
    before, after = counted(needs, votes, people, owner), counted([*needs, *more], votes, people, owner)

    assert after.standing is before.standing or (before.standing, after.standing) == (Standing.APPROVED, Standing.OPEN)
    assert after.needed >= before.needed


def test_what_a_vote_signs_names_everything_it_is_for() -> None:
    """THREATS 9: not even a copy of the database can use it again."""
    statement = vote_statement(
        store="st_1", request_id="rpr_1", digest=DIGEST, answer=Answer.YES, person="ana", at=1_767_225_600_000
    )

    assert {
        "type": "runplane.vote/1",
        "store": "st_1",
        "request_id": "rpr_1",
        "digest": DIGEST,
        "answer": "yes",
        "person": "ana",
        "at": 1_767_225_600_000,
    } == json.loads(statement)
    assert b'{"answer":"yes","at":1767225600000,' == statement[:35]


@pytest.mark.parametrize("name", ["", "Ana", "ana ", "аna", "-ana", "a" * 65, "ana\n", "a/b", "a@b"])
def test_ids_of_people_and_groups_can_be_told_apart(name: str) -> None:
    """THREATS 11, 14: no second `ana` by another alphabet, case or blank."""
    assert PERSON_ID.fullmatch(name) is None
    assert GROUP_ID.fullmatch(name) is None
