"""Datasets of Minari, which is an extra: https://minari.farama.org."""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, Space
from tensordict import TensorDict
from torch import Tensor

from nappo2.checks import checked, installs
from nappo2.envs import Env
from nappo2.stages.recording.checking import check_dataset, check_spaces
from nappo2.stages.recording.datasets import check_in_order, dataset


@checked
def from_minari(data: Any, env: Env) -> TensorDict:
    """The dataset of a dataset of Minari: its episodes, as the environment batches and scales them.

    Args:
        data: the id of a dataset that is on this machine, such as ``"mujoco/hopper/medium-v0"``, or
            anything with ``iterate_episodes()`` that has the episodes of Minari.
        env: of the dataset: ``envs.from_gym(data.recover_environment)``.

    Returns:
        Transitions [N], on the CPU.

    Raises:
        ImportError: for an id without minari; says how to install it.
        ValueError: if there is no such dataset, or the episodes are not of the environment's spaces.
        NotImplementedError: for actions of other spaces than arrays.
    """
    if isinstance(data, str):
        data = _loaded(data)
    if not hasattr(data, "iterate_episodes"):
        raise ValueError(
            f"data is the id of a dataset of Minari, or has iterate_episodes(), not {type(data).__name__}"
        )
    return dataset([_columns(episode) for episode in data.iterate_episodes()], env)


@checked
def to_minari(data: TensorDict, name: str, env: Env, **described: Any) -> Any:
    """Writes a dataset as one of Minari, on this machine, with actions as the environment takes them.

    ``to_minari(record(source, params, episodes=50), "pole/expert-v0", env)``. What ``from_minari`` reads of
    it is the dataset again, but for ``action_log_prob``.

    Args:
        data: transitions [N] of whole episodes, as ``record(..., episodes=...)`` makes them; the last
            episode is truncated where they end.
        name: of the dataset, with a version: ``"pole/expert-v0"``.
        env: in which it was recorded.
        **described: what ``minari.create_dataset_from_buffers`` takes besides: ``author``,
            ``algorithm_name``, ``description``.

    Returns:
        Minari's dataset.

    Raises:
        ImportError: without minari; says how to install it.
        ValueError: if the name is none that Minari reads again, or there is such a dataset already; if the
            data are not of the environment, their rows do not follow one another, as they are shuffled or
            some are missing, or observations are not numbers, images, choices or parts of such.
    """
    minari = _minari()
    check_name(name)
    check_dataset(data)
    check_spaces(data, env)
    _check_written(env.observation_space)
    if name in minari.list_local_datasets():
        raise ValueError(
            f"a dataset {name!r} is there already; minari.delete_dataset({name!r}) deletes it, and another "
            "version, as v1 after v0, stands beside it"
        )
    return minari.create_dataset_from_buffers(
        name,
        [minari.data_collector.EpisodeBuffer(**columns) for columns in episodes_of(data, env)],
        env=env.name if env.name in gymnasium.registry else None,
        observation_space=env.observation_space,
        action_space=env.action_space,
        **{**_lossless(minari), **described},
    )


def check_name(name: str) -> None:
    """Refuses a name that Minari does not read again.

    It makes the folder of a dataset before it looks at the name, and by one without a version no dataset of
    this machine can be listed any more.

    Raises:
        ValueError: says what a name is.
    """
    from minari.dataset.minari_dataset import parse_dataset_id

    try:
        parse_dataset_id(name)
    except (ValueError, TypeError) as error:
        raise ValueError(
            "a dataset's name is of letters, digits, - and _, perhaps behind a folder of at least two, and "
            f"ends with a version, such as 'pole/expert-v0', not {name!r}"
        ) from error


def episodes_of(data: TensorDict, env: Env) -> Iterator[dict[str, Any]]:
    """The columns of each episode of a dataset, by Minari's names.

    Args:
        data: transitions [N].
        env: that takes the actions.

    Returns:
        Mappings of arrays: observations are one more than actions.

    Raises:
        ValueError: if a row that is not done is followed by another than its next observation.
    """
    check_in_order(data, "Minari keeps episodes")
    ends = [*(data["next", "done"].nonzero().flatten() + 1).tolist(), len(data)]
    starts = [0, *ends[:-1]]
    for start, end in zip(starts, ends, strict=True):
        if start < end:
            steps = data[start:end]
            after = steps["next"]
            truncated = after["truncated"].clone()
            truncated[-1] |= not after["terminated"][-1]
            seen = _joined(steps["observation"], after["observation"][-1:])
            yield {
                "observations": seen,
                "actions": _rows(list(env.action_spec.to_env(_plain(steps["action"])))),
                "rewards": after["reward"].numpy(),
                "terminations": after["terminated"].numpy(),
                "truncations": truncated.numpy(),
            }


def _plain(x: Any) -> Any:
    return x.to_dict() if isinstance(x, TensorDict) else x


def _joined(first: Any, last: Any) -> Any:
    """Observations [T, ...] and the last one [1, ...] as arrays [T + 1, ...], of parts by name."""
    if isinstance(first, Tensor):
        return torch.cat([first, last]).numpy()
    return {key: _joined(first[key], last[key]) for key in first.keys()}


def _rows(rows: list[Any]) -> Any:
    """Rows as one array, or of several parts as a mapping of arrays."""
    if isinstance(rows[0], Mapping):
        return {key: _rows([row[key] for row in rows]) for key in rows[0]}
    return np.stack([np.asarray(row) for row in rows])


def _check_written(space: Space) -> None:
    """Refuses observations whose batches are not arrays of their space.

    Raises:
        ValueError: names the space.
    """
    if isinstance(space, Dict):
        for part in space.spaces.values():
            _check_written(part)
    elif not isinstance(space, (Box, MultiBinary)) and not (
        isinstance(space, Discrete) and space.start == 0
    ):
        raise ValueError(
            f"observations in {space} are not written; those of Box, MultiBinary and Discrete from 0, and "
            "Dicts of these, are"
        )


def _minari() -> Any:
    try:
        import minari
    except ImportError as error:
        raise ImportError(f"datasets of Minari need minari: {installs('minari')}") from error
    return minari


def _lossless(minari: Any) -> dict[str, bool]:
    """The option by which Minari keeps bytes as they are, if it has one: else matrices become JPEGs."""
    options = inspect.signature(minari.create_dataset_from_buffers).parameters
    return {"jpeg_encoding": False} if "jpeg_encoding" in options else {}


def _loaded(name: str) -> Any:
    minari = _minari()
    if name not in minari.list_local_datasets():
        raise ValueError(
            f"no dataset {name!r} is on this machine; minari.download_dataset({name!r}) gets one"
        )
    return minari.load_dataset(name)


def _columns(episode: Any) -> dict[str, Any]:
    try:
        return {
            "observation": episode.observations,
            "action": episode.actions,
            "reward": episode.rewards,
            "terminated": episode.terminations,
        }
    except AttributeError as error:
        raise ValueError(f"an episode of Minari has more: {error}") from error
