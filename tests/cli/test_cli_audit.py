"""`runplane audit`: whether the log still says what was written, with an exit code for each answer, and its checkpoints."""

from __future__ import annotations

import base64
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from runplane_mcp.core.checkpoint import Signed, key_hash, parse, who_signed
from runplane_mcp.simulator import SEED
from tests.cli.conftest import DANA, DANAS, Ask, Run, refund
from tests.gate.rewriting import rewrite


def test_a_log_that_nobody_touched_is_ok_and_anchored_beside_the_database(ask: Ask, run: Run, home: Path) -> None:
    ask(refund())
    verified, told = run("audit", "verify", "--require-anchor", "--json"), run("audit", "verify")

    assert verified.code == 0
    assert verified.json.keys() == {
        "ok", "anchored", "events", "root", "first_bad", "events_per_second", "pending_reads", "checkpoints",
        "signatures",
    }  # fmt: skip
    assert verified.json["ok"] is True
    assert verified.json["anchored"] is True
    assert verified.json["events"] > 5
    assert verified.json["first_bad"] is None
    [compared] = verified.json["checkpoints"]
    assert compared["file"] == str(home / "runplane.db.checkpoint")
    assert (compared["beside"], compared["said"], compared["size"]) == (True, "same", verified.json["events"])
    # What that proves, and what it does not.
    assert "Anchored beside the database" in told.out
    assert "could have made all three anew" in told.out


def test_a_narrow_terminal_breaks_what_is_said_between_words_alone(
    ask: Ask, run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths and hashes, which it cannot hold, and the command at the end stay whole, so that they can be copied."""
    (done,) = ask(refund(SEED.payment_intent_40))
    piped = run("audit", "verify").out
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("FORCE_COLOR", "1")
    proved = run("audit", "prove", done.reference, "--out", str(home / "receipt.json")).err
    narrow, shown, proved = (
        re.sub(r"\x1b\[[0-9;]*m", "", told)
        for told in (run("audit", "verify").out, run("requests", "show", done.reference).out, proved)
    )

    for line in (narrow + shown + proved).splitlines():
        assert len(line) <= 60 or len(line.split()[-1]) > 48, line
    for words in ("\n    with them.", "\n            (beside the database)", ": runplane audit checkpoint\n"):
        assert words in narrow
    assert "\n  policy " in shown
    assert narrow.split()[:12] == piped.split()[:12]
    assert "\n " not in piped


def test_without_a_checkpoint_it_is_unanchored_with_an_exit_code_of_its_own(home: Path, run: Run) -> None:
    (home / "runplane.db.checkpoint").unlink()
    required, told = run("audit", "verify", "--require-anchor", "--json"), run("audit", "verify")

    assert (required.code, required.json["ok"], required.json["anchored"]) == (4, True, False)
    assert told.code == 0
    assert "Unanchored" in told.out
    assert "it is gone" in told.out


def test_a_checkpoint_kept_elsewhere_proves_what_was_before_it(home: Path, ask: Ask, run: Run, tmp_path: Path) -> None:
    copies = tmp_path / "kept.txt"
    for _ in range(2):
        with copies.open("a") as file:
            file.write(run("audit", "checkpoint").out)
        ask(refund())
    whole = run("audit", "verify", "--checkpoint", str(copies), "--json")
    told = run("audit", "verify", "--checkpoint", str(copies))

    assert [each["said"] for each in whole.json["checkpoints"]] == ["same"] * 3
    assert [each["beside"] for each in whole.json["checkpoints"]] == [True, False, False]
    kept = whole.json["checkpoints"][2]["size"]
    assert f"events 1 to {kept:,} are what they were when the copy was made" in told.out

    rewrite(home / "runplane.db", lambda said: said[kept - 1].update(retold=True))
    (home / "runplane.db.checkpoint").unlink()
    alone, found = run("audit", "verify", "--json"), run("audit", "verify", "--checkpoint", str(copies), "--json")
    assert (alone.code, alone.json["anchored"]) == (0, False)
    assert (found.code, found.json["ok"], found.json["anchored"]) == (3, False, False)
    assert found.json["first_bad_between"] == [whole.json["checkpoints"][1]["size"] + 1, kept]


def test_the_newest_checkpoint_is_printed_to_keep(home: Path, run: Run) -> None:
    printed, parts = run("audit", "checkpoint"), run("audit", "checkpoint", "--json").json
    note = parse(printed.out.encode())

    assert parts["checkpoint"] == printed.out == (home / "runplane.db.checkpoint").read_text()
    assert (parts["origin"], parts["size"]) == (note.checkpoint.origin, note.checkpoint.size)
    assert parts["root"] == run("audit", "verify", "--json").json["root"]
    # As other programs that read signed notes take it.
    name, hashed, key = parts["verifier_key"].split("+", 2)
    public = base64.b64decode(key)[1:]
    assert name == parts["origin"]
    assert key_hash(name, public).hex() == hashed
    assert who_signed(note, [public]) == (Signed.GOOD, public)


def test_a_copy_that_cannot_be_read_is_an_error_and_no_verdict(home: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "words").write_text("words")
    missing = run("audit", "verify", "--checkpoint", str(tmp_path / "nowhere"), "--json")
    words = run("audit", "verify", "--checkpoint", str(tmp_path / "words"), "--json")

    assert (missing.code, missing.error) == (1, "checkpoint.missing")
    assert (words.code, words.error) == (1, "checkpoint.malformed")


def test_the_key_of_the_log_is_changed_by_an_administrator(home: Path, run: Run) -> None:
    nobody = run("audit", "rotate-key", "--json")
    done = run("audit", "rotate-key", "--as", DANA, "--secret-stdin", "--json", stdin=f"{DANAS}\n")
    verified = run("audit", "verify", "--json").json

    assert (nobody.code, nobody.error) == (2, "usage.admin_missing")
    assert done.code == 0
    assert done.json["key"] != done.json["previous"]
    assert (done.json["by"], done.json["lost"]) == (DANA, False)
    assert verified["ok"]
    assert [each["key"] for each in verified["checkpoints"]] == [done.json["key"]]


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
