"""Whether `verify` finds what somebody with a database tool does to the log and the tables, and where."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from runplane_mcp.core.canonical import Json, canonical
from runplane_mcp.core.freeze import Freeze, Scope
from runplane_mcp.core.merkle import leaf_hash
from runplane_mcp.core.request import ActionRequest, Failure, State
from runplane_mcp.errors import StoreError
from runplane_mcp.store.base import T, Transaction
from runplane_mcp.store.records import Changes
from runplane_mcp.store.schema import VERSION
from runplane_mcp.store.sqlite import open_store
from runplane_mcp.store.sums import SPANS
from runplane_mcp.store.verify import RequestProof, Verification, verify, verify_requests
from tests.crash import race
from tests.damage import emptied
from tests.gate.rewriting import rewrite
from tests.store.things import (
    NOW,
    a_bucket,
    a_decision,
    a_vote,
    activated,
    brought_to,
    enrolled,
    received,
    sha,
    stepped,
)


def fill(tx: Transaction) -> None:
    """Fifteen events: 1 Ada enrolled, 2 policy activated, 3 received, 4 decision, 5 waiting, 6 vote, 7 approved,
    8 executing, 9 succeeded, 10 received, 11 failed, 12 stopped, 13 everything and 14 refunds frozen, 15 refunds lifted."""
    enrolled(tx)
    activated(tx)
    request = received(tx)
    tx.add_decision(a_decision(request))
    runs, digest = request.as_asked, sha(request.id)
    request = tx.move(request, State.WAITING, at=NOW, event={}, round=1, effective=runs, digest=digest)
    tx.add_vote(a_vote(request, note="Fine."))
    request = tx.move(request, State.APPROVED, at=NOW, event={})
    first: Changes = {"attempt": 1, "stripe_key": "rp_1", "first_attempt_at": NOW}
    request = tx.move(request, State.EXECUTING, at=NOW, event={}, **first)
    tx.set_result(request.id, {"id": "re_1"})
    tx.note_subject(request.id, customer="cus_1", object_id="ch_1", amount=500, currency="usd")
    tx.reserve(request.id, [a_bucket()], at=NOW, waiting=False)
    tx.move(request, State.SUCCEEDED, at=NOW, event={})
    other = received(tx)
    tx.move(other, State.FAILED, at=NOW, event={}, failure=Failure("parameter.type", "words"))
    tx.append("stopped", {}, at=NOW + 1)
    tx.start_freeze(Freeze("frz_all", Scope(), NOW + 1, "max"))
    tx.start_freeze(Freeze("frz_refunds", Scope(action="refunds"), NOW + 1))
    tx.lift_freeze("frz_refunds", {"by": "ada"}, at=NOW + 1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "runplane.db"

    async def main() -> None:
        store = open_store(path)
        await store.write(fill)
        await store.close()

    asyncio.run(main())
    return path


@pytest.fixture
def path(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(whole, tmp_path))


def tamper(path: Path, *changes: str | Callable[[sqlite3.Connection], object]) -> None:
    """Changes the database as its owner could: the triggers are taken away first and put back afterwards."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    for change in changes:
        if isinstance(change, str):
            assert connection.execute(change).rowcount != 0
        else:
            change(connection)
    for _, sql in triggers:
        connection.execute(sql)
    connection.execute("COMMIT")
    connection.close()


def rewritten(at_seq: int, **changes: Json) -> Callable[[sqlite3.Connection], object]:
    """An event rewritten so that its leaf fits again."""

    def change(connection: sqlite3.Connection) -> None:
        body = json.loads(connection.execute("SELECT body FROM event WHERE seq = ?", (at_seq,)).fetchone()[0])
        written = canonical({**body, **changes})
        connection.execute("UPDATE event SET body = ?, leaf = ? WHERE seq = ?", (written, leaf_hash(written), at_seq))

    return change


def found(path: Path) -> Verification:
    result = verify(path)
    assert result.ok == (result.problem is None)
    return result


def test_a_store_that_nobody_touched_is_whole(path: Path) -> None:
    result = found(path)

    assert (result.ok, result.events, result.first_bad, result.problem) == (True, 15, None, None)
    assert len(result.root) == 64
    assert result.events_per_second > 0


def test_an_empty_store_is_whole(tmp_path: Path) -> None:
    asyncio.run(open_store(tmp_path / "runplane.db").close())

    result = found(tmp_path / "runplane.db")
    assert (result.ok, result.events, result.root) == (True, 0, sha(""))


