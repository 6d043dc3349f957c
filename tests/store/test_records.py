"""Decisions, votes, people, policies and small values in any store."""

from __future__ import annotations

import asyncio
import json

import pytest

from runplane_mcp.core.approval import Answer, Role
from runplane_mcp.core.request import ActionRequest, State
from runplane_mcp.errors import ApprovalError, PersonError, StoreError
from runplane_mcp.store.base import Store, Transaction
from runplane_mcp.store.records import EnforcedPolicy, ProposedPolicy
from tests.store.things import (
    NOW,
    a_decision,
    a_request,
    a_vote,
    activated,
    brought_to,
    enrolled,
    received,
    sha,
    stepped,
)


async def test_decisions_read_back_first_to_last(store: Store) -> None:
    def work(tx: Transaction) -> ActionRequest:
        request = received(tx)
        tx.add_decision(a_decision(request))
        tx.add_decision(a_decision(request, 2, kind="execution", nonce=None, digest=None))
        return request

    request = await store.write(work)

    assert await store.read(lambda reader: reader.decisions(request.id)) == [
        a_decision(request),
        a_decision(request, 2, kind="execution", nonce=None, digest=None),
    ]
    assert await store.read(lambda reader: reader.decisions("rpr_none")) == []


async def test_a_decision_is_written_once(store: Store) -> None:
    request = await store.write(received)
    await store.write(lambda tx: tx.add_decision(a_decision(request)))
    with pytest.raises(StoreError):
        await store.write(lambda tx: tx.add_decision(a_decision(request, risk=99)))

    assert await store.read(lambda reader: reader.decisions(request.id)) == [a_decision(request)]


async def test_a_decision_needs_its_request(store: Store) -> None:
    with pytest.raises(StoreError):
        await store.write(lambda tx: tx.add_decision(a_decision(a_request())))


async def test_a_rounds_decision_is_the_one_whose_digest_people_saw(store: Store) -> None:
    def work(tx: Transaction) -> ActionRequest:
        request = received(tx)
        tx.add_decision(a_decision(request, 1, round=1))
        tx.add_decision(a_decision(request, 2, round=2, digest=None, kind="execution"))
        tx.add_decision(a_decision(request, 3, round=2, digest=sha("second round"), kind="execution"))
        tx.add_decision(a_decision(request, 4, round=2, digest=sha("second round"), kind="execution"))
        return request

    request = await store.write(work)

    async def number(round: int) -> int | None:
        found = await store.read(lambda reader: reader.round_decision(request.id, round))
        return None if found is None else found.n

    assert [await number(round) for round in (1, 2, 3)] == [1, 3, None]


async def test_votes_belong_to_their_round(store: Store) -> None:
    def work(tx: Transaction) -> ActionRequest:
        request = brought_to(tx, State.WAITING)
        enrolled(tx, "ada")
        enrolled(tx, "bob")
        tx.add_vote(a_vote(request, "bob", at=NOW, note="Only with a ticket, Mrs. Miller."))
        tx.add_vote(a_vote(request, "ada", at=NOW + 1))
        request = stepped(tx, stepped(tx, request, State.APPROVED), State.WAITING)
        tx.add_vote(a_vote(request, "ada", round=2, answer=Answer.NO))
        return request

    request = await store.write(work)

    assert await store.read(lambda reader: reader.votes(request.id, 1)) == [
        a_vote(request, "bob", at=NOW, note="Only with a ticket, Mrs. Miller."),
        a_vote(request, "ada", at=NOW + 1),
    ]
    again = [a_vote(request, "ada", round=2, answer=Answer.NO)]
    assert await store.read(lambda reader: reader.votes(request.id, 2)) == again
    assert await store.read(lambda reader: reader.votes(request.id, 3)) == []
    events = await store.read(lambda reader: reader.events(0, 100))
    assert not any(b"Miller" in event.body for event in events)


async def test_a_person_votes_once_in_a_round_even_when_two_come_at_once(store: Store) -> None:
    def work(tx: Transaction) -> ActionRequest:
        enrolled(tx)
        return brought_to(tx, State.WAITING)

    request = await store.write(work)
    votes = [store.write(lambda tx: tx.add_vote(a_vote(request))) for _ in range(8)]
    outcomes = await asyncio.gather(*votes, return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, ApprovalError)]

    assert {error.code for error in refused} == {"approval.voted"}
    assert len(refused) == 7
    assert len(await store.read(lambda reader: reader.votes(request.id, 1))) == 1


