"""One page to forward to finance: a backtest in one file, with plots, without scripts and with nothing from elsewhere.

Whatever Stripe's objects or the policy file say stands in it as visible, escaped text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Final

from runplane_mcp.cli.policy.outlook import converted, days_between, in_one_currency, money_words, times, weekly
from runplane_mcp.cli.policy.plots import Series, bars
from runplane_mcp.core.money import Money, exponent
from runplane_mcp.core.outlook import Answer, Day, Sums
from runplane_mcp.core.text import visible

if TYPE_CHECKING:
    from runplane_mcp.core.backtest import Answered, Backtest

_STYLE: Final = """
:root { color-scheme: light dark; --ground: #fcfcfb; --raised: #f3f2ee; --ink: #1a1a19; --second: #5b5a55; --line: #e1e0da;
  --asked: #eb6834; --allowed: #2a78d6; --blocked: #a12c5d; --quiet: #a9a79f; }
@media (prefers-color-scheme: dark) { :root { --ground: #1a1a19; --raised: #262624; --ink: #f4f3ef; --second: #b4b2aa;
  --line: #3a3935; --asked: #d95926; --allowed: #3987e5; --blocked: #d55181; --quiet: #77756e; } }
@media print { :root { color-scheme: light; --ground: #fff; --raised: #fff; --ink: #000; --second: #444; --line: #ccc;
  --asked: #eb6834; --allowed: #2a78d6; --blocked: #a12c5d; --quiet: #a9a79f; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 1000px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 4px; } h2 { font-size: 1.1rem; margin: 40px 0 4px; }
p { margin: 0 0 12px; max-width: 70ch; } .second { color: var(--second); } .small { font-size: .875rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(180px, 1fr)); gap: 12px; margin: 24px 0; }
.tile { background: var(--raised); border: 1px solid var(--line); border-radius: 8px; padding: 14px 16px; }
.tile b { display: block; font-size: 1.7rem; line-height: 1.2; } .tile span { color: var(--second); font-size: .875rem; }
.scroll { overflow-x: auto; } .scroll svg { display: block; width: 100%; min-width: 620px; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: var(--second); } svg .label { fill: var(--ink); }
svg .grid { stroke: var(--line); } svg .axis { stroke: var(--second); } svg .hit { fill: transparent; }
svg g:hover .hit { fill: var(--line); opacity: .5; }
.asked { fill: var(--asked); } .allowed { fill: var(--allowed); } .blocked { fill: var(--blocked); }
.quiet { fill: var(--quiet); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 4px 0; font-size: .875rem; color: var(--second); }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 6px; }
.legend .asked { background: var(--asked); } .legend .allowed { background: var(--allowed); }
.legend .blocked { background: var(--blocked); }
table { border-collapse: collapse; width: 100%; font-size: .875rem; } table.wide { min-width: 760px; }
th, td { text-align: left; vertical-align: top; padding: 6px 14px 6px 0; border-bottom: 1px solid var(--line); }
th { color: var(--second); font-weight: 600; } .right { text-align: right; font-variant-numeric: tabular-nums; }
td { overflow-wrap: anywhere; } td.whole { white-space: nowrap; } pre { overflow-x: auto; background: var(--raised);
  border: 1px solid var(--line); border-radius: 8px; padding: 12px; font-size: .8rem; }
summary { cursor: pointer; color: var(--second); margin-top: 8px; font-size: .875rem; }
@media print { .tile, tr, svg { break-inside: avoid; } .scroll svg, table.wide { min-width: 0; } }
"""

_SERIES: Final = ((Answer.ASK, "asked about", "asked"), (Answer.BLOCK, "blocked", "blocked"))
_MOST_ROWS: Final = 20


def text(value: str, most: int = 300) -> str:
    """Somebody's words as HTML: visible, cut, escaped."""
    return escape(visible(value, most))


def page(title: str, parts: Iterable[str]) -> str:
    """The whole file. Its own policy forbids it to load or run anything, whatever stood in it."""
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer">'
        f"<title>{text(title)}</title><style>{_STYLE}</style></head><body><main>{''.join(parts)}</main></body></html>\n"
    )


def backtest_parts(
    done: Backtest, *, file: str, whose: str, span: str, left: Sequence[str], notes: Sequence[str] = ()
) -> list[str]:
    """What happened, day by day, under the policy of `file`."""
    outlook = done.outlook
    days = outlook.days(days_between(outlook.days()))
    last = days[-1].date if days else ""
    policy = done.policy
    parts = [
        f"<h1>You would have been asked {times(outlook.questions, 'time')}</h1>",
        f'<p class="second">{text(whose)}, {text(span)}, under {text(file)} '
        f"(version {policy.version[:12]}), as if agents had asked for all of it. Nothing was changed at Stripe.</p>",
    ]
    parts += [f'<p class="small"><strong>{text(note, 600)}</strong></p>' for note in notes]
    if not days:
        return [*parts, "<p>Nothing of the kind happened in that time.</p>", *_left(left)]
    sums, largest = outlook.sums(), outlook.largest
    parts.append('<div class="tiles">')
    parts.append(_tile(weekly(done.questions_per_week), "questions a week"))
    parts.append(_tile(f"{largest.questions if largest else 0}", f"on the largest day{_on(largest)}"))
    for answer, words in ((Answer.ASK, "asked about"), (Answer.ALLOW, "allowed"), (Answer.BLOCK, "blocked")):
        parts.append(_tile(f"{sums[answer].count:,}", f"{words}, {in_one_currency(sums[answer], policy, last)}"))
    parts.append("</div>")
    parts += _questions(days)
    parts += _money(done, days)
    parts += _by(done)
    parts += _biggest(done)
    return [*parts, *_table_of_days(days), *_left(left)]


def _on(day: Day | None) -> str:
    return f", {day.date}" if day else ""


def _tile(number: str, words: str) -> str:
    return f'<div class="tile"><b>{escape(number)}</b><span>{escape(words)}</span></div>'


def _questions(days: Sequence[Day]) -> list[str]:
    values = {answer: [day.by_answer[answer].count for day in days] for answer, _, _ in _SERIES}
    series = [
        Series(name, style, values[answer])
        for answer, name, style in _SERIES
        if sum(values[answer]) or style == "asked"
    ]
    plot = bars([day.date for day in days], series, words=lambda count: f"{count}", what="Questions for each day")
    return [
        "<section><h2>Asked and blocked, day by day</h2>",
        _legend(series),
        f'<div class="scroll">{plot}</div></section>',
    ]


def _money(done: Backtest, days: Sequence[Day]) -> list[str]:
    policy = done.policy
    currency = policy.policy.currency
    without: set[str] = set()

    def total(day: Day, answers: Sequence[Answer]) -> int:
        found = 0
        for answer in answers:
            amount, missing = converted(day.by_answer[answer], policy, day.date)
            found += amount
            without.update(missing)
        return found

    asked = [total(day, [Answer.ASK]) for day in days]
    allowed = [total(day, [Answer.ALLOW, Answer.LATER]) for day in days]
    series = [Series("allowed", "allowed", allowed), Series("asked about", "asked", asked)]

    def words(amount: int) -> str:
        written = str(Money(amount, currency))
        return written.replace("." + "0" * exponent(currency) + " ", " ") if exponent(currency) else written

    plot = bars([day.date for day in days], series, words=words, what="Money for each day")
    note = f"In {currency.upper()}, converted at the policy's rates."
    if without:
        note += f" Left out for want of a rate: {', '.join(sorted(each.upper() for each in without))}."
    return [
        f'<section><h2>Money, day by day</h2><p class="second small">{text(note)}</p>',
        _legend(series),
        f'<div class="scroll">{plot}</div></section>',
    ]


def _legend(series: Sequence[Series]) -> str:
    entries = "".join(f'<span><i class="{each.style}"></i>{escape(each.name)}</span>' for each in series)
    return f'<div class="legend">{entries}</div>'


def reasons(done: Backtest) -> list[tuple[str, Sums]]:
    """What asked or blocked, the most frequent first. A request that two rules asked about counts with both."""
    found: dict[str, Sums] = {}
    for each in done.answers:
        if each.answer in (Answer.ASK, Answer.BLOCK):
            for name in each.by:
                found.setdefault(name, Sums()).add(each.asked.facts)
    return sorted(found.items(), key=lambda pair: (-pair[1].count, pair[0]))


def biggest(done: Backtest, most: int = _MOST_ROWS) -> list[Answered]:
    """What would not have passed unasked, the largest first; what nobody knows the amount of before all."""

    def size(each: Answered) -> tuple[bool, int]:
        if each.asked.money is None:
            return each.asked.money_words == "unknown", 0
        sums = Sums(money={each.asked.money.currency: each.asked.money.amount})
        amount, without = converted(sums, done.policy, each.date)
        return bool(without), amount

    stopped = [each for each in done.answers if each.answer in (Answer.ASK, Answer.BLOCK)]
    return sorted(stopped, key=size, reverse=True)[:most]


def _by(done: Backtest) -> list[str]:
    rows = [(text(name), f"{sums.count:,}", text(money_words(sums))) for name, sums in reasons(done)]
    if not rows:
        return []
    return [
        "<section><h2>What would have asked or blocked</h2>",
        table(("by", "requests", "money"), rows, right=(1,)),
        "</section>",
    ]


def _biggest(done: Backtest) -> list[str]:
    rows = [
        (
            text(each.date),
            text(each.asked.action),
            text(each.asked.object_id),
            text(each.asked.money_words),
            each.answer.words,
            text(", ".join(each.by)),
        )
        for each in biggest(done)
    ]
    if not rows:
        return []
    heads = ("day", "action", "object", "amount", "answer", "by")
    return ["<section><h2>The largest of them</h2>", table(heads, rows, right=(3,), whole=(0, 1, 3, 4)), "</section>"]


def _table_of_days(days: Sequence[Day]) -> list[str]:
    rows = [
        (
            day.date,
            f"{day.questions}",
            *(text(money_words(day.by_answer[answer])) for answer in (Answer.ALLOW, Answer.ASK)),
        )
        for day in days
        if day.count
    ]
    listing = table(("day", "questions", "allowed", "asked about"), rows, right=(1,), whole=(0,))
    return [f"<details><summary>All days as a table</summary>{listing}</details>"]


def _left(left: Sequence[str]) -> list[str]:
    said = "".join(f"<li>{text(each)}</li>" for each in (*left, *NOT_READ))
    return [f'<section><h2>Left out</h2><ul class="second small">{said}</ul></section>']


#: What no list of Stripe's tells, or what is not looked at.
NOT_READ: Final = (
    "account credit given to customers one by one: Stripe has no list of it over all customers",
    "what reads, prices, coupons, invoices and settings were changed: they move no money by themselves",
    "what was tried and refused: only what happened leaves an object behind",
)


def table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[int] = (), whole: Sequence[int] = ()
) -> str:
    """A table of cells that are HTML already."""

    def styled(number: int) -> str:
        names = [name for name, numbers in (("right", right), ("whole", whole)) if number in numbers]
        return f' class="{" ".join(names)}"' if names else ""

    head = "".join(f"<th{styled(number)}>{escape(each)}</th>" for number, each in enumerate(heads))
    body = "".join(
        "<tr>" + "".join(f"<td{styled(number)}>{cell}</td>" for number, cell in enumerate(row)) + "</tr>"
        for row in rows
    )
    wide = ' class="wide"' if len(heads) > 4 else ""
    return f'<div class="scroll"><table{wide}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
