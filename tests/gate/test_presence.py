"""Which gates live: a lease is taken over at once from a dead process."""

from __future__ import annotations

import errno
import fcntl
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runplane_mcp.gate.presence import Presence, living_gates
from tests.powerless import as_auditor, everybodys, read_only


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    with everybodys() as folder:
        yield folder


def test_a_gate_lives_from_its_announcement_until_it_leaves(tmp_path: Path) -> None:
    one, other = Presence(tmp_path, "gate-1"), Presence(tmp_path, "gate-2")
    one.announce()

    assert other.lives("gate-1")
    assert not other.lives("gate-3")
    assert living_gates(tmp_path) == 1
    one.leave()
    assert not other.lives("gate-1")
    assert list(tmp_path.iterdir()) == []


def test_a_gate_whose_sign_was_taken_away_puts_up_another(tmp_path: Path) -> None:
    folder = tmp_path / "gates"
    folder.mkdir()
    gate, other = Presence(folder, "gate-1"), Presence(folder, "gate-2")
    gate.announce()
    gate.renew()
    shutil.rmtree(folder)
    gone = other.lives("gate-1")
    gate.renew()
    back = other.lives("gate-1")
    gate.leave()
    gate.renew()

    assert (gone, back, living_gates(folder)) == (False, True, 0)


def test_a_gate_ends_in_order_on_a_disk_that_has_become_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_path: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    gate = Presence(tmp_path, "gate-1")
    gate.announce()
    monkeypatch.setattr(Path, "unlink", refused)
    gate.leave()

    assert not Presence(tmp_path, "gate-2").lives("gate-1")
    assert living_gates(tmp_path) == 0


def test_whoever_looks_while_a_gate_announces_itself_does_not_make_it_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the making of its file and its lock the file looks like a dead gate's, and is cleared away."""
    real = fcntl.flock
    looked: list[threading.Thread] = []

    def look_first(handle: int, operation: int) -> None:
        if operation == fcntl.LOCK_EX and not looked:
            looked.append(threading.Thread(target=living_gates, args=(tmp_path,)))
            looked[0].start()
            looked[0].join(10)
        real(handle, operation)

    monkeypatch.setattr(fcntl, "flock", look_first)
    gate = Presence(tmp_path, "gate-1")
    gate.announce()

    assert looked
    assert living_gates(tmp_path) == 1
    assert Presence(tmp_path, "gate-2").lives("gate-1")
    gate.leave()


def test_in_a_home_that_can_only_be_read_gates_are_counted_and_nothing_is_cleared_away(open_to_all: Path) -> None:
    folder = open_to_all / "gates"
    folder.mkdir()
    for name in ("dead", "hidden"):
        (folder / f"{name}.lock").touch()
    gate = Presence(folder, "living")
    gate.announce()
    with read_only(folder):
        (folder / "hidden.lock").chmod(0)
        known = as_auditor(lambda: [Presence(folder, "x").lives(each) for each in ("living", "dead", "hidden", "none")])
        counted = as_auditor(lambda: living_gates(folder))
    gate.leave()

    assert known == [True, False, True, False], "of what cannot be asked, nobody takes anything over"
    assert counted == 2
    assert (folder / "dead.lock").exists()
