"""`runplane doctor`: each thing that can be wrong is one clear line with what to do, and never a traceback."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import anyio
import pytest

from runplane_mcp.app import create_home
from runplane_mcp.cli.doctor.finding import Level
from runplane_mcp.cli.doctor.machine import (
    disk_room,
    kind_of_file_system,
    linux_mounts,
    mounts,
    other_mounts,
    sqlite_version,
)
from runplane_mcp.core.request import State
from runplane_mcp.gate.clock import SystemClock
from runplane_mcp.settings import load_settings
from tests.cli.conftest import CHECKOUT, DANA, DANAS, Ask, OpenGate, Run, refund
from tests.cli.doctoring import levels, lines, write
from tests.damage import emptied
from tests.gate.rewriting import unguarded
from tests.store.things import brought_to

# ── a home that is well ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_home_that_is_well_has_a_line_for_everything_and_is_exit_0(ask: Ask, run: Run) -> None:
    ask(refund())
    looked = run("doctor", "--json")

    assert looked.code == 0, looked.out
    assert looked.json["ok"] is True
    assert looked.json["problems"] == 0
    assert list(dict.fromkeys(each["check"] for each in looked.json["checks"])) == [
        *("variables", "runplane", "sqlite", "file_system", "disk", "time_zones", "modes", "database", "clock"),
        *("checkpoint", "mode"),
        *("policy", "rates", "policy_file", "people", "approvals", "outcomes", "gates", "waiting", "coverage"),
        *("key", "account", "permissions"),
    ]
    assert all(each["advice"] for each in looked.json["checks"] if each["level"] != "ok")
    assert levels(looked, "permissions") == ["ok", "ok"]
    assert lines(looked, "waiting")[0][1] == "1 waits for people"


def test_people_read_each_line_with_what_to_do(home: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    looked = run("doctor")

    assert looked.code == 0
    assert "One-person mode" in " ".join(looked.out.split())
    assert "→ runplane people add" in " ".join(looked.out.split())
    assert "No problem," in looked.out
    assert max(map(len, looked.out.splitlines())) <= 40
    assert "\x1b" not in looked.out


def test_offline_it_needs_neither_stripe_nor_the_protocol(home: Path) -> None:
    code = (
        "import sys\n"
        "from runplane_mcp.cli.commands import app\n"
        "app(['doctor', '--offline', '--json'], standalone_mode=False)\n"
        "print('stripe' in sys.modules, 'mcp' in sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, cwd=CHECKOUT)

    assert done.stderr.split() == ["False", "False"]


# ── the machine ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("version", "level"),
    [
        ((3, 36, 9), Level.PROBLEM),
        ((3, 37, 0), Level.WARN),
        ((3, 44, 5), Level.WARN),
        ((3, 44, 6), Level.OK),
        ((3, 45, 0), Level.WARN),
        ((3, 50, 6), Level.WARN),
        ((3, 50, 7), Level.OK),
        ((3, 51, 2), Level.WARN),
        ((3, 51, 3), Level.OK),
        ((4, 0, 0), Level.OK),
    ],
)
def test_the_versions_of_sqlite_that_can_lose_a_commit_are_told_with_what_keeps_them_safe(
    version: tuple[int, int, int], level: Level
) -> None:
    (found,) = sqlite_version(version)

    assert found.level is level
    assert ("lock on a file" in found.said) is (level is Level.WARN)


MOUNTINFO = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
31 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 31 0:40 / /home rw - nfs4 files:/home rw
41 40 8:2 / /home/dana/my\\040disk rw - xfs /dev/sdb1 rw
42 31 0:41 / /mnt/mac rw - virtiofs share rw
43 31 0:42 / /run/user rw - tmpfs tmpfs rw
44 31 0:43 / /srv rw - ext4 /dev/sdc1 rw
45 44 0:44 / /srv rw - cifs //files/srv rw
"""