async def test_somebody_who_is_not_enrolled_has_no_vote(store: Store) -> None:
    request = await store.write(lambda tx: brought_to(tx, State.WAITING))
    with pytest.raises(StoreError) as refused:
        await store.write(lambda tx: tx.add_vote(a_vote(request, "nobody")))

    assert "FOREIGN KEY" in refused.value.message


async def test_people_read_back_by_name(store: Store) -> None:
    ada = await store.write(enrolled)
    bob = await store.write(lambda tx: enrolled(tx, "bob", role=Role.AUDITOR, groups=frozenset(), added_by="ada"))

    assert await store.read(lambda reader: reader.people()) == {"ada": ada, "bob": bob}
    with pytest.raises(PersonError) as taken:
        await store.write(enrolled)
    assert taken.value.code == "person.exists"


async def test_the_enforced_policy_is_the_last_activated(store: Store) -> None:
    assert await store.read(lambda reader: reader.enforced_policy()) is None

    first = await store.write(activated)
    assert await store.read(lambda reader: reader.enforced_policy()) == first

    second = await store.write(lambda tx: activated(tx, "version: 1 # changed\n"))
    assert await store.read(lambda reader: reader.enforced_policy()) == second

    again = await store.write(activated)
    assert await store.read(lambda reader: reader.enforced_policy()) == again == first


async def test_a_proposed_policy_waits_until_it_is_activated(store: Store) -> None:
    proposed = ProposedPolicy(sha("new"), "new", NOW)
    await store.write(lambda tx: tx.propose_policy(ProposedPolicy(sha("older"), "older", NOW)))
    await store.write(lambda tx: tx.propose_policy(proposed))
    assert await store.read(lambda reader: reader.proposed_policy()) == proposed

    await store.write(lambda tx: activated(tx, "other"))
    assert await store.read(lambda reader: reader.proposed_policy()) == proposed

    await store.write(lambda tx: activated(tx, "new"))
    assert await store.read(lambda reader: reader.proposed_policy()) is None


async def test_one_policy_version_has_one_text(store: Store) -> None:
    policy = await store.write(activated)
    with pytest.raises(StoreError):
        await store.write(lambda tx: tx.activate_policy(EnforcedPolicy(policy.version, "another text", NOW, "ada")))

    assert await store.read(lambda reader: reader.enforced_policy()) == policy


async def test_small_values_are_kept(store: Store) -> None:
    assert await store.read(lambda reader: reader.meta("target")) is None
    await store.write(lambda tx: tx.set_meta("target", "stripe"))
    await store.write(lambda tx: tx.set_meta("target", "simulator:w1"))

    assert await store.read(lambda reader: reader.meta("target")) == "simulator:w1"


async def test_a_store_keeps_the_id_it_was_made_with(store: Store) -> None:
    made_with = await store.read(lambda reader: reader.store_id())
    with pytest.raises(StoreError):
        await store.write(lambda tx: tx.set_meta("store_id", "rps_of_another"))

    assert await store.read(lambda reader: reader.store_id()) == made_with
    assert len(made_with) >= 32


async def test_equal_payloads_have_different_commitments(store: Store) -> None:
    # Without the salt, whoever reads the log could try names until one fits.
    content = {"customer": "Mrs. Miller"}
    one, other = await store.write(lambda tx: (tx.commit_payload(content), tx.commit_payload(content)))

    assert one != other
    assert await store.read(lambda reader: reader.payload(one)) == content
    assert await store.read(lambda reader: reader.payload(sha("none"))) is None


async def test_each_decision_and_vote_has_its_event_with_its_digest(store: Store) -> None:
    def work(tx: Transaction) -> ActionRequest:
        request = brought_to(tx, State.WAITING)
        enrolled(tx)
        tx.add_vote(a_vote(request))
        return request

    request = await store.write(work)
    events = await store.read(lambda reader: reader.events(0, 100, request.id))
    bodies = {event.type: json.loads(event.body) for event in events}

    assert list(bodies) == ["request.received", "decision", "request.waiting", "vote"]
    assert bodies["decision"]["digest"] == bodies["vote"]["digest"] == sha(request.id)
    assert (bodies["vote"]["person"], bodies["vote"]["answer"]) == ("ada", "yes")
