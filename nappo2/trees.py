"""Trees: dictionaries, lists, tuples and NamedTuples with tensors at their leaves.

The words are those of ``jax.tree``, over ``torch.utils._pytree``. A TensorDict is a leaf here, as it
has ``apply``, ``torch.stack`` and indices itself. Dictionaries and tuples of tensors, which most trees
are, are walked by hand: pytree takes ten times as long.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from tensordict import TensorDict, TensorDictBase
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map, tree_unflatten

IsLeaf = Callable[[Any], bool]
"""``node -> bool``: whether a node is a leaf, though it may be a container."""


def is_tensordict(node: Any) -> bool:
    """Tests for a TensorDict."""
    return isinstance(node, TensorDictBase)


def map(fn: Callable, tree: Any, *others: Any, is_leaf: IsLeaf = is_tensordict) -> Any:
    """Maps ``fn(leaf, ...)`` over a tree, and over leaves at the same place in the others.

    Args:
        fn: of one leaf of each tree.
        tree: a tree.
        *others: trees of the same structure.
        is_leaf: tests for nodes that are leaves though they are containers.

    Returns:
        A tree of the same structure.

    Raises:
        ValueError: if the structures differ.

    Example:
        >>> from nappo2 import trees
        >>> trees.map(lambda x: 2 * x, {"a": torch.ones(1), "b": (torch.zeros(1),)})
        {'a': tensor([2.]), 'b': (tensor([0.]),)}
    """
    if not others and isinstance(tree, Tensor):
        return fn(tree)
    if not others and type(tree) is dict and not is_leaf(tree):
        return {key: map(fn, child, is_leaf=is_leaf) for key, child in tree.items()}
    if not others and type(tree) is tuple and not is_leaf(tree):
        return tuple(map(fn, child, is_leaf=is_leaf) for child in tree)
    return tree_map(fn, tree, *others, is_leaf=is_leaf)


def leaves(tree: Any, is_leaf: IsLeaf = is_tensordict) -> list:
    """The leaves of a tree, in order."""
    return tree_leaves(tree, is_leaf=is_leaf)


def stack(trees: Sequence[Any]) -> Any:
    """Stacks n trees of one structure to a tree of tensors [n, ...].

    Example:
        >>> from nappo2 import trees
        >>> trees.stack([{"a": torch.tensor(1.0)}, {"a": torch.tensor(2.0)}])
        {'a': tensor([1., 2.])}
    """
    if isinstance(trees[0], Tensor):
        return torch.stack(list(trees))
    if type(trees[0]) is dict:
        return {key: stack([tree[key] for tree in trees]) for key in trees[0]}
    if type(trees[0]) is tuple:
        return tuple(stack(parts) for parts in zip(*trees, strict=True))
    return map(lambda *parts: torch.stack(parts), *trees)


def index(tree: Any, index: Tensor, dim: int = 0) -> Any:
    """Indexes all tensors along a dimension.

    Args:
        tree: of tensors.
        index: [n] int64.
        dim: the dimension.

    Returns:
        A tree of tensors that have n entries along ``dim``.
    """
    return map(lambda x: x.index_select(dim, index), tree)


def split(tree: Any, sizes: Sequence[int], dim: int = 0) -> list:
    """Splits all tensors along a dimension.

    Parts are contiguous, as strides may change the order of a sum.

    Args:
        tree: of tensors.
        sizes: of the parts.
        dim: the dimension.

    Returns:
        A tree for each size.
    """
    tensors, structure = tree_flatten(tree, is_leaf=is_tensordict)
    columns = [x.split(sizes, dim) for x in tensors]
    rows = zip(*columns, strict=True)
    return [tree_unflatten([part.contiguous() for part in row], structure) for row in rows]


def where(condition: Tensor, new: Any, old: Any) -> Any:
    """``torch.where`` of all tensors.

    Args:
        condition: bool, of a shape that broadcasts with every leaf, such as [].
        new: tree of tensors, where it is true.
        old: tree of the same structure, where it is false.

    Returns:
        A tree of the same structure.
    """
    return map(lambda x, y: torch.where(condition, x, y), new, old)


def children(node: Any) -> list[tuple[Any, Any]] | None:
    """The children of a node by key, field or index; None if it is no container."""
    if isinstance(node, (Mapping, TensorDictBase)):
        return list(node.items())
    if isinstance(node, (tuple, list)):
        return list(zip(getattr(node, "_fields", range(len(node))), node, strict=True))
    return None


def walk(tree: Mapping, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Tensor]]:
    """Yields the tensors [...] of nested mappings with their paths, in order."""
    for name, child in tree.items():
        if isinstance(child, Tensor):
            yield (*path, name), child
        else:
            yield from walk(child, (*path, name))


def as_tensordict(tree: Mapping, size: Sequence[int] = ()) -> TensorDict:
    """Nested mappings of tensors as a TensorDict, in a quarter of the time of its constructor.

    Args:
        tree: of tensors ``[*size, ...]`` by names that are texts, which is not checked.
        size: the batch size.

    Returns:
        The TensorDict, which shares the tensors.
    """
    entries = {
        key: x if isinstance(x, (Tensor, TensorDictBase)) else as_tensordict(x, size)
        for key, x in tree.items()
    }
    return TensorDict._new_unsafe(entries, batch_size=torch.Size(size))


def nested(paths: Sequence[tuple[str, ...]], leaves: Sequence[Tensor]) -> dict:
    """Builds nested dictionaries with ``leaves`` [...] at ``paths``: the inverse of ``walk``."""
    tree: dict = {}
    for path, leaf in zip(paths, leaves, strict=True):
        node = tree
        for name in path[:-1]:
            node = node.setdefault(name, {})
        node[path[-1]] = leaf
    return tree
