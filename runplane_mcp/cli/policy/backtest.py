"""`runplane policy backtest`: the account's own history under a policy."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import settings_of_home
from runplane_mcp.cli.options import JsonFlag
from runplane_mcp.cli.policy.file import FileArgument
from runplane_mcp.core.canonical import Json

if TYPE_CHECKING:
    from runplane_mcp.cli.policy.account import AccountHistory
    from runplane_mcp.core.backtest import Answered, Backtest
    from runplane_mcp.core.compile import CompiledPolicy

EXAMPLES = examples(
    ("runplane policy backtest", "the last 90 days under the home's policies.yaml"),
    ("runplane policy backtest policies.yaml --html backtest.html", "any file, and a page to forward"),
)
DaysOption = Annotated[int, typer.Option("--days", min=1, max=730, help="How many days back.")]
RefreshFlag = Annotated[bool, typer.Option("--refresh", help="Read the account again, although it was read today.")]
HtmlOption = Annotated[
    Path | None, typer.Option("--html", metavar="OUT", help="Also write one self-contained page with plots.")
]


def backtest(
    file: FileArgument = None,
    days: DaysOption = 90,
    html: HtmlOption = None,
    refresh: RefreshFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Decide the account's own history under a policy.

    Refunds, credit notes, payouts, transfers, reversals and cancellations are read from Stripe with the home's
    key, never written, and decided in their order as if agents had asked for them. Reading that was ended in
    the middle goes on where it was; what was read is looked at again for a day.
    """
    from runplane_mcp.cli.policy.account import left_words, read_account
    from runplane_mcp.core.backtest import backtest as decide_all

    settings = settings_of_home()
    path, policy = compiled(file if file is not None else settings.policy_file)
    history = read_account(settings, days=days, refresh=refresh, quiet=as_json)
    since, until = history.span.since * 1000, history.span.until * 1000
    done = decide_all(policy, history.asked, since=since, until=until)
    if html is not None:
        from runplane_mcp.cli.policy.page import backtest_parts, page

        parts = backtest_parts(
            done, file=path.name, whose=whose(history), span=span_words(history), left=left_words(history.left)
        )
        write_page(html, page("Backtest of a policy", parts))
    if as_json:
        _print(path, history, done, html)
    else:
        _tell(path, history, done, html)


def compiled(path: Path) -> tuple[Path, CompiledPolicy]:
    """PolicyError where there is no such file, or where it does not load."""
    from runplane_mcp.core.catalog import load as load_catalog
    from runplane_mcp.gate.policies import Policies, read_policy_file

    return path, Policies(load_catalog()).compile(read_policy_file(path), file=str(path))


def whose(history: AccountHistory) -> str:
    span = history.span
    mode = "simulated account" if history.simulator else "live account" if span.livemode else "test account"
    return f"{mode} {span.account}"


def span_words(history: AccountHistory) -> str:
    first, last = (datetime.fromtimestamp(at, UTC) for at in (history.span.since, history.span.until))
    return f"{first.day} {first:%B %Y} to {last.day} {last:%B %Y}"


def write_page(path: Path, content: str) -> None:
    """SettingsError `settings.output` where it cannot be written."""
    from runplane_mcp.errors import SettingsError

    try:
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise SettingsError(
            "settings.output", f"{path} cannot be written: {error.strerror}.", next_step="Name another file."
        ) from None


def _print(path: Path, history: AccountHistory, done: Backtest, html: Path | None) -> None:
    from runplane_mcp.cli.output import iso, print_json
    from runplane_mcp.cli.policy.account import left_words
    from runplane_mcp.cli.policy.outlook import outlook_json, sums_json, weekly
    from runplane_mcp.cli.policy.page import reasons
    from runplane_mcp.core.outlook import Answer

    by: dict[str, Json] = {name: sums_json(sums) for name, sums in reasons(done)}
    stopped: list[Json] = [_row_json(each) for each in done.answers if each.answer in (Answer.ASK, Answer.BLOCK)]
    print_json(
        {
            "file": str(path),
            "version": done.policy.version,
            "account": history.span.account,
            "livemode": history.span.livemode,
            "simulator": history.simulator,
            "since": iso(done.since),
            "until": iso(done.until),
            "requests": len(done.answers),
            "questions_per_week": weekly(done.questions_per_week),
            **outlook_json(done.outlook),
            "by": by,
            "not_allowed": stopped,
            "left_out": list(left_words(history.left)),
            "html": None if html is None else str(html),
        }
    )


def _row_json(each: Answered) -> dict[str, Json]:
    from runplane_mcp.cli.output import iso

    money = each.asked.money
    return {
        "at": iso(each.asked.at),
        "action": each.asked.action,
        "object_id": each.asked.object_id,
        "amount": money.amount if money else None,
        "currency": money.currency if money else None,
        "answer": each.answer.value,
        "by": list(each.by),
    }


def _tell(path: Path, history: AccountHistory, done: Backtest, html: Path | None) -> None:
    from runplane_mcp.cli.output import Column, console, say, table
    from runplane_mcp.cli.policy.account import left_words
    from runplane_mcp.cli.policy.outlook import largest_words, money_words, times, weekly
    from runplane_mcp.cli.policy.page import biggest, reasons
    from runplane_mcp.core.outlook import Answer

    say(f"{path}  version {done.policy.version[:12]}, over {whose(history)}, {span_words(history)}", "bold")
    often = f"{weekly(done.questions_per_week)} a week"
    say(f"You would have been asked {times(done.outlook.questions, 'time')}, {often}.", "bold yellow")
    sums = done.outlook.sums()
    rows = [
        (answer.words, f"{sums[answer].count}", money_words(sums[answer])) for answer in Answer if sums[answer].count
    ]
    if rows:
        console().print(table([Column("ANSWER"), Column("REQUESTS", right=True), Column("MONEY")], rows))
        say(f"Largest day: {largest_words(done.outlook)}")
    found = [(name, f"{each.count}", money_words(each)) for name, each in reasons(done)]
    if found:
        console().print(table([Column("BY"), Column("REQUESTS", right=True), Column("MONEY")], found))
    largest = [
        (
            each.date,
            each.asked.action,
            each.asked.object_id,
            each.asked.money_words,
            each.answer.words,
            ", ".join(each.by),
        )
        for each in biggest(done, 10)
    ]
    if largest:
        names = ("DAY", "ACTION", "OBJECT", "AMOUNT", "ANSWER", "BY")
        console().print(table([Column(name, right=name == "AMOUNT") for name in names], largest))
    for words in left_words(history.left):
        say(f"Left out: {words}.", "dim")
    say("Nothing was changed at Stripe; who really asked for these, nobody knows.", "dim")
    if html is not None:
        say(f"Written: {html}", "green")