def summed(db: sqlite3.Connection) -> None:
    """The sums as the rows by now say, of limits that nothing waits for."""
    db.execute("DELETE FROM subtotal")
    for span in SPANS:
        db.execute(
            "INSERT INTO subtotal SELECT bucket, ?1, at >> ?1, currency, count(*), sum(amount) FROM reservation"
            " GROUP BY bucket, at >> ?1, currency",
            (span,),
        )


TAMPERINGS: dict[str, tuple[int | None, tuple[str | Callable[[sqlite3.Connection], object], ...]]] = {
    "an event's body is changed": (5, ("UPDATE event SET body = CAST(body || ' ' AS BLOB) WHERE seq = 5",)),
    "an event's leaf is changed": (5, ("UPDATE event SET leaf = zeroblob(32) WHERE seq = 5",)),
    "an event's body is no JSON": (
        12,
        (lambda db: db.execute("UPDATE event SET body = ?, leaf = ? WHERE seq = 12", (b"{", leaf_hash(b"{"))),),
    ),
    "an event's time is changed in its row": (5, ("UPDATE event SET at = at + 1 WHERE seq = 5",)),
    "an event's type is changed in its row": (12, ("UPDATE event SET type = 'started' WHERE seq = 12",)),
    "an event is given to another request": (12, ("UPDATE event SET request_id = 'rpr_x' WHERE seq = 12",)),
    "a decision's event is rewritten with a fitting leaf": (4, (rewritten(4, row=sha("other")),)),
    "a plain event is rewritten with a fitting leaf": (9, (rewritten(12, why="nothing"),)),
    "an event is removed": (6, ("DELETE FROM event WHERE seq = 6",)),
    "the first event is removed": (1, ("DELETE FROM event WHERE seq = 1",)),
    "an event is removed and the gap closed": (
        11,
        ("DELETE FROM event WHERE seq = 11", "UPDATE event SET seq = 11 WHERE seq = 12"),
    ),
    "the log's tail is cut": (15, ("DELETE FROM event WHERE seq = 15",)),
    "two events change places": (
        7,
        (
            "UPDATE event SET seq = 99 WHERE seq = 7",
            "UPDATE event SET seq = 7 WHERE seq = 8",
            "UPDATE event SET seq = 8 WHERE seq = 99",
        ),
    ),
    "an event is put in": (
        16,
        ("INSERT INTO event SELECT 16, at, type, request_id, body, leaf FROM event WHERE seq = 12",),
    ),
    "an event with fitting numbers is put in": (
        16,
        (
            "INSERT INTO event SELECT 16, at, type, request_id, body, leaf FROM event WHERE seq = 12",
            rewritten(16, seq=16),
        ),
    ),
    "the head's root is changed": (None, ("UPDATE head SET root = zeroblob(32)",)),
    "the head's size is changed": (15, ("UPDATE head SET size = 14",)),
    "the head's frontier is changed": (1, ("UPDATE head SET frontier = zeroblob(64)",)),
    "the head's time is changed": (None, ("UPDATE head SET newest_at = 0",)),
    "the head is removed": (None, ("DELETE FROM head",)),
    "a request's state is set back": (9, ("UPDATE request SET state = 'approved' WHERE state = 'succeeded'",)),
    "a request is set back with its version": (
        7,
        ("UPDATE request SET state = 'approved', version = 3 WHERE state = 'succeeded'",),
    ),
    "a request's bytes are exchanged": (
        9,
        (
            "UPDATE request SET effective = (SELECT asked FROM request WHERE state = 'failed') WHERE state = 'succeeded'",
        ),
    ),
    "a request's expiry is moved": (11, ("UPDATE request SET expires_at = 1 WHERE state = 'failed'",)),
    "a request is removed": (10, ("DELETE FROM request WHERE state = 'failed'",)),
    "a request is put in": (
        None,
        (
            "INSERT INTO request (id, reference, state, version, principal, agent, via, operation_id, action, kind, "
            "target, account, livemode, created_at, policy_at, changed_at, round, attempt) "
            "SELECT 'rpr_x', 'RP-X', 'approved', 1, principal, agent, via, operation_id, action, kind, "
            "target, account, livemode, created_at, policy_at, changed_at, round, attempt "
            "FROM request WHERE state = 'failed'",
        ),
    ),
    "a decision is changed": (4, ("UPDATE decision SET outcome = 'allow'",)),
    "a decision is removed": (4, ("DELETE FROM decision",)),
    "a decision is put in": (
        None,
        (
            "INSERT INTO decision SELECT request_id, 2, round, kind, 'allow', at, policy_at, policy_version, risk, "
            "risk_level, nonce, digest, content FROM decision",
        ),
    ),
    "a vote is changed": (6, ("UPDATE vote SET answer = 'no'",)),
    "a vote is removed": (6, ("DELETE FROM vote",)),
    "a vote is put in": (
        None,
        ("INSERT INTO vote SELECT request_id, 2, person, answer, digest, at, proof_kind, proof, note FROM vote",),
    ),
    "a person's key is exchanged": (1, ("UPDATE person SET public_key = hex(zeroblob(32))",)),
    "a person is put into another group": (1, ("""UPDATE person SET groups = '["cfo"]'""",)),
    "a person's groups are no list": (1, ("UPDATE person SET groups = '['",)),
    "a person is made inactive": (1, ("UPDATE person SET active = 0",)),
    "a person is removed": (1, ("DELETE FROM person",)),
    "a person is put in": (
        None,
        (
            "INSERT INTO person SELECT 'eve', role, groups, public_key, salt, scrypt_n, scrypt_r, scrypt_p, active, "
            "added_by, event_seq FROM person",
        ),
    ),
    "a payload of a request is changed": (
        3,
        ("UPDATE payload SET body = x'7b7d' WHERE commitment = (SELECT asked FROM request WHERE state = 'succeeded')",),
    ),
    "a payload of a decision is changed": (
        4,
        ("UPDATE payload SET body = x'7b7d' WHERE commitment = (SELECT content FROM decision)",),
    ),
    "a payload of a request is given to another": (
        3,
        (
            "UPDATE payload SET request_id = (SELECT id FROM request WHERE state = 'failed')"
            " WHERE commitment = (SELECT asked FROM request WHERE state = 'succeeded')",
        ),
    ),
    "a payload of a decision is nobody's": (
        4,
        ("UPDATE payload SET request_id = NULL WHERE commitment = (SELECT content FROM decision)",),
    ),
    "a freeze's words are a request's": (
        13,
        (
            "UPDATE payload SET request_id = (SELECT id FROM request WHERE state = 'failed')"
            " WHERE commitment = (SELECT told FROM freeze WHERE id = 'frz_all')",
        ),
    ),
    "a vote's note is removed": (6, ("DELETE FROM payload WHERE commitment = (SELECT note FROM vote)",)),
    "a result is changed": (
        9,
        ("UPDATE payload SET body = x'7b7d' WHERE commitment = (SELECT result FROM request WHERE result IS NOT NULL)",),
    ),
    "a payload is put in": (
        None,
        ("INSERT INTO payload (commitment, salt, body) VALUES (hex(zeroblob(32)), zeroblob(16), x'7b7d')",),
    ),
    "the enforced policy's text is changed": (None, ("UPDATE policy SET text = 'version: 1 # all allowed'",)),
    "another policy is enforced": (
        None,
        (
            f"INSERT INTO policy VALUES ('{sha('loose')}', 'loose')",
            f"UPDATE enforced_policy SET version = '{sha('loose')}'",
        ),
    ),
    "no policy is enforced": (None, ("DELETE FROM enforced_policy",)),
    "a policy is in force by another's word": (2, ("UPDATE enforced_policy SET by = 'ada'",)),
    "a policy is in force since another time": (2, ("UPDATE enforced_policy SET since = since - 1",)),
    "a policy is put in as proposed": (None, ("INSERT INTO proposed_policy SELECT 1, version, 1 FROM policy",)),
    "a policy is put in to be tried": (
        None,
        ("INSERT INTO candidate_policy SELECT 1, version, since, by FROM enforced_policy",),
    ),
    "a version is left out": (None, ("DELETE FROM migration WHERE version = 2",)),
    "a freeze is lifted by hand": (None, ("UPDATE freeze SET lifted_seq = 12 WHERE id = 'frz_all'",)),
    "a freeze is lifted by another's event": (None, ("UPDATE freeze SET lifted_seq = 15 WHERE id = 'frz_all'",)),
    "a lifted freeze stands again": (15, ("UPDATE freeze SET lifted_seq = NULL WHERE id = 'frz_refunds'",)),
    "a freeze is narrowed": (13, ("UPDATE freeze SET action = 'deletions' WHERE id = 'frz_all'",)),
    "a freeze is removed": (13, ("DELETE FROM freeze WHERE id = 'frz_all'",)),
    "a limit's sum is lowered": (None, ("UPDATE subtotal SET amount = 1",)),
    "a limit's sum is removed": (None, ("DELETE FROM subtotal",)),
    "what counts into a limit is removed": (9, ("DELETE FROM reservation",)),
    "what counts into a limit is removed with its sums": (9, ("DELETE FROM reservation", "DELETE FROM subtotal")),
    "what counts into a limit is lowered with its sums": (
        9,
        ("UPDATE reservation SET amount = 1", "UPDATE subtotal SET amount = 1"),
    ),
    "what counts into a limit is given back": (
        9,
        ("UPDATE reservation SET state = 'released'", "UPDATE subtotal SET amount = 0, currency = ''"),
    ),
    "what counts into a limit is older": (9, ("UPDATE reservation SET at = at - 1",)),
    "what counts into a limit is put in": (
        11,
        ("INSERT INTO reservation SELECT 2, bucket, at, currency, -amount, state FROM reservation", summed),
    ),
    "what counts into a limit is nobody's": (
        None,
        ("INSERT INTO reservation SELECT 99, bucket, at, currency, -amount, state FROM reservation", summed),
    ),
    "what counts into a limit counts into another": (9, ("""UPDATE bucket SET value = '["another"]'""",)),
    "a request counts for another": (
        9,
        (
            "UPDATE request SET number = 99 WHERE number = 2",
            "UPDATE request SET number = 2 WHERE number = 1",
            "UPDATE request SET number = 1 WHERE number = 99",
        ),
    ),
    "a request is not found by an id": (9, ("DELETE FROM mention WHERE stripe_id = 're_1'",)),
    "a request is found by another id": (11, ("INSERT INTO mention VALUES ('cus_1', 'write', 2)",)),
    "a request is found among reads": (9, ("UPDATE mention SET kind = 'read' WHERE stripe_id = 're_1'",)),
    "a request is about another customer": (9, ("UPDATE request SET about_customer = 'cus_2' WHERE number = 1",)),
    "a request is about another object": (9, ("UPDATE request SET about_object = NULL WHERE number = 1",)),
    "a request is about less": (9, ("UPDATE request SET about_amount = 1 WHERE number = 1",)),
    "a request is about something": (11, ("UPDATE request SET about_customer = 'cus_2' WHERE number = 2",)),
    "the digest of what a request counts is removed": (
        9,
        ("DELETE FROM reservation", "DELETE FROM subtotal", "UPDATE request SET reserved = NULL WHERE number = 1"),
    ),
    "a request's salt is exchanged": (9, ("UPDATE request SET salt = hex(zeroblob(16)) WHERE number = 1",)),
    "an agent's count is raised": (None, ("UPDATE tally SET count = count + 1",)),
    "an agent's refusals are made up": (
        None,
        ("INSERT INTO tally SELECT principal, 'refused', span, stretch, count FROM tally WHERE what = 'asked'",),
    ),
    "a freeze is put in": (
        None,
        (
            "INSERT INTO freeze SELECT 'frz_x', agent, principal, action, at, told, NULL FROM freeze WHERE id = 'frz_all'",
        ),
    ),
}


