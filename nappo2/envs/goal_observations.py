"""The spec of goal environments, dictionaries of a state, an achieved goal and a desired one."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Dict
from torch import Tensor

from nappo2.checks import explained
from nappo2.envs.boxes import is_bytes
from nappo2.envs.observations import (
    ObservationSpec,
    Row,
    Shape,
    box_dtype,
    row_of,
    tensor_spec,
    unchanged,
)


@explained
def with_goal(observation: Mapping) -> Tensor:
    """Observation and desired goal of a goal environment, side by side, [..., n + m].

    Example:
        >>> networks.with_goal({"observation": torch.ones(5, 3), "desired_goal": torch.ones(5, 2)}).shape
        torch.Size([5, 5])
    """
    return torch.cat([observation["observation"], observation["desired_goal"]], -1)


def goal_spec(space: Dict) -> ObservationSpec:
    """Observations of a goal environment; a perceptron gets the state and the desired goal.

    Raises:
        NotImplementedError: if these have no numbers.
    """
    visible = [space[key] for key in ("observation", "desired_goal")]
    size = sum(math.prod(box.shape) for box in visible)
    if size == 0:
        raise NotImplementedError(f"observations in {space}, which has no numbers at all")
    shapes = {key: box.shape for key, box in space.spaces.items()}
    dtype = torch.uint8 if all(map(is_bytes, space.spaces.values())) else torch.float32
    return ObservationSpec(
        kind="goals",
        size=size,
        shape=shapes,
        dtype=dtype,
        row=_goal_row(*(row_of(box.shape, box_dtype(box)) for box in visible)),
        packed_shape=(sum(math.prod(shape) for shape in shapes.values()),),
        pack=partial(pack_goals, shapes),
        unpack=partial(unpack_goals, shapes),
        parts={key: tensor_spec("vectors", shape, dtype) for key, shape in shapes.items()},
        normalizable=False,
    )


def _goal_row(state_row: Row, goal_row: Row) -> Callable[[Mapping], Tensor]:
    if state_row is unchanged and goal_row is unchanged:
        return with_goal
    return lambda x: torch.cat([state_row(x["observation"]), goal_row(x["desired_goal"])], -1)


def pack_goals(shapes: Mapping[str, Shape], observation: Any) -> np.ndarray:
    """Concatenates the arrays of a dictionary to one row, in the order of ``shapes``.

    Raises:
        ValueError: if one is missing, or has another shape than in the space.
    """
    for key, shape in shapes.items():
        part = observation.get(key) if hasattr(observation, "get") else None
        if part is None or np.shape(part) != shape:
            what = "nothing" if part is None else f"an array of shape {np.shape(part)}"
            raise ValueError(
                f"gave {what} as {key!r} of its observation; its space has shape {shape}"
            )
    return np.concatenate([np.ravel(observation[key]) for key in shapes])


def unpack_goals(shapes: Mapping[str, Shape], rows: Tensor) -> dict[str, Tensor]:
    """Splits rows [B, n] that ``pack_goals`` made into tensors ``[B, *shape]`` by name."""
    parts = rows.split([math.prod(shape) for shape in shapes.values()], -1)
    named = zip(shapes.items(), parts, strict=True)
    return {key: part.reshape(-1, *shape) for (key, shape), part in named}
