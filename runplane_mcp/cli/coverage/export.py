"""The report for programs: one JSON value, or one row a line in a CSV file."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from runplane_mcp.cli.coverage.report import Report, of, sound, untied
from runplane_mcp.cli.output import iso
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.coverage.boxes import Box, Made, Placed
from runplane_mcp.core.coverage.sums import Book, Tie
from runplane_mcp.gate.coverage.everywhere import AccountCoverage

COLUMNS = (
    "currency",
    "balance",
    "at",
    "amount",
    "kind",
    "box",
    "people",
    "object",
    "line",
    "request",
    "agent",
    "stripe_request",
    "why",
    "account",
)


def report_json(report: Report) -> dict[str, Json]:
    """Amounts are minor units, below zero for what leaves. What is of the own account stands at the top; `connected` has
    the same of each connected account, `unread` those that could not be read. `ok` and `unexplained` are of all of them."""
    connected: list[Json] = [
        {
            "account": each.account,
            "ok": sound(each),
            "unexplained": len(of(each, Box.UNEXPLAINED)),
            **_account_json(each),
        }
        for each in report.everywhere.connected
    ]
    unread: list[Json] = [{"account": each.account, "why": each.why} for each in report.unread]
    own = _account_json(report.everywhere.own)
    return {
        "account": report.account,
        "livemode": report.livemode,
        "simulator": report.simulator,
        "since": iso(report.period.since * 1000),
        "until": iso(report.period.until * 1000),
        "ok": report.sound,
        "unexplained": report.unexplained,
        **own,
        "notes": list(report.notes),
        "connected": connected,
        "unread": unread,
        "cut": report.cut,
        "v2_money": report.everywhere.second_api.value,
    }


def _account_json(account: AccountCoverage) -> dict[str, Json]:
    lines: list[Json] = [line_json(each) for each in account.placed]
    books: list[Json] = [_book_json(each) for each in account.books]
    ties: list[Json] = [_tie_json(each) for each in account.ties]
    claimed: list[Json] = [_claim_json(each) for each in account.found.claimed]
    return {"books": books, "ties": ties, "claimed": claimed, "notes": list(untied(account)), "lines": lines}


def line_json(placed: Placed) -> dict[str, Json]:
    line, people = placed.line, list[Json](placed.people)
    return {
        "line": line.id,
        "kind": line.kind,
        "object": line.object_id,
        "at": iso(line.created * 1000),
        "amount": line.amount,
        "currency": line.currency,
        "balance": line.balance,
        "box": placed.box.value,
        "people": people,
        "why": placed.why,
        "request": placed.made.reference if placed.made is not None else None,
        "request_id": placed.made.request_id if placed.made is not None else None,
        "agent": placed.made.agent if placed.made is not None else None,
        "stripe_request": placed.stripe_request_id,
    }


def _book_json(book: Book) -> dict[str, Json]:
    boxes: list[Json] = [
        {
            "box": box.value,
            "people": list(people),
            "lines": each.lines,
            "in": each.into,
            "out": each.out,
            "sum": each.net,
        }
        for (box, people), each in book.boxes.items()
    ]
    return {
        "balance": book.balance,
        "currency": book.currency,
        "boxes": boxes,
        "lines": book.total.lines,
        "sum": book.total.net,
    }


def _tie_json(tie: Tie) -> dict[str, Json]:
    return {
        "currency": tie.currency,
        "ties": tie.ties,
        "boxes": tie.boxes,
        "stripe": tie.stripe,
        "opening": tie.opening,
        "closing": tie.closing,
        "checked": tie.checked,
        "missing": tie.missing,
        "checked_since": iso(tie.noted.at * 1000) if tie.noted is not None else None,
        "checked_event": tie.noted.seq if tie.noted is not None else None,
    }


def _claim_json(made: Made) -> dict[str, Json]:
    amount, currency = made.money or (None, None)
    return {
        "request": made.reference,
        "request_id": made.request_id,
        "action": made.action,
        "agent": made.agent,
        "object": made.object_id,
        "amount": amount,
        "currency": currency,
        "at": iso(made.at * 1000),
    }


def write_csv(path: Path, report: Report) -> None:
    """SettingsError `settings.output` where it cannot be written."""
    from runplane_mcp.cli.policy.backtest import write_page

    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for account in report.accounts:
        for each in account.placed:
            told = {**line_json(each), "people": " ".join(each.people), "account": account.account}
            rows.writerow([_cell(told[name]) for name in COLUMNS])
    write_page(path, text.getvalue())


def _cell(value: Json) -> object:
    """A spreadsheet takes a text that begins like a formula for one, and an agent may have chosen the text."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return "" if value is None else value
