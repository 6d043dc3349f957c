"""`runplane audit coverage` and `audit accept`: for people, for programs, for cron."""

from __future__ import annotations

import csv
import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from runplane_mcp.app import open_desk
from runplane_mcp.cli.coverage.report import alone
from runplane_mcp.cli.coverage.standing import coverage_line
from runplane_mcp.cli.doctor.finding import Finding, Level
from runplane_mcp.cli.doctor.records import coverage
from runplane_mcp.core.wire import encode
from runplane_mcp.gate.coverage.state import META, CoverageState, Found, renamed, states, written
from runplane_mcp.settings import Settings, load_settings
from runplane_mcp.simulator import SEED
from runplane_mcp.store.base import Transaction
from tests.cli.conftest import DANA, DANAS, Ask, OpenGate, Run, refund

LATER = "2026-03-03T14:05"


@pytest.fixture
def touched(ask: Ask, run: Run, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A home with one refund through Runplane, and others' doings beside it, looked at later: a process's clock begins at
    the time that is set, so one that looks at once could come before what a slow one did. Their objects by what was
    planted."""
    ask(refund("pi_ben_40", agent="=cmd|' /C calc'!A0"))
    planted = run(
        *("simulator", "--plant", "other-key", "--plant", "dashboard", "--plant", "dispute", "--plant", "silent"),
        *("--plant", "automatic-payout", "--json"),
    )
    monkeypatch.setenv("RUNPLANE_SIMULATOR_NOW", LATER)
    return {each["kind"]: each["ids"][0] for each in planted.json["planted"]}


def test_every_box_is_told_to_people_and_programs_and_unexplained_is_exit_1(
    touched: dict[str, str], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "lines.csv"
    told, page = run("audit", "coverage", "--json"), run("audit", "coverage", "--csv", str(file))
    monkeypatch.setenv("COLUMNS", "40")
    narrow = run("audit", "coverage").out
    boxes = {each["object"]: each["box"] for each in told.json["lines"] if each["kind"] != "fee"}
    rows = list(csv.DictReader(file.read_text().splitlines()))

    assert (told.code, page.code) == (1, 1)
    assert {kind: boxes[id] for kind, id in touched.items()} == {
        "other-key": "another_key",
        "dashboard": "dashboard",
        "dispute": "automatic",
        "silent": "unexplained",
        "automatic-payout": "automatic",
    }
    assert [each["agent"] for each in told.json["lines"] if each["box"] == "allowed"] == ["=cmd|' /C calc'!A0"]
    assert (told.json["ok"], told.json["unexplained"]) == (False, 1)
    for tie in told.json["ties"]:
        booked = [each for each in told.json["lines"] if each["balance"] and each["currency"] == tie["currency"]]
        assert tie["ties"]
        assert tie["boxes"] == tie["stripe"] == sum(each["amount"] for each in booked)
        assert (
            sum(int(each["amount"]) for each in rows if each["currency"] == tie["currency"] and each["balance"])
            == (tie["boxes"])
        )
    assert len(rows) == len(told.json["lines"])
    assert not [each["agent"] for each in rows if each["agent"].startswith("=")], "no formula in a spreadsheet"
    assert page.out.index("UNEXPLAINED: 1 line, -$50.00 USD") < page.out.index("allowed by policy")
    assert touched["silent"] in page.out
    assert "Ties to the cent" in page.out
    assert "Out, not through Runplane" in page.out
    assert max(map(len, narrow.splitlines())) <= 40
    assert all(touched[kind] in narrow for kind in ("silent", "other-key", "dashboard")), "ids stay whole"


def test_a_month_in_which_nothing_is_unexplained_is_exit_0(ask: Ask, run: Run) -> None:
    ask(refund("pi_ben_40"))
    told, page = (
        run("audit", "coverage", "--month", "2026-03", "--json"),
        run("audit", "coverage", "--month", "2026-03"),
    )
    all_time = run("audit", "coverage", "--from", "2025-01-01", "--json").json

    assert (told.code, page.code) == (0, 0)
    assert told.json["ok"] is True
    assert "Nothing is unexplained" in page.out
    assert "March 2026, so far (America/New_York)" in page.out
    assert all(tie["checked"] and tie["opening"] == 0 for tie in all_time["ties"]), "read from the account's first line"
    assert any("30 days" in note for note in all_time["notes"])
    assert any(each["box"] == "no_longer_known" for each in all_time["lines"])


def test_what_stripe_does_not_show_is_claimed_and_a_line_that_its_list_lacks_does_not_tie(
    ask: Ask, home: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("audit", "coverage", "--alarm")
    (made,) = ask(refund("pi_ben_40"))
    monkeypatch.setenv("RUNPLANE_SIMULATOR_NOW", LATER)
    assert made.result is not None
    id = str(made.result["id"])
    whole = run("audit", "coverage", "--json").json
    with sqlite3.connect(home / "simulator.db") as world:
        world.execute("DELETE FROM object WHERE id = ?", (id,))
        world.execute("DELETE FROM object WHERE json_extract(body, '$.source') = ?", (id,))
    world.close()
    told, page = run("audit", "coverage", "--json"), run("audit", "coverage", "--from", "2025-01-01")
    words = " ".join(page.out.split())
    [before, after] = [next(tie for tie in each["ties"] if tie["currency"] == "usd") for each in (whole, told.json)]
    noted = run("audit", "verify", "--json").json

    assert (told.code, page.code) == (1, 1)
    assert (before["ties"], before["missing"], after["ties"], after["missing"]) == (True, 0, False, -4_000)
    assert before["checked_since"] == "2026-03-03T19:00:00Z", "what Stripe held was noted in the log at the first look"
    assert 0 < before["checked_event"] == after["checked_event"] <= noted["events"]
    assert [(each["object"], each["amount"]) for each in told.json["claimed"]] == [(id, 4_000)]
    assert "CLAIMED, NOT AT STRIPE: 1" in words
    assert "THE SUMS DO NOT TIE" in words
    assert "-$40.00 USD has no line" in words


def test_a_reading_that_was_ended_goes_on_where_it_was(home: Path, run: Run) -> None:
    whole = run("audit", "coverage", "--json").json
    (home / "coverage" / "events_of_waivers-00000.json").unlink()
    pages = sorted((home / "coverage").glob("*.json"))
    stamps = [each.stat().st_mtime_ns for each in pages]

    again = run("audit", "coverage", "--json").json

    assert stamps == [each.stat().st_mtime_ns for each in pages]
    assert whole["lines"] == again["lines"]
    assert "runplane_request" not in "".join(each.read_text() for each in pages)
    with alone(home / "coverage.lock"):
        assert run("audit", "coverage", "--json").error == "store.locked", "two would write into each other's pages"
    run("audit", "coverage", "--json")
    assert stamps != [each.stat().st_mtime_ns for each in pages], "what was read to its end is read anew"


async def findings(settings: Settings) -> list[Finding]:
    """What `runplane doctor` says of it."""
    async with open_desk(settings) as desk:
        return list(coverage(await desk.store.read(states), settings.coverage_every))


def test_cron_hears_of_what_is_new_until_somebody_says_what_it_was(
    home: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = run("audit", "coverage", "--alarm", "--json")
    [planted] = run("simulator", "--plant", "silent", "--json").json["planted"]
    id = planted["ids"][0]
    monkeypatch.setenv("RUNPLANE_SIMULATOR_NOW", LATER)
    raised, again = run("audit", "coverage", "--alarm", "--json"), run("audit", "coverage", "--alarm")
    status, found = run("status").out, anyio.run(findings, load_settings())
    accepted = run(
        *("audit", "accept", id, "--reason", "Ours, before Runplane.", "--as", DANA, "--secret-stdin", "--json"),
        stdin=f"{DANAS}\n",
    )
    after, calm = run("audit", "coverage", "--alarm"), run("status", "--json").json

    assert (before.code, before.json["ok"], before.json["unexplained"]) == (0, True, [])
    assert raised.code == again.code == 1
    assert [(each["object"], each["new"]) for each in raised.json["unexplained"]] == [(id, True)]
    assert "0 of them new" in again.out
    assert "UNEXPLAINED at Stripe: 1 line, -$50.00 USD" in status
    assert [each.level for each in found] == [Level.PROBLEM]
    assert (accepted.code, accepted.json["left"], accepted.json["by"]) == (0, 0, DANA)
    assert (after.code, calm["coverage"]["unexplained"]) == (0, [])


def test_an_alarm_about_a_key_of_our_form_leads_to_another_home_on_the_account(
    home: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("audit", "coverage", "--alarm")
    run("simulator", "--plant", "silent")
    monkeypatch.setenv("RUNPLANE_SIMULATOR_NOW", LATER)
    silent = run("audit", "coverage", "--alarm").out
    run("simulator", "--plant", "forged-key")
    monkeypatch.setenv("RUNPLANE_SIMULATOR_NOW", "2026-03-03T14:10")
    of_our_form = run("audit", "coverage", "--alarm").out

    assert "UNEXPLAINED: 1 line" in silent
    assert "UNEXPLAINED: 2 lines" in of_our_form
    assert ["another home work" in each for each in (silent, of_our_form)] == [False, True]


def test_nothing_in_an_alarm_commands_the_terminal(home: Path, run: Run) -> None:
    """Whatever somebody wrote into the file past us."""
    run("audit", "coverage", "--alarm")
    hostile = "\x1b[2J\u202eok"

    async def write() -> None:
        async with open_desk(load_settings()) as desk:

            def work(tx: Transaction) -> None:
                known = states(tx)
                [own] = known
                found = Found("txn_1", 1, 0, "refund", None, -1, hostile, "unexplained", hostile)
                there = renamed(own, f"acct_{hostile}")
                other = CoverageState(standing={"txn_1": found})
                tx.set_meta(META, written({own: known[own], there: other}))

            await desk.store.write(work)

    anyio.run(write)
    said = run("audit", "coverage", "--alarm").out

    assert "UNEXPLAINED: 1 line" in said
    assert "On connected account acct_" in said
    assert not {"\x1b", "\u202e"} & set(said)


def test_doctor_and_status_say_when_nobody_looks_or_not_all_is_looked_at() -> None:
    def said(state: CoverageState | None, every: int = 300) -> tuple[Level, str | None]:
        known = {} if state is None else {"stripe|acct_1|live": state}
        [found], line = list(coverage(known, every)), coverage_line(known)
        return found.level, line[1] if line is not None else None

    looked = CoverageState(until=1_772_564_400)

    assert (Level.OK, None) == said(None)
    assert (Level.WARN, None) == said(None, every=0)
    assert (Level.OK, "") == said(looked) == said(looked, every=0), "cron may look"
    assert (Level.WARN, "yellow") == said(replace(looked, behind=True))
    assert (Level.WARN, "yellow") == said(replace(looked, problem="The key may not read /v1/events."))


@pytest.mark.parametrize(
    "options",
    [
        ("--month", "2026-13"),
        ("--month", "2026-04"),
        ("--month", "2026-02", "--from", "2026-02-01"),
        ("--to", "2026-02-01"),
        ("--from", "2026-02-10", "--to", "2026-02-01"),
        ("--from", "1026-02-10"),
        ("--alarm", "--month", "2026-02"),
    ],
)
def test_what_is_no_period_is_a_usage_error(options: tuple[str, ...], home: Path, run: Run) -> None:
    ran = run("audit", "coverage", *options, "--json")

    assert ran.code == 2
    assert ran.error in {"usage.period", "usage.alarm"}
    assert json.loads(ran.out)["error"]["next_step"]


BAKERY, PRINTER = SEED.connected_account_paid, SEED.connected_account_new


def test_connected_accounts_have_boxes_and_sums_of_their_own_and_one_that_cannot_be_read_is_told(
    home: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = run("simulator", "--plant", "silent", "--plant", "other-key-payout", "--account", BAKERY, "--json").json
    stolen, payout = [each["ids"][0] for each in planted["planted"]]
    monkeypatch.setenv("RUNPLANE_COVERAGE_ACCOUNTS", f"acct_gone,-{PRINTER}")
    file = tmp_path / "lines.csv"
    told = run("audit", "coverage", "--account", "all", "--json")
    page = run("audit", "coverage", "--account", BAKERY, "--csv", str(file))
    [there] = told.json["connected"]
    boxes = {each["object"]: each["box"] for each in there["lines"]}
    words = " ".join(page.out.split())

    assert (told.code, page.code, told.json["cut"]) == (1, 1, False)
    assert (boxes[stolen], boxes[payout]) == ("unexplained", "another_key")
    assert (there["account"], there["ok"], there["unexplained"], told.json["unexplained"]) == (BAKERY, False, 1, 1)
    assert [(tie["ties"], tie["boxes"] == tie["stripe"]) for tie in there["ties"]] == [(True, True)]
    assert [(each["account"], "account_invalid" in each["why"]) for each in told.json["unread"]] == [
        ("acct_gone", True)
    ]
    assert any(PRINTER in note for note in told.json["notes"]), "one that was to be left out is, and said"
    assert "NOT READ, so that this is not all: 1 connected account." in words
    assert f"Unexplained on {BAKERY}: 1 line, -$50.00 USD." in words
    assert f"On connected account {BAKERY}" in words
    assert "Not read: /v2 money." in words
    assert {each["account"] for each in csv.DictReader(file.read_text().splitlines())} >= {BAKERY}
    assert run("audit", "coverage", "--account", "bakery", "--json").error == "usage.account"
    monkeypatch.setenv("RUNPLANE_COVERAGE_ACCOUNTS", f"{BAKERY},bakery")
    assert run("audit", "coverage", "--json").error == "settings.invalid"


def test_a_transfer_to_an_account_that_was_not_read_is_said(gate: OpenGate, run: Run) -> None:
    async def by_the_shop() -> None:
        async with gate() as living:
            wire = encode("POST", "/v1/transfers", {"amount": 900, "currency": "usd", "destination": PRINTER})
            await living.connection.send(wire, idempotency_key="shop-1")

    anyio.run(by_the_shop)
    without, with_it = run("audit", "coverage"), run("audit", "coverage", "--account", PRINTER, "--json")
    [there] = with_it.json["connected"]

    assert (without.code, PRINTER in without.out, "--account" in without.out) == (0, True, True)
    assert with_it.code == 0
    assert [(each["amount"], each["box"]) for each in there["lines"]] == [(900, "other_side")]
    assert "another key" in there["lines"][0]["why"]


def test_cron_hears_of_connected_accounts_and_of_those_that_it_cannot_look_at(
    home: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNPLANE_COVERAGE_ACCOUNTS", "all")
    calm = run("audit", "coverage", "--alarm")
    id = run("simulator", "--plant", "silent", "--account", PRINTER, "--json").json["planted"][0]["ids"][0]
    monkeypatch.setenv("RUNPLANE_SIMULATOR_NOW", LATER)
    raised = run("audit", "coverage", "--alarm", "--account", "acct_gone", "--json")
    told, status = run("audit", "coverage", "--alarm").out, run("status", "--json").json["coverage"]

    assert calm.code == 0
    assert raised.code == 1
    assert [(each["object"], each["account"]) for each in raised.json["unexplained"]] == [(id, PRINTER)]
    assert [each["account"] for each in raised.json["connected"]["unread"]] == ["acct_gone"]
    assert f"On connected account {PRINTER}:" in told
    assert status["unexplained"][0]["account"] == PRINTER
    assert (status["unexplained"][0]["object"], set(status["connected"]["accounts"])) == (id, {BAKERY, PRINTER})


def test_an_account_that_a_setting_leaves_out_is_told_of_wherever_all_is_said_to_be_well(
    home: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or whoever may set a gate's environment could go around it there, and nobody would hear of that."""
    monkeypatch.setenv("RUNPLANE_COVERAGE_ACCOUNTS", f"all,-{PRINTER}")
    run("simulator", "--plant", "silent", "--account", PRINTER)
    monkeypatch.setenv("RUNPLANE_SIMULATOR_NOW", LATER)
    calm, status = run("audit", "coverage", "--alarm"), run("status").out
    seen, found = run("audit", "coverage", "--alarm", "--json"), anyio.run(findings, load_settings())

    assert (calm.code, seen.code, seen.json["connected"]["left_out"]) == (0, 0, [PRINTER])
    assert f"Not looked at, since a setting says so: {PRINTER}" in calm.out
    assert "nothing unexplained at Stripe before Tue 3 Mar 2026 19:05 UTC (not looked at" in status
    assert PRINTER in status
    assert [(each.level, PRINTER in each.said) for each in found] == [(Level.OK, True)]


def test_doctor_and_status_tell_of_connected_accounts_that_nobody_looks_at() -> None:
    own = CoverageState(until=1_772_564_400, turn=9_000_000, looked=9_000_000, accounts=("acct_2",))

    def said(there: CoverageState, **changes: Any) -> tuple[list[Level], str]:
        known = {"stripe|acct_1|live": replace(own, **changes), "stripe|acct_2|live": there}
        line = coverage_line(known)
        return [each.level for each in coverage(known, 300)], line[0] if line is not None else ""

    fine = CoverageState(until=1, turn=9_500_000, looked=9_500_000)

    assert [Level.OK] == said(fine)[0]
    assert "nothing unexplained" in said(fine)[1]
    for levels, words in (
        said(replace(fine, problem="The key may not read it.")),
        said(replace(fine, looked=1)),
        said(replace(fine, behind=True)),
        said(CoverageState()),
        said(fine, cut=True),
    ):
        assert Level.WARN in levels
        assert "connected account" in words
