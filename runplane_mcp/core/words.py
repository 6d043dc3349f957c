"""Words without their endings, and what people say for what Stripe calls otherwise."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_IGNORED: Final = frozenset(
    "a an and any are as at be by can could do does for from has he her him his i in into is it its me my of on one or our "
    "please she should so some stripe that the their them then there these they this to us want was we will with would "
    "you your need using via api v1 v2".split()
)
#: Words that only mean something together with others.
FILLING: Final = frozenset(
    "how much many have money back up off out goes more way thing now today when where if not no".split()
)


@dataclass(frozen=True, slots=True)
class Saying:
    """`words` that, said together in any order, mean one of `means`, the likeliest first."""

    words: frozenset[str]
    means: tuple[str, ...]


@cache
def sayings() -> tuple[Saying, ...]:
    """What people say, longer sayings first."""
    rows = json.loads(files("runplane_mcp.core").joinpath("data", "synonyms.json").read_text(encoding="utf-8"))
    means: dict[frozenset[str], dict[str, None]] = {}
    for row in rows["synonyms"]:
        for said in row["say"]:
            means.setdefault(frozenset(words_of(said)), {}).update(dict.fromkeys(map(name_of, row["mean"])))
    found = [Saying(words, tuple(meant)) for words, meant in means.items() if words]
    return tuple(sorted(found, key=lambda saying: -len(saying.words)))


def words_of(text: str) -> list[str]:
    """The words of a text that tell something, without their endings."""
    return [
        stem(word)
        for word in (each.lower() for each in _WORD.findall(text))
        if word not in _IGNORED and not (word.isdigit() and len(word) == 1)
    ]


@lru_cache(maxsize=8192)
def name_of(name: str) -> str:
    """A name as a term: `customer_tax_ids.create` with each of its words without its ending."""
    return ".".join("_".join(stem(word) for word in part.split("_")) for part in name.lower().split("."))


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """A word without its usual endings, so that `cancellation`, `canceled` and `cancel` are one. No language is learned."""
    if len(word) <= 3:
        return word
    if word.endswith("ies"):
        word = word[:-3] + "y"
    elif word.endswith(("sses", "xes", "ches", "shes")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ation", "ing", "ed"):
        rest = word[: -len(ending)]
        if word.endswith(ending) and len(rest) >= 4 - (ending == "ed") and re.search("[aeiouy]", rest):
            word = rest[:-1] if rest[-1] == rest[-2] and rest[-1] not in "sz" else rest
            break
    return word[:-1] if word.endswith("e") and len(word) > 4 else word
