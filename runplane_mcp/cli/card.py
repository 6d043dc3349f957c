"""The card on a terminal, in the order that all channels keep: what will happen, to whom, the money, whether it can be
undone, why people are asked, what changed, what happened before, and last, fenced off, what nobody has checked.

Every text goes through `visible`, ours too: an id that an agent made up may stand inside a sentence of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from runplane_mcp.cli.output import RISK_STYLES, iso, moment
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.card import Card
from runplane_mcp.core.explain import value_words
from runplane_mcp.core.money import Money
from runplane_mcp.core.text import label, visible, visible_lines
from runplane_mcp.gate.records import fact_from_json

#: Longer than any sentence of ours, so that only a flooded one is cut.
_SENTENCE = 500
_QUOTED = 300
_PARAMETER = 400


@dataclass(frozen=True, slots=True)
class Hanging:
    """Text behind a prefix: `first` before its first line and `rest` before each other, however it wraps."""

    first: str
    rest: str
    text: Text
    style: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        style = console.get_style(self.style)
        width = max(options.max_width, 20) - len(self.first)
        for number, line in enumerate(self.text.wrap(console, width) or [Text("")]):
            line.rstrip()
            line.end = ""
            yield Segment(self.rest if number else self.first, style)
            yield line
            yield Segment.line()


@dataclass(frozen=True, slots=True)
class Fence:
    """Lines that nobody has checked: a label above, a bar before each line, a rule below. Whatever the text does, it
    stays behind the bar."""

    label: str
    lines: Sequence[Text]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Hanging("┌─ ", "│  ", Text(self.label, style="bold yellow"), style="yellow")
        for line in self.lines:
            yield Hanging("│ ", "│ ", line, style="yellow")
        yield Text("└" + "─" * min(options.max_width - 1, 40), style="yellow")


def card_view(card: Card, *, details: bool = False) -> RenderableType:
    """The card as it is printed. `details` adds factors, facts, preconditions, raw parameters and the full digest."""
    parts: list[RenderableType] = [_where(card), agent_line(card.agent)]
    parts.extend(bullets(card.warnings, mark="! ", style="bold yellow"))
    parts.append(Text(""))
    parts.append(Text(visible(card.headline, _SENTENCE), style="bold"))
    if card.to_whom is not None:
        parts.append(Text(f"To {visible(card.to_whom, _SENTENCE)}"))
    if card.money_lines:
        parts.append(Padding(pairs_table(card.money_lines, right=True), (0, 0, 0, 2), expand=False))
    parts.extend(section("Can it be undone?", [card.undo]))
    parts.extend(section("Why you are asked" if card.release_at is None else "Why it waits", card.why))
    parts.extend(_standing(card))
    parts.extend(section("What changed since people last looked", card.changed))
    parts.extend(section("This agent's day and this customer's history", card.history))
    parts.extend(section("Earlier denials", card.denials, style="red"))
    parts.append(Text(""))
    parts.extend(_fences(card))
    if details:
        parts.extend(_details(card))
    parts.append(Text(""))
    parts.append(Text.assemble("Fingerprint  ", (card.fingerprint, "bold cyan")))
    if card.expires_at is not None:
        parts.append(Text(_end(card)))
    return Group(*parts)


def card_json(card: Card) -> dict[str, Json]:
    """The card for programs. `amount` is minor units, `risk` the level, times are ISO in UTC."""
    return {
        "request_id": card.request_id,
        "reference": card.reference,
        "status": card.status,
        "frozen": card.frozen,
        "action": card.action,
        "operation": card.operation_id,
        "amount": card.amount,
        "currency": card.currency,
        "customer": card.customer,
        "agent": card.agent,
        "risk": card.risk_level,
        "risk_score": card.risk,
        "digest": card.digest,
        "fingerprint": card.fingerprint,
        "round": card.round,
        "replaces": card.replaces,
        "created_at": iso(card.created_at),
        "expires_at": iso(card.expires_at),
        "release_at": iso(card.release_at),
        "simulator": card.simulator,
        "mode": card.mode,
        "headline": card.headline,
        "to_whom": card.to_whom,
        "money": [{"label": what, "money": text} for what, text in card.money_lines],
        "undo": card.undo,
        "why": list(card.why),
        "needs": list(card.needs),
        "votes": [{"person": vote.person, "answer": vote.answer, "at": iso(vote.at)} for vote in card.votes],
        "needed": card.needed,
        "changed": list(card.changed),
        "history": list(card.history),
        "denials": list(card.denials),
        "warnings": list(card.warnings),
        "not_checked": {
            "justification": card.justification,
            "ticket": card.ticket,
            "quoted": [{"label": what, "text": text} for what, text in card.quoted],
        },
        "risk_factors": list(card.risk_factors),
        "preconditions": list(card.preconditions),
        "method": card.method,
        "url": card.url,
        "parameters": [{"name": name, "value": value} for name, value in card.parameters],
        "facts": dict(card.facts),
        "policy_version": card.policy_version,
    }


def fact_text(value: Json) -> str:
    """A recorded fact as people read it; money in both readings."""
    fact = fact_from_json(value)
    return f"{fact} ({fact.amount})" if isinstance(fact, Money) else value_words(fact)


def _where(card: Card) -> Text:
    """The first line: which request, what it is at, whose money, and what this way of running can promise."""
    line = Text(card.reference, style="bold")
    line.append(f"  {card.status}", style="yellow")
    line.append(" · simulator" if card.simulator else " · Stripe", style="bold magenta")
    line.append(f" · {visible(card.mode, 20)} mode · {visible(card.action, 60)} · risk ")
    line.append(card.risk_level, style=RISK_STYLES.get(card.risk_level, ""))
    if card.round > 1:
        line.append(f" · round {card.round}")
    return line


def agent_line(agent: str) -> Hanging:
    """Who asks, in a line of its own and never at the start of one: the label is whatever the agent calls itself."""
    return Hanging("Agent ", "      ", Text(label(agent)))


def _end(card: Card) -> str:
    if card.release_at is not None:
        # It may well be over a little later: a gate looks every few seconds, and a freeze can hold it.
        return f"Runs         {moment(card.release_at)}, if the policy still allows it then"
    return f"Expires      {moment(card.expires_at)}; no answer by then means no"


def _standing(card: Card) -> list[RenderableType]:
    if card.release_at is not None:
        return bullets(["Nobody is asked. It runs by itself, unless it is stopped."], mark="  - ", style="bold")
    missing = "nobody more" if card.needed == 0 else f"{card.needed} more"
    needs = " and ".join(visible(need) for need in card.needs)
    lines = [f"Needs a yes from {needs}: {missing} to go."]
    lines.extend(
        f"{visible(vote.person, 64)} said {visible(vote.answer, 10)} on {moment(vote.at)}." for vote in card.votes
    )
    return bullets(lines, mark="  - ", style="")


def agents_words(justification: str | None, ticket: str | None) -> list[Text]:
    """What the agent says for itself, for behind a fence; none if it says nothing."""
    words: list[Text] = []
    if justification is not None:
        words.extend(Text(line) for line in visible_lines(justification, hint=True))
    if ticket is not None:
        words.append(Text(f"ticket: “{visible(ticket, hint=True)}”"))
    return words


def _fences(card: Card) -> list[RenderableType]:
    words = agents_words(card.justification, card.ticket) or [Text("(the agent gave no reason)", style="dim")]
    fences: list[RenderableType] = [Fence(f"NOT CHECKED: the words of the agent {label(card.agent)}", words)]
    if card.quoted:
        quoted = [Text(f"{visible(what, 60)}: “{visible(text, _QUOTED, hint=True)}”") for what, text in card.quoted]
        fences.append(Fence("NOT CHECKED: texts in Stripe that anybody may have written", quoted))
    return fences


def _details(card: Card) -> list[RenderableType]:
    facts = [(name, fact_text(value)) for name, value in card.facts.items()]
    parts: list[RenderableType] = []
    parts.extend(section(f"Risk {card.risk} of 100, {card.risk_level}", card.risk_factors or ("no factors",)))
    parts.append(Text("\nFacts", style="bold"))
    parts.append(Padding(pairs_table(facts), (0, 0, 0, 2), expand=False))
    parts.extend(section("Must still hold when it runs", card.preconditions or ("nothing",)))
    parts.append(Text(f"\nWhat is sent  {card.operation_id}", style="bold"))
    parts.append(sent_view(card.method, card.url, card.parameters))
    about = [
        ("Request", card.request_id),
        ("Asked", moment(card.created_at)),
        ("Policy", card.policy_version),
        ("Digest", card.digest),
    ]
    parts.append(Text(""))
    parts.append(pairs_table(about))
    return parts


def sent_view(method: str, url: str, parameters: Iterable[tuple[str, str]]) -> Fence:
    """A wire request. What runs is exactly this, but any text in it is whatever its author wanted: metadata that says it
    was approved is no approval."""
    lines = [Text(f"{visible(name, 100)} = {visible(value, _PARAMETER, hint=True)}") for name, value in parameters]
    return Fence("NOT CHECKED: texts among the parameters", [Text(f"{method} {visible(url, _PARAMETER)}"), *lines])


def section(title: str, sentences: Sequence[str], *, style: str = "") -> list[RenderableType]:
    if not sentences:
        return []
    return [Text(""), Text(title, style="bold"), *bullets(sentences, mark="  - ", style=style)]


def bullets(sentences: Iterable[str], *, mark: str, style: str) -> list[RenderableType]:
    return [
        Hanging(mark, " " * len(mark), Text(visible(sentence, _SENTENCE), style=style), style=style)
        for sentence in sentences
    ]


def pairs_table(pairs: Iterable[tuple[str, str]], *, right: bool = False) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(overflow="fold")
    table.add_column(overflow="fold", justify="right" if right else "left")
    for name, value in pairs:
        table.add_row(Text(visible(name, 60)), Text(visible(value, _PARAMETER)))
    return table
