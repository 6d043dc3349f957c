"""`runplane audit export`: a line for each request that ended in a period, and totals of what Stripe says has moved."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import tracemalloc
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
import stripe

from runplane_mcp.cli.export import cell, decimal
from runplane_mcp.cli.new_file import new_file
from runplane_mcp.core.money import Money
from runplane_mcp.core.request import State
from runplane_mcp.errors import UsageError
from runplane_mcp.gate.audit import exporting
from runplane_mcp.gate.audit.exporting import lines
from runplane_mcp.simulator import SEED, SIMULATOR_KEY, Simulator, SimulatorServer
from runplane_mcp.store.base import Transaction
from runplane_mcp.store.reading import reading
from runplane_mcp.store.sqlite import open_store
from tests.cli.conftest import DANA, DANAS, Ask, Run, balance, cancellation, refund
from tests.store.things import NOW, received, stepped

SINCE = ("audit", "export", "--from", "2020-01-01")


def rows(out: str) -> list[dict[str, str]]:
    """The table of a CSV export, as a spreadsheet takes it: up to the first empty line."""
    assert out.startswith("\ufeffrequest,")
    table, _, _ = out.removeprefix("\ufeff").partition("\r\n\r\n")
    return list(csv.DictReader(io.StringIO(table)))


def summary(out: str) -> dict[str, Any]:
    last: dict[str, Any] = json.loads(out.splitlines()[-1])
    assert last["type"] == "summary"
    return last


def at_stripe(home: Path) -> dict[str, int]:
    """The refunds that Stripe has, and their amounts."""
    world = Simulator(home / "simulator.db", now=lambda: 1_772_564_400)
    with SimulatorServer(world) as server:
        client = stripe.StripeClient(SIMULATOR_KEY, base_addresses={"api": server.base_url})
        found = {each.id: each.amount for each in client.v1.refunds.list({"limit": 10}).data}
    world.close()
    return found


@pytest.fixture
def busy(ask: Ask) -> list[str]:
    """Two refunds that ran, one that is held, and a read: their references."""
    asked = (refund(SEED.payment_intent_40), refund(SEED.payment_intents_235[0]), cancellation(), balance())
    return [view.reference for view in ask(*asked)]


def test_each_request_that_ended_has_a_line_and_what_moved_is_what_stripe_says(
    busy: list[str], run: Run, home: Path
) -> None:
    exported = run(*SINCE)
    found = rows(exported.out)
    refunds = at_stripe(home)
    told = summary(run(*SINCE, "--json-lines").out)

    assert exported.code == 0, exported.err
    assert [each["request"] for each in found] == [busy[0], busy[1], busy[3]], "what is held has not ended"
    first = found[0]
    assert (first["amount"], first["currency"], first["moved"], first["moved_currency"]) == (
        "40.00",
        "usd",
        "40.00",
        "usd",
    )
    assert (first["agent"], first["action"], first["outcome"]) == ("support-bot", "refund.create", "succeeded")
    assert first["decision"] == "allow"
    assert first["decided_by"]
    assert first["stripe_object"].startswith("re_")
    assert first["stripe_request"].startswith("req_")
    assert first["ended_at"].endswith("Z")
    assert sum(refunds[each["stripe_object"]] for each in found[:2]) == 27_500
    assert told["totals"] == [
        {"where": "simulator", "action": "refund.create", "currency": "usd", "requests": 2, "moved": 27_500}
    ]
    assert (told["requests"], told["not_finished"]) == (3, 1)
    assert "moved,simulator,refund.create,2,275.00,usd\r\n" in exported.out
    assert f"root,{told['audit_log']['root']}\r\n" in exported.out
    assert told["audit_log"]["root"] == run("audit", "verify", "--json").json["root"]
    assert len(rows(run(*SINCE, "--kind", "write").out)) == 2


def test_a_period_ends_before_its_end_and_pages_change_nothing(
    busy: list[str], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with reading(home / "runplane.db") as reader:
        everything = list(lines(reader, 0, 2**50))
        monkeypatch.setattr(exporting, "_PAGE", 1)
        assert list(lines(reader, 0, 2**50)) == everything
        ends = [line.request.changed_at for line in everything]
        assert [len(list(lines(reader, end, end + 1))) for end in ends] == [ends.count(end) for end in ends]
        assert [line.request.changed_at for line in lines(reader, 0, max(ends))] == [e for e in ends if e < max(ends)]


@pytest.mark.slow
def test_four_times_as_many_requests_take_no_more_memory(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        path = tmp_path / f"{count}.db"

        def fill(tx: Transaction) -> None:
            for _ in range(count):
                request = received(tx)
                tx.set_result(request.id, {"id": "re_1", "object": "refund", "amount": 500, "currency": "usd"})
                tx.move(stepped(tx, request, State.EXECUTING), State.SUCCEEDED, at=NOW, event={})

        async def make() -> None:
            store = open_store(path)
            await store.write(fill)
            await store.close()

        anyio.run(make)
        with reading(path) as reader:
            tracemalloc.start()
            assert sum(line.moved is not None for line in lines(reader, 0, 2**50)) == count
            top = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return top

    few, many = peak(1_100), peak(4_400)

    assert many < 1.25 * few


def test_a_policy_that_cannot_be_told_keeps_nothing_back(busy: list[str], run: Run, home: Path) -> None:
    with closing(sqlite3.connect(home / "runplane.db", isolation_level=None)) as connection:
        connection.execute("INSERT INTO policy VALUES ('00', 'version: 9')")
        connection.execute("UPDATE enforced_policy SET version = '00'")
    exported = run(*SINCE, "--json-lines")

    assert summary(exported.out)["ended_from"] == "2020-01-01T00:00:00Z"
    assert len(exported.out.splitlines()) == 4


def test_an_export_says_the_same_after_an_erasure(busy: list[str], run: Run) -> None:
    before = summary(run(*SINCE, "--json-lines").out)
    run("erase", "--customer", SEED.customer_ben, "--as", DANA, "--secret-stdin", stdin=f"{DANAS}\n")
    out = run(*SINCE, "--json-lines").out
    [line] = [each for each in map(json.loads, out.splitlines()) if each.get("request") == busy[0]]

    assert summary(out)["totals"] == before["totals"]
    assert line["erased"] is True
    assert (line["amount"], line["moved"], line["currency"]) == (4_000, 4_000, "usd")
    assert line["decided_by"]


def test_a_cell_is_shown_and_never_run(ask: Ask, run: Run) -> None:
    label = '=HYPERLINK("https://evil.example","x")\u202e'
    ask(replace(refund(SEED.payment_intent_40), agent=label))
    [line] = rows(run(*SINCE, "--kind", "write").out)

    assert line["agent"].startswith("'=HYPERLINK(")
    assert "\u202e" not in line["agent"]
    for text in ("=1", "+1", "-1", "@x", "\t=1", "\r=1", "  =1", "＝1"):
        assert cell(text).startswith("'"), text
    assert [cell("plain"), cell(None), cell(True), cell(["a", "b"])] == ["plain", "", "yes", "a b"]
    amounts = [Money(-5, "usd"), Money(900, "jpy"), Money(1_234, "kwd"), None]
    assert [decimal(each) for each in amounts] == ["-0.05", "900", "1.234", ""]


def test_a_file_is_written_whole_or_not_at_all(busy: list[str], run: Run, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    made = run(*SINCE, "--out", str(target), "--json")
    again = run(*SINCE, "--out", str(target), "--json")
    wrong = run("audit", "export", "--from", "yesterday", "--out", str(tmp_path / "other"), "--json")

    assert made.json["requests"] == 3
    assert len(rows(target.read_bytes().decode())) == 3
    assert target.stat().st_mode & 0o777 == 0o600
    assert (again.code, again.error) == (2, "usage.file")
    assert (wrong.code, wrong.error) == (2, "usage.period")
    assert not (tmp_path / "other").exists()
    assert run(*SINCE, "--csv", "--json-lines").code == 2


def test_half_an_export_never_has_the_name_of_a_whole_one(tmp_path: Path) -> None:
    """A process may be killed in it, and what is there then looks like a table."""
    out = tmp_path / "february.csv"
    with new_file(out) as file:
        file.write("half")
        file.flush()
        assert not out.exists()
        assert [each.suffix for each in tmp_path.iterdir()] == [".part"]
    assert (out.read_text(), out.stat().st_mode & 0o777, list(tmp_path.iterdir())) == ("half", 0o600, [out])

    other = tmp_path / "march.csv"
    with pytest.raises(UsageError, match="File exists"), new_file(other):
        other.write_text("somebody else's")
    assert other.read_text() == "somebody else's"
    assert set(tmp_path.iterdir()) == {out, other}