@pytest.mark.parametrize(("first_bad", "changes"), TAMPERINGS.values(), ids=TAMPERINGS.keys())
def test_it_is_found_when(
    path: Path, first_bad: int | None, changes: tuple[str | Callable[[sqlite3.Connection], object], ...]
) -> None:
    tamper(path, *changes)
    result = found(path)

    assert not result.ok
    assert result.first_bad == first_bad, result.problem


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("UPDATE reservation SET at = at - 1 WHERE number = 1", "counts into limits"),
        ("DELETE FROM reservation WHERE number = 1", "counts into limits"),
        (
            "INSERT INTO reservation SELECT 1, 2, at, currency, -amount, 'spent' FROM reservation WHERE number = 2",
            "counts into limits",
        ),
        ("INSERT INTO mention VALUES ('cus_9', 'write', 1)", "is found"),
        ("DELETE FROM mention WHERE number = 1", "is found"),
    ],
)
def test_what_was_changed_while_a_request_was_open_is_found_after_it_has_gone_on(
    tmp_path: Path, change: str, what: str
) -> None:
    """THREATS 24: the event of a true move speaks of the row as it is then, and not of what was put in beside it."""
    path = tmp_path / "runplane.db"

    def begin(tx: Transaction) -> ActionRequest:
        request = received(tx)
        tx.reserve(request.id, [a_bucket()], at=NOW, waiting=True)
        another = received(tx)
        tx.reserve(another.id, [a_bucket(bucket='["another"]')], at=NOW, waiting=False)
        stepped(tx, another, State.EXECUTING)
        return stepped(tx, request, State.WAITING)

    def end(tx: Transaction, request: ActionRequest) -> None:
        tx.settle(request.id, release=True)
        tx.mention(request.id, ["cus_1"])
        stepped(tx, request, State.DENIED)

    held = alone(path, begin)
    tamper(path, change)
    alone(path, lambda tx: end(tx, held))

    assert what in (found(path).problem or "")


