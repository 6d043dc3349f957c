"""The policy file that a command is about, and what the home around it says: who is enrolled, what is enforced."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runplane_mcp.cli.home import at_desk
from runplane_mcp.core.approval import Person
from runplane_mcp.errors import PolicyError

if TYPE_CHECKING:
    from runplane_mcp.core.compile import CompiledPolicy
    from runplane_mcp.core.policy import Policy
    from runplane_mcp.core.policy_tests import TestResult
    from runplane_mcp.gate.desk import Desk
    from runplane_mcp.settings import Settings

FileArgument = Annotated[
    Path | None, typer.Argument(metavar="[FILE]", help="A policy file. Left out: the home's policies.yaml.")
]


@dataclass(frozen=True, slots=True)
class Tested:
    """A policy file that loads, and what its own tests came to."""

    path: Path
    text: str
    policy: Policy
    results: tuple[TestResult, ...]

    @property
    def passed(self) -> int:
        return sum(result.passed for result in self.results)

    @property
    def reached(self) -> set[str]:
        """The rules and limits that some test reaches."""
        return {name for result in self.results for name in result.by}


def tested(path: Path, *, as_json: bool) -> Tested:
    """Loads a file and runs its tests. PolicyError where there is none; where it does not load, what is wrong is told to
    people or programs, and the command ends."""
    from runplane_mcp.cli.policy.problems import for_programs
    from runplane_mcp.core.catalog import load as load_catalog
    from runplane_mcp.core.policy import load
    from runplane_mcp.core.policy_tests import run_tests
    from runplane_mcp.gate.policies import read_policy_file

    text, actions = read_policy_file(path), load_catalog().actions
    with for_programs(path, as_json=as_json):
        policy = load(text, file=str(path), known_actions=actions)
        return Tested(path, text, policy, run_tests(policy, actions))


def enrolled(settings: Settings) -> list[Person] | None:
    """Who can vote in this home; None where there is no home, as when a file is checked on another machine."""
    return at_desk(settings, lambda desk: desk.people()) if settings.database.exists() else None


async def enforced_text(desk: Desk) -> str:
    """The text of what is enforced. PolicyError `policy.none` where nothing is."""
    enforced = await desk.enforced_policy()
    if enforced is None:
        raise PolicyError("policy.none", "No policy is enforced.", next_step="Run `runplane policy activate`.")
    return enforced.text


def not_enforced(settings: Settings, loaded: Policy) -> list[str]:
    """That a good file does not count by being there."""
    if not settings.database.exists():
        return []
    enforced = at_desk(settings, lambda desk: desk.enforced_policy())
    if enforced is not None and enforced.version == loaded.version:
        return []
    now = f"version {enforced.version[:12]} is" if enforced is not None else "nothing is"
    return [f"This file is not enforced, {now}. To put it in force: runplane policy activate FILE --as ADMIN"]


def policy_of(settings: Settings, file: Path | None) -> tuple[CompiledPolicy, str]:
    """The policy that a question is about and where it is from: a file that was named, what is enforced, or else the home's
    file."""
    from runplane_mcp.core.catalog import load as load_catalog
    from runplane_mcp.gate.policies import Policies, read_policy_file

    policies = Policies(load_catalog())
    if file is None and settings.database.exists():
        enforced = at_desk(settings, lambda desk: desk.enforced_policy())
        if enforced is not None:
            return policies.compile(enforced.text, file="enforced policy"), "the enforced policy"
    path = file if file is not None else settings.policy_file
    return policies.compile(read_policy_file(path), file=str(path)), str(path)
