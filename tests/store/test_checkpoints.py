"""The checkpoint beside the database: always of what is durable, only ever forward, whole after every kill, and never in
the way of a decision."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import sqlite3
import stat
import threading
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from runplane_mcp.core.checkpoint import Checkpoint, Signed, parse, sign, who_signed
from runplane_mcp.core.log_key import CURRENT, LogKey
from runplane_mcp.store.anchors import LogState, Standing, compare, look, refusal
from runplane_mcp.store.backup import back_up
from runplane_mcp.store.base import Transaction
from runplane_mcp.store.checkpoints import Kept
from runplane_mcp.store.log_key import make_key, public_hex, read_key, tell_key
from runplane_mcp.store.sqlite import open_store
from runplane_mcp.store.verify import verify
from tests.crash import Probe, points_of, race, run_and_kill
from tests.store.keeping import checkpoint, event, events, keep, kept, put_back, standing
from tests.store.things import NOW

POINTS = ("checkpoint.begun", "checkpoint.before_rename", "checkpoint.renamed")
PATIENCE = 20.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runplane.db"


def test_a_store_that_is_closed_leaves_the_checkpoint_of_all_that_is_in_it(path: Path) -> None:
    keep(path, *events(4))
    note, found = checkpoint(path), verify(path)

    assert (note.checkpoint.size, note.checkpoint.root.hex()) == (found.events, found.root)
    assert note.checkpoint.epoch == 1
    assert who_signed(note, [read_key(kept(path).key).public_key().public_bytes_raw()])[0] is Signed.GOOD
    assert standing(path).standing is Standing.HELD
    assert stat.S_IMODE(kept(path).file.stat().st_mode) == 0o600


def test_who_only_looks_writes_none(path: Path) -> None:
    keep(path, event)
    before = kept(path).file.stat().st_mtime_ns

    async def look_at_it() -> None:
        store = open_store(path, kept=kept(path))
        await store.read(lambda reader: reader.head())
        await store.close()

    asyncio.run(look_at_it())
    assert kept(path).file.stat().st_mtime_ns == before


async def test_it_is_written_while_the_store_goes_on_and_not_with_every_commit(path: Path) -> None:
    written = threading.Semaphore(0)
    points: list[str] = []

    def probe(point: str) -> None:
        points.append(point)
        if point == "checkpoint.renamed":
            written.release()

    async def next_one(size: int) -> None:
        # One more may have been under way when the last commit was told.
        while checkpoint(path).checkpoint.size < size if kept(path).file.exists() else True:
            assert await asyncio.to_thread(written.acquire, timeout=PATIENCE)

    store = open_store(path, kept=kept(path), checkpoint_every=0.0, probe=probe)
    key = make_key(kept(path).key)
    await store.write(lambda tx: tell_key(tx, key, at=NOW))
    await next_one(1)
    await store.write(event)
    await next_one(2)
    await store.close()
    commits = points.count("store.after_commit")

    slow = open_store(path, kept=kept(path), checkpoint_every=3600.0, probe=probe)
    points.clear()
    for _ in range(20):
        await slow.write(event)
    assert "checkpoint.begun" not in points
    await slow.close()

    assert commits == 2
    assert points.count("checkpoint.begun") == 1
    assert checkpoint(path).checkpoint.size == 22


def test_of_many_processes_none_puts_it_back_and_none_is_ahead_of_the_database(path: Path, tmp_path: Path) -> None:
    keep(path, event)
    seen = tmp_path / "seen"

    def work() -> int:
        def probe(point: str) -> None:
            # Under the lock of the checkpoint: these lines are in the order in which the file was replaced.
            if point == "checkpoint.renamed":
                written = checkpoint(path).checkpoint
                with closing(sqlite3.connect(path)) as database:
                    row = database.execute("SELECT leaf FROM event WHERE seq = ?", (written.size,)).fetchone()
                assert row == (written.last_leaf,)
                with seen.open("a") as file:
                    file.write(f"{written.size}\n")

        keep(path, *events(25), probe=probe, every=0.0)
        return 0

    race([work] * 4)
    sizes = [int(line) for line in seen.read_text().splitlines()]

    assert sizes == sorted(set(sizes))
    assert sizes[-1] == verify(path).events == 2 + 4 * 25
    assert standing(path).standing is Standing.HELD


def life(path: Path, probe: Probe) -> None:
    keep(path, *events(5), probe=probe, every=0.0)


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("point", POINTS)
def test_a_kill_leaves_a_whole_checkpoint_and_the_next_process_goes_on(path: Path, point: str, nth: int) -> None:
    life(path, lambda _: None)
    before = checkpoint(path)
    run_and_kill(lambda probe: _two_lives(path, probe), f"{point}#{nth}")

    assert standing(path).standing is Standing.HELD
    assert checkpoint(path).checkpoint.size >= before.checkpoint.size
    keep(path, event)
    assert checkpoint(path).checkpoint.size == verify(path).events
    assert standing(path).standing is Standing.HELD
    assert list(path.parent.glob("*.next")) == []


def _two_lives(path: Path, probe: Probe) -> None:
    life(path, probe)
    life(path, probe)


def test_a_store_names_the_points_of_its_checkpoint(path: Path) -> None:
    named = points_of(lambda probe: life(path, probe))

    assert [point for point in named if point.startswith("checkpoint.")] == list(POINTS)


def test_where_it_cannot_be_kept_decisions_go_on_and_it_is_said_once(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A full disk, a folder that is gone: nobody who decides hears of it."""
    where = Kept(path.parent / "elsewhere" / "checkpoint", kept(path).key)
    done = keep(path, *events(3), every=0.0, where=where)

    assert done == [2, 3, 4]
    told = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(told) == 1
    assert "checkpoint is not kept" in told[0].message


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, "store.full"), (errno.EROFS, "store.unwritable")])
def test_a_disk_that_takes_it_again_is_said_too(
    path: Path, caplog: pytest.LogCaptureFixture, number: int, code: str
) -> None:
    """The system's own refusal, where the new file is made; then the last write finds room again."""
    attempts = []

    def probe(point: str) -> None:
        if point == "checkpoint.begun":
            attempts.append(point)
            if len(attempts) == 1:
                raise OSError(number, os.strerror(number))

    async def main() -> None:
        store = open_store(path, kept=kept(path), checkpoint_every=0.0, probe=probe)
        key = make_key(kept(path).key)
        await store.write(lambda tx: tell_key(tx, key, at=NOW))
        while not attempts:
            await asyncio.sleep(0)
        await store.write(event)
        await store.close()

    asyncio.run(asyncio.wait_for(main(), PATIENCE))

    assert [code in record.message for record in caplog.records] == [True, False]
    assert "kept again" in caplog.records[-1].message
    assert checkpoint(path).checkpoint.size == 2


