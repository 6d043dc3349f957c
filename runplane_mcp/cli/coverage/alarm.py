"""`runplane audit coverage --alarm` and `runplane audit accept`: what is new and unexplained, and saying what it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from runplane_mcp.cli.coverage.standing import found_json, found_words
from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import at_desk, settings_of_home
from runplane_mcp.cli.options import AsAdmin, JsonFlag, SecretStdin
from runplane_mcp.core.canonical import Json
from runplane_mcp.errors import EXIT_REFUSED

if TYPE_CHECKING:
    from runplane_mcp.gate.coverage.state import Found
    from runplane_mcp.gate.coverage.watch import Looked
    from runplane_mcp.gate.desk import Desk
    from runplane_mcp.settings import Settings

ACCEPT_EXAMPLES = examples(
    (
        "runplane audit accept re_3MtwBwLkdIwHu7ix28a3tqPd --as maria --reason 'refund of the old shop, ticket 17'",
        "you have found out what it was",
    ),
)


def alarm(settings: Settings, *, as_json: bool) -> None:
    """A look at what is new since the last, whoever made that one."""
    import anyio

    from runplane_mcp.app import open_books
    from runplane_mcp.cli.output import print_json
    from runplane_mcp.gate.coverage.watch import Watch

    async def work() -> Looked:
        async with open_books(settings) as books:
            watch = Watch(
                books.desk.store,
                books.desk.policies.catalog,
                books.connection,
                books.clock,
                around=settings.coverage_alarm == "outside",
            )
            return await watch.catch_up(books.identity)

    looked = anyio.run(work)
    if as_json:
        print_json(_json(looked))
    else:
        _tell(looked)
    if looked.state.standing:
        raise typer.Exit(EXIT_REFUSED)


def _json(looked: Looked) -> dict[str, Json]:
    from runplane_mcp.cli.output import iso

    state, new = looked.state, {each.line for each in looked.new}
    standing: list[Json] = [{**found_json(each), "new": each.line in new} for each in state.standing.values()]
    return {
        "ok": not standing,
        "until": iso(state.until * 1000) if state.until is not None else None,
        "behind": state.behind,
        "too_new": looked.early,
        "unexplained": standing,
    }


def _tell(looked: Looked) -> None:
    from runplane_mcp.cli.output import moment, say

    state = looked.state
    standing = sorted(state.standing.values(), key=lambda each: (each.at, each.line))
    if standing:
        say(f"UNEXPLAINED: {found_words(standing)}; {len(looked.new)} of them new.", "bold red")
        _lines(standing)
        say("When you know what it was: runplane audit accept OBJECT --as ADMIN --reason '…'")
    else:
        say("Nothing is unexplained.", "bold green")
    if state.until is not None:
        say(f"Looked at everything before {moment(state.until * 1000)}, by the account's clock.", "dim")
    if looked.early:
        say(f"{looked.early} came just now or may be a request that still runs: look again in a minute.", "yellow")
    if state.behind:
        say("There is more than one look takes: run it again.", "yellow")


def _lines(standing: list[Found]) -> None:
    from rich.text import Text

    from runplane_mcp.cli.card import Hanging
    from runplane_mcp.cli.output import brief, console, money
    from runplane_mcp.core.text import visible

    out = console()
    for each in standing:
        what = f"{money(each.amount, each.currency)}  {each.kind.replace('_', ' ')} {each.object_id or each.line}"
        why = f"{brief(each.at * 1000)}. {each.why} Audit event {each.seq}."
        out.print(Hanging("  ", "    ", Text(visible(what, 300))))
        out.print(Hanging("      ", "      ", Text(visible(why, 700)), "red"))


def accept(
    line: Annotated[
        str, typer.Argument(metavar="LINE", help="The line, or the object that it is about: txn_ re_ po_ …")
    ],
    reason: Annotated[str, typer.Option("--reason", help="What it was. It is kept with your signature.")],
    as_admin: AsAdmin = None,
    secret_stdin: SecretStdin = False,
    as_json: JsonFlag = False,
) -> None:
    """Say what an unexplained money line was.

    It no longer raises the alarm from then on. Your signature and your reason stand in the audit log beside the event that
    raised it. With --secret-stdin the first line on stdin is ADMIN's secret.
    """
    from runplane_mcp.cli.output import print_json, say
    from runplane_mcp.cli.secrets import administrator
    from runplane_mcp.core.text import visible
    from runplane_mcp.gate.coverage.accepting import Accepted
    from runplane_mcp.gate.coverage.accepting import accept as settle

    name, secret = administrator(as_admin, "Accepting", from_stdin=secret_stdin, as_json=as_json)

    async def work(desk: Desk) -> Accepted:
        return await settle(desk, line, reason=reason, admin=name, secret=secret)

    done = at_desk(settings_of_home(), work)
    if as_json:
        print_json({"accepted": found_json(done.found), "by": done.by, "left": done.left})
        return
    say(f"Accepted by {visible(done.by, 64)}: {done.found.object_id or done.found.line}.", "green")
    if done.left:
        say(f"{done.left} still stand: runplane audit coverage --alarm", "yellow")
