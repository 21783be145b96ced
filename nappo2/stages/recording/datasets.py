"""Datasets: recorded transitions [N] as a TensorDict, made of plain arrays.

Their keys are those of a rollout that ``collect`` writes: ``observation``, ``action`` and, under ``next``,
``observation``, ``reward``, ``terminated``, ``truncated`` and ``done``. The transitions of an episode
follow one another, and ``done`` ends it.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from tensordict import TensorDict, TensorDictBase
from torch import Tensor

from nappo2.checks import checked
from nappo2.envs import Env
from nappo2.maths.returns import solve_recurrence
from nappo2.stages.recording.checking import (
    OF_NEXT,
    check_dataset,
    check_spaces,
    dtype_name,
    within_bounds,
)
from nappo2.stages.recording.columns import of_columns, of_episodes
from nappo2.trees import walk

OF_ROLLOUTS = ("observation", "action", "action_log_prob", "mask", "next")


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
            does; of rollouts, in which they were collected, whose actions are clipped as it does. None for
            data as ``collect`` records them; of continuous actions, those within [-1, 1] can be learnt from.

    Returns:
        Transitions [N], on the CPU.

    Raises:
        ValueError: if a column is missing or unknown, columns have different lengths, numbers are not
            finite, or arrays are not of the spaces of ``env``.
        NotImplementedError: for actions of a simulator of spaces that no recipe takes.

    Example:
        >>> data = dataset([{"observation": [[0.0], [1.0], [2.0]], "action": [0, 1], "reward": [1, 1]}])
        >>> data["next", "observation"].flatten().tolist(), data["next", "truncated"].tolist()
        ([1.0, 2.0], [False, True])
    """
    if isinstance(data, TensorDictBase):
        made = of_rollouts(data)
        made = made if env is None else within_bounds(made, env)
    else:
        made = of_columns(data, env) if isinstance(data, Mapping) else of_episodes(data, env)
    if env is not None:
        check_spaces(made, env)
    return made


@checked
def of_rollouts(rollouts: TensorDict) -> TensorDict:
    """The dataset of a rollout [T, B], or transitions [N], whose episodes follow one another in time.

    Masked transitions are left out. An episode that goes on behind the last step, or before one that
    is masked, is truncated there. Of transitions [N], ``value_target`` stays.

    Raises:
        ValueError: if it is of another shape or has no step, or a key of a rollout is missing.
    """
    check_rollouts(rollouts)
    keys = (*OF_ROLLOUTS, "value_target") if rollouts.ndim == 1 else OF_ROLLOUTS
    data = rollouts.select(*keys, strict=False).cpu().clone()
    mask = data.get("mask", None)
    data["next"] = _ended(data["next"], mask)
    if data.ndim == 2:
        data = data.transpose(0, 1).reshape(-1)
    if mask is not None:
        data = data[data["mask"]].exclude("mask")
    check_dataset(data)
    return data


def check_rollouts(rollouts: TensorDict) -> None:
    """Refuses what is no rollout [T, B] and no transitions [N].

    Raises:
        ValueError: names its shape, or the first key that is missing or of another dtype.
    """
    if rollouts.ndim not in (1, 2) or 0 in rollouts.batch_size:
        raise ValueError(
            f"rollouts are [T, B], as collect yields them, or transitions [N], at least one, not "
            f"{list(rollouts.batch_size)}"
        )
    paths = {path[:depth] for path, _ in walk(rollouts) for depth in (1, 2)}
    for name in ("observation", "action", *(f"next/{key}" for key in ("observation", *OF_NEXT))):
        if tuple(name.split("/")) not in paths and name != "next/done":
            raise ValueError(f"rollouts have the key {name!r}, as collect writes it; it is missing")
    for name in ("mask", "next/terminated", "next/truncated"):
        flag = dict(walk(rollouts)).get(tuple(name.split("/")))
        if flag is not None and flag.dtype != torch.bool:
            raise ValueError(
                f"{name} of rollouts is bool, as collect writes it, not {dtype_name(flag)}"
            )


def _ended(after: TensorDict, mask: Tensor | None) -> TensorDict:
    """``next`` of a rollout [T, ...], truncated where the next step is none of the same episode."""
    last = torch.ones(after.batch_size, dtype=torch.bool)
    last[:-1] = False if mask is None else ~mask[1:]
    truncated = (after["truncated"] | last) & ~after["terminated"]
    return after.copy().update({"truncated": truncated, "done": after["terminated"] | truncated})


@checked
def with_returns(dataset: TensorDict, gamma: float) -> TensorDict:
    """The dataset [N] with discounted returns, as ``value_target`` [N], which ``losses.awr`` reads.

    ``G[t] = r[t] + gamma G[t + 1]``, to the end of the episode. Where that was truncated, what would have
    followed counts nothing.

    Args:
        dataset: transitions, those of an episode one after the other.
        gamma: discount per step.

    Returns:
        A copy, which shares the tensors of the dataset.

    Raises:
        ValueError: if it is no dataset, as ``dataset`` or ``record`` make one, or its rows do not follow
            one another, as they are shuffled or some are missing.

    Example:
        >>> data = dataset([{"observation": [[0.0], [1.0], [2.0]], "action": [0, 1], "reward": [1, 4]}])
        >>> with_returns(data, 0.5)["value_target"].tolist()
        [3.0, 4.0]
    """
    check_dataset(dataset)
    check_in_order(dataset, "returns are summed over episodes")
    after = dataset["next"]
    target = solve_recurrence(after["reward"], gamma * ~after["done"])
    return dataset.copy().update({"value_target": target})


def check_in_order(dataset: TensorDict, purpose: str) -> None:
    """Refuses a dataset in which a row that is not done is followed by another than its next observation.

    Args:
        dataset: transitions [N].
        purpose: what its episodes are needed for, in words.

    Raises:
        ValueError: names the first such row.
    """
    after, then = dataset["next", "observation"], dataset["observation"]
    goes_on = dataset["next", "done"][:-1].logical_not()
    for (_, reached), (_, left) in zip(
        *(sorted(walk({"": x})) for x in (after, then)), strict=True
    ):
        equal = reached[:-1] == left[1:]
        same = equal.reshape(len(goes_on), math.prod(equal.shape[1:])).all(-1)
        if (wrong := goes_on & ~same).any():
            row = int(wrong.int().argmax())
            raise ValueError(
                f"row {row} of the dataset is not done, and row {row + 1} begins with another observation "
                f"than it led to: {purpose} whose rows follow one another, and of which the last is done"
            )
