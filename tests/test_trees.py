"""Trees of tensors: the words of ``jax.tree``, on what states and batches are made of."""

from typing import NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tensordict import TensorDict

from nappo2 import trees
from nappo2.seeds import generator


class Pair(NamedTuple):
    left: object
    right: object


def trees_of(*rows):
    """Trees of tensors [*rows, 2], each of another number."""
    seeds = st.integers(0, 99)
    leaf = seeds.map(lambda seed: torch.rand(*rows, 2, generator=generator(seed)))
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.dictionaries(st.sampled_from("abc"), inner, min_size=1, max_size=3),
            st.lists(inner, min_size=1, max_size=3),
            st.tuples(inner, inner),
            st.builds(Pair, inner, inner),
        ),
        max_leaves=6,
    )


def equal(one, other):
    """Whether two trees have the same containers and, to the last bit, tensors."""
    parts, theirs = trees.children(one), trees.children(other)
    if parts is None:
        return torch.equal(one, other)
    names = [name for name, _ in parts] == [name for name, _ in theirs]
    pairs = zip(parts, theirs, strict=False)
    return type(one) is type(other) and names and all(equal(x, y) for (_, x), (_, y) in pairs)


@given(trees_of(3))
def test_map_of_the_identity_is_the_tree(tree):
    assert equal(trees.map(lambda x: x, tree), tree)


@given(trees_of(3))
def test_map_reaches_each_leaf_once_and_in_their_order(tree):
    seen = []
    trees.map(seen.append, tree)
    assert all(x is y for x, y in zip(seen, trees.leaves(tree), strict=True))


@given(trees_of(3))
def test_the_stack_of_all_entries_is_the_tree(tree):
    entries = [trees.map(lambda x, i=i: x[i], tree) for i in range(3)]
    assert equal(trees.stack(entries), tree)


@given(trees_of(3), st.permutations(range(3)))
def test_an_index_and_its_inverse_are_nothing(tree, order):
    there, back = torch.tensor(order), torch.tensor(order).argsort()
    assert equal(trees.index(trees.index(tree, there), back), tree)
    assert equal(trees.index(tree, torch.tensor([0, 1]), dim=1), tree)


@given(trees_of(5), st.integers(1, 4))
def test_the_parts_of_a_split_are_the_tree_again(tree, size):
    parts = trees.split(tree, [size, 5 - size])
    assert all(len(leaf) == size for leaf in trees.leaves(parts[0]))
    assert equal(trees.map(lambda x, y: torch.cat([x, y]), *parts), tree)


@given(trees_of(3), st.booleans())
def test_where_takes_one_of_two_trees(tree, first):
    other = trees.map(lambda x: x + 1, tree)
    assert equal(trees.where(torch.tensor(first), tree, other), tree if first else other)


def test_a_tensordict_is_a_leaf_wherever_it_stands():
    td = TensorDict(x=torch.zeros(3), batch_size=[3])
    tree = {"a": td, "b": (td, [td]), "c": Pair(td, torch.zeros(3))}
    assert [type(x) for x in trees.leaves(tree)] == [*4 * [TensorDict], torch.Tensor]
    assert trees.map(lambda x: x[:2], tree)["b"][1][0].batch_size == (2,)
    assert trees.stack([tree, tree])["c"].left.batch_size == (2, 3)


def test_trees_of_other_structures_are_refused():
    with pytest.raises(ValueError):
        trees.map(lambda x, y: x, {"a": torch.zeros(1)}, {"b": torch.zeros(1)})


def test_who_says_what_a_leaf_is_gets_it_whole():
    tree = {"a": Pair(1, 2), "b": [Pair(3, 4)]}
    sums = trees.map(sum, tree, is_leaf=lambda node: isinstance(node, Pair))
    assert sums == {"a": 3, "b": [7]}


def test_the_parts_of_a_node_by_name():
    assert trees.children({"a": 1, 2: 3}) == [("a", 1), (2, 3)]
    assert trees.children(Pair(1, 2)) == [("left", 1), ("right", 2)]
    assert trees.children(["x", "y"]) == [(0, "x"), (1, "y")]
    assert trees.children(TensorDict(a=torch.zeros(()))) == [("a", torch.zeros(()))]
    assert trees.children("text") is None and trees.children(torch.zeros(2)) is None


@given(st.dictionaries(st.tuples(st.sampled_from("ab"), st.sampled_from("cd")), st.integers(0, 9)))
def test_walk_and_nested_are_inverse(numbers):
    paths, leaves = list(numbers), [torch.tensor(x) for x in numbers.values()]
    tree = trees.nested(paths, leaves)
    assert {path: int(x) for path, x in trees.walk(tree)} == numbers
