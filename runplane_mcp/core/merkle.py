"""The audit log's tree: leaves, frontier, root, and proofs that a log contains a leaf or only ever grew.

Source: RFC 6962 section 2.1, in the wording of RFC 9162 section 2.1. Hashes are SHA-256, 32 bytes. A leaf and a node are
hashed with different prefixes, so that no node can be passed off as a leaf.

A proof is checked by `verify_inclusion` and `verify_consistency` from hashes alone: whoever holds an old root needs
neither the log nor this program.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

HASH_BYTES: Final = 32
_WHOLE: Final = frozenset({HASH_BYTES})
#: The root of a log without events.
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()


def leaf_hash(body: bytes) -> bytes:
    """SHA-256(0x00 || body): what an event adds to the tree."""
    return hashlib.sha256(b"\x00" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """All that is needed to go on appending: the roots of the complete subtrees that `size` leaves fall into, the
    largest first. There are as many as `size` has bits set, so a million events need at most twenty."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.hashes) != self.size.bit_count():
            raise ValueError(f"a tree of {self.size} leaves does not have {len(self.hashes)} complete subtrees")
        if not _WHOLE.issuperset(map(len, self.hashes)):
            raise ValueError("a hash is 32 bytes")

    def append(self, leaf: bytes) -> Frontier:
        """The frontier after one more leaf, given by its hash."""
        hashes = list(self.hashes)
        size = self.size
        node = leaf
        # Each low bit that is set is a complete subtree of that size: two of one size become one of twice the size.
        while size & 1:
            node = node_hash(hashes.pop(), node)
            size >>= 1
        hashes.append(node)
        return Frontier(self.size + 1, tuple(hashes))

    def extended(self, leaves: Sequence[bytes]) -> Frontier:
        """The frontier after all these leaves: the same as appending one by one, a whole level of the tree at a time."""
        hashes, size = list(self.hashes), self.size
        nodes, left_over = list(leaves), []
        while nodes:
            if size & 1:
                nodes.insert(0, hashes.pop())
            size >>= 1
            if len(nodes) & 1:
                left_over.append(nodes.pop())
            nodes = [node_hash(left, right) for left, right in zip(nodes[::2], nodes[1::2], strict=True)]
        return Frontier(self.size + len(leaves), (*hashes, *reversed(left_over)))

    def joined(self, later: Frontier) -> Frontier:
        """The frontier after the leaves that `later` stands for, which come behind these. ValueError where they do not
        begin at a border: its largest subtree must fit behind this tree as it is."""
        hashes, size = list(self.hashes), self.size
        for (first, end), subtree in zip(later.spans(), later.hashes, strict=True):
            before, rest = divmod(size, end - first)
            if rest:
                raise ValueError(f"{later.size} leaves do not fit behind {self.size} as they are")
            node = subtree
            while before & 1:
                node = node_hash(hashes.pop(), node)
                before >>= 1
            hashes.append(node)
            size += end - first
        return Frontier(size, tuple(hashes))

    def root(self) -> bytes:
        if not self.hashes:
            return EMPTY_ROOT
        node = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            node = node_hash(left, node)
        return node

    def spans(self) -> tuple[tuple[int, int], ...]:
        """Which leaves each subtree covers, as (first, end) with `end` excluded, counted from 0."""
        borders = [0]
        for bit in reversed(range(self.size.bit_length())):
            if self.size >> bit & 1:
                borders.append(borders[-1] + (1 << bit))
        return tuple(pairwise(borders))


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over these leaf hashes."""
    return _subtree(leaves, 0, len(leaves))


def inclusion_proof(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """The hashes beside the way from leaf `index` (from 0) up to the root, the lowest first. IndexError when there is
    no such leaf."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"there is no leaf {index} among {len(leaves)}")
    start, end = 0, len(leaves)
    path: list[bytes] = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_subtree(leaves, middle, end))
            end = middle
        else:
            path.append(_subtree(leaves, start, middle))
            start = middle
    return tuple(reversed(path))


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `proof` shows that the tree of `size` leaves with this root has `leaf` at `index`.

    Source: RFC 9162 section 2.1.3.2.
    """
    if not 0 <= index < size:
        return False
    at, last = index, size - 1
    node = leaf
    for beside in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            node = node_hash(beside, node)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            node = node_hash(node, beside)
        at >>= 1
        last >>= 1
    return last == 0 and hmac.compare_digest(node, root)


def consistency_proof(leaves: Sequence[bytes], first: int) -> tuple[bytes, ...]:
    """The hashes that show that the first `first` leaves are the whole of an older log. Empty when `first` is 0 or all
    of them. IndexError when the log is shorter than that."""
    if not 0 <= first <= len(leaves):
        raise IndexError(f"there are no {first} leaves among {len(leaves)}")
    if first in (0, len(leaves)):
        return ()
    start, end = 0, len(leaves)
    path: list[bytes] = []
    while end != first:
        middle = start + _split(end - start)
        if first <= middle:
            path.append(_subtree(leaves, middle, end))
            end = middle
        else:
            path.append(_subtree(leaves, start, middle))
            start = middle
    # Where the way down never turned right, the subtree left over is the older log itself: its root is known.
    if start:
        path.append(_subtree(leaves, start, end))
    return tuple(reversed(path))


def verify_consistency(first: int, first_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that the tree of `first` leaves is the beginning of the tree of `size` leaves: that nothing
    was changed, removed or put in between.

    Source: RFC 9162 section 2.1.4.2. An empty log is the beginning of every log.
    """
    if not 0 <= first <= size:
        return False
    if first == 0:
        return not proof and hmac.compare_digest(first_root, EMPTY_ROOT)
    if first == size:
        return not proof and hmac.compare_digest(first_root, root)
    at, last = first - 1, size - 1
    while at & 1:
        at >>= 1
        last >>= 1
    way = list(proof) if at else [first_root, *proof]
    if not way:
        return False
    old = new = way[0]
    for beside in way[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old = node_hash(beside, old)
            new = node_hash(beside, new)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            new = node_hash(new, beside)
        at >>= 1
        last >>= 1
    return last == 0 and hmac.compare_digest(old, first_root) and hmac.compare_digest(new, root)


def _split(size: int) -> int:
    """The largest power of two smaller than `size`: how many leaves the left half has."""
    return 1 << (size - 1).bit_length() - 1


def _subtree(leaves: Sequence[bytes], start: int, end: int) -> bytes:
    return Frontier().extended(leaves[start:end]).root()
