"""`runplane policy test`: the tests that a policy file carries, and what none of them reaches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import settings_of_home
from runplane_mcp.cli.options import JsonFlag
from runplane_mcp.cli.policy.file import FileArgument, Tested, tested
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
    from runplane_mcp.cli.policy.problems import problems_json, show
    from runplane_mcp.core.policy.lint import untested

    found = tested(file if file is not None else settings_of_home().policy_file, as_json=as_json)
    results, passed = found.results, found.passed
    missed = untested(found.policy, found.reached)
    if as_json:
        print_json(
            {
                "ok": passed == len(results),
                "file": str(found.path),
                "version": found.policy.version,
                "passed": passed,
                "failed": len(results) - passed,
                "tests": results_json(results),
                "untested": problems_json(missed),
            }
        )
    else:
        tell_results(found)
        if missed:
            say("No test reaches:", "bold yellow")
            show(missed, found.text, to=console(), style="bold yellow")
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


def tell_results(found: Tested) -> None:
    """How many passed, and a line for each."""
    from runplane_mcp.cli.output import say
    from runplane_mcp.core.text import visible

    whole = found.passed == len(found.results)
    say(f"Tests: {found.passed} of {len(found.results)} passed", "bold green" if whole else "bold red")
    for result in found.results:
        if result.passed:
            say(f"  ok    {result.it}")
        else:
            place = f"{visible(str(found.path), 400)}:{result.line}"
            say(f"  FAIL  {place}: {result.it}: expected {result.expected}, got {result.got}", "red")
