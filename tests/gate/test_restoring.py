"""A backup that is put in force again: nothing that was open in it is ever sent a second time, whatever people click, and
nothing runs before an administrator has gone through it (THREATS 12, 18, 24)."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from runplane_mcp.app import restore_home
from runplane_mcp.core.approval import Answer, Role, vote_statement
from runplane_mcp.core.checkpoint import parse, sign
from runplane_mcp.core.freeze import Scope
from runplane_mcp.core.repeats import DENIED_FOR
from runplane_mcp.core.request import ActionRequest, Kind, State
from runplane_mcp.errors import FreezeError, PersonError, RunplaneError, StoreError
from runplane_mcp.gate import completer
from runplane_mcp.gate.audit.auditing import Said, audit
from runplane_mcp.gate.audit.erasing import erase
from runplane_mcp.gate.audit.signatures import check_signatures
from runplane_mcp.gate.freezing import lift_freezes, start_freeze
from runplane_mcp.gate.people import unlock
from runplane_mcp.gate.resolving import resolve
from runplane_mcp.gate.restored import HOLD
from runplane_mcp.gate.restoring import Restore
from runplane_mcp.gate.view import RequestView
from runplane_mcp.simulator import SEED, Fault, FaultKind
from runplane_mcp.store.backup import back_up
from runplane_mcp.store.base import Transaction
from runplane_mcp.store.log_key import read_key
from runplane_mcp.store.schema import APPLICATION_ID, VERSION
from runplane_mcp.store.verify import verify
from tests.damage import emptied
from tests.gate.conftest import SECRET, House, refund, submission, until
from tests.store.earlier import bring_back
from tests.store.things import a_request, a_vote, brought_to, stepped

SLOW = pytest.mark.slow
SMALL = SEED.payment_intent_40
LARGE = SEED.payment_intent_900


async def restored(
    house: House,
    file: Path | None,
    *,
    admin: str | None = "maria",
    secret: str | None = None,
    checkpoints: Sequence[Path] = (),
) -> Restore:
    return await restore_home(
        house.settings,
        file,
        admin=admin,
        secret=secret or f"{SECRET} {admin}",
        checkpoints=checkpoints,
        clock=house.clock,
    )


async def resolved(house: House, reference: str, outcome: State, object_id: str | None = None) -> None:
    async with house.desk() as desk:
        await resolve(
            desk,
            reference,
            outcome=outcome,
            admin="maria",
            secret=f"{SECRET} maria",
            evidence="Looked in Stripe's Dashboard.",
            object_id=object_id,
        )


async def approved(house: House) -> RequestView:
    """A refund of $900.00 that people said yes to while no gate ran."""
    await house.enrol()
    async with house.gate() as gate:
        held = await gate.submit(refund(LARGE))
    await house.vote(held)
    return held


def effects(house: House) -> int:
    return int(house.world.summary()["effects"])


def backed_up(house: House, to: Path) -> Path:
    back_up(house.settings.database, to)
    return to


async def refused(house: House) -> str:
    with pytest.raises(StoreError) as error:
        async with house.gate():
            pass
    return error.value.code


async def state_of(house: House, request_id: str) -> State:
    async with house.desk() as desk:
        return (await desk.life(request_id)).request.state


async def test_what_was_approved_in_a_backup_and_ran_since_has_no_second_effect_whatever_people_click(
    house: House, tmp_path: Path
) -> None:
    held = await approved(house)
    file = backed_up(house, tmp_path / "backup.db")
    async with house.gate() as gate:
        await until(gate, held, State.SUCCEEDED)
    received = house.world.summary()["writes"]["received"]

    done = await restored(house, file)
    async with house.gate() as gate:
        again = await gate.submit(refund(LARGE))
        with pytest.raises(RunplaneError):
            await house.vote(held)
        with pytest.raises(RunplaneError):
            await house.vote(held, Answer.NO)
        async with house.desk() as desk:
            with pytest.raises(FreezeError) as kept:
                await lift_freezes(desk, await desk.frozen(), admin="maria", secret=f"{SECRET} maria")
        other = await gate.submit(refund(SMALL))
        still = await gate.wait("stdio", held.request_id, 1.0)
        await resolved(house, held.reference, State.SUCCEEDED, "re_seen")
        ended = await gate.get("stdio", held.request_id)

    [aside] = done.set_aside
    assert (aside.request.id, aside.request.state, aside.since) == (held.request_id, State.APPROVED, State.SUCCEEDED)
    assert aside.object_id is not None
    assert again.request_id == held.request_id
    assert (still.status, ended.status) == (State.OUTCOME_UNKNOWN, State.SUCCEEDED)
    assert kept.value.code == "freeze.restored"
    assert (other.status, other.failure and other.failure.code) == (State.BLOCKED, "frozen")
    assert house.world.summary()["writes"]["received"] == received
    assert effects(house) == 1
    assert verify(house.settings.database).ok


@pytest.mark.parametrize(
    "outcome",
    [pytest.param(State.SUCCEEDED, marks=SLOW), pytest.param(State.FAILED, marks=SLOW), State.CANCELED],
)
async def test_each_is_ended_at_once_by_an_administrators_word_and_then_the_home_goes_on(
    house: House, tmp_path: Path, outcome: State
) -> None:
    held = await approved(house)
    file = backed_up(house, tmp_path / "backup.db")
    await restored(house, file)
    await resolved(house, held.reference, outcome)

    async with house.gate() as gate:
        view = await gate.submit(refund(SMALL))
        assert view.status is State.WAITING  # for a day people are asked
        await house.vote(view)
        await until(gate, view, State.SUCCEEDED)

    async with house.desk() as desk:
        life = await desk.life(held.request_id)
        assert await desk.frozen() == ()
    assert (life.request.state, life.resolution and life.resolution.outcome) == (outcome, outcome)
    found = audit(house.settings.database, house.settings.checkpoint_file)
    assert (found.ok, found.anchored, found.problem) == (True, True, None)
    assert effects(house) == 1


def quiet_read(tx: Transaction) -> ActionRequest:
    """One that runs and has no event of its own yet."""
    request = tx.insert_request(a_request(kind=Kind.READ, lease_owner="gate-dead"), event={}, quiet=True)
    return stepped(tx, request, State.EXECUTING)


def said_yes_to(tx: Transaction, **changes: Any) -> ActionRequest:
    """By maria's own signature."""
    request, person = brought_to(tx, State.WAITING, **changes), tx.people()["maria"]
    vote = a_vote(request, person.id)
    statement = vote_statement(
        store=tx.store_id(),
        request_id=vote.request_id,
        digest=vote.digest,
        answer=vote.answer,
        person=vote.person,
        at=vote.at,
    )
    tx.add_vote(replace(vote, proof=unlock(person, f"{SECRET} maria").sign(statement).hex()))
    return stepped(tx, request, State.APPROVED)


