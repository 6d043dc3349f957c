"""`runplane audit coverage --alarm` and `runplane audit accept`: what is new and unexplained, and saying what it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from runplane_mcp.cli.coverage.standing import beside_json, beside_words, found_json, found_words, left_out_words
from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import at_desk, settings_of_home
from runplane_mcp.cli.options import AsAdmin, JsonFlag, SecretStdin
from runplane_mcp.core.canonical import Json
from runplane_mcp.errors import EXIT_REFUSED

if TYPE_CHECKING:
    from runplane_mcp.core.coverage.accounts import Wanted
    from runplane_mcp.gate.coverage.state import Beside, CoverageState, Found
    from runplane_mcp.gate.desk import Desk
    from runplane_mcp.settings import Settings

ACCEPT_EXAMPLES = examples(
    (
        "runplane audit accept re_3MtwBwLkdIwHu7ix28a3tqPd --as maria --reason 'refund of the old shop, ticket 17'",
        "you have found out what it was",
    ),
)


#: Connected accounts that one run looks at, those first that were not looked at for longest.
MOST_ACCOUNTS: Final = 50


@dataclass(frozen=True, slots=True)
class _Seen:
    """`standing` are all lines that stand, with the connected account that each is on, None for the own one. `new` were
    found now."""

    account: str
    state: CoverageState
    there: Beside | None
    standing: tuple[tuple[str | None, Found], ...]
    new: frozenset[str]
    early: int

    @property
    def calm(self) -> bool:
        """Nothing stands, and every account could be looked at."""
        return not self.standing and not self.state.problem and (self.there is None or self.there.whole)


def alarm(settings: Settings, accounts: Wanted, *, as_json: bool) -> None:
    """A look at what is new since the last, whoever made that one."""
    import anyio

    from runplane_mcp.app.books import open_books
    from runplane_mcp.cli.output import print_json
    from runplane_mcp.gate.coverage.rounds import Rounds
    from runplane_mcp.gate.coverage.state import beside, name_of, renamed, states
    from runplane_mcp.gate.coverage.watch import Watch

    async def work() -> _Seen:
        async with open_books(settings) as books:
            around = settings.coverage_alarm == "outside"
            store = books.desk.store
            watch = Watch(store, books.desk.policies.catalog, books.connection, books.clock, around=around)
            here = await watch.catch_up(books.identity)
            there = await Rounds(watch, accounts, MOST_ACCOUNTS).turn(books.identity)
            known, own = await store.read(states), name_of(books.identity)
        standing = tuple(
            (None if name == own else name.rsplit("|", 2)[1], each)
            for name, state in sorted(known.items(), key=lambda each: (each[0] != own, each[0]))
            if renamed(name, books.identity.account) == own
            for each in state.standing.values()
        )
        new = frozenset(each.line for each in (*here.new, *there.new))
        return _Seen(
            books.identity.account, known[own], beside(known).get(own), standing, new, here.early + there.early
        )

    seen = anyio.run(work)
    if as_json:
        print_json(_json(seen))
    else:
        _tell(seen)
    if not seen.calm:
        raise typer.Exit(EXIT_REFUSED)


def _json(seen: _Seen) -> dict[str, Json]:
    from runplane_mcp.cli.output import iso

    until = seen.state.until
    standing: list[Json] = [
        {**found_json(each), "account": account or seen.account, "new": each.line in seen.new}
        for account, each in seen.standing
    ]
    return {
        "ok": seen.calm,
        "until": iso(until * 1000) if until is not None else None,
        "behind": seen.state.behind,
        "too_new": seen.early,
        "unexplained": standing,
        "problem": seen.state.problem or None,
        "connected": beside_json(seen.there),
    }


def _tell(seen: _Seen) -> None:
    from runplane_mcp.cli.output import moment, say
    from runplane_mcp.core.coverage.boxes import UNKNOWN_KEY_OF_OURS
    from runplane_mcp.core.text import visible

    # Whoever can write the file could have written it, and Stripe's words are in it: nothing commands the terminal.
    state, there = seen.state, seen.there
    if seen.standing:
        found = [each for _, each in seen.standing]
        new = sum(each.line in seen.new for each in found)
        say(f"UNEXPLAINED: {visible(found_words(found), 1_000)}; {new} of them new.", "bold red")
        for account in dict.fromkeys(account for account, _ in seen.standing):
            lines = [each for its, each in seen.standing if its == account]
            if account is not None:
                say(f"On connected account {visible(account)}:", "bold")
            _lines(sorted(lines, key=lambda each: (each.at, each.line)))
        if any(each.why == UNKNOWN_KEY_OF_OURS for each in found):
            say("Does another home work on this account? What it made, it can explain: runplane why OBJECT, with its")
            say("RUNPLANE_HOME. Two homes raise alarms of each other for ever; let one account have one home.")
        say("When you know what it was: runplane audit accept OBJECT --as ADMIN --reason '…'")
    elif seen.calm:
        say("Nothing is unexplained.", "bold green")
    if state.problem:
        say(f"Not everything was looked at: {visible(state.problem, 1_000)}", "bold red")
    if there is not None and (words := beside_words(there)):
        say(f"Not everything was looked at: {visible(words, 1_000)}.", "yellow" if there.whole else "bold red")
    if words := left_out_words(there):
        say(f"{visible(words[:1].upper() + words[1:], 1_000)}.", "yellow")
    if state.until is not None:
        say(f"Looked at everything before {moment(state.until * 1000)}, by the account's clock.", "dim")
    if seen.early:
        say(f"{seen.early} came just now or may be a request that still runs: look again in a minute.", "yellow")
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
