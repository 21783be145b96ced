"""Arrays of observations and actions as a space has them, as the batches that networks and losses take.

The inverse of what an environment does with actions, and the same as it does with observations.
"""

from collections.abc import Mapping
from functools import singledispatch
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete, Space
from torch import Tensor

from nappo2 import trees
from nappo2.checks import checked
from nappo2.envs.dictionaries import by_name, exact
from nappo2.envs.observations import ObservationSpec
from nappo2.envs.scales import box_scale


@checked
def observations_from(spec: ObservationSpec, arrays: Any) -> Any:
    """The batch of observations of a simulator.

    Args:
        spec: of the observations.
        arrays: [N, ...] as the space has them; of several parts a dictionary or a tuple of such.

    Returns:
        Observations [N, *shape].

    Raises:
        ValueError: if they are not of the space.
    """
    if not spec.parts and (spec.dtype.is_floating_point or spec.dtype == torch.uint8):
        array = np.asarray(arrays)
        if array.shape[1:] != spec.packed_shape:
            raise ValueError(
                f"observations have shape (N, *{spec.packed_shape}), not {array.shape}"
            )
        return spec.unpack(torch.from_numpy(exact(array, spec.dtype).copy()))
    if spec.parts:
        arrays = {key: np.asarray(x) if not _is_tree(x) else x for key, x in _named(spec, arrays)}
    size = len(trees.leaves(arrays)[0])
    rows = [np.asarray(spec.pack(_row(arrays, i))) for i in range(size)]
    return spec.unpack(torch.from_numpy(np.stack(rows)))


def _named(spec: ObservationSpec, arrays: Any) -> list[tuple[str, Any]]:
    return list(by_name(spec.parts, arrays).items())


def _is_tree(x: Any) -> bool:
    return isinstance(x, (Mapping, tuple))


def _row(arrays: Any, i: int) -> Any:
    if isinstance(arrays, Mapping):
        return {key: _row(x, i) for key, x in arrays.items()}
    if isinstance(arrays, tuple):
        return tuple(_row(x, i) for x in arrays)
    return arrays[i]


@singledispatch
def actions_from(space: Space, arrays: Any) -> Tensor:
    """The batch of actions of a space, as policies would have given them.

    Args:
        space: of the actions.
        arrays: [N, *shape], as the space has them.

    Returns:
        Actions [N] or [N, k] int64 of choices, [N, A] float32 of numbers, in [-1, 1] where both
        bounds are finite.

    Raises:
        NotImplementedError: for a space of other parts.
    """
    raise NotImplementedError(
        f"recorded actions in {space}; those of a Box, Discrete, MultiDiscrete and MultiBinary can be "
        "taken from a simulator, and others as collect records them, without env"
    )


@actions_from.register
def _(space: Discrete, arrays: Any) -> Tensor:
    return torch.from_numpy(np.asarray(arrays).astype(np.int64)) - int(space.start)


@actions_from.register
def _(space: MultiDiscrete, arrays: Any) -> Tensor:
    choices = np.asarray(arrays).astype(np.int64) - np.asarray(space.start).astype(np.int64)
    return torch.from_numpy(choices.reshape(len(choices), -1))


@actions_from.register
def _(space: MultiBinary, arrays: Any) -> Tensor:
    choices = np.asarray(arrays).astype(np.int64)
    return torch.from_numpy(choices.reshape(len(choices), -1))


@actions_from.register
def _(space: Box, arrays: Any) -> Tensor:
    scale = box_scale(space)
    numbers = (np.asarray(arrays, np.float64) - scale.centre) / scale.half_width
    numbers = numbers.clip(scale.least, scale.most)
    return torch.from_numpy(numbers.reshape(len(numbers), -1).astype(np.float32))