def test_what_was_put_in_before_a_request_counted_anything_is_found(tmp_path: Path) -> None:
    path = tmp_path / "runplane.db"

    def decide(tx: Transaction, request: ActionRequest) -> None:
        tx.reserve(request.id, [a_bucket()], at=NOW, waiting=False)
        stepped(tx, request, State.EXECUTING)

    def begin(tx: Transaction) -> ActionRequest:
        another = received(tx)
        tx.reserve(another.id, [a_bucket(bucket='["another"]')], at=NOW, waiting=False)
        stepped(tx, another, State.EXECUTING)
        return received(tx)

    request = alone(path, begin)
    tamper(path, "INSERT INTO reservation SELECT 2, bucket, at, currency, -amount, state FROM reservation", summed)
    alone(path, lambda tx: decide(tx, request))

    assert "counts into limits" in (found(path).problem or "")


def alone(path: Path, work: Callable[[Transaction], T]) -> T:
    """What a process does that has the store open for this work only."""

    async def main() -> T:
        store = open_store(path)
        try:
            return await store.write(work)
        finally:
            await store.close()

    return asyncio.run(main())


@pytest.mark.parametrize("what", ["TRIGGER request_move", "TRIGGER event_delete", "INDEX request_unfinished"])
def test_a_rule_that_was_taken_away_is_missed(path: Path, what: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"DROP {what}")
    connection.close()

    result = found(path)
    assert result.problem is not None
    assert what.split()[1] in result.problem


