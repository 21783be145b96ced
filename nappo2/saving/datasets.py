"""Datasets on disk: transitions as plain arrays in an .npz file, which executes nothing when it is read."""

from pathlib import Path

from tensordict import TensorDict

from nappo2.checks import checked
from nappo2.saving.archive import damaged
from nappo2.saving.plain import read_tree, write_tree
from nappo2.trees import walk


@checked
def save_dataset(dataset: TensorDict, path: str | Path) -> Path:
    """Writes a dataset [N] to ``path``, whole or not at all, with an array per key, as ``next/reward``.

    Raises:
        ValueError: if it is not [N].
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
    tree = read_tree(path, "dataset", ("observation", "action", "next"))
    with damaged(path, "holds columns of different lengths"):
        return TensorDict(tree.to_dict(), batch_size=[len(next(walk(tree))[1])])
