"""`runplane demo` as people and scripts start it: the whole story in real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pexpect
import pytest

from runplane_mcp.cli.demo.report import Report
from runplane_mcp.errors import StoreError
from tests.cli.conftest import CHECKOUT

#: Every wait is bounded; this is the bound, not an expectation.
PATIENCE = 180
WORDS = [sys.executable, "-m", "runplane_mcp", "demo"]

SET_UP = "the same company again, with Runplane in front of its Stripe"
#: Every step of the story, in its order.
STEPS = [
    (1, "without Runplane every refund is made"),
    (1, "with Runplane refunds are made up to the limit"),
    (1, "the others wait for a person"),
    (2, "a small refund is made at once"),
    (2, "a refund without an amount waits, and people see the amount that was looked up"),
    (2, "the answer of a person is a signature over what they saw"),
    (2, "the agent that waited sees the refund of the whole payment"),
    (2, "a payout at two in the morning is blocked"),
    (2, "a transfer waits for a person"),
    (2, "a denied transfer is not made, and the words of the person reach the agent"),
    (2, "the refund is made, and Runplane dies before it hears of it"),
    (2, "after the restart the agent learns what became of the refund"),
    (2, "the power cut refunded once"),
    (2, "Stripe's books hold what was allowed or approved, and nothing else"),
    (2, "the audit log is whole"),
]


def environment(tmp_path: Path) -> dict[str, str]:
    """The demo's folders come below `tmp_path`. What is set for real use must not reach it."""
    return {
        **os.environ,
        "TMPDIR": str(tmp_path),
        "RUNPLANE_HOME": "/nowhere",
        "RUNPLANE_POLICY": "/nowhere/policies.yaml",
        "STRIPE_API_KEY": "sk_live_not_a_key",
    }


