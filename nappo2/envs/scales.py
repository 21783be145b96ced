"""How actions in [-1, 1] are scaled to a box: of arrays, as simulators take them, and of tensors.

Both compute in float64, whatever the dtype of the space, where no bound overflows. The ends are the
bounds themselves, bit for bit, and both give the same bits; of float16 they may differ in the last one.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Box
from torch import Tensor


class BoxScale(NamedTuple):
    """The range of actions of a box, and how they are scaled, each ``[*shape]``.

    Attributes:
        least: the least action.
        most: the greatest action.
        centre: of the range in the space; 0 where it is not bounded on both sides.
        half_width: of the range in the space; 1 where it is not bounded on both sides.
        low: the lower bounds of the space, in its dtype.
        high: the upper bounds of the space, in its dtype.
    """

    least: np.ndarray
    most: np.ndarray
    centre: np.ndarray
    half_width: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def is_unit(self) -> bool:
        """Whether actions are those of the space, once they are clipped."""
        ends = (self.low == -1).all() and (self.high == 1).all()
        return bool(ends) and self.low.dtype.kind == "f"

    @property
    def is_exact(self) -> bool:
        """Whether -1 and 1 are rounded to the bounds, so that nothing between them is beyond."""
        if self.low.dtype.kind != "f" or (self.least != -1).any() or (self.most != 1).any():
            return False
        with np.errstate(over="ignore"):
            ends = (self.centre - self.half_width, self.centre + self.half_width)
            return np.array_equal([x.astype(self.low.dtype) for x in ends], (self.low, self.high))


def box_scale(space: Box) -> BoxScale:
    """The scale of a box."""
    low, high = np.asarray(space.low), np.asarray(space.high)
    below, above = low.astype(np.float64), high.astype(np.float64)
    bounded = space.bounded_below & space.bounded_above  # integers have no infinity in their arrays
    least, most = np.where(bounded, -1.0, below), np.where(bounded, 1.0, above)
    with np.errstate(invalid="ignore", over="ignore"):
        centre = np.where(bounded, below / 2 + above / 2, 0.0)
        half_width = np.where(bounded, above / 2 - below / 2, 1.0)
    return BoxScale(least, most, centre, half_width, low, high)


def action_scale(space: Box) -> Callable[[np.ndarray], np.ndarray]:
    """The function that maps actions ``[..., *shape]`` within [-1, 1] to those of ``space``."""
    scale, dtype = box_scale(space), space.dtype
    least, most, centre, half_width, low, high = scale

    def scale_exact(action):
        return (centre + half_width * action.clip(-1, 1)).astype(dtype)

    def scale_clipped(action):
        action = action.astype(np.float64).clip(least, most)
        value = centre + half_width * action
        value = value if dtype.kind == "f" else np.rint(value)
        with np.errstate(over="ignore", invalid="ignore"):
            value = value.astype(dtype)
        value = np.where(action <= least, low, np.where(action >= most, high, value))
        return np.clip(value, low, high) if dtype.kind != "b" else value  # rounding may lead beyond

    if scale.is_unit:
        return lambda action: action.clip(-1, 1).astype(dtype, copy=False)
    return scale_exact if scale.is_exact else scale_clipped


def tensor_scale(space: Box) -> Callable[[Tensor], Tensor]:
    """``action_scale`` of tensors ``[..., *shape]``, by operations that can be exported.

    Nothing is clipped in the dtype of the space, as few programs clip all of them.
    """
    scale = box_scale(space)
    least, most, centre, half_width, low, high = (torch.from_numpy(np.array(x)) for x in scale)

    def clipped(action):
        return torch.minimum(torch.maximum(action.double(), least), most)

    def scale_exact(action):
        return (centre + half_width * action.clamp(-1, 1)).to(low.dtype)

    def scale_floats(action):
        action, below, above = clipped(action), low.double(), high.double()
        value = centre + half_width * action
        value = torch.where(action >= most, above, torch.where(action <= least, below, value))
        return torch.minimum(torch.maximum(value, below), above).to(low.dtype)

    def scale_integers(action):
        """The ends are set as integers, as float64 does not hold the widest."""
        action = clipped(action)
        value = (centre + half_width * action).round().long()
        value = torch.where(action <= least, low.long(), value)
        return torch.where(action >= most, high.long(), value).to(low.dtype)

    if scale.is_unit:
        return lambda action: action.clamp(-1, 1).to(low.dtype)
    if scale.is_exact:
        return scale_exact
    return scale_floats if low.dtype.is_floating_point else scale_integers
