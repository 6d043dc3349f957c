"""Plots as SVG of our own: bars over days, and points. No script, no fonts, no pictures from elsewhere; colours come from
the page's style, so that they follow light and dark. Values are ours; every text is escaped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH: Final = 960
_HEIGHT: Final = 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 104, 12, 12, 30
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
#: The widest that a bar gets, and what is left free between two.
_WIDEST: Final = 24.0
_GAP: Final = 2.0


@dataclass(frozen=True, slots=True)
class Series:
    """One colour of a plot: its name for people, its class in the style, one value for each day."""

    name: str
    style: str
    values: Sequence[int]


def bars(days: Sequence[str], series: Sequence[Series], *, words: Callable[[int], str], what: str) -> str:
    """Bars over `days`, the series stacked in their order. `words` says a value, `what` is the plot in a sentence."""
    totals = [sum(each.values[number] for each in series) for number in range(len(days))]
    ticks = nice_ticks(max(totals, default=0))
    top = ticks[-1]
    inner, floor = WIDTH - _LEFT - _RIGHT, _HEIGHT - _BOTTOM
    step = inner / max(len(days), 1)
    width = max(1.0, min(_WIDEST, step - _GAP))
    parts = [_open(_HEIGHT, what), *_grid(ticks, top, words)]
    for number, day in enumerate(days):
        x = _LEFT + number * step + (step - width) / 2
        told = "; ".join(f"{each.name} {words(each.values[number])}" for each in series)
        parts.append(f"<g><title>{escape(f'{day}: {told}')}</title>")
        # What the pointer finds is the whole day, however low its bar.
        parts.append(f'<rect class="hit" x="{x:.1f}" y="{_TOP}" width="{width:.1f}" height="{floor - _TOP}"/>')
        base = float(floor)
        shown = [each for each in series if each.values[number] > 0]
        for each in shown:
            height = (floor - _TOP) * each.values[number] / top
            parts.append(_bar(each.style, x, base, width, height, last=each is shown[-1]))
            base -= height
        parts.append("</g>")
    parts += _days(days, step)
    parts.append("</svg>")
    return "".join(parts)


def _bar(style: str, x: float, base: float, width: float, height: float, *, last: bool) -> str:
    """One part of a bar. A thin line of the ground parts it from the next one; only the end is round."""
    height = max(height - (0 if last else 1.5), 0.75)
    y = base - height
    round_ = min(3.0, width / 2, height) if last else 0.0
    if not round_:
        return f'<rect class="{style}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'
    path = (
        f"M{x:.1f} {base:.1f}V{y + round_:.1f}q0 {-round_:.1f} {round_:.1f} {-round_:.1f}"
        f"H{x + width - round_:.1f}q{round_:.1f} 0 {round_:.1f} {round_:.1f}V{base:.1f}Z"
    )
    return f'<path class="{style}" d="{path}"/>'


@dataclass(frozen=True, slots=True)
class Point:
    """One point; `label` is shown beside it where it is `marked`, and always when pointed at."""

    x: float
    y: int
    label: str
    marked: bool = False


def points(
    found: Sequence[Point], *, x_words: Callable[[float], str], y_words: Callable[[int], str], what: str, x_name: str
) -> str:
    """Points from zero on in both directions; the marked ones in the strong colour, with their label."""
    ticks_y = nice_ticks(max((each.y for each in found), default=0))
    ticks_x = nice_ticks(int(max((each.x for each in found), default=0)) + 1)
    floor, inner = _HEIGHT - _BOTTOM, WIDTH - _LEFT - _RIGHT - 20
    parts = [_open(_HEIGHT + 18, what), *_grid(ticks_y, ticks_y[-1], y_words)]

    def at(x: float) -> float:
        return _LEFT + inner * x / ticks_x[-1]

    for tick in ticks_x:
        parts.append(f'<text class="tick" x="{at(tick):.1f}" y="{floor + 18}" text-anchor="middle">{tick}</text>')
    parts.append(f'<text class="tick" x="{WIDTH - _RIGHT}" y="{floor + 36}" text-anchor="end">{escape(x_name)}</text>')
    for each in sorted(found, key=lambda point: point.marked):
        x, y = at(each.x), floor - (floor - _TOP) * each.y / ticks_y[-1]
        style = "asked" if each.marked else "quiet"
        title = escape(f"{each.label}: {x_words(each.x)}, {y_words(each.y)}")
        parts.append(
            f'<g><title>{title}</title><circle class="{style}" cx="{x:.1f}" cy="{y:.1f}" r="{6 if each.marked else 4}"/>'
        )
        if each.marked:
            end, beside = ("end", x - 11) if x > WIDTH * 0.7 else ("start", x + 11)
            over = y - 8 if y > _TOP + 14 else y + 18
            parts.append(
                f'<text class="label" x="{beside:.1f}" y="{over:.1f}" text-anchor="{end}">{escape(each.label)}</text>'
            )
        parts.append("</g>")
    parts.append("</svg>")
    return "".join(parts)


def nice_ticks(largest: int) -> list[int]:
    """Whole numbers from 0 to at least `largest`, four or five of them, that people would choose."""
    if largest <= 4:
        return list(range(max(largest, 1) + 1))
    power = 1
    while largest / power > 40:
        power *= 10
    step = next(each * power for each in (1, 2, 5, 10) if largest <= each * power * 4 or each == 10)
    count = -(-largest // step)
    return [number * step for number in range(count + 1)]


def _open(height: int, what: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(what)}">'


def _grid(ticks: Sequence[int], top: int, words: Callable[[int], str]) -> list[str]:
    floor = _HEIGHT - _BOTTOM
    parts = []
    for tick in ticks:
        y = floor - (floor - _TOP) * tick / top
        style = "axis" if tick == 0 else "grid"
        parts.append(f'<line class="{style}" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        label = escape(words(tick))
        parts.append(f'<text class="tick" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    return parts


def _days(days: Sequence[str], step: float) -> list[str]:
    """A day's name under every so many days."""
    every = max(1, -(-len(days) // 9))
    parts = []
    for number in range(0, len(days), every):
        x = _LEFT + (number + 0.5) * step
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{_HEIGHT - 10}" text-anchor="middle">{_short(days[number])}</text>'
        )
    return parts


def _short(day: str) -> str:
    """`2026-03-03` as `3 Mar`."""
    return f"{int(day[8:10])} {_MONTHS[int(day[5:7]) - 1]}"
