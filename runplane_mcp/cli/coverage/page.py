"""The report for people: what is unexplained first, then the boxes of each currency, then what went around Runplane."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from runplane_mcp.cli.card import Hanging
from runplane_mcp.cli.coverage.report import Report, all_tie, of, sound, untied
from runplane_mcp.cli.output import Column, brief, console, moment, money, table
from runplane_mcp.core.coverage.boxes import Box, Made, Placed
from runplane_mcp.core.coverage.sums import Book, Sum, Tie
from runplane_mcp.core.text import label, visible
from runplane_mcp.gate.coverage.everywhere import AccountCoverage

#: So many lines of a kind are shown; `--csv` and `--json` have all.
_SHOWN = 12
#: Below this width the two columns of what came and went are left out.
_WIDE = 76
_STYLES = {Box.UNEXPLAINED: "bold red", Box.ANOTHER_KEY: "yellow", Box.DASHBOARD: "yellow"}
LOG = "https://dashboard.stripe.com/logs"


def page(report: Report) -> RenderableType:
    wide = console().width >= _WIDE
    parts: list[RenderableType] = [_title(report), *_verdict(report), *_account(report.everywhere.own, wide=wide)]
    if not report.everywhere.own.books:
        parts.append(Text("Stripe has no money line in this time."))
    parts += [_text(note, "dim") for note in report.notes]
    parts += _connected(report, wide=wide)
    return Group(*parts)


def _title(report: Report) -> Text:
    mode = "simulated account" if report.simulator else "live account" if report.livemode else "test account"
    beside = f" and {_accounts(len(report.accounts) - 1)}" if len(report.accounts) > 1 else ""
    return _text(f"Coverage of {mode} {report.account}{beside}: {report.period.words}", "bold")


def _verdict(report: Report) -> Iterator[RenderableType]:
    """What must not be missed, of all accounts."""
    if report.unread:
        yield _text(f"NOT READ, so that this is not all: {_accounts(len(report.unread))}.", "bold red")
        for each in report.unread[:_SHOWN]:
            yield Hanging("  ", "    ", Text(visible(f"{each.account}: {each.why}", 700), "red"))
        if len(report.unread) > _SHOWN:
            yield _more(report.unread, "--json has all")
    if report.cut:
        yield _text(
            "NOT ALL ACCOUNTS: Stripe has more than are listed here. Name those that matter: --account.", "bold red"
        )
    if report.unexplained:
        all = [line for each in report.accounts for line in of(each, Box.UNEXPLAINED)]
        yield _text(f"UNEXPLAINED: {_count(all)}. Something may have gone around Runplane.", "bold red")
    elif lines := sum(len(each.placed) for each in report.accounts):
        yield _text(f"Nothing is unexplained: each of {lines:,} lines has its box.", "bold green")
    for account in report.accounts:
        where = "" if account is report.everywhere.own else f" on {account.account}"
        if unexplained := of(account, Box.UNEXPLAINED):
            if where:
                yield _text(f"Unexplained{where}: {_count(unexplained)}.", "bold red")
            yield _lines(sorted(unexplained, key=lambda each: (each.line.amount, each.line.id)), who=False)
        if claimed := account.found.claimed:
            yield _text(f"CLAIMED, NOT AT STRIPE{where}: {len(claimed)} that Runplane recorded as done.", "bold red")
            yield _claims(claimed)
        if not all_tie(account):
            yield _text(f"THE SUMS DO NOT TIE{where}: see below.", "bold red")


def _connected(report: Report, *, wide: bool) -> Iterator[RenderableType]:
    """A part for each connected account on which something moved, those with something wrong first."""
    moved = [each for each in report.everywhere.connected if each.books]
    moved.sort(key=lambda each: (sound(each), each.account))
    for each in moved[:_SHOWN]:
        yield Text("")
        yield _text(f"On connected account {each.account}", "bold underline")
        yield from _account(each, wide=wide)
        for note in untied(each):
            yield _text(note, "dim")
    if len(moved) > _SHOWN:
        yield _more(moved, "--json and --csv have all")
    if still := len(report.everywhere.connected) - len(moved):
        yield _text(f"{_accounts(still)} without a money line in this time.", "dim")


def _account(account: AccountCoverage, *, wide: bool) -> Iterator[RenderableType]:
    for book in account.books:
        tie = next((each for each in account.ties if each.currency == book.currency), None)
        yield Text("")
        yield _heading(book)
        yield _boxes(book, wide=wide)
        if book.balance == "payments" and tie is not None:
            yield _tie(tie)
    if around := [each for each in of(account, Box.DASHBOARD, Box.ANOTHER_KEY) if each.line.amount < 0]:
        yield Text("")
        yield Text("Out, not through Runplane", style="bold")
        yield _lines(sorted(around, key=lambda each: (each.line.amount, each.line.id)), who=True)
        yield _text(f"Stripe's log says whose key or name: {LOG}", "dim")


def _accounts(number: int) -> str:
    return f"{number:,} connected {'account' if number == 1 else 'accounts'}"


def _heading(book: Book) -> Text:
    where = {None: "beside the balance: given or given up without a booking", "payments": "in the balance"}
    return _text(f"{book.currency.upper()}  {where.get(book.balance, f'in the balance {book.balance}')}", "bold")


def _boxes(book: Book, *, wide: bool) -> RenderableType:
    rows = [_row(box.words(people), each, book.currency, wide=wide) for (box, people), each in book.boxes.items()]
    rows.append(_row("total", book.total, book.currency, wide=wide))
    styles = {box.words(): style for box, style in _STYLES.items()}
    columns = [Column("BOX", styles={**styles, "total": "bold"}), Column("LINES", right=True)]
    columns += [Column("IN", right=True), Column("OUT", right=True)] if wide else []
    return table([*columns, Column("SUM", right=True)], rows)


def _row(name: str, sums: Sum, currency: str, *, wide: bool) -> Sequence[str]:
    parts = [money(each, currency) if each else "–" for each in (sums.into, sums.out)] if wide else []
    return [name, f"{sums.lines:,}", *parts, money(sums.net, currency)]


def _tie(tie: Tie) -> Text:
    def worth(amount: int) -> str:
        return money(amount, tie.currency)

    if tie.boxes != tie.stripe:
        return _text(
            f"DOES NOT TIE: Stripe's own lines come to {worth(tie.stripe)}, the boxes to {worth(tie.boxes)}.",
            "bold red",
        )
    if not tie.ties:
        since = "" if tie.noted is None else f" since {moment(tie.noted.at * 1000)}, audit event {tie.noted.seq}"
        return _text(
            f"DOES NOT TIE: of what Stripe holds, {worth(tie.missing)} has no line{since}.",
            "bold red",
        )
    if tie.opening is None or tie.closing is None:
        return _text(f"Ties to the cent: Stripe's own lines come to {worth(tie.stripe)}.", "green")
    if tie.checked:
        return _text(
            f"Ties to the cent: the account began with nothing, and its lines come to {worth(tie.closing)}, which is what"
            " Stripe holds.",
            "green",
        )
    checked = ""
    if tie.noted is not None:
        checked = f", checked with what it held on {moment(tie.noted.at * 1000)} (audit event {tie.noted.seq})"
    return _text(
        f"Ties to the cent: Stripe's own lines come to {worth(tie.stripe)}. Closing {worth(tie.closing)} as Stripe holds"
        f" it{checked}; opening {worth(tie.opening)} reckoned back from that.",
        "green",
    )


def _lines(lines: Sequence[Placed], *, who: bool) -> RenderableType:
    """Two lines for each, so that ids can be copied whole on a narrow terminal too."""
    parts: list[RenderableType] = []
    for each in lines[:_SHOWN]:
        about = each.line.object_id or each.line.transaction
        what = f"{money(each.line.amount, each.line.currency)}  {each.line.kind.replace('_', ' ')} {about}"
        when = brief(each.line.created * 1000)
        request = f" Stripe's request {each.stripe_request_id}." if each.stripe_request_id else ""
        why = f", by {each.words}." if who else f". {each.why}"
        parts.append(Hanging("  ", "    ", Text(visible(what, 300))))
        parts.append(Hanging("      ", "      ", Text(visible(f"{when}{why}{request}", 700)), "dim" if who else "red"))
    return Group(*parts, *([_more(lines)] if len(lines) > _SHOWN else []))


def _more(lines: Sequence[object], where: str = "--csv FILE has all") -> Text:
    return _text(f"and {len(lines) - _SHOWN:,} more: {where}", "dim")


def _claims(claimed: Sequence[Made]) -> RenderableType:
    rows = [
        [
            each.reference,
            each.action,
            money(*each.money) if each.money else "–",
            each.object_id or "–",
            label(each.agent),
        ]
        for each in claimed[:_SHOWN]
    ]
    shown = table([Column(title) for title in ("REQUEST", "ACTION", "AMOUNT", "OBJECT", "AGENT")], rows)
    return Group(shown, _more(claimed)) if len(claimed) > _SHOWN else shown


def _count(lines: Iterable[Placed]) -> str:
    """`3 lines, -$150.00 USD, -€20.00 EUR`."""
    sums: dict[str, int] = {}
    number = 0
    for each in lines:
        sums[each.line.currency] = sums.get(each.line.currency, 0) + each.line.amount
        number += 1
    amounts = ", ".join(money(amount, currency) for currency, amount in sorted(sums.items()))
    return f"{number:,} {'line' if number == 1 else 'lines'}, {amounts}"


def _text(words: str, style: str = "") -> Text:
    return Text(visible(words, 1_000), style=style)
