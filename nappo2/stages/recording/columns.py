"""Columns of recorded data: plain arrays with a row per transition, or per step of an episode."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from tensordict import TensorDict, TensorDictBase
from torch import Tensor

from nappo2 import trees
from nappo2.checks import shown
from nappo2.envs import Env
from nappo2.envs.space_arrays import actions_from, observations_from, with_channels_first
from nappo2.saving.packing import AS_INTEGERS
from nappo2.stages.recording.checking import check_dataset, kind

OF_BOTH = ("observation", "action", "reward")
OF_TRANSITIONS = (*OF_BOTH, "terminated", "next_observation")
OF_ROWS = (bool, int, float, np.generic)
"""What a tuple has that is a column of numbers, and not one of parts."""


def of_columns(data: Mapping, env: Env | None) -> TensorDict:
    """The dataset of columns of transitions.

    Args:
        data: arrays [N, ...] by name.
        env: whose simulator they are of; None for data as ``collect`` records them.

    Returns:
        Transitions [N].

    Raises:
        ValueError: for columns that are missing, too many, or not alike; names the column.
    """
    check_names("transitions", data, OF_TRANSITIONS, ("truncated",))
    columns = {name: arrays(name, x) for name, x in data.items()}
    check_lengths(columns)
    terminated = flags("terminated", columns["terminated"])
    truncated = flags("truncated", columns.get("truncated", np.zeros(terminated.shape)))
    after = {
        "observation": _observations(columns["next_observation"], env),
        "reward": numbers("reward", columns["reward"]),
        "terminated": terminated,
        "truncated": truncated & ~terminated,
        "done": terminated | truncated,
    }
    observation, action = _observations(columns["observation"], env), columns["action"]
    action = trees.map(tensor, action) if env is None else actions_from(env.action_space, action)
    tree = {"observation": observation, "action": action, "next": after}
    made = TensorDict(tree, batch_size=len(terminated))
    check_dataset(made)
    return made


def of_episodes(episodes: Sequence[Mapping], env: Env | None) -> TensorDict:
    """The dataset of episodes, whose observations are one more than their steps.

    Args:
        episodes: mappings of arrays by name.
        env: whose simulator they are of; None for data as ``collect`` records them.

    Returns:
        Transitions [N].

    Raises:
        ValueError: if there is none, one is not right by itself, or they are not alike; names the
            episode.
    """
    if not episodes:
        raise ValueError("a dataset has at least one episode, and there is none")
    made: list[TensorDict] = []
    for i, episode in enumerate(episodes):
        try:
            made.append(of_columns(columns_of_episode(episode), env))
        except ValueError as error:
            raise ValueError(f"of episode {i}, {error}") from error
        for key in ("observation", "action"):
            first, other = kind(made[0][key]), kind(made[i][key])
            if first != other:
                raise ValueError(f"of episode {i}, {key} is {other}, and that of the first {first}")
    return torch.cat(made)


def columns_of_episode(episode: Mapping) -> dict[str, Any]:
    """The columns of an episode of T steps, whose observations are [T + 1, ...]; the last step ends it.

    Raises:
        ValueError: if columns are missing or too many, if there is no step, or it ends before its last.
    """
    check_names("episodes", episode, OF_BOTH, ("terminated", "truncated"))
    columns = {name: arrays(name, x) for name, x in episode.items()}
    observation, size = columns["observation"], len(numbers("reward", columns["reward"]))
    lengths = {len(x) for x in trees.leaves(observation)}
    if lengths != {size + 1}:
        raise ValueError(
            f"there are {size} rewards and {max(lengths - {size + 1})} observations; of the "
            "observations there is one more, that after the last step"
        )
    if not size:
        raise ValueError("there is no step; an episode has at least one")
    check_lengths({name: x for name, x in columns.items() if name != "observation"})
    ends = {
        name: flags(name, columns.get(name, np.zeros(size))) for name in ("terminated", "truncated")
    }
    for name, flag in ends.items():
        if flag[:-1].any():
            raise ValueError(
                f"{name} is set at step {int(flag.int().argmax())}, and there are {size} steps; an "
                "episode ends with its last step"
            )
    last, terminated = torch.arange(size) == size - 1, ends["terminated"]
    return {
        **columns,
        "observation": trees.map(lambda x: x[:-1], observation),
        "next_observation": trees.map(lambda x: x[1:], observation),
        "terminated": terminated,
        "truncated": last & ~terminated,
    }


def check_names(what: str, data: Mapping, needed: Collection[str], others: Collection[str]) -> None:
    """Refuses columns that are missing, or that nothing reads.

    Args:
        what: they are columns of.
        data: the columns by name.
        needed: names of those that must be there.
        others: names of those that may be.

    Raises:
        ValueError: names the first, and those that there may be.
    """
    names = ", ".join((*needed, *others))
    for name in needed:
        if name not in data:
            raise ValueError(
                f"{what} have the column {name!r}, which is missing; there may be {names}"
            )
    for name in data:
        if name not in (*needed, *others):
            raise ValueError(
                f"{what} have no column {name!r}, which nothing reads; there may be {names}"
            )


def arrays(name: str, x: Any) -> Any:
    """A column as arrays, tensors among them, by name where it has parts.

    The parts are those of a mapping, or of a tuple by their positions; a tuple of numbers is a column.

    Raises:
        ValueError: if it has no row per step, no part, or holds no numbers; names the column.
    """
    if isinstance(x, tuple) and not (x and all(isinstance(part, OF_ROWS) for part in x)):
        x = {str(i): part for i, part in enumerate(x)}
    if isinstance(x, (Mapping, TensorDictBase)):
        if not len(x.keys()):
            raise ValueError(
                f"the column {name!r} has no parts; it is an array, or has one for each"
            )
        return {str(key): arrays(f"{name}/{key}", part) for key, part in x.items()}
    try:
        array = array_of(x) if isinstance(x, Tensor) else np.asarray(x)
    except ValueError as error:
        raise ValueError(f"the rows of the column {name!r} have different shapes") from error
    if array.dtype.kind not in "fiubU" or not array.ndim:
        given = (
            f"an array of {array.dtype}" if isinstance(x, np.ndarray) and array.ndim else shown(x)
        )
        raise ValueError(f"the column {name!r} is an array of rows of numbers, not {given}")
    return array


def array_of(x: Tensor) -> np.ndarray:
    """A tensor [...] as an array; floats are float32 where numpy has no such dtype, as bfloat16."""
    x = x.detach().cpu()
    return (x.float() if x.dtype in AS_INTEGERS else x).numpy()


def check_lengths(columns: Mapping[str, Any]) -> None:
    """Refuses columns of different lengths.

    Raises:
        ValueError: says how long each is.
    """
    lengths = {name: len(x) for name, tree in columns.items() for x in trees.leaves(tree)}
    if len(set(lengths.values())) > 1:
        text = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(f"the columns of a dataset have one length, not {text}")


def numbers(name: str, array: Any) -> Tensor:
    """A column of numbers [N], float32.

    Raises:
        ValueError: if it holds something else; names the column.
    """
    if isinstance(array, Mapping) or array.dtype.kind == "U":
        what = "parts" if isinstance(array, Mapping) else "texts"
        raise ValueError(f"{name} is a number in each row, and holds {what}")
    return tensor(array).float()


def flags(name: str, array: Any) -> Tensor:
    """A column of flags [N], bool.

    Raises:
        ValueError: if it holds something else; names the column.
    """
    if isinstance(array, Mapping) or array.dtype.kind == "U":
        what = "parts" if isinstance(array, Mapping) else "texts"
        raise ValueError(f"{name} is True or False in each row, and holds {what}")
    if not np.isin(array, (0, 1)).all():
        raise ValueError(f"{name} is True or False in each row, and holds other numbers")
    return torch.from_numpy(array.astype(bool))


def tensor(array: np.ndarray) -> Tensor:
    """A tensor [...] of memory of its own: float32 of floats, int64 of integers, bytes and flags as such.

    Raises:
        ValueError: for texts.
    """
    if array.dtype.kind == "U":
        raise ValueError("a column of texts needs env, whose space says how they are batched")
    made = torch.from_numpy(np.array(array))
    if made.is_floating_point():
        return made.float()
    return made if made.dtype in (torch.uint8, torch.bool) else made.long()


def _observations(columns: Any, env: Env | None) -> Any:
    if env is None:
        return trees.map(tensor, columns)
    bare = env.observation_space if env.bare_space is None else env.bare_space
    return observations_from(env.observation_spec, with_channels_first(bare, columns))
