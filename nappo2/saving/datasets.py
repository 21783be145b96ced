"""Datasets on disk: transitions as plain arrays in an .npz file, which executes nothing when it is read."""

import os
import zipfile
from pathlib import Path

import numpy as np
import torch
from tensordict import TensorDict

from nappo2.checks import checked
from nappo2.saving.archive import check_sizes, damaged, read_array
from nappo2.saving.checkpoint import member_name, names_of
from nappo2.trees import nested, walk


@checked
def save_dataset(dataset: TensorDict, path: str | Path) -> Path:
    """Writes a dataset [N] to ``path``, whole or not at all, with an array per key, as ``next/reward``.

    Raises:
        ValueError: if it is not [N].
        OSError: if the disk refuses.
    """
    if dataset.ndim != 1:
        raise ValueError(f"a dataset is transitions [N], not {list(dataset.batch_size)}")
    path = Path(path)
    arrays = {member_name(names): leaf.cpu().numpy() for names, leaf in walk(dataset)}
    unfinished = path.with_name(f".{path.name}.tmp")
    with open(unfinished, "wb") as file:
        np.savez(file, **arrays)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)
    return path


@checked
def load_dataset(path: str | Path) -> TensorDict:
    """Reads a dataset that ``save_dataset`` or ``record`` wrote.

    Raises:
        ValueError: if it is no such file, or it is damaged.
        FileNotFoundError: if there is none.
    """
    with damaged(path, "holds no dataset of nappo2, or is damaged"), zipfile.ZipFile(path) as file:
        check_sizes(file, path)
        names = [name.removesuffix(".npy") for name in file.namelist()]
        leaves = [torch.from_numpy(read_array(file, f"{name}.npy")) for name in names]
        tree = nested(tuple(map(names_of, names)), leaves)
        missing = {"observation", "action", "next"} - set(tree)
        if missing:
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
        return TensorDict(tree, batch_size=[len(leaves[0])])
