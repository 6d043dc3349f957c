"""`runplane backup FILE`: a copy to look things up in, from which nothing runs."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from runplane_mcp.app import open_gate
from runplane_mcp.core.request import State
from runplane_mcp.errors import StoreError
from runplane_mcp.settings import load_settings
from runplane_mcp.simulator import SEED
from tests.cli.conftest import DANA, DANAS, Ask, OpenGate, Run, balance, refund


def test_a_backup_is_taken_while_a_gate_works_and_answers_why(
    gate: OpenGate, process: Run, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> str:
        async with gate() as living:
            taking = asyncio.create_task(asyncio.to_thread(process, "backup", str(tmp_path / "copy"), "--json"))
            while not taking.done():
                await living.submit(balance())
            made = await taking
            assert (made.code, made.err) == (0, "")
            return str(made.json["root"])

    root = asyncio.run(work())
    into_a_home(tmp_path / "copy", tmp_path / "old")
    monkeypatch.setenv("RUNPLANE_HOME", str(tmp_path / "old"))
    verified = run("audit", "verify", "--json").json

    assert (verified["ok"], verified["root"]) == (True, root)
    assert run("people", "list", "--json").json[0]["person"] == DANA


def into_a_home(copy: Path, home: Path) -> None:
    home.mkdir(mode=0o700)
    shutil.copy(copy, home / "runplane.db")


def test_nothing_that_was_approved_in_it_runs_again(
    ask: Ask, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """THREATS 18: the approved request may have run since the backup was taken."""
    (held,) = ask(refund())
    digest = run("approvals", "show", "--json").json["digest"]
    run("approve", held.reference, "--digest", digest, "--as", DANA, "--secret-stdin", stdin=f"{DANAS}\n")
    assert run("backup", str(tmp_path / "copy")).code == 0
    into_a_home(tmp_path / "copy", tmp_path / "old")
    monkeypatch.setenv("RUNPLANE_HOME", str(tmp_path / "old"))

    async def start() -> None:
        async with open_gate(load_settings(), simulator=True):
            pass

    with pytest.raises(StoreError) as refused:
        asyncio.run(start())

    assert refused.value.code == "store.backup"
    assert [each["code"] for each in run("status", "--json").json["nothing_runs"]] == ["store.backup"]
    assert run("requests", "show", held.reference, "--json").json["status"] == State.APPROVED
    assert run("why", SEED.charge_900, "--json").json["requests"][0]["request_id"] == held.request_id


def test_people_are_told_what_it_holds_and_what_it_will_not_do(ask: Ask, run: Run, tmp_path: Path) -> None:
    ask(refund())
    told = run("backup", str(tmp_path / "copy"))

    assert told.code == 0
    assert run("audit", "verify", "--json").json["root"] in told.out
    for words in (
        "readable by you alone",
        "does not hold the Stripe key",
        "no gate executes",
        "1 request in it is not finished",
    ):
        assert words in told.out


def test_a_backup_never_overwrites_and_says_so(home: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "copy").write_text("last week's")
    refused = run("backup", str(tmp_path / "copy"), "--json")

    assert (refused.code, refused.error) == (1, "store.backup_exists")
    assert (tmp_path / "copy").read_text() == "last week's"
    assert run("backup").code == 2
    assert run("backup", str(tmp_path / "no" / "folder"), "--json").error == "store.unwritable"
