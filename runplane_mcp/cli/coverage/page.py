"""The report for people: what is unexplained first, then the boxes of each currency, then what went around Runplane."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from runplane_mcp.cli.card import Hanging
from runplane_mcp.cli.coverage.report import Report
from runplane_mcp.cli.output import Column, brief, console, moment, money, table
from runplane_mcp.core.coverage.boxes import Box, Made, Placed
from runplane_mcp.core.coverage.sums import Book, Sum, Tie
from runplane_mcp.core.text import label, visible

#: So many lines of a kind are shown; `--csv` and `--json` have all.
_SHOWN = 12
#: Below this width the two columns of what came and went are left out.
_WIDE = 76
_STYLES = {Box.UNEXPLAINED: "bold red", Box.ANOTHER_KEY: "yellow", Box.DASHBOARD: "yellow"}
LOG = "https://dashboard.stripe.com/logs"


def page(report: Report) -> RenderableType:
    wide = console().width >= _WIDE
    parts: list[RenderableType] = [_title(report), *_verdict(report)]
    for book in report.books:
        tie = next((each for each in report.ties if each.currency == book.currency), None)
        parts += [Text(""), _heading(book), _boxes(book, wide=wide)]
        if book.balance == "payments" and tie is not None:
            parts.append(_tie(tie))
    if not report.books:
        parts.append(Text("Stripe has no money line in this time."))
    if around := [each for each in report.of(Box.DASHBOARD, Box.ANOTHER_KEY) if each.line.amount < 0]:
        parts += [Text(""), Text("Out, not through Runplane", style="bold")]
        parts.append(_lines(sorted(around, key=lambda each: (each.line.amount, each.line.id)), who=True))
        parts.append(_text(f"Stripe's log says whose key or name: {LOG}", "dim"))
    parts += [_text(note, "dim") for note in report.notes]
    return Group(*parts)


def _title(report: Report) -> Text:
    mode = "simulated account" if report.simulator else "live account" if report.livemode else "test account"
    return _text(f"Coverage of {mode} {report.account}: {report.period.words}", "bold")


def _verdict(report: Report) -> Iterator[RenderableType]:
    unexplained = report.of(Box.UNEXPLAINED)
    if unexplained:
        yield _text(f"UNEXPLAINED: {_count(unexplained)}. Something may have gone around Runplane.", "bold red")
        yield _lines(sorted(unexplained, key=lambda each: (each.line.amount, each.line.id)), who=False)
    elif report.placed:
        yield _text(f"Nothing is unexplained: each of {len(report.placed):,} lines has its box.", "bold green")
    if report.claimed:
        yield _text(f"CLAIMED, NOT AT STRIPE: {len(report.claimed)} that Runplane recorded as done.", "bold red")
        yield _claims(report.claimed)
    if not all(tie.ties for tie in report.ties):
        yield _text("THE SUMS DO NOT TIE: see below.", "bold red")


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


def _more(lines: Sequence[object]) -> Text:
    return _text(f"and {len(lines) - _SHOWN:,} more: --csv FILE has all", "dim")


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
