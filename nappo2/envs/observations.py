"""Observation specs: made once from a space, they say how observations are batched and flattened.

A new space is one new function, registered for its class: ``@observation_spec.register``. Boxes are here,
numbers of choices and text in ``choices``, dictionaries and tuples in ``dictionaries``.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial, singledispatch
from typing import Any, NamedTuple

import gymnasium
import torch
from gymnasium.spaces import Box, Graph, OneOf, Space, Tuple
from torch import Tensor

from nappo2.checks import checked, explained
from nappo2.envs.boxes import is_bytes
from nappo2.maths.moments import statistics_name

SMALLEST_IMAGE = 3  # pixels of a side, below which bytes are a row of numbers

Shape = tuple[int, ...]
Row = Callable[[Any], Tensor]
"""``observation [..., *shape] -> [..., n]`` float32."""


def unchanged(observation: Tensor) -> Tensor:
    """An observation as it is, ``[..., *shape]``.

    Example:
        >>> networks.unchanged(torch.tensor([[1.0, 2.0]]))
        tensor([[1., 2.]])
    """
    return observation


@explained
def flattened(x: Tensor, rank: int) -> Tensor:
    """Joins the last ``rank`` dimensions, ``[..., *shape]`` to [..., n] float; bytes are scaled to [0, 1].

    Example:
        >>> networks.flattened(torch.full((5, 2, 3), 255, dtype=torch.uint8), rank=2).shape
        torch.Size([5, 6])
        >>> networks.flattened(torch.tensor([[[0, 255], [255, 0]]], dtype=torch.uint8), rank=2)
        tensor([[0., 1., 1., 0.]])
    """
    if not x.is_floating_point():
        x = x.float() / 255 if x.dtype == torch.uint8 else x.float()
    return x.reshape(*x.shape[: x.ndim - rank], -1)


@checked
class ObservationSpec(NamedTuple):
    """How the observations of an environment are batched, and flattened for a perceptron.

    Attributes:
        kind: ``vectors``, ``images``, ``goals``, ``dictionaries``, or ``masks`` for a part that no
            network sees.
        size: number of inputs of a perceptron.
        shape: of one observation; of several tensors, the shape of each by name.
        dtype: of a batch that is one tensor, and of the packed array.
        row: ``observation [..., *shape] -> [..., size]`` float32, the input of a perceptron.
        packed_shape: of the array in which a simulator's observation is gathered.
        pack: ``observation of a simulator -> array [*packed_shape]``; a ValueError says what is wrong.
        unpack: ``tensor [B, *packed_shape] -> observation [B, *shape]``.
        warning: what a recipe warns of if its network is a perceptron; empty for nothing.
        parts: of several tensors, the spec of each by name; empty if a batch is one tensor.
        normalizable: whether a mean and a deviation of its numbers mean something, as they do not of
            choices.
    """

    kind: str
    size: int
    shape: Shape | Mapping[str, Any]
    dtype: torch.dtype
    row: Row
    packed_shape: Shape
    pack: Callable[[Any], Any]
    unpack: Callable[[Tensor], Any]
    warning: str = ""
    parts: Mapping[str, Any] = {}
    normalizable: bool = True

    def zeros(self, num: int) -> Any:
        """Observations of zeros ``[num, *shape]``."""
        return self.unpack(torch.zeros(num, *self.packed_shape, dtype=self.dtype))

    @property
    def shapes(self) -> str:
        """The shapes of a batch, for messages."""
        if not isinstance(self.shape, Mapping):
            return f"[{', '.join(map(str, ('B', *self.shape)))}]"
        named = self.tensors.items()
        return ", ".join(f"{'.'.join(path)} {spec.shapes}" for path, spec in named)

    @property
    def tensors(self) -> dict[tuple[str, ...], "ObservationSpec"]:
        """The spec of each tensor of a batch by its path; that of a batch of one tensor is ()."""
        if not self.parts:
            return {(): self}
        return {
            (key, *path): spec
            for key, part in self.parts.items()
            for path, spec in part.tensors.items()
        }

    @property
    def has_images(self) -> bool:
        """Whether observations are images, or a part of them is."""
        return any(spec.kind == "images" for spec in self.tensors.values())

    @property
    def statistics(self) -> dict[str, Shape]:
        """The shapes of what may be normalised, by the names that ``maths.moments.named`` gives."""
        if not self.parts:
            return {"observation": self.shape} if self.normalizable else {}
        return {
            statistics_name(path): spec.shape
            for path, spec in self.tensors.items()
            if spec.normalizable and spec.kind == "vectors"
        }


@singledispatch
@checked
def observation_spec(space: Space) -> ObservationSpec:
    """The spec of a space of observations, by the class of the space.

    Raises:
        NotImplementedError: if this class has no spec, or the space has no numbers.

    Example:
        >>> from gymnasium.spaces import Box
        >>> envs.observation_spec(Box(0.0, 1.0, (3,))).shape
        (3,)
    """
    raise NotImplementedError(
        f"observations in {space}, which nappo2 has no spec of; "
        "gymnasium.wrappers.TransformObservation can map them to a Box or a Dict"
    )


@checked
def tensor_spec(
    kind: str,
    shape: Shape,
    dtype: torch.dtype = torch.float32,
    pack: Callable[[Any], Any] = unchanged,
    warning: str = "",
) -> ObservationSpec:
    """The spec of observations that are one tensor, ``[B, *shape]``.

    Args:
        kind: ``vectors`` or ``images``.
        shape: of one observation.
        dtype: of the tensor; networks scale bytes to [0, 1].
        pack: ``observation of a simulator -> array [*shape]``.
        warning: what a recipe warns of if its network is a perceptron; empty for nothing.

    Returns:
        The spec.

    Example:
        >>> spec = envs.tensor_spec("vectors", (2,), pack=lambda hour: [hour // 12, hour % 12])
        >>> spec.pack(15), spec.size, spec.zeros(3).shape
        ([1, 3], 2, torch.Size([3, 2]))
    """
    row, size = row_of(shape, dtype), math.prod(shape)
    return ObservationSpec(kind, size, shape, dtype, row, shape, pack, unchanged, warning)


def row_of(shape: Shape, dtype: torch.dtype) -> Row:
    """The function that flattens tensors ``[..., *shape]`` to [..., n] float32."""
    plain = len(shape) == 1 and dtype.is_floating_point
    return unchanged if plain else partial(flattened, rank=len(shape))


@observation_spec.register
def _(space: Box) -> ObservationSpec:
    """Bytes stay uint8, as images are; all other numbers become float32."""
    if math.prod(space.shape) == 0:
        raise NotImplementedError(f"observations in {space}, which has no numbers at all")
    convolved = is_bytes(space, 3) and min(space.shape[1:]) >= SMALLEST_IMAGE
    kind = "images" if convolved else "vectors"
    return tensor_spec(kind, space.shape, box_dtype(space), warning=_warning(space))


def box_dtype(space: Box) -> torch.dtype:
    """The dtype in which observations of a Box are batched: bytes as they are, else float32."""
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


@observation_spec.register(gymnasium.spaces.Sequence)
@observation_spec.register(Graph)
def _(space: Space) -> ObservationSpec:
    raise NotImplementedError(
        f"observations in {space}, which have no fixed number of entries; "
        "gymnasium.wrappers.TransformObservation can pad them to a Box"
    )


@observation_spec.register
def _(space: OneOf) -> ObservationSpec:
    raise NotImplementedError(
        f"observations in {space}, which are of one space or another; "
        "gymnasium.wrappers.FlattenObservation pads them to a Box"
    )


def part_of(space: Space, path: Sequence[str]) -> Space:
    """The space of a part of the observations of a space, by its path; the space itself of ()."""
    for key in path:
        space = space[int(key)] if isinstance(space, Tuple) else space[key]
    return space
