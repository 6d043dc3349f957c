"""The screen as it is drawn, for any width from forty columns on. All foreign text goes through `visible`, and what is too
long for its line ends in an ellipsis: nothing can push anything else out of its place."""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.text import Text

from runplane_mcp.cli.card import card_view
from runplane_mcp.cli.groups import group_view
from runplane_mcp.cli.output import RISK_STYLES, STATE_STYLES, money, span
from runplane_mcp.cli.scheduled import digest_line, runs_in
from runplane_mcp.cli.watch.board import Board, Moved
from runplane_mcp.cli.watch.draw_group import group_lines
from runplane_mcp.cli.watch.entries import entries, key_of
from runplane_mcp.cli.watch.model import Screen
from runplane_mcp.core.approval import Answer
from runplane_mcp.core.card import Card
from runplane_mcp.core.grouping import CardGroup
from runplane_mcp.core.text import label, visible
from runplane_mcp.gate.stopping import upcoming

#: Below this width what does not fit on one line is told on two.
_NARROW = 72
#: So many of the ended ones are shown at most.
_MOST_MOVED = 5
_LONGEST = 300

_LIST_KEYS = "↑↓ choose · enter look · q quit"
_HALT_KEYS = " · s stop · S stop all"
_WITHIN_KEYS = "↑↓ choose · enter look · b back to the group · q quit"
_GROUP_KEYS = "d deny all · f freeze the agent · enter look through · b back"
_STOP_KEYS = "enter freezes · esc does not"
_CARD_KEYS = "a approve · d deny · i details · b back"
_PROMPT_KEYS = "enter goes on · esc gives no vote"

Line = Text | list[Segment]


