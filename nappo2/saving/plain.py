"""Trees of tensors on disk: an .npz file with an array per leaf, which executes nothing when it is read."""

import os
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.saving.archive import check_sizes, damaged, read_array
from nappo2.saving.outputs import whole_file
from nappo2.saving.packing import AS_INTEGERS
from nappo2.trees import nested, walk


def write_tree(tree: Mapping, path: Path) -> None:
    """Writes nested mappings of tensors [...] whole or not at all; an older file stays until then.

    Raises:
        ValueError: for a path at which there can be no file.
        OSError: if the disk refuses.
    """
    arrays = {member_name(names): as_array(leaf) for names, leaf in walk(tree)}
    with whole_file(path) as unfinished, open(unfinished, "wb") as file:
        np.savez(file, **arrays)
        file.flush()
        os.fsync(file.fileno())


def read_tree(path: str | Path, what: str, needed: Collection[str]) -> TensorDict:
    """Reads a file of ``write_tree``.

    Args:
        path: of the file.
        what: it holds, in messages.
        needed: branches that there are.

    Returns:
        The tensors [...].

    Raises:
        ValueError: if it is no such file, lacks a branch, or is damaged.
        FileNotFoundError: if there is none.
    """
    what = f"holds no {what} of nappo2, or is damaged"
    with damaged(path, what), zipfile.ZipFile(path) as file:
        check_sizes(file, path)
        names = [name.removesuffix(".npy") for name in file.namelist()]
        leaves = [as_tensor(read_array(file, f"{name}.npy")) for name in names]
        tree = nested(tuple(map(names_of, names)), leaves)
        missing = set(needed) - set(tree)
        if missing:
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
        return TensorDict(tree)


def member_name(names: tuple[str, ...]) -> str:
    """The name of a leaf in an archive; a slash within a name is no step (as in JSON pointers)."""
    return "/".join(name.replace("~", "~0").replace("/", "~1") for name in names)


def names_of(member: str) -> tuple[str, ...]:
    """The inverse of ``member_name``."""
    return tuple(name.replace("~1", "/").replace("~0", "~") for name in member.split("/"))


def as_array(leaf: Tensor) -> np.ndarray:
    """A leaf [...] as an array; of a dtype that numpy lacks its bits, in a field that names the dtype."""
    leaf = leaf.detach().cpu()
    if leaf.dtype not in AS_INTEGERS:
        return leaf.numpy()
    bits = leaf.contiguous().view(AS_INTEGERS[leaf.dtype]).numpy()
    return bits.view([(str(leaf.dtype).removeprefix("torch."), bits.dtype)])


def as_tensor(array: np.ndarray) -> Tensor:
    """The inverse of ``as_array``, [...]."""
    if array.dtype.names is None:
        return torch.from_numpy(array)
    (name,) = array.dtype.names
    dtype = next(dtype for dtype in AS_INTEGERS if str(dtype) == f"torch.{name}")
    return torch.from_numpy(array[name].copy()).view(dtype)
