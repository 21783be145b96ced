"""Datasets on disk: transitions as plain arrays in an .npz file, which executes nothing when it is read."""

from collections.abc import Mapping
from pathlib import Path

from tensordict import TensorDict, TensorDictBase

from nappo2.checks import checked
from nappo2.saving.archive import damaged
from nappo2.saving.plain import read_tree, write_tree
from nappo2.trees import walk

PARTS = ("observation", "action", "next")
"""What a dataset has at least."""


@checked
def save_dataset(dataset: TensorDict, path: str | Path) -> Path:
    """Writes a dataset [N] to ``path``, whole or not at all, with an array per key, as ``next/reward``.

    Raises:
        ValueError: if it is not [N] with at least one transition, or lacks a part of these; for a path at
            which there can be no file.
        OSError: if the disk refuses.

    Example:
        >>> import tempfile
        >>> recipe = dqn(envs.cartpole(4), DQN(num_steps=4, hidden=(8,)))
        >>> data = record(collect_of(recipe), recipe.init(0), 100)
        >>> path = save_dataset(data, tempfile.mkdtemp() + "/data.npz")
        >>> len(load_dataset(path)) == len(data)
        True
    """
    if dataset.ndim != 1:
        raise ValueError(f"a dataset is transitions [N], not {list(dataset.batch_size)}")
    check_parts(dataset)
    write_tree(dataset, Path(path))
    return Path(path)


@checked
def load_dataset(path: str | Path) -> TensorDict:
    """Reads a dataset that ``save_dataset`` or ``record`` wrote.

    Raises:
        ValueError: if it is no such file, or it is damaged.
        FileNotFoundError: if there is none.

    Example:
        >>> import tempfile
        >>> recipe = dqn(envs.cartpole(4), DQN(num_steps=4, hidden=(8,)))
        >>> data = record(collect_of(recipe), recipe.init(0), 100)
        >>> load_dataset(save_dataset(data, tempfile.mkdtemp() + "/data.npz")).batch_size == data.batch_size
        True
    """
    tree = read_tree(path, "dataset", PARTS)
    with damaged(path, "holds no dataset of nappo2"):
        check_parts(tree)
    with damaged(path, "holds columns of different lengths"):
        return TensorDict(tree.to_dict(), batch_size=[len(next(walk(tree))[1])])


def check_parts(tree: Mapping) -> None:
    """Refuses what would be read as no dataset.

    Raises:
        ValueError: says what is missing, or has no rows.
    """
    for name in PARTS:
        if name not in tree.keys():
            raise ValueError(f"a dataset has the parts {', '.join(PARTS)}, and {name} is missing")
    if not isinstance(tree["next"], (Mapping, TensorDictBase)):
        raise ValueError("next of a dataset has parts, such as next/reward, and is no array itself")
    for path, x in walk(tree):
        if not x.ndim or not len(x):
            raise ValueError(
                f"a dataset has at least one transition, and {'/'.join(path)} has "
                f"{'no rows' if x.ndim else 'a single number'}"
            )
