"""How trees of tensors cross from process to process: as numpy arrays, which Ray keeps in shared memory.

A TensorDict travels several times as fast so. What arrives is shared with whoever else received
it, and must be treated as immutable.
"""

import warnings
from typing import Any, NamedTuple

import numpy as np
import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.params import Params, _unravel, ravel, walk

with warnings.catch_warnings():  # torch says once that arrays are read-only, as all that arrive are
    warnings.simplefilter("ignore")
    torch.from_numpy(np.frombuffer(b"read", np.uint8))


class Transfer(NamedTuple):
    """A TensorDict: its leaves as arrays."""

    batch_size: tuple[int, ...]
    leaves: dict[str, Any]


class Vector(NamedTuple):
    """A tree of weights, as one array."""

    array: np.ndarray
    paths: tuple
    shapes: tuple


def pack(tree: Any) -> Any:
    """The same tree with arrays for tensors and parcels for TensorDicts."""
    if isinstance(tree, Tensor):
        tree = tree.detach().cpu()
        return tree if tree.dtype == torch.bfloat16 else tree.numpy()
    if isinstance(tree, TensorDict):
        return Transfer(tuple(tree.batch_size), {k: pack(x) for k, x in tree.items()})
    return _mapped(pack, tree)


def unpack(tree: Any) -> Any:
    """What ``pack`` was given; arrays become tensors that look at the same memory."""
    if isinstance(tree, np.ndarray):
        return torch.from_numpy(tree)
    if isinstance(tree, Transfer):
        leaves = {name: unpack(x) for name, x in tree.leaves.items()}
        return TensorDict(leaves, batch_size=tree.batch_size)
    if isinstance(tree, Vector):
        return TensorDict(_unravel(tree.paths, tree.shapes)(torch.from_numpy(tree.array)))
    return _mapped(unpack, tree)


def pack_params(params: Params) -> Transfer:
    """Params, whose weights and targets travel as one vector each."""
    found = pack(params.exclude("weights", "target"))
    for name in ("weights", "target"):
        if len(params[name].keys()):
            found.leaves[name] = _vector(params[name])
        else:
            found.leaves[name] = Transfer((), {})
    return found


def _vector(weights: TensorDict) -> Vector:
    paths, leaves = zip(*walk(weights), strict=True)
    return Vector(pack(ravel(weights)[0]), paths, tuple(leaf.shape for leaf in leaves))


def _mapped(fn, tree):
    """``fn`` of what is in dictionaries, tuples and lists."""
    if isinstance(tree, dict):
        return {key: fn(x) for key, x in tree.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*map(fn, tree))
    if type(tree) in (tuple, list):
        return type(tree)(map(fn, tree))
    return tree
