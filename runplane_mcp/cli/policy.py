"""`runplane policy check try facts activate`: what agents may do, said back in words, tried out, and put in force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runplane_mcp.cli import policy_try
from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import at_desk, settings_of_home
from runplane_mcp.cli.options import AsAdmin, JsonFlag, SecretStdin
from runplane_mcp.core.approval import Person, eligible_people
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.decision import Need
from runplane_mcp.errors import EXIT_REFUSED, PolicyError

if TYPE_CHECKING:
    from runplane_mcp.core.policy import Policy, PolicyInvalid
    from runplane_mcp.core.policy_tests import TestResult
    from runplane_mcp.gate.desk import Desk
    from runplane_mcp.settings import Settings
    from runplane_mcp.store.base import EnforcedPolicy

policy = typer.Typer(help="What agents may do.", no_args_is_help=True)
policy.command("try", epilog=policy_try.EXAMPLES)(policy_try.try_)

CHECK_EXAMPLES = examples(
    ("runplane policy check", "the home's policies.yaml: every rule in words, and its tests"),
    ("runplane policy check policies.yaml", "any file, before it counts anywhere"),
)
FACTS_EXAMPLES = examples(
    ("runplane policy facts", "what rules can test, and what each means"),
    ("runplane policy facts --json", "for programs"),
)
ACTIVATE_EXAMPLES = examples(
    ("runplane policy activate --as maria", "the home's policies.yaml counts from now on"),
    ("runplane policy activate policies.yaml --as maria", "this file does"),
)

FileArgument = Annotated[
    Path | None, typer.Argument(metavar="[FILE]", help="A policy file. Left out: the home's policies.yaml.")
]


@dataclass(frozen=True, slots=True)
class Spoken:
    """One rule or limit in words; `need` is whose yes it asks for, None where it asks nobody."""

    kind: str
    id: str
    line: int
    sentence: str
    need: Need | None


@policy.command("check", epilog=CHECK_EXAMPLES)
def check(file: FileArgument = None, as_json: JsonFlag = False) -> None:
    """Check a policy file and say every rule back.

    Each rule comes with who can approve it; then the file's own tests run. Exit 1 on any error.
    """
    from runplane_mcp.core.catalog import load as load_catalog
    from runplane_mcp.core.policy import PolicyInvalid, load
    from runplane_mcp.core.policy_tests import run_tests
    from runplane_mcp.gate.policies import read_policy_file

    settings = settings_of_home()
    path = file if file is not None else settings.policy_file
    text = read_policy_file(path)
    actions = load_catalog().actions
    try:
        loaded = load(text, file=str(path), known_actions=actions)
        results = run_tests(loaded, actions)
    except PolicyInvalid as error:
        if not as_json:
            raise
        _print_problems(path, error)
        raise typer.Exit(EXIT_REFUSED) from None
    people = _enrolled(settings)
    warnings = [*_warnings(loaded, people), *_not_enforced(settings, loaded)]
    if as_json:
        _print_check(path, loaded, results, people, warnings)
    else:
        _say_check(path, loaded, results, people, warnings)
    if not all(result.passed for result in results):
        raise typer.Exit(EXIT_REFUSED)


@policy.command("facts", epilog=FACTS_EXAMPLES)
def facts(as_json: JsonFlag = False) -> None:
    """List the facts that rules can test."""
    from runplane_mcp.cli.output import Column, console, print_json, table
    from runplane_mcp.core.catalog import load as load_catalog
    from runplane_mcp.core.explain import value_words
    from runplane_mcp.core.facts import EVERYWHERE, REGISTRY, TESTS
    from runplane_mcp.gate.records import fact_json

    actions = load_catalog().actions.values()
    having = {name: [each.name for each in actions if name in each.facts] for name in REGISTRY}
    if as_json:
        print_json(
            [
                {
                    "name": fact.name,
                    "type": fact.type.value,
                    "unit": fact.unit,
                    "sentence": fact.sentence,
                    "source": fact.source.value,
                    "neutral": fact_json(fact.neutral),
                    "choices": list(fact.choices),
                    "tests": list(TESTS[fact.type]),
                    "everywhere": fact.name in EVERYWHERE,
                    "actions": having[fact.name],
                }
                for fact in REGISTRY.values()
            ]
        )
        return
    rows = [
        (
            fact.name,
            f"{fact.type.value}, {fact.unit}" if fact.unit and fact.unit != fact.type.value else fact.type.value,
            fact.sentence,
            fact.source.value,
            value_words(fact.neutral),
            "all" if fact.name in EVERYWHERE else str(len(having[fact.name])),
        )
        for fact in REGISTRY.values()
    ]
    columns = [
        Column("FACT", whole=True),
        Column("TYPE"),
        Column("MEANING"),
        Column("SOURCE"),
        Column("NEUTRAL"),
        Column("ACTIONS", right=True),
    ]
    console().print(table(columns, rows))


@policy.command("activate", epilog=ACTIVATE_EXAMPLES)
def activate(
    file: FileArgument = None, as_admin: AsAdmin = None, secret_stdin: SecretStdin = False, as_json: JsonFlag = False
) -> None:
    """Put a policy file in force.

    It counts for every process of this home at once, and needs an administrator's secret. With --secret-stdin
    the first line on stdin is ADMIN's secret.
    """
    from runplane_mcp.cli.output import iso, print_json, say
    from runplane_mcp.cli.secrets import Asked, read_secrets
    from runplane_mcp.gate.policies import read_policy_file

    settings = settings_of_home()
    path = file if file is not None else settings.policy_file
    text = read_policy_file(path)
    secret = None
    if at_desk(settings, lambda desk: desk.people()):
        if as_admin is None:
            raise PolicyError(
                "policy.admin_needed",
                "Activating a policy needs an administrator's secret.",
                next_step="Add `--as ADMIN`.",
            )
        secret = read_secrets([Asked(as_admin)], from_stdin=secret_stdin)[0]

    async def put_in_force(desk: Desk) -> EnforcedPolicy:
        return await desk.activate_policy(text, file=str(path), as_person=as_admin, secret=secret)

    enforced = at_desk(settings, put_in_force)
    if as_json:
        print_json(
            {"version": enforced.version, "since": iso(enforced.since), "by": enforced.by, "file": str(path.absolute())}
        )
        return
    say(f"Version {enforced.version[:12]} is enforced from now on, by {enforced.by}.", "green")


def _enrolled(settings: Settings) -> list[Person] | None:
    """Who can vote in this home; None where there is no home, as when a file is checked on another machine."""
    return at_desk(settings, lambda desk: desk.people()) if settings.database.exists() else None


def _not_enforced(settings: Settings, loaded: Policy) -> list[str]:
    """That a good file does not count by being there."""
    if not settings.database.exists():
        return []
    enforced = at_desk(settings, lambda desk: desk.enforced_policy())
    if enforced is not None and enforced.version == loaded.version:
        return []
    now = f"version {enforced.version[:12]} is" if enforced is not None else "nothing is"
    return [f"This file is not enforced, {now}. To put it in force: runplane policy activate FILE --as ADMIN"]


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


def _print_problems(path: Path, error: PolicyInvalid) -> None:
    from runplane_mcp.cli.output import error_json, print_json

    problems: list[Json] = [
        {"line": each.line, "column": each.column, "code": each.code, "message": each.message}
        for each in error.problems
    ]
    print_json({"ok": False, "file": str(path), **error_json(error), "problems": problems})


def _print_check(
    path: Path, loaded: Policy, results: Sequence[TestResult], people: Sequence[Person] | None, warnings: Sequence[str]
) -> None:
    from runplane_mcp.cli.output import print_json
    from runplane_mcp.core.policy.sentences import default_sentences

    rules: list[Json] = [
        {
            "kind": each.kind,
            "id": each.id,
            "line": each.line,
            "sentence": each.sentence,
            "asks": each.need.sentence() if each.need else None,
            "can_approve": list(_can(each.need, people)) if each.need else None,
        }
        for each in _spoken(loaded)
    ]
    tests: list[Json] = [
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
    print_json(
        {
            "ok": all(each.passed for each in results),
            "file": str(path),
            "version": loaded.version,
            "rules": rules,
            "otherwise": list(default_sentences(loaded)),
            "tests": tests,
            "warnings": list(warnings),
        }
    )


def _say_check(
    path: Path, loaded: Policy, results: Sequence[TestResult], people: Sequence[Person] | None, warnings: Sequence[str]
) -> None:
    from runplane_mcp.cli.output import say
    from runplane_mcp.core.policy.sentences import default_sentences

    say(f"{path}  version {loaded.version[:12]}, amounts in {loaded.currency.upper()}", "bold")
    for each in _spoken(loaded):
        say(f"  - {each.sentence} ({each.id}){_who(each.need, people)}")
    say("Besides:", "bold")
    for sentence in default_sentences(loaded):
        say(f"  - {sentence}")
    passed = sum(result.passed for result in results)
    say(f"Tests: {passed} of {len(results)} passed", "bold green" if passed == len(results) else "bold red")
    for result in results:
        if result.passed:
            say(f"  ok    {result.it}")
        else:
            say(f"  FAIL  {path}:{result.line}: {result.it}: expected {result.expected}, got {result.got}", "red")
    for warning in warnings:
        say(f"WARNING  {warning}", "bold yellow")


def _who(need: Need | None, people: Sequence[Person] | None) -> str:
    if need is None or people is None:
        return ""
    able = _can(need, people)
    if len(able) < need.people:
        return f" Can approve: {', '.join(able) or 'NOBODY'}{', too few' if able else ''}."
    return f" Can approve: {', '.join(able)}."
