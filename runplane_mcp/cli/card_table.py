"""Cards as the lines of a listing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from runplane_mcp.core.card import Card
from runplane_mcp.core.text import label

if TYPE_CHECKING:
    from rich.table import Table

    from runplane_mcp.cli.output import Column


def card_table(cards: Iterable[Card], last: Column, told: Callable[[Card], str]) -> Table:
    """A line each; `told` is what stands in the last column."""
    from runplane_mcp.cli.output import RISK_STYLES, Column, money, table

    columns = [
        Column("REQUEST", whole=True),
        Column("ACTION", whole=True),
        Column("AMOUNT", right=True, whole=True),
        Column("RISK", whole=True, styles=RISK_STYLES),
        Column("AGENT"),
        last,
    ]
    rows = [
        (each.reference, each.action, money(each.amount, each.currency), each.risk_level, label(each.agent), told(each))
        for each in cards
    ]
    return table(columns, rows)