@pytest.mark.parametrize(
    ("home", "level"),
    [
        ("/var/lib/runplane", Level.OK),
        ("/home/dana/.runplane", Level.PROBLEM),
        ("/home/dana/my disk/.runplane", Level.OK),
        ("/homework", Level.OK),
        ("/mnt/mac/home", Level.WARN),
        ("/run/user/1000", Level.WARN),
        ("/srv/runplane", Level.PROBLEM),
    ],
)
def test_a_network_file_system_is_a_problem(home: str, level: Level, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "exists", lambda path: True)
    monkeypatch.setattr(Path, "resolve", lambda path: path)
    (found,) = kind_of_file_system(Path(home), linux_mounts(MOUNTINFO))

    assert found.level is level


def test_the_mounts_of_other_systems_are_read_too() -> None:
    listed = (
        "/dev/disk3s1s1 on / (apfs, sealed, local, read-only)\n//dana@files/home on /Volumes/my files (smbfs, nodev)\n"
    )

    assert other_mounts(listed) == [(Path("/"), "apfs"), (Path("/Volumes/my files"), "smbfs")]
    assert Path("/") in [point for point, _ in mounts()]


@pytest.mark.parametrize(
    ("free", "level"), [(10**12, Level.OK), (5 * 10**8, Level.WARN), (10**6, Level.PROBLEM), (0, Level.PROBLEM)]
)
def test_a_disk_that_fills_up_is_said_before_it_is_full(free: int, level: Level, tmp_path: Path) -> None:
    (found,) = disk_room(tmp_path, free)

    assert found.level is level


# ── the surroundings ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_misspelt_variable_is_named_with_the_nearest(home: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPLANE_POLCY", "/tmp/other.yaml")
    monkeypatch.setenv("RUNPLANE_XYZZY", "1")
    monkeypatch.setenv("STRIPE_SECRET_KEY", "rk_test_51AbCdEf")
    monkeypatch.setenv("CLAUDECODE", "1")
    looked = run("doctor", "--offline", "--json")
    found = lines(looked, "variables")

    assert [level for level, _, _ in found] == ["warn"] * 4
    assert found[0][1:] == ("RUNPLANE_POLCY is set, and it is no setting.", "Did you mean RUNPLANE_POLICY?")
    assert "RUNPLANE_XYZZY" in found[1][1]
    assert "STRIPE_API_KEY" in str(found[2][2])
    assert "Claude Code" in found[3][1]
    assert "rk_test" not in looked.out


@pytest.mark.parametrize(
    ("name", "mode", "says"),
    [(".", 0o755, "enter"), ("runplane.db", 0o644, "read or write"), ("policies.yaml", 0o666, "write")],
)
def test_what_others_may_read_or_write_is_a_problem(name: str, mode: int, says: str, home: Path, run: Run) -> None:
    """THREATS 23."""
    (home / name).chmod(mode)
    looked = run("doctor", "--offline", "--json")
    ((level, said, advice),) = lines(looked, "modes")

    assert (looked.code, level) == (1, "problem")
    assert f"Others may {says}" in said
    assert str(advice).startswith("chmod")


def test_a_policy_that_others_may_read_is_fine(home: Path, run: Run) -> None:
    (home / "policies.yaml").chmod(0o644)

    assert levels(run("doctor", "--offline", "--json"), "modes") == ["ok"]


# ── the records ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_a_home_it_points_to_init_and_makes_nothing(environment: Path, run: Run) -> None:
    looked = run("doctor", "--json")

    assert looked.code == 1
    assert lines(looked, "home") == [("problem", f"There is no Runplane home at {environment}.", "runplane init")]
    assert not environment.exists()


