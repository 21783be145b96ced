"""Params, states and rollouts as trees with shapes, dtypes, sizes and ranges."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nappo2 import trees

MAX_NUMBERS = 10_000_000  # of a tensor whose values are read, so that it takes no time


class Leaf(NamedTuple):
    """A line of a tree.

    Attributes:
        path: names from the root.
        shape: of a tensor; of any other leaf its type.
        dtype: of a tensor; of any other leaf empty.
        size: in bytes.
        value: the number; of several the mean and range, or how many are not finite.
    """

    path: tuple[str, ...]
    shape: str
    dtype: str
    size: int
    value: str

    @property
    def finite(self) -> bool:
        """Whether all numbers are finite."""
        return "not finite" not in self.value


def leaves(tree: Any, path: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """The leaves of a tree of mappings, NamedTuples, tuples and tensors; no worker is asked."""
    if isinstance(tree, Tensor):
        yield Leaf(path, str(list(tree.shape)), str(tree.dtype)[6:], tree.nbytes, summary(tree))
    elif hasattr(tree, "members") and hasattr(tree, "pending"):
        text = f"{len(tree.members)} workers, {len(tree.pending)} calls under way"
        yield Leaf(path, text, "", 0, "")
    elif (parts := trees.children(tree)) is not None:
        for name, child in parts:
            yield from leaves(child, (*path, str(name)))
    else:
        plain = isinstance(tree, (int, float, str, bool, type(None)))
        yield Leaf(path, type(tree).__name__, "", 0, str(tree)[:40] if plain else "")


def summary(x: Tensor) -> str:
    """A tensor [...] in a few words: its number, or mean and range."""
    if x.numel() == 0 or x.numel() > MAX_NUMBERS:
        return ""
    if x.numel() == 1:
        return f"{x.item():.4g}" + ("" if x.isfinite().all() else ", not finite")
    if x.dtype == torch.bool:
        return f"{int(x.sum()):,} of {x.numel():,} true"
    num_bad = int((~x.isfinite()).sum())
    if num_bad:
        return f"{num_bad:,} of {x.numel():,} are not finite"
    low, high = x.amin().item(), x.amax().item()
    return f"{x.double().mean().item():.3g} in [{low:.3g}, {high:.3g}]"


def table_rows(leaves: list[Leaf]) -> list[tuple[str, str, str, str, str]]:
    """Leaves as rows of a table, indented below rows for their branches."""
    rows, last_branch = [], ()
    for leaf in leaves:
        *branch, name = leaf.path or ("",)
        shared = 0
        while shared < min(len(branch), len(last_branch)) and branch[shared] == last_branch[shared]:
            shared += 1
        rows += [("  " * i + branch[i], "", "", "", "") for i in range(shared, len(branch))]
        size = in_bytes(leaf.size) if leaf.size else ""
        rows.append(("  " * len(branch) + name, leaf.shape, leaf.dtype, size, leaf.value))
        last_branch = branch
    return rows


def in_bytes(size: float) -> str:
    """A size with its unit."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
