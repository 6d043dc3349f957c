"""The questions before a vote, asked at the foot of the screen while the card stays above: who, words for the agent,
passphrase. What is typed as a passphrase is never shown and kept no longer than the vote takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from runplane_mcp.core.approval import Answer
from runplane_mcp.core.card import Card
from runplane_mcp.core.grouping import CardGroup

_LONGEST: Final = 1_024


class Step(Enum):
    WHO = "who"
    NOTE = "note"
    SECRET = "secret"  # noqa: S105 - the name of a question


@dataclass(frozen=True, slots=True)
class Vote:
    """A vote as it was given: on exactly the card that was on the screen. A group has only a no. ValueError for a yes."""

    card: Card | CardGroup
    answer: Answer
    person: str
    secret: str = field(repr=False)
    note: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.card, CardGroup) and self.answer is not Answer.NO:
            raise ValueError("a group is never approved")


class Prompt:
    """One vote being given. `voter` is known from the start or asked for."""

    def __init__(self, card: Card | CardGroup, answer: Answer, voter: str | None, offered: str | None) -> None:
        self.card = card
        self.answer = answer
        #: Nothing comes of it any more: keys are swallowed until the person has noticed.
        self.void = False
        self._offered = offered or ""
        self._voter = voter
        self._note: str | None = None
        self._typed = ""
        self._left = [Step.SECRET] if answer is Answer.YES else [Step.NOTE, Step.SECRET]
        if voter is None:
            self._left.insert(0, Step.WHO)

    @classmethod
    def again(cls, vote: Vote) -> Prompt:
        """The last question of a vote once more: its secret was mistyped."""
        prompt = cls(vote.card, vote.answer, vote.person, None)
        prompt._note = vote.note
        prompt._left = [Step.SECRET]
        return prompt

    @property
    def step(self) -> Step:
        return self._left[0]

    @property
    def question(self) -> str:
        match self.step:
            case Step.WHO:
                return f"Your name{f' [{self._offered}]' if self._offered else ''}: "
            case Step.NOTE:
                return "Words to the agent (may be left empty): "
            case Step.SECRET:
                return f"Secret of {self._voter} (not shown): "

    @property
    def shown(self) -> str:
        """What was typed, where it may be seen."""
        return "" if self.step is Step.SECRET else self._typed

    def press(self, key: str) -> Vote | None:
        """One key; the vote when that was the last of it."""
        if self.void:
            self._typed = ""
            return None
        match key:
            case "backspace":
                self._typed = self._typed[:-1]
            case "erase":
                self._typed = ""
            case "enter":
                return self._answered()
            case _ if len(key) == 1 and len(self._typed) < _LONGEST:
                self._typed += key
            case _:
                pass
        return None

    def _answered(self) -> Vote | None:
        typed, self._typed = self._typed, ""
        match self.step:
            case Step.WHO:
                self._voter = typed.strip() or self._offered or None
                if self._voter is None:
                    return None
            case Step.NOTE:
                self._note = typed.strip() or None
            case Step.SECRET:
                if not typed or self._voter is None:
                    return None
                return Vote(self.card, self.answer, self._voter, typed, self._note)
        self._left.pop(0)
        return None