class Drawing:
    """The screen at this moment; measures the card as it goes."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, height = options.max_width, options.height or console.height
        for number, line in enumerate(lines(self._screen, console, width, height)):
            if number:
                yield Segment.line()
            if isinstance(line, Text):
                line.end = ""
                yield line
            else:
                yield from line


def lines(screen: Screen, console: Console, width: int, height: int) -> list[Line]:
    """Exactly `height` lines."""
    foot = _foot(screen, console, width)
    head = [_head(screen)]
    room = max(height - len(head) - len(foot), 1)
    up = screen.card is not None or screen.group is not None
    body = _card(screen, console, width, room) if up else _list(screen, console, width, room)
    body += [Text("")] * (room - len(body))
    return [*head, *body[:room], *foot][:height]


def _head(screen: Screen) -> Text:
    board = screen.board
    if board is None:
        return _line("Runplane", style="bold reverse")
    waiting = len(board.waiting)
    line = _line(
        f" {waiting:,} wait{'s' if waiting == 1 else ''} for people " if waiting else " Nothing waits for people "
    )
    line.stylize("bold reverse")
    if board.scheduled:
        line.append(f"  {digest_line(upcoming(board.scheduled), board.now)}", style="cyan")
    if not board.gates:
        line.append("  no gate runs: what is approved runs when one does", style="yellow")
    return line


# ── the list ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _list(screen: Screen, console: Console, width: int, room: int) -> list[Line]:
    board = screen.board
    if board is None:
        return [_line("Looking …", style="dim")]
    block = 5 if width < _NARROW else 3
    listed = entries(board, screen.within)
    moved = _moved(board, room - min(len(listed), 2) * block)
    fitting = max((room - len(moved)) // block, 1)
    ids = [key_of(entry) for entry in listed]
    at = ids.index(screen.chosen) if screen.chosen in ids else 0
    first = min(max(at - fitting // 2, 0), max(len(ids) - fitting, 0))
    shown: list[Line] = []
    for entry in listed[first : first + fitting]:
        if isinstance(entry, CardGroup):
            shown.extend(group_lines(entry, screen, narrow=width < _NARROW))
            continue
        shown.append(_title(entry, screen))
        shown.extend(_narrow(entry, board, console, width) if width < _NARROW else _wide(entry, board))
    gap: list[Line] = [Text("")] * max(room - len(shown) - len(moved), 0)
    return [*shown, *gap, *moved]


def _title(card: Card, screen: Screen) -> Text:
    chosen = card.request_id == screen.chosen
    line = _line("▸ " if chosen else "  ", style="bold cyan")
    line.append(card.reference, style="bold reverse" if chosen else "bold")
    if card.request_id in screen.fresh:
        line.append(" NEW", style="bold green")
    if card.round > 1:
        line.append(f" round {card.round}", style="yellow")
    line.append(f"  {money(card.amount, card.currency)}", style="bold")
    line.append(f"  {card.risk_level}", style=RISK_STYLES.get(card.risk_level, ""))
    if card.release_at is not None:
        line.append("  SCHEDULED", style="cyan")
    if card.frozen:
        line.append("  FROZEN", style="bold red")
    if card.simulator:
        line.append("  simulator", style="magenta")
    return line


def _wide(card: Card, board: Board) -> list[Line]:
    who = f"    {_asked(card, board)} · {_ends(card, board)} · {_needs(card)}"
    return [_line("    " + visible(card.headline, _LONGEST)), _line(who, style="dim")]


def _narrow(card: Card, board: Board, console: Console, width: int) -> list[Line]:
    """The same on four lines."""
    indent = "  "
    what = _wrapped(visible(card.headline, _LONGEST), "", console, width - len(indent))[:2]
    folded: list[Line] = [_line(indent + each.plain) for each in what if isinstance(each, Text)]
    folded += [Text("")] * (2 - len(folded))
    return [
        *folded,
        _line(indent + _asked(card, board), style="dim"),
        _line(f"{indent}{_ends(card, board)} · {_needs(card)}", style="dim"),
    ]


def _asked(card: Card, board: Board) -> str:
    return f"{label(card.agent, 40)} · {span(board.now - card.created_at)} ago"


def _ends(card: Card, board: Board) -> str:
    if card.release_at is not None:
        return f"runs {runs_in(card.release_at, board.now)}"
    return "never ends" if card.expires_at is None else f"ends in {span(card.expires_at - board.now)}"


def _needs(card: Card) -> str:
    if card.release_at is not None:
        return "nobody is asked"
    needs = " and ".join(visible(need, 60) for need in card.needs)
    return f"needs {needs}" + (f", {card.needed} more" if card.votes else "")


def _moved(board: Board, room: int) -> list[Line]:
    """The newest of what ended or moved on, as far as there is room beside what waits."""
    count = min(len(board.moved), _MOST_MOVED, max(room - 1, 0))
    if count <= 0:
        return []
    return [_line("Just ended or moving", style="bold"), *(_ended(each, board) for each in board.moved[:count])]


def _ended(each: Moved, board: Board) -> Line:
    line = _line("  ")
    line.append(each.reference)
    line.append(f"  {each.status.replace('_', ' ')}", style=STATE_STYLES.get(each.status, ""))
    if each.amount is not None:
        line.append(f"  {money(each.amount, each.currency)}")
    line.append(f"  {visible(each.action, 40)} · {label(each.agent, 40)} · {span(board.at - each.at)} ago", style="dim")
    return line


# ── the card ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _card(screen: Screen, console: Console, width: int, room: int) -> list[Line]:
    group, card = screen.group, screen.card
    if group is not None:
        view = group_view(group.group, ways=False)
    elif card is not None:
        view = card_view(card, details=screen.details)
    else:
        return []
    banner: list[Line] = []
    if screen.stale is not None:
        banner = _wrapped(f"! {screen.stale}", "bold red reverse", console, width)
    elif group is not None and group.words():
        banner = _wrapped(f"! {group.words()}", "bold yellow", console, width)
    options = console.options.update(width=width, height=None)
    drawn = console.render_lines(view, options, pad=False)
    left = max(room - len(banner) - 1, 1)
    screen.measured(len(drawn), left)
    top = screen.top
    end = min(top + left, len(drawn))
    more = f"lines {top + 1}-{end} of {len(drawn)}: ↑↓ space" if len(drawn) > left else ""
    body: list[Line] = [*drawn[top:end]]
    body += [Text("")] * (left - len(body))
    return [*banner, *body, _line(more, style="dim")]


# ── the foot ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _foot(screen: Screen, console: Console, width: int) -> list[Line]:
    prompt = screen.prompt
    if prompt is not None and prompt.void:
        return [
            *_wrapped(f"No vote is given: {screen.stale or 'it has changed.'}", "bold red", console, width),
            _line("enter goes back to the card", style="dim"),
        ]
    if prompt is not None:
        word = "APPROVE" if prompt.answer is Answer.YES else "DENY"
        about = f"{word} {prompt.card.reference}, fingerprint {prompt.card.fingerprint}"
        asked = _tail(f"{prompt.question}{visible(prompt.shown, _LONGEST)}▏", width)
        unread = f"{screen.unread} lines of this card were not on the screen yet." if screen.unread else ""
        return [
            *(_message(screen, console, width) if screen.message else []),
            *([_line(unread, style="yellow")] if unread else []),
            *_wrapped(about, "bold green" if prompt.answer is Answer.YES else "bold red", console, width),
            _line(asked, style="bold"),
            _line(_PROMPT_KEYS, style="dim"),
        ]
    message = (
        _wrapped(visible(screen.message, _LONGEST), screen.message_style, console, width) if screen.message else []
    )
    if screen.stopping and screen.group is not None:
        about = f"FREEZE {label(screen.group.group.agent)}: nothing of it runs until an administrator lifts it."
        return [*message, *_wrapped(about, "bold red", console, width), _line(_STOP_KEYS, style="bold")]
    return [*message, _line(_keys(screen) + _halts(screen), style="dim")]


def _keys(screen: Screen) -> str:
    if screen.card is not None:
        return _CARD_KEYS
    if screen.group is not None:
        return _GROUP_KEYS
    return _LIST_KEYS if screen.within is None else _WITHIN_KEYS


def _halts(screen: Screen) -> str:
    """The keys that stop what runs by itself, where there is any."""
    return _HALT_KEYS if screen.board is not None and screen.board.scheduled else ""


def _message(screen: Screen, console: Console, width: int) -> list[Line]:
    return _wrapped(visible(screen.message, _LONGEST), screen.message_style, console, width)


def _tail(text: str, width: int) -> str:
    """The end of what is typed stays in sight."""
    return text if len(text) <= width else "…" + text[-(width - 1) :]


def _line(text: str, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _wrapped(text: str, style: str, console: Console, width: int) -> list[Line]:
    return [*Text(text, style=style).wrap(console, width)]