async def test_every_open_state_is_set_aside_with_what_it_reserved_and_none_is_sent(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Received, scheduled and executing as processes leave them that die; reads of theirs end."""
    await house.enrol()
    cancel = {"subscription_exposed_id": SEED.subscription_office}
    monkeypatch.setattr(completer, "UNWATCHED", 60.0)
    async with house.gate() as gate:
        waiting = await gate.submit(submission("DeleteSubscriptionsSubscriptionExposedId", cancel))
        house.world.add_fault(Fault(FaultKind.ERROR_500, method="POST", path_prefix="/v1/refunds", remembered=True))
        unknown = await gate.submit(refund(SMALL))
        held = await gate.submit(refund(LARGE))
        identity = await gate.identity()
        left = [
            await gate.store.write(partial(make, identity=identity, kind=kind, lease_owner="gate-dead"))
            for kind in (Kind.WRITE, Kind.READ)
            for make in (
                partial(brought_to, state=State.RECEIVED),
                partial(brought_to, state=State.SCHEDULED),
                partial(brought_to, state=State.EXECUTING, way=(State.EXECUTING,)),
                said_yes_to,
            )
        ]
        quiet = await gate.store.write(quiet_read)
        # Before the gate has looked at them.
        file = backed_up(house, tmp_path / "early.db")
    monkeypatch.undo()
    async with house.gate() as gate:
        pass
    await house.vote(held)
    with closing(sqlite3.connect(file)) as database:
        before = database.execute("SELECT * FROM reservation ORDER BY 1, 2").fetchall()
    received = house.world.summary()["writes"]["received"]

    done = await restored(house, file)
    with closing(sqlite3.connect(house.settings.database)) as database:
        after = database.execute("SELECT * FROM reservation ORDER BY 1, 2").fetchall()
    async with house.gate() as gate:
        house.clock.forward(120_000)
        now = [await state_of(house, each.request_id) for each in (held, waiting, unknown)]
        ended = {each.state: await state_of(house, each.id) for each in left if each.kind is Kind.READ}
        await gate.wait("stdio", held.request_id, 0.3)

    was = {each.request.id: each.request.state for each in done.set_aside}
    assert was == {
        held.request_id: State.WAITING,
        waiting.request_id: State.WAITING,
        unknown.request_id: State.OUTCOME_UNKNOWN,
        **{each.id: each.state for each in left if each.kind is Kind.WRITE},
    }
    assert set(now) == {State.OUTCOME_UNKNOWN}
    assert done.reads == 5
    assert await state_of(house, quiet.id) is State.FAILED
    assert ended == {
        State.RECEIVED: State.FAILED,
        State.SCHEDULED: State.CANCELED,
        State.EXECUTING: State.FAILED,
        State.APPROVED: State.CANCELED,
    }
    assert after == before
    assert house.world.summary()["writes"]["received"] == received
    assert verify(house.settings.database).ok


@SLOW
async def test_only_proof_at_stripe_settles_one_by_itself(house: House, tmp_path: Path) -> None:
    """Its own key is on Stripe's event: it was done. Nothing is sent for that."""
    await house.enrol()
    house.world.add_fault(Fault(FaultKind.DROP_ANSWER, method="POST", path_prefix="/v1/refunds", times=50))
    taken: list[Path] = []

    def probe(point: str) -> None:
        # The copy is taken while it is being sent.
        if point == "execute.before_send" and not taken:
            taken.append(backed_up(house, tmp_path / "backup.db"))

    async with house.gate(probe) as gate:
        sent = await gate.submit(refund(SMALL))
    received = house.world.summary()["writes"]["received"]
    done = await restored(house, taken[0])
    async with house.gate() as gate:
        proven = await until(gate, sent, State.SUCCEEDED)

    assert [each.request.state for each in done.set_aside] == [State.EXECUTING]
    assert proven.status is State.SUCCEEDED
    assert house.world.summary()["writes"]["received"] == received
    assert effects(house) == 1


async def test_an_old_copy_put_back_by_hand_is_accepted_only_by_an_administrator_and_sends_nothing(
    house: House, tmp_path: Path
) -> None:
    held = await approved(house)
    shutil.copy(house.settings.database, tmp_path / "approved.db")
    async with house.gate() as gate:
        await until(gate, held, State.SUCCEEDED)
    shutil.copy(tmp_path / "approved.db", house.settings.database)
    assert await refused(house) == "store.rolled_back"

    with pytest.raises(PersonError) as stranger:
        await restored(house, None, secret="not hers")
    assert await refused(house) == "store.rolled_back"
    done = await restored(house, None)
    async with house.gate() as gate:
        still = await gate.wait("stdio", held.request_id, 0.5)

    assert stranger.value.code == "person.secret"
    assert (done.mode, done.epoch, len(done.set_aside)) == ("here", 2, 1)
    assert still.status is State.OUTCOME_UNKNOWN
    assert effects(house) == 1


@SLOW
async def test_a_backup_put_in_place_by_hand_is_taken_up_from_there(house: House, tmp_path: Path) -> None:
    held = await approved(house)
    file = backed_up(house, tmp_path / "backup.db")
    async with house.gate():
        pass
    shutil.copy(file, house.settings.database)
    assert await refused(house) == "store.backup"

    done = await restored(house, None)
    await resolved(house, held.reference, State.CANCELED)
    async with house.gate() as gate:
        assert (await gate.get("stdio", held.request_id)).status is State.CANCELED

    assert (done.mode, done.source.taken_at is not None) == ("here", True)


@SLOW
async def test_into_a_new_folder_the_home_comes_back_with_another_key_for_its_log(house: House, tmp_path: Path) -> None:
    held = await approved(house)
    file = backed_up(house, tmp_path / "backup.db")
    for each in ("runplane.db", "runplane.db.checkpoint", "log-signing-key"):
        (house.home / each).unlink()
    done = await restored(house, file)
    found = audit(house.settings.database, house.settings.checkpoint_file)

    assert (done.aside.database, done.aside.checkpoint, done.key_changed) == (None, None, True)
    assert (found.ok, found.anchored, found.problem) == (True, True, None)
    assert await state_of(house, held.request_id) is State.OUTCOME_UNKNOWN


@SLOW
async def test_what_it_replaces_is_kept_whole_and_its_checkpoints_say_nothing_against_the_new_epoch(
    house: House, tmp_path: Path
) -> None:
    held = await approved(house)
    file = backed_up(house, tmp_path / "backup.db")
    async with house.gate() as gate:
        await until(gate, held, State.SUCCEEDED)
    before = verify(house.settings.database)
    done = await restored(house, file)
    assert done.aside.database is not None
    assert done.aside.checkpoint is not None
    kept = verify(done.aside.database)
    found = audit(house.settings.database, house.settings.checkpoint_file, copies=[done.aside.checkpoint])

    assert (kept.ok, kept.root, kept.events) == (True, before.root, before.events)
    assert done.replaced.earlier is True
    assert [each.said for each in found.compared] == [Said.SAME, Said.LEFT_BEHIND]
    assert found.ok
    assert {path.name for path in house.home.iterdir() if path.suffix in {"", ".db"}} >= {"runplane.db"}
    assert not (house.home / "restoring").exists()
    assert oct(house.settings.database.stat().st_mode & 0o777) == "0o600"


@SLOW
async def test_a_second_restore_of_the_same_file_begins_a_later_epoch(house: House, tmp_path: Path) -> None:
    held = await approved(house)
    file = backed_up(house, tmp_path / "backup.db")
    first = await restored(house, file)
    await resolved(house, held.reference, State.FAILED)
    second = await restored(house, file)
    # And of a backup of a restored store in which something is still set aside.
    third = await restored(house, backed_up(house, tmp_path / "again.db"))

    assert (first.epoch, second.epoch, third.epoch) == (2, 3, 4)
    assert await state_of(house, held.request_id) is State.OUTCOME_UNKNOWN
    assert third.set_aside[0].request.restored == 3
    found = audit(house.settings.database, house.settings.checkpoint_file)
    assert (found.ok, found.anchored, found.problem) == (True, True, None)


async def test_what_stood_frozen_stands_again_and_what_was_erased_is_named(house: House, tmp_path: Path) -> None:
    await house.enrol()
    async with house.gate() as gate:
        await until(gate, await gate.submit(refund(SMALL)), State.SUCCEEDED)
    file = backed_up(house, tmp_path / "backup.db")
    async with house.desk() as desk:
        await start_freeze(desk, Scope(action="payouts"), said_by="max", reason="odd")
        await erase(desk, SEED.customer_ben, admin="maria", secret=f"{SECRET} maria")
    done = await restored(house, file)
    async with house.desk() as desk:
        [frozen] = await desk.frozen()

    assert (frozen.scope, frozen.said_by, frozen.reason) == (Scope(action="payouts"), "max", "odd")
    assert done.freezes == 1
    assert done.replaced.erased == (SEED.customer_ben,)


async def test_for_a_day_what_could_be_a_second_time_asks_people(house: House, tmp_path: Path) -> None:
    """The store has forgotten what ran after the copy: the same, asked again, must not pass as new."""
    await house.enrol()
    file = backed_up(house, tmp_path / "backup.db")
    async with house.gate() as gate:
        first = await until(gate, await gate.submit(refund(SMALL, 1_000)), State.SUCCEEDED)
    await restored(house, file)
    async with house.gate() as gate:
        again = await gate.submit(refund(SMALL, 1_000))
        read = await gate.submit(submission("GetBalance", {}))
        async with house.desk() as desk:
            card = await desk.card(again.request_id)
        await house.vote(again, Answer.NO)
        house.clock.forward(DENIED_FOR + 1_000)
        later = await gate.submit(refund(SMALL, 500))

    assert first.status is State.SUCCEEDED
    assert (again.status, read.status, later.status) == (State.WAITING, State.SUCCEEDED, State.SUCCEEDED)
    assert any("was restored" in each for each in card.why)
    assert any("sums lack it" in each for each in card.warnings)


async def no_one(house: House, file: Path) -> str:
    before = house.settings.database.read_bytes()
    with pytest.raises(RunplaneError) as error:
        await restored(house, file)
    assert house.settings.database.read_bytes() == before
    assert not list(house.home.glob("*replaced*"))
    assert error.value.next_step or isinstance(error.value, PersonError)
    return error.value.code


def damaged(file: Path) -> None:
    with sqlite3.connect(file, isolation_level=None) as connection:
        page = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'event'").fetchone()[0]
    connection.close()
    content = bytearray(file.read_bytes())
    content[(page - 1) * 4096 : (page - 1) * 4096 + 100] = b"\xff" * 100
    file.write_bytes(content)


def forged(file: Path) -> None:
    """A vote past Runplane, in a row that no event made."""
    with sqlite3.connect(file, isolation_level=None) as connection:
        connection.execute("DROP TRIGGER request_move")
        connection.execute("UPDATE request SET state = 'approved'")
    connection.close()


def of_another_program(file: Path) -> None:
    file.unlink()
    with sqlite3.connect(file, isolation_level=None) as connection:
        connection.execute("CREATE TABLE things (name TEXT)")
    connection.close()


def of_a_newer_version(file: Path) -> None:
    with sqlite3.connect(file, isolation_level=None) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (damaged, "store.corrupt"),
        (partial(emptied, index="request_principal"), "store.corrupt"),
        (forged, "store.corrupt"),
        (of_another_program, "store.schema"),
        (of_a_newer_version, "store.schema"),
        (lambda file: file.write_text("last week's letter"), "store.corrupt"),
        (lambda file: file.write_bytes(b""), "store.schema"),
        (Path.unlink, "store.unavailable"),
    ],
    ids=[
        "damaged",
        "an empty index",
        "forged",
        "of another program",
        "of a newer version",
        "a text",
        "empty",
        "not there",
    ],
)
async def test_what_is_no_whole_backup_is_refused_and_changes_nothing(
    house: House, tmp_path: Path, spoil: Callable[[Path], object], code: str
) -> None:
    await approved(house)
    file = backed_up(house, tmp_path / "backup.db")
    spoil(file)

    assert await no_one(house, file) == code


