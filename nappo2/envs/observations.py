"""Observation specs: made once from a space, they say how observations are batched and flattened.

A new space is one new function, registered for its class: ``@observation_spec.register``.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial, singledispatch
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Box, Dict, Space
from torch import Tensor

from nappo2.checks import checked, explained
from nappo2.envs.boxes import GOAL_KEYS, has_goals, is_bytes

SMALLEST_IMAGE = 3  # pixels of a side, below which bytes are a row of numbers

Shape = tuple[int, ...]
Row = Callable[[Any], Tensor]
"""``observation [..., *shape] -> [..., n]`` float32."""


def unchanged(observation: Tensor) -> Tensor:
    """An observation as it is, ``[..., *shape]``."""
    return observation


@explained
def flattened(x: Tensor, rank: int) -> Tensor:
    """Joins the last ``rank`` dimensions, [..., *shape] to [..., n] float; bytes are scaled to [0, 1]."""
    if not x.is_floating_point():
        x = x.float() / 255 if x.dtype == torch.uint8 else x.float()
    return x.reshape(*x.shape[: x.ndim - rank], -1)


@explained
def with_goal(observation: Mapping) -> Tensor:
    """Observation and desired goal of a goal environment, side by side, [..., n + m]."""
    return torch.cat([observation["observation"], observation["desired_goal"]], -1)


@checked
class ObservationSpec(NamedTuple):
    """How the observations of an environment are batched, and flattened for a perceptron.

    Attributes:
        kind: ``vectors``, ``images`` or ``goals``.
        size: number of inputs of a perceptron.
        shape: of one observation; of several tensors, the shape of each by name.
        dtype: of the tensors in a batch.
        row: ``observation [..., *shape] -> [..., size]`` float32, the input of a perceptron.
        packed_shape: of the array in which a simulator's observation is gathered.
        pack: ``observation of a simulator -> array [*packed_shape]``; a ValueError says what is wrong.
        unpack: ``tensor [B, *packed_shape] -> observation [B, *shape]``.
        warning: what a recipe warns of if its network is a perceptron; empty for nothing.
    """

    kind: str
    size: int
    shape: Shape | Mapping[str, Shape]
    dtype: torch.dtype
    row: Row
    packed_shape: Shape
    pack: Callable[[Any], Any]
    unpack: Callable[[Tensor], Any]
    warning: str = ""

    def zeros(self, num: int) -> Any:
        """Observations of zeros [num, *shape]."""
        return self.unpack(torch.zeros(num, *self.packed_shape, dtype=self.dtype))

    @property
    def shapes(self) -> str:
        """The shapes of a batch, for messages."""
        if isinstance(self.shape, tuple):
            return _text(self.shape)
        return ", ".join(f"{key} {_text(shape)}" for key, shape in self.shape.items())


def _text(shape: Shape) -> str:
    return f"[{', '.join(map(str, ('B', *shape)))}]"


@singledispatch
@checked
def observation_spec(space: Space) -> ObservationSpec:
    """The spec of a space of observations, by the class of the space.

    Raises:
        NotImplementedError: if this class has no spec, or the space has no numbers.
    """
    raise NotImplementedError(
        f"observations in {space}; nappo2 takes a Box, or a Dict of {', '.join(GOAL_KEYS)}. "
        "gymnasium.wrappers.FlattenObservation turns most spaces into a Box"
    )


@checked
def tensor_spec(
    kind: str,
    shape: Shape,
    dtype: torch.dtype = torch.float32,
    pack: Callable[[Any], Any] = unchanged,
    warning: str = "",
) -> ObservationSpec:
    """The spec of observations that are one tensor, [B, *shape].

    Args:
        kind: ``vectors`` or ``images``.
        shape: of one observation.
        dtype: of the tensor; networks scale bytes to [0, 1].
        pack: ``observation of a simulator -> array [*shape]``.
        warning: what a recipe warns of if its network is a perceptron; empty for nothing.

    Returns:
        The spec.
    """
    row, size = row_of(shape, dtype), math.prod(shape)
    return ObservationSpec(kind, size, shape, dtype, row, shape, pack, unchanged, warning)


def row_of(shape: Shape, dtype: torch.dtype) -> Row:
    """The function that flattens tensors [..., *shape] to [..., n] float32."""
    plain = len(shape) == 1 and dtype.is_floating_point
    return unchanged if plain else partial(flattened, rank=len(shape))


@observation_spec.register
def _(space: Box) -> ObservationSpec:
    """Bytes stay uint8, as images are; all other numbers become float32."""
    if math.prod(space.shape) == 0:
        raise NotImplementedError(f"observations in {space}, which has no numbers at all")
    convolved = is_bytes(space, 3) and min(space.shape[1:]) >= SMALLEST_IMAGE
    kind = "images" if convolved else "vectors"
    return tensor_spec(kind, space.shape, _dtype(space), warning=_warning(space))


def _dtype(space: Box) -> torch.dtype:
    return torch.uint8 if is_bytes(space) else torch.float32


def _warning(space: Box) -> str:
    """A warning for images in floats, grey ones and stacks, which no convolution takes."""
    rank = len(space.shape)
    if (rank < 3 or is_bytes(space, 3)) and not is_bytes(space, 2):
        return ""
    return (
        f"of shape {space.shape} in {space.dtype}, which are seen as a row of "
        f"{math.prod(space.shape)} numbers, not as images: these are of bytes (uint8), "
        "[C, H, W] or [H, W, C]"
    )


@observation_spec.register
def _(space: Dict) -> ObservationSpec:
    """Observations of a goal environment; a perceptron gets the state and the desired goal."""
    if not has_goals(space):
        return observation_spec.dispatch(Space)(space)
    visible = [space[key] for key in ("observation", "desired_goal")]
    size = sum(math.prod(box.shape) for box in visible)
    if size == 0:
        raise NotImplementedError(f"observations in {space}, which has no numbers at all")
    shapes = {key: box.shape for key, box in space.spaces.items()}
    return ObservationSpec(
        kind="goals",
        size=size,
        shape=shapes,
        dtype=torch.uint8 if all(map(is_bytes, space.spaces.values())) else torch.float32,
        row=_goal_row(*(row_of(box.shape, _dtype(box)) for box in visible)),
        packed_shape=(sum(math.prod(shape) for shape in shapes.values()),),
        pack=partial(pack_parts, shapes),
        unpack=partial(unpack_parts, shapes),
    )


def _goal_row(state_row: Row, goal_row: Row) -> Callable[[Mapping], Tensor]:
    if state_row is unchanged and goal_row is unchanged:
        return with_goal
    return lambda x: torch.cat([state_row(x["observation"]), goal_row(x["desired_goal"])], -1)


def pack_parts(shapes: Mapping[str, Shape], observation: Any) -> np.ndarray:
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


def unpack_parts(shapes: Mapping[str, Shape], rows: Tensor) -> dict[str, Tensor]:
    """Splits rows [B, n] that ``pack_parts`` made into tensors [B, *shape] by name."""
    parts = rows.split([math.prod(shape) for shape in shapes.values()], -1)
    named = zip(shapes.items(), parts, strict=True)
    return {key: part.reshape(-1, *shape) for (key, shape), part in named}
