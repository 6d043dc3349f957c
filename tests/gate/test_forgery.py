"""What whoever can write the database file still cannot do, without touching a trigger: THREATS 7, 9 and 11."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from runplane_mcp.core.approval import Person, Role
from runplane_mcp.core.canonical import canonical
from runplane_mcp.core.merkle import leaf_hash
from runplane_mcp.core.request import State
from runplane_mcp.errors import PersonError, StoreError
from runplane_mcp.gate.people import act_statement, enrolment, public_hex
from runplane_mcp.gate.view import RequestView
from runplane_mcp.simulator import SEED
from tests.gate.conftest import SECRET, House, refund, until
from tests.gate.rewriting import unguarded


def rewrite(house: House, *statements: tuple[str, tuple[object, ...]]) -> None:
    with closing(sqlite3.connect(house.settings.database)) as forger, forger:
        for sql, values in statements:
            forger.execute(sql, values)


async def held(house: House) -> RequestView:
    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
    assert view.status is State.WAITING
    return view


@pytest.mark.parametrize("round", [1, 0], ids=["without votes", "as if it had been allowed"])
async def test_a_held_request_that_a_row_says_is_executing_is_not_sent(house: House, round: int) -> None:
    """The state a dead gate leaves behind is picked up by the next one: only what was decided goes on from there, also
    where the database's own rules were taken off."""
    view = await held(house)
    now = house.clock.wall()
    with unguarded(house.settings.database) as database:
        database.execute(
            "UPDATE request SET state = 'executing', version = version + 2, round = ?, attempt = 1, stripe_key = 'rp_0',"
            " lease_owner = 'gate-dead', lease_until = ?, first_attempt_at = ? WHERE id = ?",
            (round, now, now, view.request_id),
        )
    async with house.gate() as gate:
        after = await until(gate, view, State.OUTCOME_UNKNOWN, State.SUCCEEDED)

    assert after.status is State.OUTCOME_UNKNOWN
    assert house.world.summary()["writes"]["received"] == 0


async def test_a_card_made_of_other_words_than_were_decided_is_shown_to_nobody(house: House) -> None:
    """The digest says what runs; a person who signs it must have seen the card that was recorded with it."""
    view = await held(house)
    with closing(sqlite3.connect(house.settings.database)) as reader:
        name, salt, body = reader.execute(
            "SELECT commitment, salt, body FROM decision AS d JOIN payload ON commitment = content WHERE d.request_id = ?",
            (view.request_id,),
        ).fetchone()
    lying = body.replace(b"Refund $900.00 USD", b"Refund $9.00 USD")
    assert lying != body
    rewrite(
        house,
        ("DROP TRIGGER payload_delete", ()),
        ("DELETE FROM payload WHERE commitment = ?", (name,)),
        (
            "INSERT INTO payload (commitment, request_id, salt, body) VALUES (?, ?, ?, ?)",
            (name, view.request_id, salt, lying),
        ),
    )
    async with house.desk() as desk:
        with pytest.raises(StoreError) as refused:
            await desk.card(view.request_id)

    assert refused.value.code == "store.corrupt"


@pytest.mark.parametrize("body", [b"\xff", b"[", b"3", b"{}", b"[" * 100_000])
async def test_a_payload_that_is_none_is_damage_and_no_fault_of_ours(house: House, body: bytes) -> None:
    """Whoever looks is told to ask `audit verify`, and to restore a backup."""
    view = await held(house)
    with unguarded(house.settings.database) as database:
        [effective] = database.execute("SELECT effective FROM request").fetchone()
        database.execute("UPDATE payload SET body = ? WHERE commitment = ?", (body, effective))
    async with house.desk() as desk:
        with pytest.raises(StoreError) as refused:
            await desk.store.read(lambda reader: reader.request(view.request_id))

    assert refused.value.code == "store.corrupt"


def stranger(house: House, seq: int) -> tuple[str, bytes]:
    """A person of the forger's own key, enrolled by nobody but themselves, and the event that says so."""
    key = Ed25519PrivateKey.generate()
    mallory = Person(
        "mallory", Role.ADMIN, frozenset({"finance"}), public_hex(key), "00" * 16, 2, 8, 1, True, None, seq
    )
    with closing(sqlite3.connect(house.settings.database)) as reader:
        [store] = reader.execute("SELECT value FROM meta WHERE key = 'store_id'").fetchone()
    content = enrolment(mallory)
    statement = act_statement(store=store, act="person.added", content=content, person="mallory", at=1)
    body = {"type": "person.added", "seq": seq, "at": 1, "v": 1, "request_id": None, **content}
    body |= {"added_by": None, "signed_at": 1, "signature": key.sign(statement).hex()}
    return mallory.public_key, canonical(body)


async def test_nobody_becomes_the_first_person_by_moving_the_first_one_back(house: House) -> None:
    """Whoever enrolled themselves first is believed. Who that was, the log says, and not the order of the table."""
    await house.enrol()
    with closing(sqlite3.connect(house.settings.database)) as reader:
        [size] = reader.execute("SELECT max(seq) FROM event").fetchone()
    key, body = stranger(house, size + 1)
    event = "INSERT INTO event (seq, at, type, body, leaf) VALUES (?, 1, 'person.added', ?, ?)"
    rewrite(
        house,
        (event, (size + 1, body, leaf_hash(body))),
        (event, (size + 2, body, leaf_hash(body))),
        ("UPDATE person SET event_seq = ? WHERE id = 'maria'", (size + 2,)),
        (
            "INSERT INTO person VALUES ('mallory', 'admin', '[\"finance\"]', ?, ?, 2, 8, 1, 1, NULL, ?)",
            (key, "00" * 16, size + 1),
        ),
    )
    async with house.desk() as desk:
        assert await desk.people() == []


async def test_a_table_of_people_whom_the_log_does_not_know_is_no_new_home(house: House) -> None:
    """In a new home the first person needs nobody's secret, and neither does a policy. This is none."""
    await house.enrol()
    rewrite(house, ("UPDATE person SET salt = 'another'", ()))
    async with house.desk() as desk:
        with pytest.raises(PersonError) as adding:
            await desk.add_person("mallory", role=Role.ADMIN, groups=frozenset({"finance"}), secret=SECRET)
        with pytest.raises(PersonError) as activating:
            await desk.activate_policy(house.settings.policy_file.read_text() + "# looser\n", file="policies.yaml")

    assert (adding.value.code, activating.value.code) == ("person.unproven", "person.unproven")


async def test_a_row_put_before_the_first_persons_changes_nothing(house: House) -> None:
    await house.enrol()
    columns = "role, groups, public_key, salt, scrypt_n, scrypt_r, scrypt_p, active"
    rewrite(house, (f"INSERT INTO person SELECT 'aaron', {columns}, NULL, 1 FROM person", ()))
    async with house.desk() as desk:
        assert [person.id for person in await desk.people()] == ["maria"]
