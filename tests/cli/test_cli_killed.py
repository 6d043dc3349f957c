"""What people do on the command line, cut by a kill at every durable step: it is done or it is not, the home goes on either
way, and done again it is done once. THREATS 19."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from runplane_mcp import app as composition
from runplane_mcp.app import open_desk
from runplane_mcp.settings import Settings
from runplane_mcp.store.verify import verify
from tests.cli.conftest import DANA, DANAS, Ask, Run, refund
from tests.crash import Probe, cut, every_point_of

LATER = "2026-03-03T14:05"
SIGNED = ("--as", DANA, "--secret-stdin", "--json")


@dataclass(frozen=True)
class Act:
    """A command, how the home shows that it is done, and what the command says where it is done already: an error's code,
    or None where it is simply done once more."""

    arguments: tuple[str, ...]
    done: Callable[[Run], bool]
    again: str | None


def denying(ask: Ask, run: Run) -> Act:
    return voting(ask, run, "deny", "denied")


def approving(ask: Ask, run: Run) -> Act:
    return voting(ask, run, "approve", "approved")


def voting(ask: Ask, run: Run, command: str, status: str) -> Act:
    (held,) = ask(refund())
    digest = run("approvals", "show", held.reference, "--json").json["digest"]
    return Act(
        (command, held.reference, "--digest", digest, *SIGNED),
        lambda run: run("requests", "show", held.reference, "--json").json["status"] == status,
        "approval.not_waiting",
    )


def freezing(ask: Ask, run: Run) -> Act:
    return Act(
        ("freeze", "--action", "refunds", "--json"), lambda run: bool(run("status", "--json").json["frozen"]), None
    )


def unfreezing(ask: Ask, run: Run) -> Act:
    run("freeze")
    return Act(("unfreeze", *SIGNED), lambda run: not run("status", "--json").json["frozen"], "freeze.none")


def activating(ask: Ask, run: Run) -> Act:
    file = Path(os.environ["RUNPLANE_HOME"]) / "policies.yaml"
    text = file.read_text()
    assert "repeat_window: 10m" in text
    file.write_text(text.replace("repeat_window: 10m", "repeat_window: 5m"))
    before = run("status", "--json").json["policy"]["version"]
    return Act(
        ("policy", "activate", "--yes", *SIGNED),
        lambda run: run("status", "--json").json["policy"]["version"] != before,
        None,
    )


def accepting(ask: Ask, run: Run) -> Act:
    run("audit", "coverage", "--alarm")
    [planted] = run("simulator", "--plant", "silent", "--json").json["planted"]
    os.environ["RUNPLANE_SIMULATOR_NOW"] = LATER
    assert run("audit", "coverage", "--alarm").code == 1
    return Act(
        ("audit", "accept", planted["ids"][0], "--reason", "Ours.", *SIGNED),
        lambda run: not run("status", "--json").json["coverage"]["unexplained"],
        "request.not_unexplained",
    )


def resolving(ask: Ask, run: Run) -> Act:
    (held,) = ask(refund())
    home = Path(os.environ["RUNPLANE_HOME"])
    assert run("backup", str(home.with_name("b.db"))).code == 0
    assert run("restore", str(home.with_name("b.db")), *SIGNED, stdin=DANAS).code == 0
    return Act(
        ("requests", "resolve", held.reference, "--outcome", "canceled", "--note", "It had not come so far.", *SIGNED),
        lambda run: run("requests", "show", held.reference, "--json").json["status"] == "canceled",
        "request.not_unknown",
    )


def by_command_line(run: Run, act: Act, home: Path) -> Callable[[Probe], None]:
    def work(probe: Probe) -> None:
        os.environ["RUNPLANE_HOME"] = str(home)
        # In this child alone: what the command opens passes its points to whoever kills it.
        vars(composition)["open_desk"] = partial(open_desk, probe=probe)
        ran = run(*act.arguments, stdin=DANAS)
        assert ran.code == 0, ran.out + ran.err

    return work


@pytest.mark.slow
@pytest.mark.parametrize("made", [approving, denying, freezing, unfreezing, activating, accepting, resolving])
def test_a_command_that_is_killed_is_done_or_not_and_can_be_given_again(
    made: Callable[[Ask, Run], Act],
    ask: Ask,
    run: Run,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RUNPLANE_HOME", str(home))
    act = made(ask, run)
    assert not act.done(run)

    def copy(name: str) -> Path:
        return Path(shutil.copytree(home, tmp_path / name))

    points = every_point_of(by_command_line(run, act, copy("whole")))
    stood = []
    for number, point in enumerate(points):
        left = copy(f"cut-{number}")
        assert cut(by_command_line(run, act, left), point)
        monkeypatch.setenv("RUNPLANE_HOME", str(left))
        stood.append(act.done(run))
        found = verify(Settings(home=left).database)
        again = run(*act.arguments, stdin=DANAS)
        audited = run("audit", "verify", "--json")

        assert found.ok, (point, found.problem)
        said = again.json.get("error", {}).get("code")
        assert said == (act.again if stood[-1] else None), (point, again.out)
        assert act.done(run), point
        assert audited.code == 0, (point, audited.out)
    assert stood == sorted(stood), "once it is durable, it stays so"
    assert set(stood) == {False, True}
