"""The tree against the definitions of RFC 6962 section 2.1, written out slowly."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runplane_mcp.core.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
)

#: Leaves and roots that logs of Certificate Transparency publish for checking implementations.
KNOWN_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
KNOWN_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

sizes = st.integers(min_value=1, max_value=70)


def leaves_of(size: int) -> list[bytes]:
    return [leaf_hash(str(number).encode()) for number in range(size)]


def slow_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = largest_power_below(len(leaves))
    return hashlib.sha256(b"\x01" + slow_root(leaves[:half]) + slow_root(leaves[half:])).digest()


def slow_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of RFC 6962 section 2.1.1."""
    if len(leaves) == 1:
        return []
    half = largest_power_below(len(leaves))
    if index < half:
        return [*slow_path(index, leaves[:half]), slow_root(leaves[half:])]
    return [*slow_path(index - half, leaves[half:]), slow_root(leaves[:half])]


def slow_proof(first: int, leaves: list[bytes], *, whole: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 6962 section 2.1.2."""
    if first == len(leaves):
        return [] if whole else [slow_root(leaves)]
    half = largest_power_below(len(leaves))
    if first <= half:
        return [*slow_proof(first, leaves[:half], whole=whole), slow_root(leaves[half:])]
    return [*slow_proof(first - half, leaves[half:], whole=False), slow_root(leaves[:half])]


def largest_power_below(size: int) -> int:
    power = 1
    while power * 2 < size:
        power *= 2
    return power


def changed(value: bytes) -> bytes:
    return bytes([value[0] ^ 1]) + value[1:]


def test_the_published_example_has_the_published_roots() -> None:
    leaves = [leaf_hash(bytes.fromhex(each)) for each in KNOWN_LEAVES]

    assert [root(leaves[: size + 1]).hex() for size in range(8)] == KNOWN_ROOTS


def test_an_empty_log_has_the_hash_of_nothing_as_its_root() -> None:
    assert root([]) == Frontier().root() == EMPTY_ROOT == hashlib.sha256(b"").digest()


def test_a_node_cannot_be_passed_off_as_a_leaf() -> None:
    left, right = leaves_of(2)

    assert node_hash(left, right) != leaf_hash(left + right)


@given(st.integers(min_value=0, max_value=130))
def test_the_frontier_has_the_root_of_the_definition(size: int) -> None:
    leaves = leaves_of(size)
    frontier = Frontier()
    for leaf in leaves:
        frontier = frontier.append(leaf)

    assert frontier.size == size
    assert frontier.root() == slow_root(leaves) == root(leaves)
    assert [slow_root(leaves[first:end]) for first, end in frontier.spans()] == list(frontier.hashes)


@given(st.lists(st.integers(min_value=0, max_value=70), max_size=4))
def test_a_frontier_takes_many_leaves_as_it_takes_one_after_another(steps: list[int]) -> None:
    leaves = leaves_of(sum(steps))
    frontier, start = Frontier(), 0
    for step in steps:
        frontier = frontier.extended(leaves[start : start + step])
        start += step

    one_by_one = Frontier()
    for leaf in leaves:
        one_by_one = one_by_one.append(leaf)
    assert frontier == one_by_one


@given(st.integers(min_value=0, max_value=4), st.integers(min_value=0, max_value=9), st.data())
def test_trees_side_by_side_are_one_tree(level: int, before: int, data: st.DataObject) -> None:
    border = before << level
    leaves = leaves_of(border + data.draw(st.integers(min_value=0, max_value=1 << level)))
    joined = Frontier().extended(leaves[:border]).joined(Frontier().extended(leaves[border:]))

    assert joined == Frontier().extended(leaves)


def test_a_tree_that_begins_within_a_subtree_is_not_joined() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        Frontier().extended(leaves_of(3)).joined(Frontier().extended(leaves_of(2)))


@given(sizes, st.data())
def test_an_inclusion_proof_is_that_of_the_definition_and_holds(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    index = data.draw(st.integers(min_value=0, max_value=size - 1))
    proof = inclusion_proof(leaves, index)

    assert list(proof) == slow_path(index, leaves)
    assert verify_inclusion(leaves[index], index, size, proof, root(leaves))


@given(sizes, st.data())
def test_an_inclusion_proof_holds_for_nothing_else(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    index = data.draw(st.integers(min_value=0, max_value=size - 1))
    proof = inclusion_proof(leaves, index)
    whole = root(leaves)
    other = data.draw(st.integers(min_value=-2, max_value=size + 2).filter(lambda each: each != index))

    assert not verify_inclusion(changed(leaves[index]), index, size, proof, whole)
    assert not verify_inclusion(leaves[index], index, size, proof, changed(whole))
    assert not verify_inclusion(leaves[index], other, size, proof, whole)
    assert not verify_inclusion(leaves[index], index, size, (*proof, whole), whole)
    assert not verify_inclusion(leaves[index], index, size, (whole, *proof), whole)
    if proof:
        assert not verify_inclusion(leaves[index], index, size, proof[:-1], whole)
        spoiled = data.draw(st.integers(min_value=0, max_value=len(proof) - 1))
        bad = [changed(each) if at == spoiled else each for at, each in enumerate(proof)]
        assert not verify_inclusion(leaves[index], index, size, bad, whole)


@given(sizes, st.data())
def test_a_consistency_proof_is_that_of_the_definition_and_holds(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    first = data.draw(st.integers(min_value=1, max_value=size))
    proof = consistency_proof(leaves, first)

    assert list(proof) == slow_proof(first, leaves)
    assert verify_consistency(first, root(leaves[:first]), size, root(leaves), proof)


@given(st.integers(min_value=2, max_value=70), st.data())
def test_a_log_whose_past_was_rewritten_has_no_consistency_proof(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    first = data.draw(st.integers(min_value=1, max_value=size - 1))
    old_root = root(leaves[:first])
    rewritten = data.draw(st.integers(min_value=0, max_value=first - 1))
    forged = [changed(leaf) if at == rewritten else leaf for at, leaf in enumerate(leaves)]

    assert not verify_consistency(first, old_root, size, root(forged), consistency_proof(forged, first))
    assert not verify_consistency(first, old_root, size, root(forged), consistency_proof(leaves, first))


@given(st.integers(min_value=2, max_value=70), st.data())
def test_a_consistency_proof_holds_for_nothing_else(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    first = data.draw(st.integers(min_value=1, max_value=size - 1))
    proof = consistency_proof(leaves, first)
    old, new = root(leaves[:first]), root(leaves)

    assert not verify_consistency(first, changed(old), size, new, proof)
    assert not verify_consistency(first, old, size, changed(new), proof)
    assert not verify_consistency(size + 1, old, size, new, proof)
    assert not verify_consistency(first, old, size, new, (*proof, new))
    assert not verify_consistency(first, old, size, new, proof[:-1])
    for spoiled in range(len(proof)):
        bad = [changed(each) if at == spoiled else each for at, each in enumerate(proof)]
        assert not verify_consistency(first, old, size, new, bad)


def test_an_empty_log_is_the_beginning_of_every_log() -> None:
    leaves = leaves_of(5)

    assert consistency_proof(leaves, 0) == ()
    assert verify_consistency(0, EMPTY_ROOT, 5, root(leaves), ())
    assert not verify_consistency(0, changed(EMPTY_ROOT), 5, root(leaves), ())
    assert not verify_consistency(0, EMPTY_ROOT, 5, root(leaves), (leaves[0],))


def test_a_log_is_consistent_with_itself_and_with_nothing_shorter() -> None:
    leaves = leaves_of(6)

    assert verify_consistency(6, root(leaves), 6, root(leaves), ())
    assert not verify_consistency(6, root(leaves), 6, changed(root(leaves)), ())
    assert not verify_consistency(6, root(leaves), 5, root(leaves[:5]), ())


@pytest.mark.parametrize("index", [-1, 3])
def test_there_is_no_proof_for_a_leaf_that_is_not_there(index: int) -> None:
    with pytest.raises(IndexError):
        inclusion_proof(leaves_of(3), index)


@pytest.mark.parametrize("first", [-1, 4])
def test_there_is_no_proof_from_a_log_longer_than_this_one(first: int) -> None:
    with pytest.raises(IndexError):
        consistency_proof(leaves_of(3), first)


@pytest.mark.parametrize(("size", "hashes"), [(3, ()), (-1, ()), (0, (b"\0" * 32,)), (1, (b"short",))])
def test_a_frontier_that_does_not_fit_its_size_is_refused(size: int, hashes: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError):
        Frontier(size, hashes)
