"""`runplane policy test`: the tests that a policy file carries, and what none of them reaches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import settings_of_home
from runplane_mcp.cli.options import JsonFlag
from runplane_mcp.cli.policy.file import FileArgument
from runplane_mcp.core.canonical import Json
from runplane_mcp.errors import EXIT_REFUSED

if TYPE_CHECKING:
    from runplane_mcp.core.policy_tests import TestResult

EXAMPLES = examples(
    ("runplane policy test", "the tests of the home's policies.yaml"),
    ("runplane policy test policies.yaml --json", "of any file, for programs"),
)


def own_tests(file: FileArgument = None, as_json: JsonFlag = False) -> None:
    """Run the tests that a policy file carries.

    A line each, then the rules and limits that no test reaches. Exit 1 when a test fails.
    """
    from runplane_mcp.cli.output import console, print_json, say
    from runplane_mcp.cli.policy.problems import for_programs, problems_json, show
    from runplane_mcp.core.catalog import load as load_catalog
    from runplane_mcp.core.policy import load
    from runplane_mcp.core.policy.lint import untested
    from runplane_mcp.core.policy_tests import run_tests
    from runplane_mcp.gate.policies import read_policy_file

    path = file if file is not None else settings_of_home().policy_file
    text = read_policy_file(path)
    actions = load_catalog().actions
    with for_programs(path, as_json=as_json):
        policy = load(text, file=str(path), known_actions=actions)
        results = run_tests(policy, actions)
    missed = untested(policy, {name for result in results for name in result.by})
    passed = sum(result.passed for result in results)
    if as_json:
        print_json(
            {
                "ok": passed == len(results),
                "file": str(path),
                "version": policy.version,
                "passed": passed,
                "failed": len(results) - passed,
                "tests": results_json(results),
                "untested": problems_json(missed),
            }
        )
    else:
        tell_results(path, results)
        if missed:
            say("No test reaches:", "bold yellow")
            show(missed, text, to=console(), style="bold yellow")
        elif results:
            say("Every rule and limit is reached.", "green")
    if passed < len(results):
        raise typer.Exit(EXIT_REFUSED)


def results_json(results: Sequence[TestResult]) -> list[Json]:
    return [
        {
            "it": each.it,
            "line": each.line,
            "passed": each.passed,
            "expected": each.expected,
            "got": each.got,
            "by": list(each.by),
        }
        for each in results
    ]


def tell_results(path: Path, results: Sequence[TestResult]) -> None:
    """How many passed, and a line for each."""
    from runplane_mcp.cli.output import say
    from runplane_mcp.core.text import visible

    passed = sum(result.passed for result in results)
    say(f"Tests: {passed} of {len(results)} passed", "bold green" if passed == len(results) else "bold red")
    for result in results:
        if result.passed:
            say(f"  ok    {result.it}")
        else:
            place = f"{visible(str(path), 400)}:{result.line}"
            say(f"  FAIL  {place}: {result.it}: expected {result.expected}, got {result.got}", "red")
