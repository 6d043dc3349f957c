"""Proofs about the audit log's tree from one reading of its leaves, however long it is and however many are wanted.

A proof is made of the hashes of some ranges of leaves. Each range falls into complete subtrees; which ones is known
before anything is read, so that nothing else has to be kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from runplane_mcp.core.merkle import node_hash

#: A complete subtree: the `index`-th of those with 2 ** `level` leaves, as (level, index).
Node: TypeAlias = tuple[int, int]
#: Leaves from the first to before the second, counted from 0.
Range: TypeAlias = tuple[int, int]

_LEVEL: Final = 12
#: How many leaves are worked on at once.
AT_ONCE: Final = 1 << _LEVEL


def inclusion_ranges(index: int, size: int) -> tuple[Range, ...]:
    """What stands beside the way from leaf `index` up to the root of `size` leaves, the lowest first. IndexError when there
    is no such leaf. Source: RFC 9162 section 2.1.3.1."""
    if not 0 <= index < size:
        raise IndexError(f"there is no leaf {index} among {size}")
    start, end = 0, size
    beside: list[Range] = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            beside.append((middle, end))
            end = middle
        else:
            beside.append((start, middle))
            start = middle
    return tuple(reversed(beside))


def consistency_ranges(first: int, size: int) -> tuple[Range, ...]:
    """What shows that `first` leaves are the beginning of `size` leaves. IndexError when there are not as many. Source: RFC
    9162 section 2.1.4.1."""
    if not 0 <= first <= size:
        raise IndexError(f"there are no {first} leaves among {size}")
    if first in (0, size):
        return ()
    start, end = 0, size
    beside: list[Range] = []
    while end != first:
        middle = start + _split(end - start)
        if first <= middle:
            beside.append((middle, end))
            end = middle
        else:
            beside.append((start, middle))
            start = middle
    if start:
        beside.append((start, end))
    return tuple(reversed(beside))


def nodes_of(leaves: Range) -> tuple[Node, ...]:
    """The complete subtrees that a range of a proof falls into, from left to right."""
    start, end = leaves
    found: list[Node] = []
    while start < end:
        level = (end - start).bit_length() - 1
        found.append((level, start >> level))
        start += 1 << level
    return tuple(found)


def hash_of(leaves: Range, hashes: Mapping[Node, bytes]) -> bytes:
    """The hash of a range from those of its subtrees."""
    *lefts, node = (hashes[each] for each in nodes_of(leaves))
    for left in reversed(lefts):
        node = node_hash(left, node)
    return node


def gather(leaves: Iterable[Sequence[bytes]], wanted: Collection[Node]) -> dict[Node, bytes]:
    """The hashes of these subtrees. `leaves` come in lists of AT_ONCE, the last of them shorter; one that the leaves do not
    fill is not found."""
    low: dict[int, set[Node]] = {}
    for level, index in wanted:
        if level <= _LEVEL:
            low.setdefault(index >> (_LEVEL - level), set()).add((level, index))
    high = {(level, index) for level, index in wanted if level > _LEVEL}
    found: dict[Node, bytes] = {}
    roots: list[bytes] = []
    for number, each in enumerate(leaves):
        root = _climb(list(each), 0, number << _LEVEL, low.get(number, set()), found)
        if len(each) == AT_ONCE:
            roots.append(root)
    _climb(roots, _LEVEL, 0, high, found)
    return found


def _climb(row: list[bytes], level: int, first: int, wanted: set[Node], found: dict[Node, bytes]) -> bytes:
    """Goes up from a row of subtrees that begins at leaf `first`, and takes along what is wanted. What is over at the right
    end fills no subtree of the next level. Returns the last that is left."""
    sha256 = hashlib.sha256
    while row:
        begin = first >> level
        for node in wanted:
            if node[0] == level and 0 <= node[1] - begin < len(row):
                found[node] = row[node[1] - begin]
        if len(row) == 1:
            return row[0]
        pairs = range(0, len(row) - 1, 2)
        row = [sha256(b"\x01" + row[at] + row[at + 1]).digest() for at in pairs]
        level += 1
    return b""


def _split(size: int) -> int:
    """The largest power of two smaller than `size`."""
    return 1 << (size - 1).bit_length() - 1
