"""A group in the list of the screen: in as many lines as a card."""

from __future__ import annotations

from rich.text import Text

from runplane_mcp.cli.groups import cause, facts, money_words
from runplane_mcp.cli.watch.model import Screen
from runplane_mcp.core.grouping import CardGroup
from runplane_mcp.core.text import label


def group_lines(group: CardGroup, screen: Screen, *, narrow: bool) -> list[Text]:
    """Five lines where it is narrow, else three; each ends in an ellipsis where it is too long."""
    chosen = group.handle == screen.chosen
    title = _line("▸ " if chosen else "  ", style="bold cyan")
    title.append(group.handle, style="bold reverse" if chosen else "bold")
    if any(card.request_id in screen.fresh for card in group.cards):
        title.append(" NEW", style="bold green")
    title.append(f"  {group.count} requests", style="bold yellow")
    if group.frozen == group.count:
        title.append("  FROZEN", style="bold red")
    if group.cards[0].simulator:
        title.append("  simulator", style="magenta")
    who = label(group.agent, 40)
    if narrow:
        told = (f"  {money_words(group)}", f"  {cause(group)}", f"  {who}", f"  {facts(group)}")
        return [title, *(_line(each) for each in told[:2]), *(_line(each, style="dim") for each in told[2:])]
    title.append(f"  {money_words(group)}", style="bold")
    return [title, _line(f"    {cause(group)}"), _line(f"    {who} · {facts(group)}", style="dim")]


def _line(text: str, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")
