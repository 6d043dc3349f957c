"""The command itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import settings_of_home
from runplane_mcp.cli.options import JsonFlag
from runplane_mcp.errors import EXIT_REFUSED, UsageError

if TYPE_CHECKING:
    from runplane_mcp.core.coverage.accounts import Wanted
    from runplane_mcp.settings import Settings

EXAMPLES = examples(
    ("runplane audit coverage --month 2026-02 --csv february.csv", "a month, and each of its lines"),
    ("runplane audit coverage --account all", "this month so far, with every connected account"),
    ("runplane audit coverage --alarm --json", "what came since the last look; for cron, exit 1"),
)


def coverage(
    month: Annotated[str | None, typer.Option("--month", metavar="2026-11", help="A whole month.")] = None,
    first: Annotated[str | None, typer.Option("--from", metavar="DAY", help="From this day or moment on.")] = None,
    last: Annotated[
        str | None, typer.Option("--to", metavar="DAY", help="Through this day; until now without.")
    ] = None,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Also write every line to a file.")] = None,
    since_last: Annotated[
        bool, typer.Option("--alarm", help="Look only at what came since the last look, as gates do every few minutes.")
    ] = False,
    account: Annotated[
        list[str] | None,
        typer.Option(
            "--account",
            metavar="ACCOUNT",
            help="Read this connected account too; `all` for all, -acct_… to leave one out. Can be given again.",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Say of every money line at Stripe who made it.

    Each line of the balance, and what is given beside it, is in one box: allowed by policy, approved by people, a
    person in the Dashboard, another key, automatic, no longer known, unexplained. The boxes tie to Stripe's balance
    to the cent. Days are those of the policy's time zone. Only reads go to Stripe; one that was ended goes on where it
    was. Exit 1 when something is unexplained, does not tie, or was recorded as done and is not at Stripe.

    Connected accounts on which this home asked for something are read as well, and those of RUNPLANE_COVERAGE_ACCOUNTS
    and --account: each has sums and boxes of its own. Exit 1, too, when one could not be read.

    With --alarm it is quick, and what is new and unexplained becomes an audit event, once. Exit 1 as long as something
    stands that nobody has accepted.
    """
    if since_last:
        if month is not None or first is not None or last is not None or csv is not None:
            raise UsageError("usage.alarm", "--alarm has no period.", next_step="Leave the others out, or --alarm.")
        from runplane_mcp.cli.coverage.alarm import alarm

        settings = settings_of_home()
        alarm(settings, _wanted(account, settings), as_json=as_json)
        return
    import anyio

    from runplane_mcp.cli.coverage.export import report_json, write_csv
    from runplane_mcp.cli.coverage.page import page
    from runplane_mcp.cli.coverage.report import report
    from runplane_mcp.cli.output import console, note, print_json
    from runplane_mcp.cli.policy.account import bar

    settings = settings_of_home()
    with bar(quiet=as_json) as progress:
        found = anyio.run(report, settings, _wanted(account, settings), month, first, last, progress)
    if csv is not None:
        write_csv(csv, found)
    if as_json:
        print_json(report_json(found))
    else:
        console().print(page(found))
        if csv is not None:
            note(f"Written: {csv}", "green")
    if not found.sound:
        raise typer.Exit(EXIT_REFUSED)


def _wanted(words: list[str] | None, settings: Settings) -> Wanted:
    """What the option says, over what the setting does."""
    from runplane_mcp.core.coverage.accounts import wanted, wanted_in

    try:
        return wanted(words or ()).over(wanted_in(settings.coverage_accounts))
    except ValueError as error:
        raise UsageError("usage.account", f"{error}.") from None
