"""Nodes of a policy file to values, with a problem instead of an exception for each mistake."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

from runplane_mcp.core.money import CURRENCIES
from runplane_mcp.core.policy import misplaced
from runplane_mcp.core.policy.document import Entries, Items, Node, Place, Scalar
from runplane_mcp.core.policy.meant import currency, outcome, probably
from runplane_mcp.core.policy.problems import Problems, shown

T = TypeVar("T")


class NodeReader:
    """What the readers of conditions, rules and tests have in common."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems

    def add(self, place: Place, code: str, message: str) -> None:
        self.problems.add(place, code, message)

    def entries(
        self, node: Node, what: str, allowed: Collection[str], required: Collection[str] = ()
    ) -> dict[str, Node] | None:
        """The entries of a mapping by key, without those that are not allowed here. None where it is no mapping."""
        if not isinstance(node, Entries):
            found = "empty" if isinstance(node, Scalar) and node.empty else "not a mapping"
            self.add(node.place, "type", f"{what} is {found}. Write keys and values: {', '.join(allowed)}.")
            return None
        result: dict[str, Node] = {}
        meant: set[str] = set()
        for key, value in node.entries:
            if key.text not in allowed:
                meant.add(self._unknown_key(key, what, allowed))
            elif key.text in result:
                self.add(key.place, "duplicate_key", f"{shown(key.text)} stands twice in {what}: keep one.")
            else:
                result[key.text] = value
        for name in required:
            if name not in meant and not any(key.text == name for key, _ in node.entries):
                self.add(node.place, "missing", f"{what} has no `{name}`: add it.")
        return result

    def _unknown_key(self, key: Scalar, what: str, allowed: Collection[str]) -> str:
        """Says where the key belongs or what it is called; returns the key that was meant, or nothing. What is meant to be
        there is not told to be missing too."""
        near = misplaced.near(key.text, allowed)
        hint = misplaced.belongs(key.text, what)
        if near is not None and (hint is None or near == key.text.lower()):
            hint = f"Did you mean {near}?"
        if hint is None:
            self.problems.add_unknown(key.place, "unknown_key", key.text, f"a key of {what}", allowed)
            return ""
        self.add(key.place, "unknown_key", f"{shown(key.text)} is not a key of {what}. {hint}")
        return near or ""

    def elements(self, node: Node, what: str, most: int) -> tuple[Node, ...]:
        """The elements of a list that may not be empty."""
        if not isinstance(node, Items):
            dash = isinstance(node, Entries) and any(key.text.startswith("-") for key, _ in node.entries)
            how = "Put a blank behind the dash: `- `" if dash else "Start each element with `- `"
            self.add(node.place, "type", f"{what} is not a list. {how}.")
            return ()
        if not node.items:
            self.add(node.place, "empty", f"{what} is an empty list: write something in it, or remove the key.")
        if len(node.items) > most:
            self.add(node.place, "value", f"{what} has {len(node.items)} elements; {most} is the most.")
            return ()
        return node.items

    def one(self, node: Node, what: str, parse: Callable[[str], T]) -> T | None:
        """One scalar through `parse`, whose ValueError says what to write."""
        if not isinstance(node, Scalar):
            self.add(node.place, "type", f"{what} takes one plain value here.")
            return None
        if node.empty:
            self.add(node.place, "empty", f"{what} has no value: write one, or remove the key.")
            return None
        try:
            return parse(node.text)
        except ValueError as error:
            self.add(node.place, "value", f"{what} is {shown(node.text)}: {error}.")
            return None

    def option(self, found: Mapping[str, Node], name: str, *options: str) -> str | None:
        """One of `options` under the key `name`, None where the key is missing or wrong."""
        return self.one(found[name], name, choice(*map(str, options))) if name in found else None

    def currency_of(self, node: Scalar, what: str) -> str | None:
        """A currency of Stripe in small letters."""
        code = node.text.lower()
        if code in CURRENCIES:
            return code
        guess = currency(node.text)
        if guess is None:
            self.problems.add_unknown(node.place, "value", node.text, what, CURRENCIES)
        else:
            self.add(node.place, "value", f"{shown(node.text)} is not {what}. Did you mean {guess}?")
        return None

    def several(self, node: Node, what: str) -> tuple[Scalar, ...]:
        """The scalars of one value or of a list of them. Empty where there was a problem."""
        if isinstance(node, Scalar):
            if not node.empty:
                return (node,)
            self.add(node.place, "empty", f"{what} has no value: write one, or remove the line.")
            return ()
        if isinstance(node, Items):
            if not node.items:
                self.add(node.place, "empty", f"The list of {what} is empty: write something in it.")
            scalars = tuple(each for each in node.items if isinstance(each, Scalar) and not each.empty)
            if len(scalars) == len(node.items):
                return scalars
        self.add(node.place, "type", f"{what} takes plain values here.")
        return ()


def choice(*options: str) -> Callable[[str], str]:
    """Reads one of `options`."""
    how = f"write one of {', '.join(options)}" if len(options) > 1 else f"write {options[0]}"

    def parse(text: str) -> str:
        if text not in options:
            guess = outcome(text)
            raise ValueError(probably(how, guess if guess in options else misplaced.near(text, options)))
        return text

    return parse