def test_a_setting_that_is_no_good_is_a_line(home: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPLANE_ALLOW_LIVE_IN_TRIAL", "perhaps")
    looked = run("doctor", "--json")

    assert looked.code == 1
    assert "RUNPLANE_ALLOW_LIVE_IN_TRIAL" in lines(looked, "settings")[0][1]


@pytest.mark.parametrize("content", [b"", b"not a database" * 100])
def test_a_database_that_is_none_is_a_line(content: bytes, home: Path, run: Run) -> None:
    for path in home.glob("runplane.db*"):
        path.unlink()
    (home / "runplane.db").write_bytes(content)
    (home / "runplane.db").chmod(0o600)
    looked = run("doctor", "--json")

    assert looked.code == 1
    assert "problem" in levels(looked, "database")
    assert looked.err == ""


def test_a_damaged_page_and_a_changed_event_are_found(home: Path, run: Run) -> None:
    """THREATS 24."""
    with sqlite3.connect(home / "runplane.db", isolation_level=None) as connection:
        connection.execute("DROP TRIGGER event_update")
        connection.execute("UPDATE event SET body = CAST(body || ' ' AS BLOB) WHERE seq = 1")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'vote'").fetchone()[0]
    connection.close()
    changed = run("doctor", "--offline", "--json")
    damaged = bytearray((home / "runplane.db").read_bytes())
    damaged[(page - 1) * 4096 : (page - 1) * 4096 + 100] = b"\xff" * 100
    (home / "runplane.db").write_bytes(damaged)
    broken = run("doctor", "--offline", "--json")

    assert (changed.code, broken.code) == (1, 1)
    assert any("Event 1 was changed" in said for _, said, _ in lines(changed, "database"))
    assert any("event_update" in said for _, said, _ in lines(changed, "database"))
    assert any("damaged" in said for _, said, _ in lines(broken, "database"))


def test_an_index_that_lacks_rows_is_found_where_the_file_is_small_enough_to_compare_them(
    home: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """THREATS 24: whoever looks for a request by it would not find it."""
    emptied(home / "runplane.db", "event_policy")
    compared = run("doctor", "--offline", "--json")
    monkeypatch.setattr("runplane_mcp.store.health.SMALL", 4_096)
    not_compared = run("doctor", "--offline", "--json")

    assert (compared.code, set(levels(compared, "database"))) == (1, {"problem"})
    assert any("event_policy" in said for _, said, _ in lines(compared, "database"))
    assert levels(not_compared, "database") == ["ok"]
    assert "whether an index lacks a row: runplane audit verify" in lines(not_compared, "database")[0][1]


def test_a_request_that_the_log_does_not_bear_out_is_shown_wherever_people_look(home: Path, ask: Ask, run: Run) -> None:
    """THREATS 12: nobody approved it, a row says so; it does not run, and somebody wrote that row."""
    (held,) = ask(refund())
    well = run("status", "--json").json["not_borne_out"]
    with unguarded(home / "runplane.db") as database:
        database.execute("UPDATE request SET state = 'approved', version = version + 1")
    looked, status, told = run("doctor", "--offline", "--json"), run("status", "--json"), run("status")
    shown, read = run("requests", "show", held.reference, "--json"), run("requests", "show", held.reference)

    assert well == []
    assert [(level, held.reference in said) for level, said, _ in lines(looked, "log")] == [("problem", True)]
    assert status.json["not_borne_out"] == [held.reference]
    assert f"does not bear out {held.reference}" in told.out
    assert "moved without an event" in shown.json["not_borne_out"]
    assert "THE LOG DOES NOT BEAR IT OUT" in read.out


def test_a_clock_behind_the_log_is_a_problem(home: Path, run: Run) -> None:
    """THREATS 16: a clock that was set back."""
    tomorrow = time.time_ns() // 1_000_000 + 86_400_000
    write(home, lambda tx: tx.append("tomorrow", {}, at=tomorrow))
    looked = run("doctor", "--offline", "--json")

    assert looked.code == 1
    assert ("problem", "Set the clock right") in [
        (level, str(advice)[:19]) for level, _, advice in lines(looked, "clock")
    ]


@pytest.mark.parametrize(("minutes", "warned"), [(120, True), (-120, False), (0, False)])
def test_a_clock_that_was_set_forward_is_told(
    ask: Ask, run: Run, monkeypatch: pytest.MonkeyPatch, minutes: int, warned: bool
) -> None:
    """THREATS 16: money would leave the windows of limits before its time. The boot's clock gives it away."""
    ask(refund())
    boot, as_it_is = SystemClock().boot, SystemClock.boot
    assert boot()[0]
    # The wall clock ran on by so much more than the time since the boot.
    monkeypatch.setattr(SystemClock, "boot", lambda clock: (as_it_is(clock)[0], as_it_is(clock)[1] - minutes * 60_000))
    looked = run("doctor", "--offline", "--json")

    assert any("set forward by about 120 minutes" in told for _, told, _ in lines(looked, "clock")) == warned


def test_a_backup_in_the_place_of_the_store_is_a_problem(home: Path, run: Run, tmp_path: Path) -> None:
    run("backup", str(tmp_path / "copy"))
    for path in home.glob("runplane.db*"):
        path.unlink()
    (tmp_path / "copy").rename(home / "runplane.db")
    looked = run("doctor", "--offline", "--json")

    assert looked.code == 1
    assert any("is a backup" in said for _, said, _ in lines(looked, "database"))


def test_what_is_left_open_is_said(ask: Ask, home: Path, run: Run) -> None:
    (held,) = ask(refund())
    digest = run("approvals", "show", "--json").json["digest"]
    run("approve", held.reference, "--digest", digest, "--as", DANA, "--secret-stdin", stdin=f"{DANAS}\n")
    write(home, lambda tx: brought_to(tx, State.OUTCOME_UNKNOWN, reference="RP-LOST"))
    looked = run("doctor", "--offline", "--json")

    assert looked.code == 1
    assert lines(looked, "outcomes")[0][0] == "problem"
    assert "RP-LOST" in lines(looked, "outcomes")[0][1]
    assert lines(looked, "gates")[0][0] == "warn"
    assert held.reference in lines(looked, "gates")[0][1]


def test_a_freeze_is_said(home: Path, run: Run) -> None:
    run("freeze", "--action", "refunds", "--reason", "prices are wrong\x1b[2J")
    looked = run("doctor", "--offline", "--json")

    assert (looked.code, levels(looked, "frozen")) == (0, ["warn"])
    assert "refunds" in lines(looked, "frozen")[0][1]
    assert "\x1b" not in run("doctor", "--offline").out


async def test_a_gate_that_runs_is_counted(gate: OpenGate, process: Run) -> None:
    async with gate():
        looked = await asyncio.to_thread(process, "doctor", "--json")

    assert lines(looked, "gates") == [("ok", "1 running", None)]
    assert looked.code == 0


# ── people and policy ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_that_nobody_can_approve_is_a_problem(environment: Path, run: Run) -> None:
    async def make() -> None:
        async with create_home(load_settings()):
            pass

    anyio.run(make)
    looked = run("doctor", "--offline", "--json")

    assert looked.code == 1
    assert lines(looked, "people")[0][0] == "problem"


def test_a_person_whom_no_administrator_enrolled_is_a_problem(home: Path, run: Run) -> None:
    """THREATS 11: a row in the database makes nobody an approver."""
    with sqlite3.connect(home / "runplane.db", isolation_level=None) as connection:
        connection.execute(
            "INSERT INTO person SELECT 'mallory', role, groups, public_key, salt, scrypt_n, scrypt_r, scrypt_p, active,"
            " 'dana', event_seq FROM person"
        )
    connection.close()
    looked = run("doctor", "--offline", "--json")

    assert looked.code == 1
    assert any("mallory" in said for level, said, _ in lines(looked, "people") if level == "problem")
    assert "mallory" not in str(lines(looked, "approvals"))


def test_a_need_that_nobody_can_meet_and_a_file_that_is_not_enforced_are_said(home: Path, run: Run) -> None:
    policy = home / "policies.yaml"
    policy.write_text(policy.read_text().replace("from: finance", "from: {group: board, people: 2}", 1))
    changed = run("doctor", "--offline", "--json")
    run("policy", "activate", "--as", DANA, "--secret-stdin", stdin=f"{DANAS}\n")
    active = run("doctor", "--offline", "--json")

    assert "warn" in levels(changed, "policy_file")
    assert any(level == "warn" and "board" in said for level, said, _ in lines(active, "approvals"))
    assert levels(active, "policy_file") == ["ok"]
    assert (changed.code, active.code) == (0, 0)


def test_a_policy_file_that_does_not_load_or_fails_its_tests_is_a_problem(home: Path, run: Run) -> None:
    policy = home / "policies.yaml"
    good = policy.read_text()
    policy.write_text(good.replace("over: 500", "over: 90000", 1))
    failing = run("doctor", "--offline", "--json")
    policy.write_text("rules: [\x1b")
    broken = run("doctor", "--offline", "--json")
    policy.unlink()
    missing = run("doctor", "--offline", "--json")

    assert ("problem" in levels(failing, "policy_file"), failing.code) == (True, 1)
    assert ("problem" in levels(broken, "policy_file"), broken.code) == (True, 1)
    assert "last good policy stays enforced" in str(lines(broken, "policy_file"))
    assert levels(missing, "policy_file") == ["warn"]


@pytest.mark.parametrize(
    ("now", "level"), [("2026-11-10T14:00", "ok"), ("2026-12-20T14:00", "warn"), ("2027-03-03T14:00", "problem")]
)
def test_rates_that_grow_old_are_said(
    now: str, level: str, home: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """THREATS 17."""
    monkeypatch.setenv("RUNPLANE_SIMULATOR_NOW", now)

    assert levels(run("doctor", "--offline", "--json"), "rates") == [level]


# ── the checkpoint of the log ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_checkpoint_that_fits_is_ok_and_a_missing_one_is_said(home: Path, run: Run) -> None:
    assert levels(run("doctor", "--offline", "--json"), "checkpoint") == ["ok"]
    (home / "runplane.db.checkpoint").unlink()
    assert levels(run("doctor", "--offline", "--json"), "checkpoint") == ["warn"]


def test_a_checkpoint_that_is_not_written_any_more_is_said(home: Path, run: Run) -> None:
    long_ago = SystemClock().wall() - 10 * 60_000
    write(home, lambda tx: tx.append("something", {}, at=long_ago))
    [(level, said, advice)] = lines(run("doctor", "--offline", "--json"), "checkpoint")

    assert level == "warn"
    assert "1 event behind" in said
    assert advice is not None


def test_a_database_that_was_put_back_is_a_problem_here_and_in_status(home: Path, ask: Ask, run: Run) -> None:
    before = (home / "runplane.db").read_bytes()
    ask(refund())
    (home / "runplane.db").write_bytes(before)
    looked, told, status = run("doctor", "--offline", "--json"), run("status"), run("status", "--json")

    assert looked.code == 1
    assert levels(looked, "checkpoint") == ["problem"]
    assert "NOTHING RUNS" in told.out
    assert [each["code"] for each in status.json["nothing_runs"]] == ["store.rolled_back"]
    assert "not the newest of its history" in status.json["nothing_runs"][0]["message"]


def test_what_is_no_checkpoint_in_its_place_is_said_in_status(home: Path, run: Run) -> None:
    well = run("status", "--json").json["nothing_runs"]
    (home / "runplane.db.checkpoint").write_text("a note to myself")
    [bar] = run("status", "--json").json["nothing_runs"]

    assert well == []
    assert (bar["code"], "move it away" in bar["next_step"]) == ("store.checkpoint_broken", True)


def test_a_key_of_the_log_that_others_may_read_or_that_is_gone_is_a_problem(home: Path, run: Run) -> None:
    (home / "log-signing-key").chmod(0o644)
    shared = run("doctor", "--offline", "--json")
    (home / "log-signing-key").unlink()
    gone = run("doctor", "--offline", "--json")

    assert levels(shared, "checkpoint") == levels(gone, "checkpoint") == ["problem"]
    assert "Others may read" in lines(shared, "checkpoint")[0][1]
    assert "rotate-key" in str(lines(gone, "checkpoint")[0][2])