@pytest.mark.parametrize(
    "made",
    [
        "TRIGGER sqlites_own AFTER INSERT ON event BEGIN DELETE FROM freeze; END",
        "TRIGGER extra AFTER INSERT ON event BEGIN DELETE FROM freeze; END",
        "VIEW sqlites_own AS SELECT 1",
    ],
)
def test_a_rule_that_was_put_in_is_seen_whatever_its_name(path: Path, made: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"CREATE {made}")
    connection.close()

    assert found(path).problem == f"The database's own rules were changed: `{made.split()[1]}` is not as it was made."


def test_what_sqlite_writes_down_for_its_planning_is_no_rule(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("ANALYZE")
    connection.close()

    assert found(path).ok


#: A request and a decision that no event speaks of.
UNSPOKEN = (
    "INSERT INTO request (id, reference, state, version, principal, agent, via, operation_id, action, kind, "
    "target, account, livemode, created_at, policy_at, changed_at, round, attempt) "
    "SELECT 'rpr_x', 'RP-X', 'succeeded', 2, principal, agent, via, operation_id, action, kind, "
    "target, account, livemode, created_at, policy_at, changed_at, round, attempt FROM request WHERE state = 'failed'",
    "INSERT INTO decision SELECT request_id, 2, round, kind, 'allow', at, policy_at, policy_version, risk, risk_level, "
    "nonce, digest, content FROM decision",
)


def test_an_event_told_twice_makes_no_room_for_a_row_that_none_made(path: Path) -> None:
    """THREATS 24: whoever can append needs no key to tell an event once more, and counts would be right again."""
    tamper(path, UNSPOKEN[0], UNSPOKEN[1])
    rewrite(path, lambda said: said.extend([said[10], said[3]]))

    assert found(path).problem == "Two events say that they wrote one and the same row."
    assert not proof(path).ok


@pytest.mark.parametrize("index", ["request_principal", "request_same_asked", "event_request"])
def test_an_index_that_was_emptied_behind_its_definition_is_found(path: Path, index: str) -> None:
    """THREATS 24: `why` finds requests by indexes, and so does a gate that asks whether one was made before."""
    emptied(path, index)

    assert index in (found(path).problem or "")


def test_a_table_that_is_gone_is_a_finding_and_not_a_crash(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("DROP TABLE vote")
    connection.close()

    assert not found(path).ok


def test_a_store_in_use_is_verified_as_it_stands_at_one_moment(tmp_path: Path) -> None:
    path = tmp_path / "runplane.db"

    async def main() -> list[Verification]:
        store = open_store(path)
        results = []
        for _ in range(5):
            writes = [asyncio.create_task(store.write(lambda tx: brought_to(tx, State.DENIED))) for _ in range(30)]
            results.append(await asyncio.to_thread(verify, path))
            await asyncio.gather(*writes)
        results.append(await asyncio.to_thread(verify, path))
        await store.close()
        return results

    results = asyncio.run(main())

    assert [result.problem for result in results] == [None] * 6
    assert results[-1].events == 600


def test_verifying_changes_nothing(path: Path) -> None:
    before = path.read_bytes()
    found(path)

    assert path.read_bytes() == before


def test_a_store_that_may_only_be_read_is_verified(path: Path) -> None:
    def attempt() -> bool:
        if os.geteuid() == 0:
            for above in [path.parent, *path.parent.parents][:-1]:
                above.chmod(above.stat().st_mode | 0o055)
            path.chmod(0o444)
            os.setgid(65534)
            os.setuid(65534)
        else:
            path.chmod(0o444)
            path.parent.chmod(0o555)
        return verify(path).ok

    assert race([attempt]) == [True]


def test_progress_is_told_to_the_end(path: Path) -> None:
    heard: list[tuple[int, int]] = []
    verify(path, lambda done, total: heard.append((done, total)))

    assert heard == [(15, 15)]


def test_what_is_no_store_is_an_error_and_not_a_finding(path: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    (tmp_path / "words.db").write_text("no database" * 1000)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()

    codes = {}
    for name in ("none.db", "empty.db", "words.db", "runplane.db"):
        with pytest.raises(StoreError) as refused:
            verify(tmp_path / name)
        codes[name] = refused.value.code
    assert codes == {
        "none.db": "store.unavailable",
        "empty.db": "store.unavailable",
        "words.db": "store.corrupt",
        "runplane.db": "store.schema",
    }


def proof(path: Path, number: int = 1) -> RequestProof:
    """Of the first or second request of `fill`."""
    with sqlite3.connect(path) as connection:
        id = connection.execute("SELECT id FROM request WHERE number = ?", (number,)).fetchone()[0]
    connection.close()
    return verify_requests(path, [id])[id]


def test_one_request_is_proven_from_its_own_events(path: Path) -> None:
    first, second = proof(path), proof(path, 2)
    with sqlite3.connect(path) as connection:
        leaf = connection.execute("SELECT leaf FROM event WHERE seq = 9").fetchone()[0]
    connection.close()

    assert (first.ok, first.seqs, first.first_bad) == (True, (3, 4, 5, 6, 7, 8, 9), None)
    assert first.leaf == leaf.hex()
    assert (second.ok, second.seqs) == (True, (10, 11))


@pytest.mark.parametrize(
    ("change", "first_bad"),
    [
        ("UPDATE event SET body = CAST(body || ' ' AS BLOB) WHERE seq = 6", 6),
        ("UPDATE request SET action = 'payout.create' WHERE number = 1", 9),
        ("UPDATE decision SET risk = 1", 4),
        ("UPDATE vote SET person = 'ada', answer = 'no'", 6),
        ("DELETE FROM reservation", 9),
        ("UPDATE request SET about_customer = 'cus_2' WHERE number = 1", 9),
        ("DELETE FROM payload WHERE commitment = (SELECT result FROM request WHERE number = 1)", 9),
        ("DELETE FROM event WHERE seq = 7", None),
        ("DELETE FROM event WHERE seq = 9", None),
    ],
)
def test_what_somebody_did_to_one_request_shows_there_and_at_no_other(
    change: str, first_bad: int | None, path: Path
) -> None:
    """THREATS 24."""
    tamper(path, change)
    found = proof(path)

    assert (found.ok, found.first_bad) == (False, first_bad)
    assert found.problem
    assert proof(path, 2).ok


def test_a_request_that_is_not_there_is_not_proven(path: Path) -> None:
    found = verify_requests(path, ["rpr_none"])["rpr_none"]

    assert (found.ok, found.seqs, found.leaf) == (False, (), "")


def test_there_must_be_a_store_to_prove_from(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store"):
        verify_requests(tmp_path / "runplane.db", ["rpr_1"])
