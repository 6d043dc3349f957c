"""`runplane audit verify`: whether the log still says what was written, with an exit code for each answer."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.cli.conftest import Ask, Run, refund


def test_a_log_that_nobody_touched_is_ok_and_unanchored(ask: Ask, run: Run) -> None:
    ask(refund())
    verified, told = run("audit", "verify", "--json"), run("audit", "verify")

    assert verified.code == 0
    assert verified.json.keys() == {
        "ok",
        "anchored",
        "events",
        "root",
        "first_bad",
        "events_per_second",
        "pending_reads",
    }
    assert verified.json["ok"] is True
    assert verified.json["anchored"] is False
    assert verified.json["events"] > 5
    assert verified.json["first_bad"] is None
    assert "Unanchored" in told.out


def test_a_missing_anchor_has_an_exit_code_of_its_own(home: Path, run: Run) -> None:
    assert run("audit", "verify", "--require-anchor", "--json").code == 4


def test_a_changed_event_is_found_and_named(home: Path, run: Run) -> None:
    """THREATS 24: whoever can write the file can drop its triggers."""
    with closing(sqlite3.connect(home / "runplane.db")) as database:
        triggers = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'event'")
        for (name,) in triggers.fetchall():
            database.execute(f"DROP TRIGGER {name}")
        database.execute(
            "UPDATE event SET body = CAST(replace(CAST(body AS TEXT), 'dana', 'evil') AS BLOB) WHERE seq = 3"
        )
        database.commit()
    verified, told = run("audit", "verify", "--json"), run("audit", "verify")

    assert verified.code == told.code == 3
    assert verified.json["ok"] is False
    assert verified.json["first_bad"] == 3
    assert "MISMATCH at event 3" in told.out
