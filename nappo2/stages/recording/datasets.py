"""Datasets: recorded transitions [N] as a TensorDict, made of plain arrays.

Their keys are those of a rollout that ``collect`` writes: ``observation``, ``action`` and, under ``next``,
``observation``, ``reward``, ``terminated``, ``truncated`` and ``done``. The transitions of an episode
follow one another, and ``done`` ends it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from tensordict import TensorDict, TensorDictBase
from torch import Tensor

from nappo2 import trees
from nappo2.checks import checked, shown
from nappo2.envs import Env
from nappo2.envs.space_arrays import actions_from, observations_from

COLUMNS = ("observation", "action", "reward", "terminated", "next_observation")
OF_NEXT = ("observation", "reward", "terminated", "truncated", "done")


@checked
def dataset(data: Mapping | TensorDict | Sequence[Mapping], env: Env | None = None) -> TensorDict:
    """A dataset of plain arrays: of transitions, or of episodes.

    Transitions are a mapping of arrays [N, ...]: ``observation``, ``action``, ``reward``,
    ``terminated``, ``next_observation``, and ``truncated`` where an episode was cut off; or a TensorDict
    of rollouts, as ``collect`` yields them. Episodes are a sequence of mappings without
    ``next_observation``: their observations are [T + 1, ...], of all that was seen, and each ends with
    its last transition.

    Args:
        data: arrays, tensors or lists of numbers, of several parts nested mappings.
        env: whose simulator gave observations and took actions, which are batched and scaled as it
            does; None for data as ``collect`` records them, whose continuous actions are in [-1, 1].

    Returns:
        Transitions [N], on the CPU.

    Raises:
        ValueError: if a column is missing, columns have different lengths, or numbers are not finite.
        NotImplementedError: for actions of a simulator of other spaces than arrays.

    Example:
        >>> data = dataset([{"observation": [[0.0], [1.0], [2.0]], "action": [0, 1], "reward": [1, 1]}])
        >>> data["next", "observation"].flatten().tolist(), data["next", "truncated"].tolist()
        ([1.0, 2.0], [False, True])
    """
    if isinstance(data, TensorDictBase):
        return of_rollouts(data)
    if isinstance(data, Mapping):
        return _of_columns(data, env)
    if not data:
        raise ValueError("a dataset has at least one episode, and there is none")
    episodes = [_of_columns(_one_episode(episode, i), env) for i, episode in enumerate(data)]
    return torch.cat(episodes)


@checked
def of_rollouts(rollouts: TensorDict) -> TensorDict:
    """The dataset of a rollout [T, B], or transitions [N], whose episodes follow one another in time.

    An episode that goes on behind the last step is truncated there.

    Raises:
        ValueError: if a key of a rollout is missing.
    """
    for key in ("observation", "action", "next"):
        if key not in rollouts.keys():
            raise ValueError(f"rollouts have the key {key!r}, as collect writes it; it is missing")
    kept = ("observation", "action", "action_log_prob", "mask", "next")
    data = rollouts.select(*kept, strict=False).cpu().clone()
    if data.ndim == 2:
        data["next"] = _ended(data["next"])
        data = data.transpose(0, 1).reshape(-1)
    if "mask" in data.keys():
        data = data[data["mask"]].exclude("mask")
    check_dataset(data)
    return data


def check_dataset(data: TensorDict) -> None:
    """Refuses what is no dataset.

    Raises:
        ValueError: if it is empty, not [N], lacks a key, or has numbers that are not finite; names
            the first.
    """
    if data.ndim != 1 or not len(data):
        raise ValueError(
            f"a dataset is transitions [N], at least one, not {list(data.batch_size)}; "
            "dataset(...) makes one of arrays, episodes and rollouts"
        )
    keys = data.keys(True)
    for name in ("observation", "action", *(("next", key) for key in OF_NEXT)):
        if name not in keys:
            key = "/".join(name) if isinstance(name, tuple) else name
            raise ValueError(f"a dataset has the key {key!r}; dataset(...) makes all of them")
    for key, x in data.items(True, True):
        name = "/".join(key) if isinstance(key, tuple) else key
        if x.is_floating_point() and name != "action_log_prob" and not x.isfinite().all():
            raise ValueError(f"{name} of the dataset has numbers that are not finite")


def _ended(after: TensorDict) -> TensorDict:
    """``next`` of a rollout [T, B] that is truncated where its last step ends no episode."""
    after = after.copy()
    truncated = after["truncated"].clone()
    truncated[-1] |= ~after["terminated"][-1]
    return after.update({"truncated": truncated, "done": after["terminated"] | truncated})


def _one_episode(episode: Mapping, i: int) -> dict[str, Any]:
    """The columns of an episode of T steps, whose observations are [T + 1, ...]."""
    for name in ("observation", "action", "reward"):
        if name not in episode:
            raise ValueError(
                f"episode {i} has no {name!r}; there are {', '.join(map(str, episode))}"
            )
    size = len(episode["reward"])
    observation = _arrays(episode["observation"])
    lengths = {len(x) for x in trees.leaves(observation)}
    if lengths != {size + 1}:
        raise ValueError(
            f"episode {i} has {size} rewards and {max(lengths)} observations; of the observations "
            "there is one more, that after the last step"
        )
    last = np.arange(size) == size - 1
    terminated = np.asarray(episode.get("terminated", np.zeros(size))).astype(bool)
    return {
        **episode,
        "observation": trees.map(lambda x: x[:-1], observation),
        "next_observation": trees.map(lambda x: x[1:], observation),
        "terminated": terminated,
        "truncated": last & ~terminated,
    }


def _of_columns(data: Mapping, env: Env | None) -> TensorDict:
    if "next" in data and isinstance(data["next"], Mapping):
        after = {**data["next"], "next_observation": data["next"]["observation"]}
        data = {**after, **data}
    for name in COLUMNS:
        if name not in data:
            raise ValueError(
                f"transitions have the column {name!r}, which is missing; there are "
                f"{', '.join(map(str, data)) or 'none'}"
            )
    columns = {name: _arrays(data[name]) for name in (*COLUMNS, "truncated") if name in data}
    _check_lengths(columns)
    terminated = _flags(columns["terminated"])
    truncated = _flags(columns["truncated"]) if "truncated" in columns else terminated & False
    after = {
        "observation": _observations(columns["next_observation"], env),
        "reward": _tensor(columns["reward"]).float(),
        "terminated": terminated,
        "truncated": truncated & ~terminated,
        "done": terminated | truncated,
    }
    observation = _observations(columns["observation"], env)
    action = _actions(columns["action"], env)
    tree = {"observation": observation, "action": action, "next": after}
    made = TensorDict(tree, batch_size=len(terminated))
    check_dataset(made)
    return made


def _arrays(x: Any) -> Any:
    """A column as arrays, tensors among them, by name where it has parts."""
    if isinstance(x, (Mapping, TensorDictBase)):
        return {str(key): _arrays(part) for key, part in x.items()}
    if isinstance(x, tuple):
        return {str(i): _arrays(part) for i, part in enumerate(x)}
    array = x.detach().cpu().numpy() if isinstance(x, Tensor) else np.asarray(x)
    if array.dtype.kind not in "fiubU":
        raise ValueError(f"a column of a dataset is an array of numbers, not {shown(x)}")
    return array


def _check_lengths(columns: Mapping[str, Any]) -> None:
    lengths = {name: len(x) for name, tree in columns.items() for x in trees.leaves(tree)}
    if len(set(lengths.values())) > 1:
        text = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(f"the columns of a dataset have one length, not {text}")


def _flags(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(array).astype(bool).reshape(-1))


def _tensor(array: np.ndarray) -> Tensor:
    """A tensor of memory of its own; of floats float32, of integers int64, of bytes and flags as they are."""
    tensor = torch.from_numpy(np.array(array))
    if tensor.is_floating_point():
        return tensor.float()
    return tensor if tensor.dtype in (torch.uint8, torch.bool) else tensor.long()


def _observations(arrays: Any, env: Env | None) -> Any:
    if env is None:
        return trees.map(_tensor, arrays)
    return observations_from(env.observation_spec, arrays)


def _actions(arrays: Any, env: Env | None) -> Any:
    return trees.map(_tensor, arrays) if env is None else actions_from(env.action_space, arrays)
