"""Figures, the machine they were taken on, and how both are shown."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from math import ceil
from pathlib import Path

from rich.console import Console
from rich.table import Table

#: File systems that keep everything in memory: a commit there costs nothing, and is worth nothing.
IN_MEMORY = frozenset({"tmpfs", "ramfs"})
#: How wide the table is where no terminal says how wide it may be.
WIDTH = 120


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that was measured `n` times. `best`, `p50` and `p99` are in `unit`; `p99` is None where `n` is too small
    to tell one hundredth from a stray, and for what follows from other figures. On a machine that others use too, trust
    `best`. What was counted once has `best` equal to `p50`."""

    group: str
    name: str
    unit: str
    n: int
    best: float
    p50: float
    p99: float | None


@dataclass(frozen=True, slots=True)
class Aim:
    """What we want of the median of a figure: to be under `below`, in the figure's unit."""

    name: str
    below: float
    figure: Figure

    @property
    def met(self) -> bool:
        return self.figure.p50 < self.below


@dataclass(slots=True)
class Results:
    """All of one run."""

    machine: dict[str, str]
    figures: list[Figure] = field(default_factory=list)
    aims: list[Aim] = field(default_factory=list)

    def took(self, group: str, name: str, seconds: Sequence[float], *, unit: str = "ms") -> Figure:
        """Adds durations, given in seconds, in `unit`: s, ms or µs."""
        factor = {"s": 1.0, "ms": 1e3, "µs": 1e6}[unit]
        return self.measured(group, name, [each * factor for each in seconds], unit)

    def measured(self, group: str, name: str, values: Sequence[float], unit: str) -> Figure:
        """Adds values that are in `unit` already."""
        ordered = sorted(values)
        figure = Figure(
            group=group,
            name=name,
            unit=unit,
            n=len(ordered),
            best=ordered[0],
            p50=percentile(ordered, 50),
            p99=percentile(ordered, 99) if len(ordered) >= 100 else None,
        )
        self.figures.append(figure)
        return figure

    def difference(self, name: str, more: Figure, less: Figure) -> Figure:
        """Adds what one figure of this run has over another: best less best, median less median."""
        return self._derived(name, more, more.unit, more.best - less.best, more.p50 - less.p50)

    def ratio(self, name: str, above: Figure, below: Figure) -> Figure:
        """Adds how many times the one is the other."""
        return self._derived(name, above, "×", above.best / below.best, above.p50 / below.p50)

    def counted(self, group: str, name: str, value: float, unit: str, n: int) -> None:
        """Adds what is known of all `n` together and of none alone."""
        self.figures.append(Figure(group, name, unit, n, value, value, None))

    def _derived(self, name: str, of: Figure, unit: str, best: float, p50: float) -> Figure:
        figure = Figure(of.group, name, unit, of.n, best, p50, None)
        self.figures.append(figure)
        return figure

    def as_json(self) -> dict[str, object]:
        return {
            "machine": self.machine,
            "figures": [_rounded(asdict(figure)) for figure in self.figures],
            "aims": [
                {"name": aim.name, "below": aim.below, "unit": aim.figure.unit, "p50": aim.figure.p50, "met": aim.met}
                for aim in self.aims
            ],
        }


def _rounded(fields: dict[str, object]) -> dict[str, object]:
    """Without the digits that mean nothing."""
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in fields.items()}


def percentile(ordered: Sequence[float], percent: int) -> float:
    """The nearest rank: the smallest value that is no smaller than `percent` of all."""
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)]


def machine(folder: Path) -> dict[str, str]:
    """What the figures depend on. It names no host and no path."""
    load = os.getloadavg()[0]
    return {
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "system": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "sqlite": sqlite3.sqlite_version,
        "file system": file_system(folder),
        "load before": f"{load:.2f}" + (" (other programs were running)" if load > 0.5 else ""),
    }


def file_system(folder: Path) -> str:
    """The kind of file system that `folder` lies on, `unknown` where the system does not tell."""
    try:
        lines = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown"
    where = folder.resolve()
    best, kind = -1, "unknown"
    for line in lines:
        _, mounted, named = line.split()[:3]
        if where.is_relative_to(mounted) and len(mounted) >= best:
            best, kind = len(mounted), named
    return kind


def show(results: Results) -> None:
    """The whole run as tables on stdout."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    console.print(" · ".join(f"{name}: {value}" for name, value in results.machine.items()), highlight=False)
    for group in dict.fromkeys(figure.group for figure in results.figures):
        listing = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", title_justify="left")
        listing.add_column(group, min_width=68)
        for title in ("n", "best", "p50", "p99", "unit"):
            listing.add_column(title, justify="left" if title == "unit" else "right", min_width=6)
        for figure in results.figures:
            if figure.group == group:
                listing.add_row(
                    figure.name,
                    str(figure.n),
                    number(figure.best),
                    number(figure.p50),
                    "" if figure.p99 is None else number(figure.p99),
                    figure.unit,
                )
        console.print()
        console.print(listing)
    console.print()
    for aim in results.aims:
        said, got = "met" if aim.met else "missed", aim.figure
        console.print(
            f"aim {said}: {aim.name}, p50 under {number(aim.below)} {got.unit}; this run {number(got.p50)}, at best "
            f"{number(got.best)}",
            highlight=False,
        )


def number(value: float) -> str:
    """Three digits that count, and never an exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
