"""Finding operations: by what somebody says in everyday words, by words that they hold, or by a name.

Nothing is decided by a search. It only tells which operation somebody probably means; what it then does is judged by
its bytes like any other.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from functools import cached_property
from typing import Final, TypeAlias

from runplane_mcp.core.catalog import Catalog
from runplane_mcp.core.facts import GROUP_SENTENCES
from runplane_mcp.core.operation import Operation
from runplane_mcp.core.words import FILLING, name_of, sayings, stem, words_of

#: What is read of a question: more says nothing more.
MOST_QUESTION: Final = 300
MOST_WORDS: Final = 24
#: Misspelt words of one question that are looked for among all words, and how long one must be (characters).
_MOST_GUESSED: Final = 3
_SHORTEST_GUESSED: Final = 3
#: How like an id a name must be to be taken for a misspelt one.
_ALIKE: Final = 0.75

#: Which tools of ours can become an operation, by its id: their names are words for it, too.
Callers: TypeAlias = Callable[[str], Sequence[str]]

# How much a word tells, by where it stands.
_EXACT, _TOOL, _ACTION, _OTHER_ACTION, _RESOURCE, _VERB = 12.0, 6.0, 5.0, 3.2, 3.0, 2.0
_GROUP, _REASON, _PARAMETER, _SENTENCE = 0.9, 0.7, 0.4, 0.3
#: What is meant where no verb says it.
_USUAL: Final = {"create": 0.15, "list": 0.12, "retrieve": 0.08, "update": 0.08, "search": 0.02}
#: What is not for everybody comes after what is: an operation, and the same of it by another path.
_STANDING: Final = {
    "ga": 1.0,
    "spec_only": 0.7,
    "public_preview": 0.6,
    "private_preview": 0.5,
    "spec_alias": 0.4,
    "legacy_alias": 0.4,
}
#: How far each further meaning of a word counts, and how good a find must be beside the best one.
_FADES: Final = 0.82
_WORTH: Final = 0.3


@dataclass(frozen=True, slots=True)
class Found:
    """An operation that was probably meant. `score` compares the finds of one question, and says nothing by itself."""

    operation: Operation
    score: float


@dataclass(frozen=True, slots=True)
class _Document:
    """What an operation is in an index. `resource` is how many words its resource has, `usual` what speaks for its
    verb where none was said, `known` for itself, `standing` how far it is for everybody."""

    operation: Operation
    resource: int
    usual: float
    known: float
    standing: float


@dataclass(frozen=True, slots=True)
class _Place:
    """A term in a document: how much it tells there, and which words of the resource it covers, a bit for each."""

    document: int
    weight: float
    covers: int


@dataclass(slots=True)
class _Reached:
    score: float = 0.0
    covers: int = 0
    said: int = 0


class Search:
    """All operations of a catalog by their words. The first question that is asked makes the index, in some hundredths of
    a second; each then takes less than five thousandths."""

    def __init__(self, catalog: Catalog, callers: Callers = lambda _id: ()) -> None:
        self._catalog = catalog
        self._callers = callers

    def meant(self, question: str, *, most: int = 10, fits: Callable[[Operation], bool] | None = None) -> list[Found]:
        """What somebody who asks this probably means, the likeliest first; of equal ones what is generally available
        before previews and other paths. Empty where no word says anything."""
        index = self._index
        concepts = list(index.concepts(question[:MOST_QUESTION]))
        unsaid = not any(index.says_what_to_do(concept) for concept in concepts)
        reached: dict[int, _Reached] = defaultdict(_Reached)
        for concept in concepts:
            for number, (score, covers) in index.reach(concept).items():
                here = reached[number]
                here.score += score
                here.covers |= covers
                here.said += 1
        found = []
        for number, here in sorted(reached.items()):
            document = index.documents[number]
            if fits is None or fits(document.operation):
                found.append(Found(document.operation, _score(document, here, len(concepts), unsaid=unsaid)))
        found.sort(key=lambda each: -each.score)
        least = found[0].score * _WORTH if found else 0.0
        return [each for each in found[:most] if each.score >= least]

    def holding(self, words: Iterable[str]) -> list[Operation]:
        """The operations that hold all of these words somewhere, as they are written, in the catalog's order."""
        wanted = [word.lower() for word in words]
        return [
            operation
            for operation, text in zip(self._catalog.operations, self._texts, strict=True)
            if all(word in text for word in wanted)
        ]

    def nearest(self, name: str, most: int = 3) -> list[Operation]:
        """What somebody meant by a name that no operation has: a misspelt id, an action, a tool, METHOD PATH."""
        name = name[:MOST_QUESTION].strip()
        method, _, path = name.partition(" ")
        exact = self._catalog.find(method.upper(), path.strip()) if path else None
        if exact is not None:
            return [exact]
        lower = name.lower()
        same = [each for each in self._catalog.operations if lower in {each.operation_id.lower(), each.action}]
        if same:
            return sorted(same, key=lambda each: -_STANDING.get(each.availability, 0.0))[:most]
        meant = [each.operation for each in self.meant(name, most=40)]
        alike = SequenceMatcher(b=lower[:120])

        def likeness(operation: Operation) -> float:
            alike.set_seq1(operation.operation_id.lower())
            return alike.ratio()

        # Tools and actions are spelt another way than ids: where nothing is spelt like the name, its meaning counts.
        by_spelling = sorted(meant, key=likeness, reverse=True)
        return (by_spelling if by_spelling and likeness(by_spelling[0]) > _ALIKE else meant)[:most]

    @cached_property
    def _index(self) -> _Index:
        return _Index(self._catalog, self._callers)

    @cached_property
    def _texts(self) -> tuple[str, ...]:
        return tuple(_text(each, self._callers(each.operation_id)) for each in self._catalog.operations)


