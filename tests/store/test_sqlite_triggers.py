"""What the database itself refuses, whoever asks: plain SQL from outside, with a connection's weakest settings."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import suppress
from pathlib import Path

import pytest

from runplane_mcp.core.freeze import Freeze, Scope
from runplane_mcp.core.request import State, may_follow
from runplane_mcp.store.base import Transaction
from runplane_mcp.store.sqlite import open_store
from runplane_mcp.store.verify import verify
from tests.store.things import NOW, activated, brought_to, enrolled

NEW_REQUEST = """
INTO request (id, reference, state, version, principal, agent, via, operation_id, action, kind, target, account,
  livemode, created_at, policy_at, changed_at, round, attempt)
VALUES ({id}, {reference}, {state}, {version}, 'p', 'a', 'mcp', 'o', 'a', 'write', 't', 'acct', 0, 1, 1, 1, 0, 0)
"""


def new_request(id: str = "'new'", reference: str = "'RP-NEW'", state: str = "'received'", version: str = "1") -> str:
    return NEW_REQUEST.format(id=id, reference=reference, state=state, version=version)


def moved(state: str, to: str, more: str = "") -> str:
    return f"UPDATE request SET state = '{to}', version = version + 1{more} WHERE state = '{state}'"


REFUSED = {
    "change an event": "UPDATE event SET body = x'00' WHERE seq = 1",
    "change an event's number": "UPDATE OR REPLACE event SET seq = 2 WHERE seq = 1",
    "remove an event": "DELETE FROM event WHERE seq = 2",
    "remove all events": "DELETE FROM event",
    "replace an event": "INSERT OR REPLACE INTO event SELECT 1, at, type, request_id, x'00', leaf FROM event WHERE seq = 2",
    "replace an event (REPLACE)": "REPLACE INTO event SELECT * FROM event WHERE seq = 1",
    "leave a gap": "INSERT INTO event SELECT max(seq) + 2, at, type, request_id, body, leaf FROM event",
    "put an event in front": "INSERT INTO event SELECT 0, at, type, request_id, body, leaf FROM event WHERE seq = 1",
    "let SQLite number an event anew": "INSERT OR REPLACE INTO event (seq, at, type, body, leaf) "
    "SELECT 3, at, type, body, leaf FROM event WHERE seq = 1",
    "shorten the head": "UPDATE head SET size = size - 1",
    "remove the head": "DELETE FROM head",
    "replace the head": "INSERT OR REPLACE INTO head SELECT 1, 0, x'', root, 0 FROM head",
    "a second head": "INSERT INTO head SELECT 2, 0, x'', root, 0 FROM head",
    "change a decision": "UPDATE decision SET outcome = 'allow'",
    "change a decision (OR IGNORE)": "UPDATE OR IGNORE decision SET outcome = 'allow'",
    "remove a decision": "DELETE FROM decision",
    "replace a decision": "INSERT OR REPLACE INTO decision SELECT request_id, n, round, kind, 'allow', at, policy_at, "
    "policy_version, risk, risk_level, nonce, digest, content FROM decision",
    "change a vote": "UPDATE vote SET answer = 'no'",
    "remove a vote": "DELETE FROM vote",
    "replace a vote": "INSERT OR REPLACE INTO vote SELECT request_id, round, person, 'no', digest, at, proof_kind, proof, "
    "note FROM vote",
    "an answer that is none": "INSERT INTO vote SELECT request_id, 2, person, 'maybe', digest, at, proof_kind, proof, note "
    "FROM vote",
    "change a payload": "UPDATE payload SET body = x'7b7d'",
    "empty a payload and leave its name": "UPDATE payload SET salt = zeroblob(16), body = zeroblob(length(body))",
    "shorten a payload": "UPDATE payload SET commitment = printf('erased:%057d', number), salt = zeroblob(16), body = x''",
    "change a payload's words under an erased name": "UPDATE payload SET commitment = printf('erased:%057d', number)",
    "give an erased payload to another request": "UPDATE payload SET commitment = printf('erased:%057d', number), "
    "salt = zeroblob(16), body = zeroblob(length(body)), request_id = 'rpr_other'",
    "remove a payload": "DELETE FROM payload",
    "replace a payload": "INSERT OR REPLACE INTO payload SELECT number, commitment, request_id, salt, x'7b7d' FROM payload",
    "change a policy": "UPDATE policy SET text = 'version: 2'",
    "remove a policy": "DELETE FROM policy",
    "replace a policy": "INSERT OR REPLACE INTO policy SELECT version, 'version: 2' FROM policy",
    "remove a person": "DELETE FROM person",
    "rename a person": "UPDATE person SET id = 'eve'",
    "replace a person": "INSERT OR REPLACE INTO person SELECT id, role, groups, hex(randomblob(32)), salt, scrypt_n, "
    "scrypt_r, scrypt_p, active, added_by, event_seq FROM person",
    "remove a freeze": "DELETE FROM freeze",
    "narrow a freeze": "UPDATE freeze SET action = 'deletions'",
    "move a freeze to another agent": "UPDATE freeze SET agent = 'nobody'",
    "replace a freeze": "INSERT OR REPLACE INTO freeze SELECT id, agent, principal, 'deletions', at, told, 1 FROM freeze",
    "let a lifted freeze stand again": "UPDATE freeze SET lifted_seq = NULL WHERE lifted_seq IS NOT NULL",
    "give a freeze an earlier end": "UPDATE freeze SET lifted_seq = 1 WHERE lifted_seq IS NOT NULL",
    "another id for the store": "UPDATE meta SET value = 'rps_other' WHERE key = 'store_id'",
    "another id by moving a key": "UPDATE OR REPLACE meta SET key = 'store_id' WHERE key = 'epoch'",
    "another id by replacing": "INSERT OR REPLACE INTO meta VALUES ('store_id', 'rps_other')",
    "no id for the store": "DELETE FROM meta WHERE key = 'store_id'",
    "rewrite the migrations": "UPDATE migration SET at = 0",
    "remove a request": "DELETE FROM request",
    "a request that is born approved": "INSERT" + new_request(state="'approved'"),
    "a request that is born old": "INSERT" + new_request(version="2"),
    "replace a request by id": "INSERT OR REPLACE" + new_request(id="(SELECT min(id) FROM request)"),
    "replace a request by reference": "INSERT OR REPLACE"
    + new_request(reference="(SELECT min(reference) FROM request)"),
    "replace a request by number": "INSERT OR REPLACE INTO request SELECT * FROM request WHERE state = 'received'",
    "run a denied request": moved("denied", "executing"),
    "approve an expired request": moved("expired", "approved"),
    "run a canceled request": moved("canceled", "executing"),
    "run a succeeded request again": moved("succeeded", "executing"),
    "fail a succeeded request": moved("succeeded", "failed"),
    "run a failed request": moved("failed", "executing"),
    "run a blocked request": moved("blocked", "executing"),
    "run a replaced request": moved("replaced", "executing"),
    "run a waiting request": moved("waiting", "executing"),
    "approve a received request": moved("received", "approved"),
    "touch a final request": "UPDATE request SET version = version + 1 WHERE state = 'denied'",
    "touch a final request's words": "UPDATE request SET told = NULL WHERE state = 'denied'",
    "change a request in its state": "UPDATE request SET digest = NULL, version = version + 1 WHERE state = 'waiting'",
    "move without counting": "UPDATE request SET state = 'approved' WHERE state = 'waiting'",
    "a state that is none": moved("waiting", "paid"),
    "another principal": moved("waiting", "denied", ", principal = 'other'"),
    "other bytes than asked": moved("waiting", "denied", ", asked = NULL"),
    "that it takes another's place": moved("waiting", "denied", ", replaces = (SELECT id FROM request LIMIT 1)"),
    "another account": moved("waiting", "denied", ", account = 'acct_2'"),
    "live instead of test": moved("waiting", "denied", ", livemode = 1"),
    "another id": "UPDATE OR REPLACE request SET id = 'x', state = 'denied', version = version + 1 WHERE state = 'waiting'",
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("triggers") / "runplane.db"

    def fill(tx: Transaction) -> None:
        enrolled(tx)
        activated(tx)
        tx.start_freeze(Freeze("frz_1", Scope(), NOW))
        tx.start_freeze(Freeze("frz_2", Scope(action="refunds"), NOW))
        tx.lift_freeze("frz_2", {}, at=NOW)
        for state in State:
            brought_to(tx, state)

    async def main() -> None:
        store = open_store(path)
        await store.write(fill)
        await store.close()

    asyncio.run(main())
    return path


def dump(connection: sqlite3.Connection) -> list[str]:
    return list(connection.iterdump())


@pytest.mark.parametrize("statement", REFUSED.values(), ids=REFUSED.keys())
def test_the_database_refuses_to(filled: Path, statement: str) -> None:
    connection = sqlite3.connect(filled, isolation_level=None)
    # The weakest a stranger's connection can be set without changing the schema.
    connection.execute("PRAGMA recursive_triggers = OFF")
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("BEGIN")
    before = dump(connection)
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(statement)
    after = dump(connection)
    connection.execute("ROLLBACK")
    connection.close()

    assert after == before


@pytest.mark.parametrize("before", State)
def test_by_plain_sql_a_state_is_followed_by_those_of_the_table_and_no_other(tmp_path: Path, before: State) -> None:
    """The table of `core/request.py`, whoever writes: final is final. THREATS 12."""
    path = tmp_path / "runplane.db"

    async def main() -> None:
        store = open_store(path)
        await store.write(lambda tx: brought_to(tx, before))
        await store.close()

    asyncio.run(main())
    connection = sqlite3.connect(path, isolation_level=None)
    # What must stand behind a move is asked in test_standing.py.
    connection.execute("DROP TRIGGER request_stands")
    passed = set()
    for after in State:
        connection.execute("BEGIN")
        with suppress(sqlite3.IntegrityError):
            connection.execute(moved(before, after))
            passed.add(after)
        connection.execute("ROLLBACK")
    connection.close()

    assert passed == {after for after in State if may_follow(before, after)}


def test_the_statements_above_are_refused_for_their_content_and_not_for_their_form(filled: Path) -> None:
    """The same kinds of statements pass where they are allowed: nothing above fails by a slip of the pen."""
    connection = sqlite3.connect(filled, isolation_level=None)
    connection.execute("BEGIN")
    for statement in (
        "INSERT" + new_request(),
        moved("waiting", "denied", ", told = NULL"),
        moved("approved", "executing", ", attempt = 1, stripe_key = 'rp_1', first_attempt_at = 1"),
        "UPDATE head SET size = size",
        "UPDATE freeze SET lifted_seq = 3 WHERE lifted_seq IS NULL",
        "INSERT INTO event SELECT max(seq) + 1, at, type, request_id, body, leaf FROM event",
        "UPDATE payload SET commitment = printf('erased:%057d', number), salt = zeroblob(16), "
        "body = zeroblob(length(body))",
        "UPDATE meta SET value = '2' WHERE key = 'epoch'",
    ):
        assert connection.execute(statement).rowcount > 0
    connection.execute("ROLLBACK")
    connection.close()

    assert verify(filled).ok
