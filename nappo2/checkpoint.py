"""Params on disk: plain arrays by name in a .npz archive, which executes nothing when it is read."""

import os
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from tensordict import TensorDict

from nappo2.params import Params, nested, walk

BRANCHES = ("weights", "target", "normalizer", "version", "hyper")


def save_params(params: Params, path: str | Path) -> Path:
    """Writes params to ``path``: all of them or nothing, and the old file stays until then."""
    path = Path(path)
    arrays = {"/".join(names): leaf.detach().cpu().numpy() for names, leaf in walk(params)}
    unfinished = path.with_name(f".{path.name}.tmp")
    with open(unfinished, "wb") as file:
        np.savez(file, **arrays)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)
    return path


def load_params(path: str | Path) -> Params:
    """Reads what ``save_params`` wrote.

    Raises:
        ValueError: if it is no such file, or it is damaged.
        FileNotFoundError: if there is none.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            names = [tuple(name.split("/")) for name in file.files]
            leaves = [torch.from_numpy(np.array(file[name])) for name in file.files]
    except (BadZipFile, ValueError, EOFError, AttributeError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{path} holds no params of nappo2, or is damaged: {error}") from error
    tree = nested(tuple(names), leaves)
    missing = {"weights", "version", "hyper"} - set(tree)
    if missing:
        raise ValueError(f"{path} holds no params of nappo2: it lacks {', '.join(sorted(missing))}")
    return TensorDict({name: tree.get(name, TensorDict()) for name in BRANCHES})
