"""The largest sum under upper bounds, exact: the simplex method over fractions."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

_ZERO = Fraction(0)


def maximum(gains: Sequence[Fraction], rows: Sequence[tuple[Sequence[Fraction], Fraction]]) -> list[Fraction] | None:
    """The x ≥ 0 with the largest Σ gains·x, where Σ coefficients·x ≤ bound for each of `rows`; None where there is no
    largest. Bounds are not negative, so that 0 is a start. Bland's rule: it always ends.
    """
    count = len(gains)
    table = [
        [*coefficients, *(Fraction(place == row) for place in range(len(rows))), bound]
        for row, (coefficients, bound) in enumerate(rows)
    ]
    costs = [-gain for gain in gains] + [_ZERO] * (len(rows) + 1)
    basis = [count + row for row in range(len(rows))]
    while (entering := next((place for place, cost in enumerate(costs[:-1]) if cost < 0), None)) is not None:
        ratios = [(line[-1] / line[entering], basis[row], row) for row, line in enumerate(table) if line[entering] > 0]
        if not ratios:
            return None
        leaving = min(ratios)[2]
        pivot = table[leaving][entering]
        table[leaving] = [value / pivot if value else value for value in table[leaving]]
        for line in [*(line for row, line in enumerate(table) if row != leaving), costs]:
            _eliminate(line, table[leaving], entering)
        basis[leaving] = entering
    solution = [_ZERO] * count
    for row, place in enumerate(basis):
        if place < count:
            solution[place] = table[row][-1]
    return solution


def _eliminate(line: list[Fraction], pivot: Sequence[Fraction], entering: int) -> None:
    factor = line[entering]
    if factor:
        for place, value in enumerate(pivot):
            if value:
                line[place] -= factor * value
