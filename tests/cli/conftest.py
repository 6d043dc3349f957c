"""A home with people in it, the command line in this process, and a real gate on the simulator behind it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from runplane_mcp.app import open_gate
from runplane_mcp.cli.commands import app
from runplane_mcp.cli.environment import AGENT_VARIABLES
from runplane_mcp.core.request import OwnArguments
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.gate.view import RequestView, Submission
from runplane_mcp.settings import Settings, load_settings
from runplane_mcp.simulator import SEED
from tests.homes import DANA as DANA
from tests.homes import DANAS as DANAS
from tests.homes import new_home_of_dana

#: A Tuesday afternoon in the policy's zone: business hours, so that payouts may be asked for.
AFTERNOON = "2026-03-03T14:00"
CHECKOUT = Path(__file__).parents[2]
#: Building it from its functions takes longer than most commands.
COMMAND = get_command(app)


@dataclass(frozen=True, slots=True)
class Ran:
    """One finished command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The code of the error that `--json` printed."""
        return str(self.json["error"]["code"])


Run = Callable[..., Ran]


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of this test's own, and nothing of the machine's that a command could see. Returns the home."""
    home = tmp_path / "home"
    for name in [*AGENT_VARIABLES, *(each for each in os.environ if each.startswith(("RUNPLANE_", "STRIPE_")))]:
        monkeypatch.delenv(name, raising=False)
    for name in ("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RUNPLANE_HOME", str(home))
    monkeypatch.setenv("RUNPLANE_SIMULATOR_NOW", AFTERNOON)
    monkeypatch.setenv("TZ", "UTC")
    return home


@pytest.fixture
def run() -> Run:
    """The command line in this process: quick, with the same code from the arguments on."""

    def invoke(*arguments: str, stdin: str = "") -> Ran:
        with CliRunner().isolation(input=stdin) as (out, err, _):
            try:
                code = COMMAND.main(list(arguments), prog_name="runplane") or 0
            except SystemExit as ended:
                code = ended.code
            return Ran(code, out.getvalue().decode(), err.getvalue().decode())

    return invoke


@pytest.fixture
def process() -> Run:
    """The command line as a process of its own, as people start it."""

    def start(*arguments: str, stdin: str = "", **variables: str) -> Ran:
        done = subprocess.run(
            [sys.executable, "-m", "runplane_mcp", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=30,
            cwd=CHECKOUT,
            env={**os.environ, **variables},
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return start


@pytest.fixture
def settings() -> Settings:
    return load_settings()


@pytest.fixture
def home(environment: Path, settings: Settings) -> Path:
    """A home with an administrator whose passphrase costs little to check."""

    new_home_of_dana(settings.home)
    return environment


OpenGate = Callable[[], AbstractAsyncContextManager[Gate]]


@pytest.fixture
def gate(home: Path, settings: Settings) -> OpenGate:
    """Opens a real gate on the home's simulator."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Gate]:
        async with open_gate(settings, simulator=True) as living:
            yield living

    return opened


Ask = Callable[..., Sequence[RequestView]]


@pytest.fixture
def ask(gate: OpenGate) -> Ask:
    """Submits requests and ends the gate again, so that what is held stays held."""

    def submit_all(*submissions: Submission) -> Sequence[RequestView]:
        async def work() -> list[RequestView]:
            async with gate() as living:
                return [await living.submit(each) for each in submissions]

        return anyio.run(work)

    return submit_all


def cancellation() -> Submission:
    """The end of a subscription, at once: the shipped policy asks about it."""
    parameters = {"subscription_exposed_id": SEED.subscription_office}
    return Submission("stdio", "support-bot", "mcp", "DeleteSubscriptionsSubscriptionExposedId", parameters)


def refund(
    payment_intent: str = SEED.payment_intent_900, *, agent: str = "support-bot", words: str | None = None
) -> Submission:
    """A refund of all that is left of a payment; the $900.00 one is held by the shipped policy."""
    return Submission(
        principal="stdio",
        agent=agent,
        via="mcp",
        operation_id="PostRefunds",
        parameters={"payment_intent": payment_intent},
        own=OwnArguments(justification=words, ticket="CASE-17"),
    )


def balance() -> Submission:
    return Submission("stdio", "support-bot", "mcp", "GetBalance", {})
