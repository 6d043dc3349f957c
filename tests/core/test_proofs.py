"""Proofs from one reading of the leaves are those that RFC 9162 makes from all of them."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runplane_mcp.core import merkle
from runplane_mcp.core.proofs import (
    AT_ONCE,
    consistency_ranges,
    gather,
    hash_of,
    inclusion_ranges,
    nodes_of,
)


def leaves(size: int) -> list[bytes]:
    return [hashlib.sha256(f"{number}".encode()).digest() for number in range(size)]


def in_lists(all_of_them: list[bytes]) -> list[list[bytes]]:
    return [all_of_them[start : start + AT_ONCE] for start in range(0, len(all_of_them), AT_ONCE)]


@given(st.integers(1, 200), st.data())
def test_an_inclusion_proof_is_that_of_the_whole_tree(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    ranges = inclusion_ranges(index, size)
    hashes = gather(in_lists(leaves(size)), {node for each in ranges for node in nodes_of(each)})

    assert tuple(hash_of(each, hashes) for each in ranges) == merkle.inclusion_proof(leaves(size), index)


@given(st.integers(0, 200), st.data())
def test_a_consistency_proof_is_that_of_the_whole_tree(size: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, size))
    ranges = consistency_ranges(first, size)
    hashes = gather(in_lists(leaves(size)), {node for each in ranges for node in nodes_of(each)})

    assert tuple(hash_of(each, hashes) for each in ranges) == merkle.consistency_proof(leaves(size), first)


@pytest.mark.parametrize("size", [AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 2 * AT_ONCE + 5, 3 * AT_ONCE])
def test_many_proofs_come_from_one_reading_also_where_it_goes_in_parts(size: int) -> None:
    everything = leaves(size)
    frontier = merkle.Frontier()
    for each in everything:
        frontier = frontier.append(each)
    wanted = {index: inclusion_ranges(index, size) for index in (0, 1, AT_ONCE - 2, size // 2, size - 1)}
    older = consistency_ranges(AT_ONCE // 3, size)
    nodes = {node for ranges in (*wanted.values(), older) for each in ranges for node in nodes_of(each)}
    hashes = gather(in_lists(everything), nodes)

    assert hashes.keys() == nodes
    for index, ranges in wanted.items():
        proof = [hash_of(each, hashes) for each in ranges]
        assert merkle.verify_inclusion(everything[index], index, size, proof, frontier.root())
    first = merkle.root(everything[: AT_ONCE // 3])
    assert merkle.verify_consistency(
        AT_ONCE // 3, first, size, frontier.root(), [hash_of(each, hashes) for each in older]
    )


def test_there_is_no_proof_of_what_is_not_there() -> None:
    for index, size in ((0, 0), (5, 5), (-1, 3)):
        with pytest.raises(IndexError):
            inclusion_ranges(index, size)
    with pytest.raises(IndexError):
        consistency_ranges(4, 3)
    assert gather(in_lists(leaves(5)), {(3, 0), (0, 5)}) == {}