@pytest.mark.parametrize("here", [False, True], ids=["a file", "here"])
async def test_a_wrong_secret_is_counted_in_the_log_that_stays_in_force(
    house: House, tmp_path: Path, here: bool
) -> None:
    """THREATS 11: whoever tries out secrets at a copy leaves a trace."""
    await house.enrol()
    file = backed_up(house, tmp_path / "backup.db")
    before = verify(house.settings.database).events
    with pytest.raises(PersonError) as refused:
        await restored(house, None if here else file, secret="not hers at all")
    async with house.desk() as desk:
        counted = await desk.store.read(lambda reader: reader.events(before, 10))
    found = audit(house.settings.database, house.settings.checkpoint_file)

    assert refused.value.code == "person.secret"
    assert [(event.type, json.loads(event.body)["person"]) for event in counted] == [("person.refused", "maria")]
    assert (found.ok, found.anchored) == (True, True)


async def test_where_no_log_can_count_a_wrong_secret_it_is_said(
    house: House, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await house.enrol()
    file = backed_up(house, tmp_path / "backup.db")
    house.settings.database.unlink()
    with pytest.raises(PersonError):
        await restored(house, file, secret="not hers at all")

    assert "a wrong secret of maria was given to a restore" in caplog.text
    assert not house.settings.database.exists()


async def test_only_an_administrator_of_the_copy_restores_it(house: House, tmp_path: Path) -> None:
    """THREATS 11: who became one since, or in another home, is nobody in it."""
    await house.enrol()
    await house.enrol("lee", "finance", role=Role.APPROVER, by="maria")
    file = backed_up(house, tmp_path / "backup.db")
    await house.enrol("eve", "finance", by="maria")

    codes = []
    for admin, secret in (("lee", None), ("eve", None), ("maria", "not hers"), (None, "any")):
        with pytest.raises(PersonError) as error:
            await restored(house, file, admin=admin, secret=secret)
        codes.append(error.value.code)
    assert codes == ["person.not_admin", "person.unknown", "person.secret", "person.admin_needed"]
    assert verify(house.settings.database).ok


async def test_nothing_is_replaced_while_anybody_has_it_open(house: House, tmp_path: Path) -> None:
    await house.enrol()
    file = backed_up(house, tmp_path / "backup.db")
    async with house.gate():
        assert await no_one(house, file) == "store.gates_running"
    async with house.desk():
        assert await no_one(house, file) == "store.in_use"
    with closing(sqlite3.connect(house.settings.database, isolation_level=None)) as other:
        other.execute("PRAGMA busy_timeout = 0")
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM event").fetchone()
        assert await no_one(house, file) == "store.in_use"
    assert await no_one(house, house.settings.database) == "store.restore_same"


async def test_the_backup_of_another_home_is_refused(house: House, tmp_path: Path) -> None:
    await house.enrol()
    file = backed_up(house, tmp_path / "backup.db")
    house.settings.database.unlink()
    # A database of its own, as a first start in an emptied folder makes it.
    with pytest.raises(StoreError):
        async with house.gate():
            pass

    assert await no_one(house, file) == "store.other_store"


@SLOW
async def test_a_database_that_cannot_be_read_any_more_is_replaced_and_kept_as_it_is(
    house: House, tmp_path: Path
) -> None:
    held = await approved(house)
    file = backed_up(house, tmp_path / "backup.db")
    content = b"\xff" * 8192 + os.urandom(8192)
    house.settings.database.write_bytes(content)
    house.home.joinpath("runplane.db-wal").write_bytes(b"its log")
    done = await restored(house, file)

    assert done.aside.database is not None
    assert done.aside.database.read_bytes() == content
    assert [path.read_bytes() for path in house.home.glob("runplane.db.replaced-*-wal")] == [b"its log"]
    assert done.replaced.problem is not None
    # Its checkpoint could still be read: the epoch lies above it.
    assert done.epoch == 2
    assert await state_of(house, held.request_id) is State.OUTCOME_UNKNOWN


@pytest.mark.parametrize(
    "version", [*(pytest.param(version, marks=SLOW) for version in range(1, VERSION - 1)), VERSION - 1]
)
async def test_a_backup_of_an_earlier_version_is_brought_up_and_restored(
    house: House, tmp_path: Path, version: int
) -> None:
    held = await approved(house)
    file = tmp_path / "backup.db"
    shutil.copy(house.settings.database, file)
    bring_back(file, version)
    async with house.gate() as gate:
        await until(gate, held, State.SUCCEEDED)
    done = await restored(house, file)

    assert (done.source.version, done.mode) == (version, "copy")
    assert await state_of(house, held.request_id) is State.OUTCOME_UNKNOWN
    found = audit(house.settings.database, house.settings.checkpoint_file)
    assert (found.ok, found.problem) == (True, None)
    async with house.desk() as desk:
        assert [each.id for each in await desk.frozen()] == [HOLD]


async def test_a_restore_that_nobody_signed_is_found_by_the_audit(house: House, tmp_path: Path) -> None:
    await approved(house)
    await restored(house, backed_up(house, tmp_path / "backup.db"))
    with closing(sqlite3.connect(house.settings.database)) as database:
        [(seq, body)] = database.execute("SELECT seq, body FROM event WHERE type = 'epoch.begun'").fetchall()
        changed = body.replace(b'"set_aside":1', b'"set_aside":0')
        assert changed != body
        database.execute("DROP TRIGGER event_update")
        database.execute("UPDATE event SET body = ? WHERE seq = ?", (changed, seq))
        database.commit()

    assert check_signatures(house.settings.database).first_bad == seq


async def test_an_epoch_that_somebody_raised_by_hand_runs_nothing(house: House, tmp_path: Path) -> None:
    """THREATS 24: an old copy put back, its number raised, so that no checkpoint speaks against it."""
    held = await approved(house)
    shutil.copy(house.settings.database, tmp_path / "approved.db")
    async with house.gate() as gate:
        await until(gate, held, State.SUCCEEDED)
    shutil.copy(tmp_path / "approved.db", house.settings.database)
    with closing(sqlite3.connect(house.settings.database, isolation_level=None)) as database:
        database.execute("UPDATE meta SET value = '2' WHERE key = 'epoch'")
    raised = await refused(house)
    with closing(sqlite3.connect(house.settings.database, isolation_level=None)) as database:
        database.execute("INSERT INTO meta VALUES ('epoch_seq', '1')")

    assert (raised, await refused(house)) == ("store.epoch_unproven", "store.epoch_unproven")
    assert effects(house) == 1


async def test_a_yes_of_before_the_restore_counts_for_nothing_whatever_the_row_says(
    house: House, tmp_path: Path
) -> None:
    """THREATS 12: the row says approved again, and the signatures of then are genuine."""
    held = await approved(house)
    await restored(house, backed_up(house, tmp_path / "backup.db"))
    with closing(sqlite3.connect(house.settings.database, isolation_level=None)) as database:
        database.execute("DROP TRIGGER request_move")
        database.execute("UPDATE request SET state = 'approved', restored = NULL")
    async with house.gate() as gate:
        still = await until(gate, held, State.WAITING, State.FAILED, State.SUCCEEDED)

    assert still.status is not State.SUCCEEDED
    assert effects(house) == 0


async def test_a_copy_must_be_what_a_checkpoint_kept_elsewhere_says_and_begins_an_epoch_above_it(
    house: House, tmp_path: Path
) -> None:
    """THREATS 24: a backup that was made to fit itself does not fit what was kept elsewhere."""
    held = await approved(house)
    file = backed_up(house, tmp_path / "backup.db")
    earlier = Path(shutil.copy(house.settings.checkpoint_file, tmp_path / "earlier.txt"))
    async with house.gate() as gate:
        await until(gate, held, State.SUCCEEDED)
    later = Path(shutil.copy(house.settings.checkpoint_file, tmp_path / "later.txt"))
    key = read_key(house.settings.log_key)
    there = parse(earlier.read_bytes()).checkpoint
    (tmp_path / "other.txt").write_bytes(sign(replace(there, root=bytes(32)), key).encode())
    (tmp_path / "restored.txt").write_bytes(sign(replace(there, epoch=7), key).encode())

    with pytest.raises(StoreError) as other:
        await restored(house, file, checkpoints=[earlier, tmp_path / "other.txt"])
    done = await restored(house, file, checkpoints=[earlier, later, tmp_path / "restored.txt"])

    assert other.value.code == "store.corrupt"
    assert "other.txt" in other.value.message
    assert done.epoch == 8
