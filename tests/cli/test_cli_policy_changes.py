"""`runplane policy diff`, `activate` and `shadow`, and what `status` and `doctor` say of a policy that changed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import anyio

from runplane_mcp.app import open_desk
from runplane_mcp.settings import load_settings
from tests.cli.conftest import DANA, DANAS, Run
from tests.cli.test_cli_policy import SMALL, file

__all__ = ["file"]


def test_the_difference_to_what_is_enforced_is_said_and_what_stands_against_it(home: Path, run: Run) -> None:
    """THREATS 20."""
    own = home / "policies.yaml"
    text = own.read_text(encoding="utf-8")
    same = run("policy", "diff")
    own.write_text(
        text.replace("amount: {over: 500}", "amount: {over: 600}", 1).replace(
            "at_most: {total: 1000", "at_most: {total: 900", 1
        )
    )
    found, failing, as_json = (
        run("policy", "diff"),
        run("policy", "diff", "--exit-code"),
        run("policy", "diff", "--json").json,
    )

    assert (same.code, "The two are the same." in same.out) == (0, True)
    assert "- rule large-refunds: `when` is action refunds and amount over $600.00 instead of" in found.out
    assert "+ limit refunds-an-hour: at most $900.00" in found.out
    assert "It is not provably only tighter." in found.out
    assert "Against it stands rule large-refunds: its condition may leave out something that it held for." in found.out
    assert (found.code, failing.code) == (0, 1)
    assert (as_json["tighter"], as_json["equivalent"]) == (False, False)
    assert [(each["id"], each["direction"]) for each in as_json["changes"]] == [
        ("large-refunds", "looser"),
        ("refunds-an-hour", "tighter"),
    ]


def test_two_files_are_compared_where_there_is_no_home(environment: Path, file: Path, run: Run) -> None:
    other = file.with_name("other.yaml")
    other.write_text(SMALL.replace("people: 2", "people: 3") + "# two was not enough\n", encoding="utf-8")
    found = run("policy", "diff", str(file), str(other), "--exit-code")

    assert found.code == 0
    assert "It is provably only tighter" in found.out


def test_activating_says_first_what_gets_looser(home: Path, file: Path, run: Run) -> None:
    done = run("policy", "activate", str(file), "--as", DANA, "--secret-stdin", stdin=f"{DANAS}\n")

    assert done.code == 0
    assert "- rule payouts: removed" in done.out
    assert done.out.index("not provably only tighter") < done.out.index("is enforced from now on")


def test_activating_says_that_tests_of_the_file_fail(home: Path, file: Path, run: Run) -> None:
    file.write_text(SMALL.replace("refund.create, amount: 60}", "refund.create, amount: 40}"), encoding="utf-8")
    words = ("policy", "activate", str(file), "--as", DANA, "--secret-stdin")
    done, as_json = run(*words, stdin=f"{DANAS}\n"), run(*words, "--json", stdin=f"{DANAS}\n")

    assert "1 of its own tests fails: runplane policy check" in done.out
    assert as_json.json["failing_tests"] == ["asks about $60"]


def test_status_says_that_the_file_is_broken_or_what_is_looser_in_the_proposed_one(home: Path, run: Run) -> None:
    """THREATS 20."""
    own = home / "policies.yaml"
    text = own.read_text(encoding="utf-8")
    enforced = run("status", "--json").json["policy"]
    own.write_text("version: 1\n", encoding="utf-8")
    broken, broken_json = run("status"), run("status", "--json").json["policy"]
    propose(home, text.replace("amount: {over: 500}", "amount: {over: 600}", 1))
    own.write_text(text, encoding="utf-8")
    proposed, proposed_json = run("status"), run("status", "--json").json["policy"]

    assert enforced["file_state"] == "enforced"
    assert "The file does not load, so that the last good policy stays enforced." in broken.out
    assert broken_json["file_state"] == "broken"
    assert (
        "Not provably only tighter: rule large-refunds: `when` is action refunds and amount over $600.00"
        in proposed.out
    )
    assert proposed_json["proposed"]["looser"].startswith("Not provably only tighter: rule large-refunds")


def propose(home: Path, text: str) -> None:
    """As a gate on real money does with a file that is looser."""

    async def work() -> None:
        async with open_desk(load_settings()) as desk:
            await desk.store.write(lambda tx: desk.policies.offer(tx, text, at=desk.clock.wall(), simulator=False))

    anyio.run(work)


def test_a_policy_that_the_log_does_not_bear_out_is_said_in_status_and_doctor(home: Path, run: Run) -> None:
    """THREATS 20."""
    with closing(sqlite3.connect(home / "runplane.db")) as connection, connection:
        connection.execute("DELETE FROM enforced_policy")
    status, doctor = run("status"), run("doctor", "--json").json

    assert "its audit log does not bear out" in status.out
    assert any("does not bear out" in each["said"] for each in doctor["checks"])


def test_a_policy_is_tried_beside_and_taken_away(home: Path, file: Path, run: Run) -> None:
    nothing = run("policy", "shadow")
    started = run("policy", "shadow", str(file), "--json").json
    told, stopped = run("policy", "shadow"), run("policy", "shadow", "--stop", "--json").json
    wrong = run("policy", "shadow", str(file), "--stop", "--json")

    assert "No policy is tried" in nothing.out
    assert f"Version {started['candidate'][:12]}, tried since" in told.out
    assert "0 requests decided beside it" in told.out
    assert stopped == {"ended": started["candidate"]}
    assert (wrong.code, wrong.error) == (2, "parameter.conflict")
