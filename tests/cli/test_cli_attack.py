"""`runplane policy attack` as people and programs see it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.attack.test_attack import HEAD, REFUNDS, limit
from tests.cli.conftest import CHECKOUT, Run

pytestmark = pytest.mark.slow


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "small.yaml"
    file.write_text(f"{HEAD}{REFUNDS}limits:\n{limit('refunds', '{total: 250}')}")
    return file


def test_what_was_found_stands_beside_the_most_that_there_can_be(policy: Path, run: Run) -> None:
    ran = run("policy", "attack", str(policy), "--horizon", "hour", "--json")

    [hour] = ran.json["horizons"]
    assert ran.code == 0
    assert (hour["found"], hour["at_most"]) == (25_000, 25_000)
    assert [act["amount"] for act in hour["sequence"]] == [10_000, 10_000, 5_000]
    assert sum(act["moved"]["refunds"] for act in hour["sequence"]) == 25_000
    assert ran.json["beaten"] == []


def test_people_see_how_it_was_done(policy: Path, run: Run) -> None:
    ran = run("policy", "attack", str(policy), "--horizon", "hour")

    assert ran.code == 0
    assert "within an hour" in ran.out
    assert "$250.00 USD" in ran.out
    assert "2 ×" in ran.out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_leaves_nothing_behind(number: int, policy: Path, tmp_path: Path) -> None:
    """Also the signal that timeouts and service managers send."""
    folders = tmp_path / "folders"
    folders.mkdir()
    attack = subprocess.Popen(
        [sys.executable, "-m", "runplane_mcp", "policy", "attack", str(policy)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
        env={**os.environ, "TMPDIR": str(folders)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        deadline = time.monotonic() + 120
        while not list(folders.glob("runplane-attack-*/runplane.db")) and attack.poll() is None:
            assert time.monotonic() < deadline, "the attack never opened its house"
            time.sleep(0.01)
        attack.send_signal(number)
        out, _ = attack.communicate(timeout=120)
    finally:
        attack.kill()

    assert (attack.returncode, out) == (128 + number, "")
    assert list(folders.iterdir()) == []