class _Index:
    """Which term stands where, and how rare it is."""

    def __init__(self, catalog: Catalog, callers: Callers) -> None:
        self.documents: list[_Document] = []
        self._places: dict[str, list[_Place]] = defaultdict(list)
        self._verbs: set[str] = set()
        self._things: set[str] = set()
        for operation in catalog.operations:
            self._add(operation, callers(operation.operation_id))
        self._ids = frozenset(operation.operation_id.lower() for operation in catalog.operations)
        most = math.log(1 + len(self.documents))
        self._rare = {
            term: math.log(1 + len(self.documents) / (_named(at) or len(at))) / most
            for term, at in self._places.items()
        }
        self._spelt: dict[str, list[str]] = defaultdict(list)
        for term in self._places:
            if "_" not in term and "." not in term and len(term) > _SHORTEST_GUESSED:
                self._spelt[term[0]].append(term)

    def says_what_to_do(self, concept: Mapping[str, float]) -> bool:
        """Whether its likeliest meaning is a verb and no thing."""
        first = next(iter(concept), "")
        return first in self._verbs and first not in self._things

    def reach(self, concept: Mapping[str, float]) -> dict[int, tuple[float, int]]:
        """What one thing that was said reaches: how well, and which words of the resource it covers."""
        # A meaning that is rarer than the likeliest one is not likelier for that.
        most_rare = next((self._rare[term] for term in concept if term in self._rare), 0.0)
        best: dict[int, tuple[float, int]] = {}
        for term, worth in concept.items():
            told = min(self._rare.get(term, 0.0), most_rare) * worth
            for place in self._places.get(term, ()):
                score, covers = best.get(place.document, (0.0, 0))
                best[place.document] = max(score, place.weight * told), covers | place.covers
        return best

    def concepts(self, question: str) -> Iterator[dict[str, float]]:
        """What is said, one thing after the other: each as terms with how much they are worth."""
        names = [word if word in self._ids else name_of(word) for word in question.lower().split()[:MOST_WORDS]]
        exact = [name for name in names if name in self._ids or (("_" in name or "." in name) and name in self._places)]
        if exact:
            yield dict.fromkeys(exact, 1.0)
        spoken = list(dict.fromkeys(words_of(question)))[:MOST_WORDS]
        left = set(spoken)
        for saying in sayings():
            if not saying.words <= left:
                continue
            left -= saying.words
            terms = {meaning: _FADES**place for place, meaning in enumerate(saying.means)}
            # What was said stays said, as a name and word by word.
            for word in saying.words - FILLING:
                terms.setdefault(word, 0.6 if len(saying.words) == 1 else 0.35)
            if len(saying.words) > 1:
                terms.setdefault("_".join(word for word in spoken if word in saying.words), 1.0)
            yield terms
        guessed = 0
        for word in spoken:
            if word not in left or word in FILLING:
                continue
            if word in self._places:
                yield {word: 1.0}
            elif guessed < _MOST_GUESSED and len(word) > _SHORTEST_GUESSED:
                guessed += 1
                near = get_close_matches(word, self._spelt.get(word[0], []), n=2, cutoff=0.8)
                if near:
                    yield dict.fromkeys(near, 0.7)

    def _add(self, operation: Operation, tools: Sequence[str]) -> None:
        number = len(self.documents)
        resource, verb = operation.action.rsplit(".", 1)
        steps = [stem(word) for word in resource.split("_")]
        for term, (weight, covers) in _terms(operation, steps, verb, tools).items():
            self._places[term].append(_Place(number, weight, covers))
        self._verbs.add(name_of(verb))
        self._things.update(steps)
        known = (0.2 if tools else 0.0) + (0.05 if operation.judged else 0.0)
        standing = _STANDING.get(operation.availability, 0.4)
        self.documents.append(_Document(operation, len(steps), _USUAL.get(verb, 0.0), known, standing))