@pytest.mark.timeout(2 * PATIENCE)
def test_every_step_is_as_it_should_be_and_the_next_commands_work_as_printed(tmp_path: Path) -> None:
    """Without Runplane $47,000.00 are gone, with it $940.00; in act 2 what was allowed or approved, once each."""
    played = subprocess.run(
        [*WORDS, "--json"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        cwd=CHECKOUT,
        env=environment(tmp_path),
        stdin=subprocess.DEVNULL,
    )
    told: dict[str, Any] = json.loads(played.stdout)
    looks = [
        subprocess.run(command, shell=True, capture_output=True, text=True, timeout=PATIENCE, cwd=CHECKOUT)
        for command in told["next"]
    ]

    assert (played.returncode, played.stderr) == (0, "")
    assert [(step["act"], step["step"]) for step in told["steps"]] == STEPS
    assert all(step["ok"] and step["got"] == step["expected"] for step in told["steps"])
    assert told["ok"] is True
    assert told["totals"]["without_runplane"] == {"count": 200, "total": {"usd": 4_700_000}}
    assert told["totals"]["with_runplane"] == {"count": 4, "total": {"usd": 94_000}, "waiting": 196}
    assert told["totals"]["act_2"]["refunds"] == {"count": 3, "total": {"usd": 106_000}}
    assert [path.parent.parent for path in tmp_path.rglob("runplane.db")] == [Path(told["home"]).parent]
    assert len(looks) == 5
    assert [look.returncode for look in looks] == [0] * len(looks), [look.stderr for look in looks]


@pytest.mark.slow
def test_a_server_that_is_killed_makes_the_demo_fail_and_say_where(tmp_path: Path) -> None:
    demo = subprocess.Popen(
        [*WORDS, "--json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(tmp_path),
    )
    try:
        os.kill(server_of(demo, tmp_path), signal.SIGKILL)
        out, err = demo.communicate(timeout=PATIENCE)
    finally:
        demo.kill()
    told = json.loads(out)
    wrong = [step for step in told["steps"] if not step["ok"]]

    assert (demo.returncode, err) == (1, "")
    assert told["ok"] is False
    assert [(step["act"], step["step"]) for step in wrong] == [(1, SET_UP)]


def server_of(demo: subprocess.Popen[str], folder: Path) -> int:
    """The process id of the server of act 1, once it has one."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and demo.poll() is None:
        for path in folder.glob("*/act-1.pid"):
            if written := path.read_text().strip():
                return int(written)
        time.sleep(0.01)
    pytest.fail("the demo never started a server")


@pytest.mark.slow
@pytest.mark.timeout(2 * PATIENCE)
def test_on_a_terminal_the_viewer_decides_and_a_no_is_no_failure(tmp_path: Path) -> None:
    demo = pexpect.spawn(
        WORDS[0],
        WORDS[1:],
        cwd=str(CHECKOUT),
        env={**environment(tmp_path), "TERM": "xterm"},
        dimensions=(40, 80),
        encoding="utf-8",
        timeout=PATIENCE,
    )
    try:
        demo.expect(r"You are finance\. Approve exactly this\? \[y/n\]")
        demo.sendline("perhaps")
        demo.expect(r"\[y/n\]")
        demo.sendline("n")
        demo.expect("DENIED BY A PERSON")
        demo.expect(r"Stripe made 2 refunds, \$160\.00 USD")
        demo.expect(pexpect.EOF)
    finally:
        demo.close(force=True)

    assert demo.exitstatus == 0


@pytest.mark.slow
@pytest.mark.timeout(2 * PATIENCE)
@pytest.mark.parametrize(
    ("moment", "ignored"),
    [
        ("ACT 1", False),
        (SET_UP, False),
        (SET_UP, True),
        ("200 refunds, through Runplane", False),
        ("maria and tom of finance", False),
        (r"Approve exactly this\? \[y/n\]", False),
        ("and the power fails", True),
    ],
)
def test_one_ctrl_c_ends_it_and_leaves_nothing_behind(moment: str, ignored: bool, tmp_path: Path) -> None:
    """Whatever it is in the middle of, and also where a script's `&` had started it to ignore Ctrl-C."""
    demo = pexpect.spawn(
        WORDS[0],
        WORDS[1:],
        env={**environment(tmp_path), "TERM": "xterm"},
        dimensions=(40, 80),
        encoding="utf-8",
        timeout=PATIENCE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.SIG_DFL),
    )
    try:
        if moment == "and the power fails":
            demo.expect(r"Approve exactly this\? \[y/n\]")
            demo.sendline("y")
        demo.expect(moment)
        servers = [int(written) for path in tmp_path.glob("*/*.pid") if (written := path.read_text().strip())]
        demo.sendintr()
        # It would ask before it comes to its end.
        came = demo.expect(["Stopped", r"\[y/n\]", "steps were as they should be"])
        if came == 0:
            demo.expect(pexpect.EOF)
    finally:
        demo.close(force=True)

    assert came == 0
    assert demo.exitstatus == 130
    assert list(tmp_path.iterdir()) == []
    assert [server for server in servers if is_alive(server)] == []


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_one_step_that_differs_makes_all_of_it_not_ok(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(quiet=False)
    report.act(1, "a story")
    report.check("first", {"refunds": 4}, {"refunds": 4})
    fine = report.ok
    report.check("second", {"refunds": 4}, {"refunds": 5})

    assert fine is True
    assert report.ok is False
    assert [step.step for step in report.wrong] == ["second"]
    assert 'second: expected {"refunds": 4}, got {"refunds": 5}' in capsys.readouterr().out


def test_what_breaks_a_step_is_told_without_its_wrapping() -> None:
    report = Report(quiet=True)
    report.scene("the books")
    error = StoreError("store.locked", "The database is locked.", next_step="Wait.")
    report.broke(ExceptionGroup("tasks", [ExceptionGroup("more tasks", [error])]))

    assert report.as_json()["steps"] == [
        {
            "act": 0,
            "step": "the books",
            "expected": "done",
            "got": "The database is locked. Wait. [store.locked]",
            "ok": False,
        }
    ]


def test_a_demo_without_steps_is_not_ok() -> None:
    assert Report(quiet=True).ok is False
