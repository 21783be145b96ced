"""Trees of tensors between processes, as numpy arrays, which Ray keeps in shared memory.

A TensorDict travels several times as fast so. Arrays that arrive are shared with other receivers, and
must be treated as immutable.
"""

import warnings
from typing import Any, NamedTuple

import numpy as np
import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2 import trees
from nappo2.params import Params, ravel, unravel_of
from nappo2.trees import walk

with warnings.catch_warnings():  # torch says once that arrays are read-only, as all that arrive are
    warnings.simplefilter("ignore")
    torch.from_numpy(np.frombuffer(b"read", np.uint8))


ALIGNMENT = 64  # bytes, of torch's own tensors on a CPU


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
    """The same tree with arrays for tensors and ``Transfer`` for TensorDicts."""
    return trees.map(_packed, tree)


def _packed(leaf: Any) -> Any:
    if isinstance(leaf, Tensor):
        leaf = leaf.detach().cpu()
        return leaf if leaf.dtype == torch.bfloat16 else leaf.numpy()
    if isinstance(leaf, TensorDict):
        return Transfer(tuple(leaf.batch_size), {k: _packed(x) for k, x in leaf.items()})
    return leaf


def unpack(tree: Any) -> Any:
    """The tree that was packed; tensors share memory with arrays that are ``aligned``."""
    return trees.map(_unpacked, tree, is_leaf=lambda node: isinstance(node, (Transfer, Vector)))


def _unpacked(leaf: Any) -> Any:
    if isinstance(leaf, np.ndarray):
        return aligned(torch.from_numpy(leaf))
    if isinstance(leaf, Transfer):
        leaves = {name: _unpacked(x) for name, x in leaf.leaves.items()}
        return TensorDict(leaves, batch_size=leaf.batch_size)
    if isinstance(leaf, Vector):
        vector = aligned(torch.from_numpy(leaf.array))
        return TensorDict(unravel_of(leaf.paths, leaf.shapes)(vector))
    return leaf


def aligned(x: Tensor) -> Tensor:
    """A tensor [...] at a place like those that torch gives, copied if need be.

    The last bits of matrix products with few rows depend on it, and small arrays may arrive anywhere.
    """
    return x.clone() if x.data_ptr() % ALIGNMENT else x


def pack_params(params: Params) -> Transfer:
    """Packs params, whose weights and targets travel as one vector each; all stay in their order."""
    return Transfer((), {name: _branch(name, x) for name, x in params.items()})


def _branch(name: str, branch: Any) -> Any:
    is_one = name in ("weights", "target") and len(branch.keys())
    return _vector(branch) if is_one else pack(branch)


def _vector(weights: TensorDict) -> Vector:
    paths, leaves = zip(*walk(weights), strict=True)
    return Vector(pack(ravel(weights)[0]), paths, tuple(leaf.shape for leaf in leaves))
