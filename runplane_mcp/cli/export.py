"""`runplane audit export`: one line a request for spreadsheets and programs, with totals that tie to Stripe's objects."""

from __future__ import annotations

import contextlib
import csv
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Final

import typer

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import require_home, settings_of_home
from runplane_mcp.cli.new_file import new_file
from runplane_mcp.cli.options import JsonFlag
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.request import Kind
from runplane_mcp.errors import PolicyError, UsageError

if TYPE_CHECKING:
    from runplane_mcp.core.money import Money
    from runplane_mcp.gate.audit.exporting import Line, Tie, Totals

EXAMPLES = examples(
    ("runplane audit export --from 2026-02-01 --to 2026-02-28 --out february.csv", "a month, for a spreadsheet"),
    (
        "runplane audit export --from 2026-02-01 --kind write --json-lines",
        "everything that was to change something since",
    ),
)

COLUMNS: Final = (
    "request", "request_id", "asked_at", "ended_at", "where", "account", "agent", "principal", "via", "action", "operation",
    "amount", "currency", "decision", "decided_by", "risk", "policy", "approvers", "outcome", "code", "moved",
    "moved_currency", "stripe_object", "stripe_request", "erased",
)  # fmt: skip
#: A spreadsheet takes a text that begins so for a formula: also in the wide forms that some take for the narrow ones.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def export(
    first: Annotated[str, typer.Option("--from", metavar="DAY", help="From this day or moment on.")],
    last: Annotated[
        str | None, typer.Option("--to", metavar="DAY", help="Through this day; until now without.")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="For spreadsheets; also without either.")] = False,
    as_lines: Annotated[bool, typer.Option("--json-lines", help="For programs: one JSON value a line.")] = False,
    kind: Annotated[Kind | None, typer.Option("--kind", help="Only reads, or only writes.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write it here; left out: on stdout.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write one line for each request that ended in a period.

    Who asked for what, what was decided by which rule, who approved it, how it ended, Stripe's ids, and what moved by
    Stripe's own answer, with totals for each action and currency at the end. No names of customers and no words of
    agents. Days are those of the policy's time zone, times in the lines are UTC. With --out, --json says what was
    written.
    """
    from runplane_mcp.cli.coverage.period import period_of
    from runplane_mcp.cli.output import iso, print_json, tell
    from runplane_mcp.core.catalog import load as load_catalog
    from runplane_mcp.gate.audit.exporting import Totals, lines, tie
    from runplane_mcp.gate.clock import SystemClock
    from runplane_mcp.gate.policies import Policies
    from runplane_mcp.store.reading import reading

    if as_csv and as_lines:
        raise UsageError("usage.format", "--csv or --json-lines?", next_step="Give one of them.")
    if as_json and out is None:
        raise UsageError("usage.file", "--json says what was written to a file.", next_step="Add --out FILE.")
    settings = settings_of_home()
    require_home(settings)
    totals = Totals()
    with reading(settings.database) as reader, _opened(out) as file:
        zone: tzinfo = UTC
        # A policy that cannot be told is no reason to tell nothing: the exact moments stand in what is written.
        with contextlib.suppress(PolicyError):
            zone = Policies(load_catalog()).enforced(reader).calendar.zone
        period = period_of(None, first, last, zone=zone, now=SystemClock().wall() // 1000)
        since, until = period.since * 1000, period.until * 1000
        write = _Lines(file) if as_lines else _Csv(file)
        for line in lines(reader, since, until, kind=kind):
            totals.add(line)
            write.line(line)
        tied = tie(reader, until)
        write.end(totals, tied, iso(since) or "", iso(until) or "")
    if as_json:
        print_json({**_summary(totals, tied, iso(since) or "", iso(until) or ""), "file": str(out)})
    elif out is not None:
        tell("", f"{totals.requests:,} requests that ended in {period.words}: {out}", stderr=True)


class _Csv:
    """RFC 4180, in UTF-8 with a byte order mark, without which Excel takes it for something else. After an empty line, at
    which a spreadsheet's table ends, stand the totals and what they were read from."""

    def __init__(self, file: IO[str]) -> None:
        file.write("\ufeff")
        self._rows = csv.writer(file, lineterminator="\r\n")
        self._rows.writerow(COLUMNS)

    def line(self, line: Line) -> None:
        told = line_json(line)
        told |= {"amount": decimal(line.amount), "moved": decimal(line.moved)}
        # Numbers are ours; everything else may be somebody's text.
        self._rows.writerow([told[name] if name in ("amount", "moved") else cell(told[name]) for name in COLUMNS])

    def end(self, totals: Totals, tied: Tie, since: str, until: str) -> None:
        from runplane_mcp.core.money import Money

        row = self._rows.writerow
        row([])
        row(["totals", "where", "action", "requests", "moved", "currency"])
        for (where, action, currency), total in sorted(totals.moved.items()):
            row(["moved", where, cell(action), total.requests, decimal(Money(total.minor, currency)), currency])
        for (where, action), count in sorted(totals.untold.items()):
            row(["not told by Stripe's answer", where, cell(action), count])
        row(["period", "ended from", since, "until before", until])
        row(["requests", totals.requests, "asked before its end and not finished", tied.unfinished])
        row(["audit log", tied.store, "epoch", tied.epoch, "events", tied.events, "root", tied.root])


class _Lines:
    """Each line an object of `type` `request`, the last of `type` `summary`. Amounts are minor units."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def line(self, line: Line) -> None:
        self._write({"type": "request", **line_json(line)})

    def end(self, totals: Totals, tied: Tie, since: str, until: str) -> None:
        self._write({"type": "summary", **_summary(totals, tied, since, until)})

    def _write(self, value: dict[str, Json]) -> None:
        from runplane_mcp.cli.output import json_line

        self._file.write(json_line(value))


def line_json(line: Line) -> dict[str, Json]:
    request, record = line.request, line.decision
    return {
        "request": request.reference,
        "request_id": request.id,
        "asked_at": _utc(request.created_at),
        "ended_at": _utc(request.changed_at),
        "where": line.where,
        "account": request.identity.account,
        "agent": request.agent,
        "principal": request.principal,
        "via": request.via,
        "action": request.action,
        "operation": request.operation_id,
        "amount": line.amount.amount if line.amount is not None else None,
        "currency": line.amount.currency if line.amount is not None else None,
        "decision": record.outcome.value if record is not None else None,
        "decided_by": list(line.decided_by),
        "risk": record.risk_level.value if record is not None else None,
        "policy": record.policy_version if record is not None else None,
        "approvers": list(line.approvers),
        "outcome": request.state.value,
        "code": request.failure.code if request.failure is not None else None,
        "moved": line.moved.amount if line.moved is not None else None,
        "moved_currency": line.moved.currency if line.moved is not None else None,
        "stripe_object": request.object_id,
        "stripe_request": request.stripe_request_id,
        "erased": line.erased,
    }


def cell(value: Json) -> str:
    """A text as a cell that is shown and never run, without control characters or letters that turn its direction."""
    from runplane_mcp.core.text import visible

    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else ""
    text = " ".join(str(each) for each in value) if isinstance(value, list) else str(value)
    shown = visible(text, 500)
    return f"'{shown}" if text.lstrip().startswith(_FORMULA) or text.startswith(_FORMULA) else shown


def decimal(money: Money | None) -> str:
    """`900.00`: a number in whole units, without a sign for the currency."""
    from runplane_mcp.core.money import exponent

    if money is None:
        return ""
    places = exponent(money.currency)
    whole, part = divmod(abs(money.amount), 10**places)
    return f"{'-' if money.amount < 0 else ''}{whole}" + (f".{part:0{places}d}" if places else "")


def _summary(totals: Totals, tied: Tie, since: str, until: str) -> dict[str, Json]:
    moved: Sequence[Json] = [
        {"where": where, "action": action, "currency": currency, "requests": each.requests, "moved": each.minor}
        for (where, action, currency), each in sorted(totals.moved.items())
    ]
    untold: Sequence[Json] = [
        {"where": where, "action": action, "requests": count}
        for (where, action), count in sorted(totals.untold.items())
    ]
    return {
        "ended_from": since,
        "ended_before": until,
        "requests": totals.requests,
        "not_finished": tied.unfinished,
        "totals": moved,
        "not_told": untold,
        "audit_log": {"store": tied.store, "epoch": tied.epoch, "events": tied.events, "root": tied.root},
    }


def _utc(milliseconds: int) -> str:
    """To the millisecond: what ended at a border is seen to lie on its side of it."""
    moment = datetime.fromtimestamp(milliseconds // 1000, tz=UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


@contextlib.contextmanager
def _opened(out: Path | None) -> Iterator[IO[str]]:
    """Stdout, or a new file."""
    if out is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    with new_file(out) as file:
        yield file
