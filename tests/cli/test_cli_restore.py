"""`runplane restore`: a backup in force again, as its administrator does it, and what every page says of it then."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import anyio
import pexpect
import pytest

from runplane_mcp.core.request import State
from runplane_mcp.settings import Settings
from runplane_mcp.simulator import SEED
from tests.cli.conftest import CHECKOUT, DANA, DANAS, Ask, OpenGate, Run, refund
from tests.cli.doctoring import levels, lines

SECRET = f"{DANAS}\n"
AS_DANA = ("--as", DANA, "--secret-stdin")


@pytest.fixture
def file(ask: Ask, run: Run, gate: OpenGate, tmp_path: Path) -> Path:
    """A backup in which a refund stands approved, which has run since."""
    (held,) = ask(refund())
    digest = run("approvals", "show", "--json").json["digest"]
    run("approve", held.reference, "--digest", digest, *AS_DANA, stdin=SECRET)
    assert run("backup", str(tmp_path / "backup.db")).code == 0

    async def execute() -> None:
        async with gate() as living:
            with anyio.fail_after(20):
                while (await living.get("stdio", held.request_id)).status is not State.SUCCEEDED:
                    await living.wait("stdio", held.request_id, 1.0)

    anyio.run(execute)
    return tmp_path / "backup.db"


def test_programs_are_told_what_was_restored_and_what_is_left_to_do(file: Path, run: Run, home: Path) -> None:
    root = run("audit", "verify", "--json").json["root"]
    done = run("restore", str(file), *AS_DANA, "--json", stdin=SECRET)
    [left] = done.json["to_resolve"]
    status, doctor = run("status", "--json").json, run("doctor", "--offline", "--json")
    verified = run("audit", "verify", "--require-anchor", "--json")
    reference = left["reference"]

    assert done.code == 0
    assert (done.json["epoch"], done.json["mode"], done.json["by"]) == (2, "backup", DANA)
    assert (left["was"], left["in_replaced"], left["object_in_replaced"][:3]) == ("approved", "succeeded", "re_")
    assert (verified.code, verified.json["ok"]) == (0, True)
    assert status["to_resolve_after_restore"] == [reference]
    assert "was restored" in status["restored"]
    assert levels(doctor, "restored") == ["problem", "warn", "warn"]
    assert reference in lines(doctor, "restored")[0][1]
    shutil.copy(done.json["replaced"], home.parent / "before.db")
    assert json.loads(run("requests", "show", reference, "--json").out)["request"]["status"] == "outcome_unknown"

    resolved = run(
        "requests",
        "resolve",
        reference,
        "--outcome",
        "canceled",
        "--note",
        "Not in Stripe.",
        *AS_DANA,
        "--json",
        stdin=SECRET,
    )
    after = run("doctor", "--offline", "--json")
    assert (resolved.code, resolved.json["status"]) == (0, "canceled")
    assert levels(after, "restored") == ["warn", "warn"]
    assert run("status", "--json").json["to_resolve_after_restore"] == []
    assert root != run("audit", "verify", "--json").json["root"]


def test_people_are_told_too_and_the_replaced_database_is_named(file: Path, run: Run, home: Path) -> None:
    told = run("restore", str(file), *AS_DANA, stdin=SECRET)
    status, why = run("status"), " ".join(run("why", SEED.charge_900).out.split())
    lifted = run("unfreeze", *AS_DANA, "--json", stdin=SECRET)
    [kept] = home.glob("runplane.db.replaced-*")

    assert told.code == 0
    said = " ".join(told.out.split())
    for words in ("epoch 2", "Nothing runs until", "refund.create was approved; the database before says succeeded"):
        assert words in said
    assert str(kept) in told.out
    assert "NOTHING RUNS" in status.out
    assert "open in the copy that was restored as epoch 2" in why
    assert "Nothing was sent to Stripe" not in why
    assert "runplane unfreeze" not in status.out
    assert lifted.error == "freeze.restored"


def test_an_old_copy_that_lies_there_is_named_by_here_and_not_by_its_path(file: Path, run: Run, home: Path) -> None:
    shutil.copy(file, home / "runplane.db")
    assert any(
        "restore --here" in (advice or "") for _, _, advice in lines(run("doctor", "--offline", "--json"), "database")
    )
    by_path = run("restore", str(home / "runplane.db"), *AS_DANA, "--json", stdin=SECRET)
    done = run("restore", "--here", *AS_DANA, "--json", stdin=SECRET)

    assert by_path.error == "store.restore_same"
    assert (done.code, done.json["mode"]) == (0, "here")


def test_what_is_missing_or_too_much_is_a_usage_error(home: Path, run: Run, tmp_path: Path) -> None:
    assert run("restore", "--json", *AS_DANA, stdin=SECRET).error == "usage.restore"
    assert run("restore", "file", "--here", "--json", *AS_DANA, stdin=SECRET).error == "usage.restore"
    assert run("restore", "--here", "--json", stdin=SECRET).error == "usage.admin_missing"
    assert run("restore", str(tmp_path / "none"), "--json", *AS_DANA, stdin=SECRET).error == "store.unavailable"


@pytest.mark.slow
def test_a_person_is_asked_before_anything_is_replaced(file: Path, home: Path) -> None:
    before = (home / "runplane.db").read_bytes()
    shell = pexpect.spawn(
        sys.executable, ["-m", "runplane_mcp", "restore", str(file)], cwd=str(CHECKOUT), encoding="utf-8", timeout=30
    )
    shell.expect(r"Restore\? \[y/N\]: ")
    shell.sendline("n")
    shell.expect("Nothing was restored")
    shell.expect(pexpect.EOF)
    shell.close()

    assert shell.exitstatus == 1
    assert (home / "runplane.db").read_bytes() == before


def test_a_copy_that_others_may_read_is_a_problem_wherever_it_lies_beside_the_home(
    home: Path, run: Run, settings: Settings
) -> None:
    """THREATS 23."""
    inside, beside, another = settings.home / "copy", settings.home.parent / "old.db", settings.home.parent / "notes.db"
    for path in (inside, beside):
        run("backup", str(path))
        path.chmod(0o644)
    another.write_text("SQLite format 3\0 of somebody else")
    another.chmod(0o644)
    told = [said for level, said, _ in lines(run("doctor", "--offline", "--json"), "modes") if level == "problem"]

    assert [str(path) in " ".join(told) for path in (inside, beside, another)] == [True, True, False]
    assert len(told) == 2


@pytest.mark.parametrize("row", [[], [("epoch_seq", "1")]], ids=["a number", "an event of something else"])
def test_an_epoch_that_nobody_signed_is_a_problem_here_and_in_status(
    home: Path, run: Run, row: list[tuple[str, str]]
) -> None:
    with closing(sqlite3.connect(home / "runplane.db", isolation_level=None)) as database:
        database.execute("UPDATE meta SET value = '2' WHERE key = 'epoch'")
        database.executemany("INSERT INTO meta VALUES (?, ?)", row)
    looked, status, told = run("doctor", "--offline", "--json"), run("status", "--json"), run("status")
    [bar] = [each for each in status.json["nothing_runs"] if each["code"] == "store.epoch_unproven"]

    assert levels(looked, "restored") == ["problem"]
    assert "runplane restore --here" in bar["next_step"]
    assert "NOTHING RUNS  The database says that it was restored" in told.out
    assert "[store.epoch_unproven]" in told.out
    assert run("restore", "--here", *AS_DANA, "--json", stdin=SECRET).json["epoch"] == 3
    assert levels(run("doctor", "--offline", "--json"), "restored") == ["warn", "warn"]
