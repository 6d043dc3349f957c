"""`runplane people`: who can say yes, and that no agent adds itself (THREATS 11)."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

from tests.cli.conftest import DANA, DANAS, Run


def add(run: Run, name: str, *more: str, stdin: str) -> tuple[int, str]:
    done = run("people", "add", name, "--secret-stdin", "--json", *more, stdin=stdin)
    return done.code, done.json.get("person") or done.error


def test_an_administrator_adds_people_with_their_own_secret_first(home: Path, run: Run) -> None:
    added = run(
        *("people", "add", "li", "--group", "finance", "--group", "leads", "--role", "approver"),
        *("--as", DANA, "--secret-stdin", "--json"),
        stdin=f"{DANAS}\nlis own secret\n",
    )

    assert added.code == 0
    assert added.json == {
        "person": "li",
        "role": "approver",
        "groups": ["finance", "leads"],
        "active": True,
        "may_vote": True,
        "added_by": DANA,
    }
    assert [each["person"] for each in run("people", "list", "--json").json] == [DANA, "li"]


def test_nobody_is_added_without_an_administrators_secret(home: Path, run: Run) -> None:
    assert add(run, "eve", stdin="eves own secret\n") == (1, "person.admin_needed")
    assert add(run, "eve", "--as", DANA, stdin="a wrong secret\neves own secret\n") == (1, "person.secret")
    assert add(run, "eve", "--as", "eve", stdin="eves own secret\neves own secret\n") == (1, "person.unknown")
    assert add(run, "eve", "--as", DANA, stdin=f"{DANAS}\n") == (1, "person.secret_missing")
    assert [each["person"] for each in run("people", "list", "--json").json] == [DANA]


def test_an_approver_adds_nobody(home: Path, run: Run) -> None:
    add(run, "li", "--as", DANA, stdin=f"{DANAS}\nlis own secret\n")

    assert add(run, "eve", "--as", "li", stdin="lis own secret\neves own secret\n") == (1, "person.not_admin")


def test_a_name_is_taken_once_and_a_role_is_one_of_three(home: Path, run: Run) -> None:
    unknown_role = run("people", "add", "li", "--role", "owner", "--as", DANA, "--secret-stdin", "--json")

    assert add(run, DANA, "--as", DANA, stdin=f"{DANAS}\nanother secret\n") == (1, "person.exists")
    assert (unknown_role.code, unknown_role.error) == (2, "usage.invalid")


def test_people_read_who_can_say_yes_since_when_and_to_what(home: Path, run: Run) -> None:
    add(run, "li", "--group", "leads", "--as", DANA, stdin=f"{DANAS}\nlis own secret\n")
    listed, as_json = run("people", "list"), run("people", "list", "--json").json

    assert listed.code == 0
    assert [line.split()[:3] for line in listed.out.splitlines()[1:3]] == [
        ["dana", "admin", "finance"],
        ["li", "approver", "leads"],
    ]
    assert "Asked for by the policy: finance: dana." in listed.out
    assert "One-person mode" not in listed.out
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", as_json[0]["since"])
    assert [each["added_by"] for each in as_json] == [None, DANA]


def test_a_row_that_somebody_wrote_past_runplane_is_shown_for_what_it_is(home: Path, run: Run) -> None:
    """THREATS 11."""
    with sqlite3.connect(home / "runplane.db", isolation_level=None) as connection:
        connection.execute(
            "INSERT INTO person SELECT 'mallory', role, groups, public_key, salt, scrypt_n, scrypt_r, scrypt_p, active,"
            " 'dana', event_seq FROM person"
        )
    connection.close()
    listed = run("people", "list")

    assert "mallory is in the database, and no administrator's signature bears it out" in listed.out
    assert "One-person mode" in listed.out
    assert [each["person"] for each in run("people", "list", "--json").json] == [DANA]


def test_a_need_that_too_few_can_meet_is_said(home: Path, run: Run) -> None:
    policy = home / "policies.yaml"
    policy.write_text(policy.read_text().replace("from: finance", "from: {group: finance, people: 2}", 1))
    run("policy", "activate", "--as", DANA, "--secret-stdin", stdin=f"{DANAS}\n")

    assert "dana, too few." in run("people", "list").out
