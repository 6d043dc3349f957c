"""The report for programs: one JSON value, or one row a line in a CSV file."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from runplane_mcp.cli.coverage.report import Report
from runplane_mcp.cli.output import iso
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.coverage.boxes import Made, Placed
from runplane_mcp.core.coverage.sums import Book, Tie

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
)


def report_json(report: Report) -> dict[str, Json]:
    """Amounts are minor units, below zero for what leaves."""
    lines: list[Json] = [line_json(each) for each in report.placed]
    books: list[Json] = [_book_json(each) for each in report.books]
    ties: list[Json] = [_tie_json(each) for each in report.ties]
    claimed: list[Json] = [_claim_json(each) for each in report.claimed]
    return {
        "account": report.account,
        "livemode": report.livemode,
        "simulator": report.simulator,
        "since": iso(report.period.since * 1000),
        "until": iso(report.period.until * 1000),
        "ok": report.sound,
        "unexplained": sum(each.box.value == "unexplained" for each in report.placed),
        "books": books,
        "ties": ties,
        "claimed": claimed,
        "notes": list(report.notes),
        "lines": lines,
    }


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
    for each in report.placed:
        told = line_json(each)
        told["people"] = " ".join(each.people)
        rows.writerow([_cell(told[name]) for name in COLUMNS])
    write_page(path, text.getvalue())


def _cell(value: Json) -> object:
    """A spreadsheet takes a text that begins like a formula for one, and an agent may have chosen the text."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return "" if value is None else value
