"""`runplane policy check`: a policy file is loaded, said back in words, and runs its own tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import settings_of_home
from runplane_mcp.cli.options import JsonFlag
from runplane_mcp.cli.policy.file import FileArgument, Tested, enrolled, not_enforced, tested
from runplane_mcp.core.approval import Person, eligible_people
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.decision import Need
from runplane_mcp.errors import EXIT_REFUSED

if TYPE_CHECKING:
    from runplane_mcp.core.exposure import Exposure
    from runplane_mcp.core.policy import Policy, Problem

EXAMPLES = examples(
    ("runplane policy check", "the home's policies.yaml: every rule in words, and its tests"),
    ("runplane policy check policies.yaml", "any file, before it counts anywhere"),
)


@dataclass(frozen=True, slots=True)
class Spoken:
    """One rule or limit in words; `need` is whose yes it asks for, None where it asks nobody."""

    kind: str
    id: str
    line: int
    sentence: str
    need: Need | None


@dataclass(frozen=True, slots=True)
class Checked:
    """All that `check` says of a file. `people` are those enrolled here, None where there is no home."""

    read: Tested
    worst: Exposure
    people: Sequence[Person] | None
    warnings: Sequence[str]
    linted: Sequence[Problem]


def check(file: FileArgument = None, as_json: JsonFlag = False) -> None:
    """Check a policy file and say every rule back.

    Each rule comes with who can approve it; then the worst case, the file's own tests, and what lint warns of.
    Exit 1 where the file does not load or a test fails; warnings alone are exit 0.
    """
    from runplane_mcp.cli.policy.lint import findings, policy_day

    settings = settings_of_home()
    read = tested(file if file is not None else settings.policy_file, as_json=as_json)
    people = enrolled(settings)
    checked = Checked(
        read=read,
        worst=_worst_case(read.policy),
        people=people,
        warnings=(*_warnings(read.policy, people), *not_enforced(settings, read.policy)),
        linted=findings(read, policy_day(settings, read.policy)),
    )
    if as_json:
        _print_check(checked)
    else:
        _say_check(checked)
    if read.passed < len(read.results):
        raise typer.Exit(EXIT_REFUSED)


def _spoken(loaded: Policy) -> list[Spoken]:
    from runplane_mcp.core.decision import Outcome
    from runplane_mcp.core.policy.sentences import limit_sentence, rule_sentence

    found = []
    for rule in loaded.rules:
        sentence = rule_sentence(rule, loaded.currency)
        found.append(Spoken("rule", rule.id, rule.place.line, sentence, rule.approval.need if rule.approval else None))
    for limit in loaded.limits:
        sentence = limit_sentence(limit, loaded.currency)
        asks = limit.then is Outcome.REQUIRE_APPROVAL
        found.append(Spoken("limit", limit.id, limit.place.line, sentence, limit.approval.need if asks else None))
    return found


def _warnings(loaded: Policy, people: Sequence[Person] | None) -> list[str]:
    """The needs that nobody, or too few, of the enrolled people could meet."""
    if people is None:
        return ["There is no home here, so nobody is enrolled who could approve anything: run `runplane init`."]
    found = []
    for need in loaded.approvals():
        able = eligible_people(need, people)
        if len(able) < need.people:
            found.append(
                f"{len(able) or 'Nobody'} enrolled of the {need.people} that are needed: {need.sentence()}."
                f" What asks for them waits until it expires. Add people: runplane people add NAME --group"
                f" {sorted(need.groups)[0]}"
            )
    return found


def _can(need: Need, people: Sequence[Person] | None) -> list[str]:
    return eligible_people(need, people) if people is not None else []


def _worst_case(loaded: Policy) -> Exposure:
    from runplane_mcp.core.catalog import load as load_catalog
    from runplane_mcp.core.compile import compile_policy
    from runplane_mcp.core.exposure import exposure

    catalog = load_catalog()
    return exposure(compile_policy(loaded, actions=catalog.actions), catalog)


def _print_check(checked: Checked) -> None:
    from runplane_mcp.cli.output import print_json
    from runplane_mcp.cli.policy.exposure import exposure_json
    from runplane_mcp.cli.policy.own_tests import results_json
    from runplane_mcp.cli.policy.problems import problems_json
    from runplane_mcp.core.policy.sentences import default_sentences

    read, policy = checked.read, checked.read.policy
    rules: list[Json] = [
        {
            "kind": each.kind,
            "id": each.id,
            "line": each.line,
            "sentence": each.sentence,
            "asks": each.need.sentence() if each.need else None,
            "can_approve": list(_can(each.need, checked.people)) if each.need else None,
        }
        for each in _spoken(policy)
    ]
    print_json(
        {
            "ok": read.passed == len(read.results),
            "file": str(read.path),
            "version": policy.version,
            "rules": rules,
            "otherwise": list(default_sentences(policy)),
            "tests": results_json(read.results),
            "exposure": exposure_json(checked.worst),
            "warnings": list(checked.warnings),
            "lint": problems_json(checked.linted),
        }
    )


def _say_check(checked: Checked) -> None:
    from runplane_mcp.cli.output import say
    from runplane_mcp.cli.policy.own_tests import tell_results
    from runplane_mcp.core.exposure.words import revenue_case, worst_case
    from runplane_mcp.core.policy.sentences import default_sentences
    from runplane_mcp.core.text import visible

    read, policy, worst = checked.read, checked.read.policy, checked.worst
    say(f"{read.path}  version {policy.version[:12]}, amounts in {policy.currency.upper()}", "bold")
    for spoken in _spoken(policy):
        say(f"  - {spoken.sentence} ({spoken.id}){_who(spoken.need, checked.people)}")
    say("Besides:", "bold")
    for sentence in default_sentences(policy):
        say(f"  - {sentence}")
    say(worst_case(worst), "bold" if worst.bounded else "bold yellow")
    if lost := revenue_case(worst):
        say(lost, "bold")
    tell_results(read)
    for warning in checked.warnings:
        say(f"WARNING  {warning}", "bold yellow")
    for each in checked.linted:
        say(f"WARNING  {visible(str(each), 2_000)}", "yellow")


def _who(need: Need | None, people: Sequence[Person] | None) -> str:
    if need is None or people is None:
        return ""
    able = _can(need, people)
    if len(able) < need.people:
        return f" Can approve: {', '.join(able) or 'NOBODY'}{', too few' if able else ''}."
    return f" Can approve: {', '.join(able)}."