def _named(places: list[_Place]) -> int:
    """In how many operations a term is part of a name: what is only written about makes no word common."""
    return sum(place.weight >= _GROUP for place in places)


def _terms(operation: Operation, steps: list[str], verb: str, tools: Sequence[str]) -> dict[str, tuple[float, int]]:
    """The terms of an operation, each with its weight and what it covers of the resource's words, `steps`."""
    terms: dict[str, tuple[float, int]] = {}

    def put(term: str, weight: float, covers: int = 0) -> None:
        before, covered = terms.get(term, (0.0, 0))
        terms[term] = max(before, weight), covered | covers

    put(operation.operation_id.lower(), _EXACT)
    put(name_of(operation.action), _ACTION, (1 << len(steps)) - 1)
    for first in range(len(steps)):
        for last in range(first + 1, len(steps) + 1):
            put("_".join(steps[first:last]), _RESOURCE + 0.5 * (last - first - 1), (1 << last) - (1 << first))
    for part in {verb, *verb.split("_")}:
        put(name_of(part), _VERB)
    for tool in tools:
        put(name_of(tool), _TOOL)
    for judged in operation.judgements:
        if judged.action != operation.action:
            put(name_of(judged.action), _OTHER_ACTION)
            put(name_of(judged.action.rsplit(".", 1)[1]), 0.6 * _VERB)
    if operation.judged:
        for word in words_of(operation.reason):
            put(word, _REASON)
        for group in _groups_of(operation):
            put(name_of(group), _GROUP)
            for word in words_of(f"{group} {GROUP_SENTENCES[group]}"):
                put(word, _SENTENCE)
    for parameter in operation.params:
        put(name_of(parameter), _PARAMETER)
    return terms


def _score(document: _Document, here: _Reached, concepts: int, *, unsaid: bool) -> float:
    left = document.resource - here.covers.bit_count()
    said = 0.4 + 0.6 * here.said / concepts
    usual = document.usual if unsaid else 0.0
    return (here.score * said / (1 + 0.22 * left) + usual + document.known) * document.standing


def _groups_of(operation: Operation) -> frozenset[str]:
    return frozenset().union(*(judged.groups for judged in operation.judgements))


def _text(operation: Operation, tools: Iterable[str]) -> str:
    parts = (
        operation.operation_id,
        operation.method,
        operation.path,
        operation.availability,
        operation.reason,
        *(judged.action for judged in operation.judgements),
        *_groups_of(operation),
        *operation.params,
        *tools,
    )
    return " ".join(parts).lower()
