"""`runplane policy tune`: thresholds that ask as often as people want, at the least worst case."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import settings_of_home
from runplane_mcp.cli.options import JsonFlag
from runplane_mcp.cli.policy.backtest import (
    DaysOption,
    HtmlOption,
    RefreshFlag,
    compiled,
    span_words,
    whose,
    write_page,
)
from runplane_mcp.cli.policy.file import FileArgument
from runplane_mcp.cli.policy.outlook import weekly
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.money import Money

if TYPE_CHECKING:
    from runplane_mcp.cli.policy.account import AccountHistory
    from runplane_mcp.core.backtest import Backtest
    from runplane_mcp.core.compile import CompiledPolicy
    from runplane_mcp.core.tune import Trial, Tuned

EXAMPLES = examples(
    ("runplane policy tune --asks-per-week 10 --html tune.html", "what to change to be asked ten times a week"),
)
_WEEK = 604_800


def tune(
    file: FileArgument = None,
    asks_per_week: Annotated[
        int, typer.Option("--asks-per-week", metavar="N", min=0, max=100_000, help="How often people want to be asked.")
    ] = 10,
    days: DaysOption = 90,
    html: HtmlOption = None,
    refresh: RefreshFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Propose thresholds that ask at most N times a week.

    The amounts over which rules ask, and the totals and counts of limits, are moved over the account's own
    history (see backtest). Of the files that ask no more often, the one is proposed under which a hijacked
    agent could move the least in a week with nobody asked. It is printed as a change; nothing is activated.
    """
    from runplane_mcp.cli.policy.account import read_account

    settings = settings_of_home()
    path, policy = compiled(file if file is not None else settings.policy_file)
    history = read_account(settings, days=days, refresh=refresh, quiet=as_json)
    now, tuned, failing = _search(policy, history, asks_per_week, quiet=as_json)
    if html is not None:
        _write(html, path, history, now, tuned, asks_per_week)
    if as_json:
        _print(path, tuned, asks_per_week, policy, failing, html)
    else:
        _tell(path, history, now, tuned, asks_per_week, failing, html)


def _search(
    policy: CompiledPolicy, history: AccountHistory, wanted: int, *, quiet: bool
) -> tuple[Backtest, Tuned, tuple[str, ...]]:
    """The file as it is, what was found, and the file's own tests that the proposal no longer passes."""
    from rich.progress import Progress

    from runplane_mcp.cli.output import console
    from runplane_mcp.cli.policy.page import reasons
    from runplane_mcp.core.backtest import backtest, concerned
    from runplane_mcp.core.catalog import load as load_catalog
    from runplane_mcp.core.exposure import exposure
    from runplane_mcp.core.policy_tests import run_tests
    from runplane_mcp.core.tune import MOST_TRIALS, Trial
    from runplane_mcp.core.tune import tune as search
    from runplane_mcp.errors import PolicyError
    from runplane_mcp.gate.policies import Policies

    catalog = load_catalog()
    policies = Policies(catalog)
    since, until = history.span.since * 1000, history.span.until * 1000
    now = backtest(policy, history.asked, since=since, until=until)
    to = console(stderr=True)
    with Progress(console=to, transient=True, disable=quiet or not to.is_terminal) as shown:
        task = shown.add_task("looking at files", total=MOST_TRIALS)

        def measure(text: str, worst_too: bool) -> Trial | None:
            shown.advance(task)
            try:
                moved = policies.compile(text, file=policy.policy.file)
            except PolicyError:
                return None
            asked = backtest(moved, history.asked, since=since, until=until).questions_per_week
            worst = exposure(moved, catalog).total[_WEEK].amount if worst_too else None
            return Trial(text, asked, worst)

        spoke = frozenset(name for name, _ in reasons(now))
        about = concerned(policy, history.asked)
        tuned = search(policy.text, wanted=wanted, spoke=spoke, concerned=about, measure=measure)
    best = policies.compile(tuned.best.text, file=policy.policy.file)
    results = run_tests(best.policy, catalog.actions)
    return now, tuned, tuple(result.it for result in results if not result.passed)


def _money(amount: int | None, policy: CompiledPolicy) -> str:
    return "unbounded" if amount is None else str(Money(amount, policy.policy.currency))


def changed_lines(before: str, after: str, name: str) -> list[str]:
    """The change as a unified diff, without a line of context more than is needed to find it."""
    lines = difflib.unified_diff(before.split("\n"), after.split("\n"), name, f"{name} (proposed)", lineterm="", n=1)
    return list(lines)


def frontier(trials: Sequence[Trial]) -> list[Trial]:
    """Of the files with a known worst case, those that no other one beats in both, fewest questions first."""
    known = [each for each in trials if each.worst is not None]
    found: list[Trial] = []
    for each in sorted(known, key=lambda trial: (trial.questions, trial.worst or 0)):
        if not found or (each.worst or 0) < (found[-1].worst or 0):
            found.append(each)
    return found