def test_a_process_that_was_suspended_in_the_middle_keeps_nobody_from_ending(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runplane_mcp.store.checkpoints._PATIENCE_MS", 20)
    keep(path, event)
    held = os.open(kept(path).file.with_name(f"{kept(path).file.name}.lock"), os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)
    before = kept(path).file.read_bytes()
    try:
        assert keep(path, event) == [3]
    finally:
        os.close(held)

    assert kept(path).file.read_bytes() == before
    assert "store.locked" in caplog.text
    keep(path, event)
    assert checkpoint(path).checkpoint.size == 4


def test_a_key_that_others_may_read_signs_nothing(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keep(path, event)
    before = kept(path).file.read_bytes()
    kept(path).key.chmod(0o640)

    async def go_on() -> None:
        store = open_store(path, kept=kept(path))
        await store.write(event)
        await store.close()

    asyncio.run(go_on())
    assert kept(path).file.read_bytes() == before
    assert "store.log_key_shared" in caplog.text


def _meddled(path: Path, change: Callable[[sqlite3.Connection], object]) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
        change(database)


@pytest.fixture
def older(path: Path, tmp_path: Path) -> Path:
    """A copy of the store at three events; the store itself has six, and its checkpoint too."""
    keep(path, *events(2))
    copy = tmp_path / "copy.db"
    put_back(path, copy)
    keep(path, *events(3))
    return copy


def test_an_older_database_is_told_from_its_checkpoint(path: Path, older: Path) -> None:
    put_back(older, path)
    found = standing(path)
    refused = refusal(found, path, kept(path).file)

    assert found.standing is Standing.OLDER
    assert refused is not None
    assert refused.code == "store.rolled_back"
    assert "runplane restore" in refused.next_step


@pytest.mark.parametrize("more", [1, 3, 7])
def test_a_checkpoint_is_never_written_over_by_a_database_that_does_not_hold_it(
    path: Path, older: Path, more: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Denying and freezing go on in a database that was put back, and its log may outgrow what was lost."""
    before = kept(path).file.read_bytes()
    put_back(older, path)
    keep(path, *events(more))

    assert kept(path).file.read_bytes() == before
    assert "store.rolled_back" in caplog.text
    assert standing(path).standing is (Standing.OLDER if more < 3 else Standing.FORKED)


def test_another_store_in_its_place_is_told(path: Path, tmp_path: Path) -> None:
    keep(path, *events(2))
    other = tmp_path / "other" / "runplane.db"
    other.parent.mkdir()
    keep(other, *events(5))
    put_back(other, path)

    assert standing(path).standing is Standing.FOREIGN
    assert refusal(standing(path), path, kept(path).file) is not None


def test_a_raised_epoch_begins_anew_and_the_epoch_before_is_older(path: Path, older: Path) -> None:
    def restored(tx: Transaction) -> None:
        tx.set_meta("epoch", "2")
        tx.append("restored", {}, at=NOW)

    in_epoch_1 = path.parent / "in epoch 1"
    put_back(path, in_epoch_1)
    put_back(older, path)
    keep(path, restored)
    assert checkpoint(path).checkpoint.place == (2, 4)
    assert standing(path).standing is Standing.HELD

    put_back(in_epoch_1, path)
    assert standing(path).standing is Standing.OLDER


def test_a_missing_one_is_missing_and_is_written_anew(path: Path) -> None:
    keep(path, event)
    kept(path).file.unlink()

    assert standing(path).standing is Standing.MISSING
    assert refusal(standing(path), path, kept(path).file) is None
    keep(path, event)
    assert standing(path).standing is Standing.HELD


def _by_another_key(path: Path) -> bytes:
    return sign(checkpoint(path).checkpoint, make_key(path.parent / "another key")).encode()


BROKEN: dict[str, Callable[[Path], bytes]] = {
    "empty": lambda _: b"",
    "cut": lambda path: kept(path).file.read_bytes()[:60],
    "no text": lambda _: bytes(range(256)),
    "signed by another key": _by_another_key,
    "changed": lambda path: kept(path).file.read_bytes().replace(b"\n3\n", b"\n2\n"),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_no_checkpoint_of_this_log_stops_and_is_not_written_over(
    path: Path, content: Callable[[Path], bytes]
) -> None:
    """It could hide that the database was put back."""
    keep(path, *events(2))
    kept(path).file.write_bytes(content(path))
    before = kept(path).file.read_bytes()
    refused = refusal(standing(path), path, kept(path).file)

    assert standing(path).standing is Standing.BROKEN
    assert refused is not None
    assert refused.code == "store.checkpoint_broken"
    keep(path, event)
    assert kept(path).file.read_bytes() == before


def test_a_link_a_pipe_or_a_folder_in_its_place_is_neither_followed_nor_waited_for(path: Path) -> None:
    keep(path, event)
    elsewhere = kept(path).file.rename(path.parent / "elsewhere")
    kept(path).file.symlink_to(elsewhere)
    assert standing(path).standing is Standing.BROKEN
    kept(path).file.unlink()
    os.mkfifo(kept(path).file)
    assert standing(path).standing is Standing.BROKEN
    kept(path).file.unlink()
    kept(path).file.mkdir()
    assert standing(path).standing is Standing.BROKEN


def test_looking_takes_as_many_reads_however_long_the_log_is(path: Path) -> None:
    def statements() -> int:
        seen: list[str] = []
        opened = sqlite3.connect

        def traced(*arguments: object, **options: object) -> sqlite3.Connection:
            connection: sqlite3.Connection = opened(*arguments, **options)  # type: ignore[call-overload]
            connection.set_trace_callback(seen.append)
            return connection

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sqlite3, "connect", traced)
            assert standing(path).standing is Standing.HELD
        assert not any("event" in each and "WHERE seq" not in each for each in seen)
        return len(seen)

    keep(path, event)
    short = statements()
    keep(path, lambda tx: [event(tx) for _ in range(3_000)])
    assert statements() == short


def test_a_backup_keeps_none_of_its_own_and_does_not_complain(
    path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keep(path, event)
    copy = tmp_path / "elsewhere" / "runplane.db"
    copy.parent.mkdir()
    back_up(path, copy)
    keep(copy, event)

    assert not kept(copy).file.exists()
    assert caplog.text == ""


def test_the_note_of_the_key_in_force_is_not_believed_without_its_event(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever points it at another event gets nothing signed."""
    keep(path, *events(2))
    before = parse(kept(path).file.read_bytes())
    _meddled(path, lambda database: database.execute("UPDATE meta SET value = '2' WHERE key = ?", (CURRENT,)))
    keep(path, event)

    assert checkpoint(path) == before
    state, _ = look(path, kept(path).file, None)
    assert state.keys == ()
    assert "store.log_key_untold" in caplog.text


def test_a_key_that_was_written_over_in_its_event_is_none(path: Path) -> None:
    keep(path, event)
    other = public_hex(make_key(path.parent / "another key"))
    _meddled(
        path,
        lambda database: database.execute(
            "UPDATE event SET body = CAST(replace(CAST(body AS TEXT), ?, ?) AS BLOB) WHERE seq = 1",
            (public_hex(read_key(kept(path).key)), other),
        ),
    )

    state, _ = look(path, kept(path).file, None)
    assert state.keys == ()


# ── whatever lies there ───────────────────────────────────────────────────────────────────────────────────────────────

OURS = Ed25519PrivateKey.from_private_bytes(bytes(32))
STATE = LogState(
    store="rps_" + "a" * 32,
    epoch=2,
    size=9,
    root=sha256(b"root").digest(),
    last_leaf=sha256(b"9").digest(),
    keys=(LogKey(OURS.public_key().public_bytes_raw(), 1, None),),
    backup=False,
)


def leaf_of(seq: int) -> bytes:
    return sha256(str(seq).encode()).digest()


@given(st.none() | st.binary(max_size=200))
def test_whatever_lies_there_is_compared_and_nothing_of_it_is_held(data: bytes | None) -> None:
    found = compare(data, STATE, leaf_of, None)

    assert found.standing in {Standing.MISSING, Standing.BROKEN}
    assert found.problem


@given(
    store=st.sampled_from([STATE.store, "rps_" + "b" * 32]),
    epoch=st.integers(1, 3),
    size=st.integers(1, 12),
    leaf=st.booleans(),
    signed=st.booleans(),
)
def test_only_a_signed_checkpoint_of_an_event_that_is_there_is_held(
    store: str, epoch: int, size: int, leaf: bool, signed: bool
) -> None:
    there = Checkpoint(store, epoch, size, STATE.root, leaf_of(size if leaf else 0))
    key = OURS if signed else Ed25519PrivateKey.from_private_bytes(bytes([7] * 32))
    found = compare(sign(there, key).encode(), STATE, lambda seq: leaf_of(seq) if seq <= STATE.size else None, None)
    held = store == STATE.store and signed and (epoch < 2 or (epoch == 2 and size <= STATE.size and leaf))

    assert (found.standing is Standing.HELD) == held
    assert (found.problem is None) == held
    assert (refusal(found, Path("db"), Path("file")) is None) == held
