"""Arrays of observations and actions as a space has them, as the batches that networks and losses take.

The inverse of what an environment does with actions, and the same as it does with observations.
"""

from collections.abc import Mapping
from functools import singledispatch
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Space, Tuple
from torch import Tensor

from nappo2 import trees
from nappo2.checks import checked
from nappo2.envs.actions import action_spec
from nappo2.envs.boxes import has_goals
from nappo2.envs.dictionaries import by_name, exact, numpy_dtype
from nappo2.envs.observations import ObservationSpec
from nappo2.envs.scales import box_scale
from nappo2.envs.wrappers import turning

ROUNDING = 1e-4
"""How far beyond a bound an action may be recorded, as a share of the half of the range."""


@checked
def observations_from(spec: ObservationSpec, arrays: Any) -> Any:
    """The batch of observations of a simulator.

    Args:
        spec: of the observations.
        arrays: [N, ...] as the space has them; of several parts a dictionary or a tuple of such.

    Returns:
        Observations ``[N, *shape]``.

    Raises:
        ValueError: if they are not of the space.
    """
    try:
        return _batch_of(spec, arrays)
    except ValueError as error:
        text = str(error)
        if not text.startswith("gave "):  # as is said of a simulator's
            raise
        raise ValueError(f"recorded observations have {text.removeprefix('gave ')}") from error


def with_channels_first(space: Space, arrays: Any) -> Any:
    """Arrays of a simulator, whose images [N, H, W, C] are turned to [N, C, H, W] as its environment does.

    Args:
        space: of the simulator's observations.
        arrays: ``[N, *shape]``, of several parts a dictionary of such by name, or by position.

    Returns:
        The arrays; those that are not ``[N, *shape]`` of an image, as they are turned already, stay.
    """
    if isinstance(space, (Dict, Tuple)):
        if has_goals(space) or not isinstance(arrays, Mapping):
            return arrays
        items = enumerate(space.spaces) if isinstance(space, Tuple) else space.spaces.items()
        spaces = {str(key): part for key, part in items}
        return {
            key: with_channels_first(spaces[key], x) if key in spaces else x
            for key, x in arrays.items()
        }
    turn = turning(space)
    return arrays if turn is None or np.shape(arrays)[1:] != space.shape else turn(arrays)


def _batch_of(spec: ObservationSpec, arrays: Any) -> Any:
    if not spec.parts and (spec.dtype.is_floating_point or spec.dtype == torch.uint8):
        array = np.asarray(arrays)
        if array.shape[1:] != spec.packed_shape:
            shape = ", ".join(map(str, ("N", *spec.packed_shape)))
            raise ValueError(f"recorded observations are [{shape}], not {list(array.shape)}")
        return spec.unpack(torch.from_numpy(exact(array, numpy_dtype(spec)).copy()))
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
def actions_from(space: Space, arrays: Any) -> Any:
    """The batch of actions of a space, as policies would have given them.

    Args:
        space: of the actions.
        arrays: ``[N, *shape]``, as the space has them; of several parts a dictionary of such by name, or
            by position.

    Returns:
        Actions [N] or [N, k] int64 of choices, [N, A] float32 of numbers, in [-1, 1] where both
        bounds are finite; of choices beside numbers by name.

    Raises:
        ValueError: if they are not of the space.
        NotImplementedError: for a space that no recipe takes.
    """
    raise NotImplementedError(f"recorded actions in {space}, which no recipe takes")


@actions_from.register
def _(space: Discrete, arrays: Any) -> Tensor:
    return _choices(space, arrays, space.start, space.n)


@actions_from.register
def _(space: MultiDiscrete, arrays: Any) -> Tensor:
    return _choices(space, arrays, space.start, space.nvec).flatten(1)


@actions_from.register
def _(space: MultiBinary, arrays: Any) -> Tensor:
    return _choices(space, arrays, 0, 2).flatten(1)


@actions_from.register
def _(space: Box, arrays: Any) -> Tensor:
    array, scale = _shaped(space, arrays).astype(np.float64), box_scale(space)
    is_fixed = scale.half_width == 0  # of one value, which is 0 in a batch
    numbers = (array - scale.centre) / np.where(is_fixed, 1.0, scale.half_width)
    least, most = (np.where(is_fixed, 0.0, x) for x in (scale.least, scale.most))
    if ((numbers < least - ROUNDING) | (numbers > most + ROUNDING)).any():
        raise ValueError(
            f"recorded actions are within {array.min():g} and {array.max():g}, which is not in {space}"
        )
    numbers = numbers.clip(least, most)
    return torch.from_numpy(numbers.reshape(len(numbers), -1).astype(np.float32))


@actions_from.register
def _(space: Dict, arrays: Any) -> Any:
    return _joint(space, {str(key): part for key, part in space.spaces.items()}, arrays)


@actions_from.register
def _(space: Tuple, arrays: Any) -> Any:
    return _joint(space, {str(i): part for i, part in enumerate(space.spaces)}, arrays)


def _joint(space: Space, spaces: Mapping[str, Space], arrays: Any) -> Any:
    """The batch of actions of several parts, as ``action_spec`` batches them."""
    if not isinstance(arrays, Mapping) or set(arrays) != set(spaces):
        raise ValueError(f"recorded actions in {space} have the parts {', '.join(spaces)}, by name")
    parts = {name: actions_from(part, arrays[name]) for name, part in spaces.items()}
    if action_spec(space).is_tree:
        return parts
    return torch.cat([x.reshape(len(x), -1) for x in parts.values()], -1)


def _choices(space: Space, arrays: Any, start: Any, sizes: Any) -> Tensor:
    """Choices ``[N, *shape]`` from 0, int64."""
    array = _shaped(space, arrays)
    choices = array.astype(np.int64) - np.asarray(start, np.int64)
    wrong = (choices < 0) | (choices >= sizes) | (array != array.astype(np.int64))
    if wrong.any():
        raise ValueError(f"a recorded action is {array[wrong][0]}, which is not in {space}")
    return torch.from_numpy(choices)


def _shaped(space: Space, arrays: Any) -> np.ndarray:
    """Arrays ``[N, *shape]`` of numbers.

    Raises:
        ValueError: if the shape is another, or they are no numbers.
    """
    if isinstance(arrays, Mapping):
        raise ValueError(f"recorded actions in {space} are an array, and have no parts")
    array = np.asarray(arrays)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"recorded actions in {space} are numbers, not {array.dtype}")
    if array.shape[1:] != space.shape:
        shape = ", ".join(map(str, ("N", *space.shape)))
        raise ValueError(f"recorded actions in {space} are [{shape}], not {list(array.shape)}")
    return array