def _print(
    path: Path, tuned: Tuned, wanted: int, policy: CompiledPolicy, failing: Sequence[str], html: Path | None
) -> None:
    from runplane_mcp.cli.output import print_json

    def trial(each: Trial) -> dict[str, Json]:
        return {
            "questions_per_week": weekly(each.questions),
            "worst_case_week": each.worst,
            "currency": policy.policy.currency,
        }

    changes: list[Json] = [
        {
            "id": each.threshold.owner,
            "threshold": each.threshold.name,
            "line": each.threshold.line,
            "from": each.threshold.written,
            "to": each.to,
        }
        for each in tuned.changes
    ]
    print_json(
        {
            "file": str(path),
            "asks_per_week": wanted,
            "met": tuned.best.questions <= wanted,
            "now": trial(tuned.now),
            "proposed": trial(tuned.best),
            "changes": changes,
            "diff": "\n".join(changed_lines(policy.text, tuned.best.text, path.name)),
            "failing_tests": list(failing),
            "frontier": [trial(each) for each in frontier(tuned.trials)],
            "trials": len(tuned.trials),
            "complete": tuned.complete,
            "html": None if html is None else str(html),
        }
    )


def _tell(
    path: Path,
    history: AccountHistory,
    now: Backtest,
    tuned: Tuned,
    wanted: int,
    failing: Sequence[str],
    html: Path | None,
) -> None:
    from runplane_mcp.cli.output import Column, console, say, table
    from runplane_mcp.cli.policy.page import reasons
    from runplane_mcp.core.text import visible

    policy = now.policy
    say(f"{path}  over {whose(history)}, {span_words(history)}; {len(tuned.trials)} files looked at", "bold")
    rows = [
        (name, weekly(each.questions), _money(each.worst, policy))
        for name, each in (("as it is", tuned.now), ("proposed", tuned.best))
    ]
    columns = [Column(""), Column("QUESTIONS A WEEK", right=True), Column("WORST CASE A WEEK", right=True)]
    console().print(table(columns, rows))
    if tuned.best.questions > wanted:
        say(f"No thresholds were found that ask only {wanted} times a week.", "bold yellow")
        others = [name for name, _ in reasons(now) if name.startswith(("risk.", "otherwise", "amount.", "duplicate"))]
        if others:
            say(f"Part of the questions comes from what no threshold of the file moves: {', '.join(others)}.")
    _plot(tuned, policy, wanted)
    if not tuned.changes:
        say("No change is better: nothing is proposed.")
    for line in changed_lines(policy.text, tuned.best.text, path.name):
        style = {"+": "green", "-": "red"}.get(line[:1], "dim")
        say(_shown(line), style)
    for name in failing:
        say(f"WARNING  the file's own test no longer holds: {visible(name, 200)}", "bold yellow")
    if not tuned.complete:
        say("The search ended at its bound: there may be better files.", "dim")
    if tuned.changes:
        say("Nothing was changed. Write it into the file, then: runplane policy activate FILE --as ADMIN", "dim")
    if html is not None:
        say(f"Written: {html}", "green")


def _plot(tuned: Tuned, policy: CompiledPolicy, wanted: int) -> None:
    """Questions against the worst case, a bar for each file on the way that no other one beats."""
    from runplane_mcp.cli.output import say

    shown = frontier(tuned.trials)[-12:]
    most = max((each.worst or 0 for each in shown), default=0)
    if len(shown) < 2 or not most:
        return
    say("Questions a week against the worst case a week, of the best files:", "bold")
    for each in shown:
        bar = "█" * max(1, round(40 * (each.worst or 0) / most))
        mark = "  ← proposed" if each is tuned.best else ""
        style = "green" if each.questions <= wanted else "dim"
        say(f"  {weekly(each.questions):>6}  {bar} {_money(each.worst, policy)}{mark}", style)


def _write(path: Path, file: Path, history: AccountHistory, now: Backtest, tuned: Tuned, wanted: int) -> None:
    from html import escape

    from runplane_mcp.cli.policy.account import left_words
    from runplane_mcp.cli.policy.page import backtest_parts, page, text
    from runplane_mcp.cli.policy.plots import Point, points

    policy = now.policy
    best = frontier(tuned.trials)
    found = [
        Point(
            each.questions,
            each.worst or 0,
            "as it is" if each is tuned.now else "proposed" if each is tuned.best else "another file",
            marked=each in (tuned.now, tuned.best),
        )
        for each in [tuned.now, *(each for each in best if each not in (tuned.now, tuned.best)), tuned.best]
        if each.worst is not None
    ]
    plot = points(
        found,
        x_words=lambda asked: f"{weekly(asked)} questions a week",
        y_words=lambda amount: _money(amount, policy).replace(".00 ", " "),
        what="Questions a week against the worst case a week",
        x_name="questions a week",
    )
    diff = "\n".join(escape(line) for line in map(_shown, changed_lines(policy.text, tuned.best.text, file.name)))
    parts = [
        f"<section><h2>At most {wanted} questions a week</h2>",
        f"<p>As it is: {weekly(tuned.now.questions)} questions a week, and at most {text(_money(tuned.now.worst, policy))} "
        "moved in a week by a hijacked agent with nobody asked. "
        f"Proposed: {weekly(tuned.best.questions)}, and {text(_money(tuned.best.worst, policy))}.</p>",
        f'<div class="scroll">{plot}</div>' if len(found) > 1 else "",
        f"<pre>{diff}</pre></section>" if diff else "<p>No change is better.</p></section>",
    ]
    history_parts = backtest_parts(
        now, file=file.name, whose=whose(history), span=span_words(history), left=left_words(history.left)
    )
    write_page(path, page("Thresholds of a policy", [*history_parts, *parts]))


def _shown(line: str) -> str:
    from runplane_mcp.core.text import visible

    body = line[1:].lstrip(" ")
    # Somebody's line, but for the mark in front and the indentation, which is how it is found.
    return line[:1] + " " * (len(line) - 1 - len(body)) + visible(body, 400)
