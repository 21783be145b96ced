"""From what a policy decides to what an environment takes: one map, as the space says."""

from collections.abc import Callable, Sequence

import numpy as np
from gymnasium.spaces import Box, Discrete, Space
from torch import Tensor


def to_action(space: Space, num_envs: int) -> Callable[[Tensor], Sequence]:
    """``actions [B, A] or [B] -> actions`` of ``space``, one for each of ``num_envs`` environments.

    In each dimension of a Box that is bounded, -1 is the lower bound, 1 the upper one and 0 the
    middle; integers are rounded. Where a bound is infinite, an action is what it is, within the
    other bound. All of them are in the space.
    """
    if isinstance(space, Discrete):
        start = int(space.start)
        # plain integers, as checking one takes Gymnasium a fifth of what a NumPy one does
        return lambda action: [start + own for own in action.tolist()]
    shape, dtype = (num_envs, *space.shape), space.dtype
    if (space.low == -1).all() and (space.high == 1).all() and dtype.kind == "f":
        return lambda action: action.numpy().reshape(shape).clip(-1, 1).astype(dtype, copy=False)
    scale = scaled_to(space)
    return lambda action: scale(action.numpy().reshape(shape))


def scaled_to(space: Box) -> Callable[[np.ndarray], np.ndarray]:
    """``[..., *shape] -> [..., *shape]``: actions in [-1, 1] as actions of ``space``.

    Computed in float64, whatever the dtype of the space, where no bound overflows; the ends are the
    bounds themselves, bit for bit.
    """
    dtype, low, high = space.dtype, np.asarray(space.low), np.asarray(space.high)
    below, above = low.astype(np.float64), high.astype(np.float64)
    bounded = space.bounded_below & space.bounded_above  # integers have no infinity in their arrays
    least, most = np.where(bounded, -1.0, below), np.where(bounded, 1.0, above)
    with np.errstate(invalid="ignore", over="ignore"):
        centre = np.where(bounded, below / 2 + above / 2, 0.0)
        reach = np.where(bounded, above / 2 - below / 2, 1.0)

    def straight(action):
        """Where rounding leads to the bounds at the ends, it leads nowhere beyond them between."""
        return (centre + reach * action.clip(-1, 1)).astype(dtype)

    def scaled(action):
        action = action.astype(np.float64).clip(least, most)
        value = centre + reach * action
        value = value if dtype.kind == "f" else np.rint(value)
        with np.errstate(over="ignore", invalid="ignore"):
            value = value.astype(dtype)
        value = np.where(action <= least, low, np.where(action >= most, high, value))
        return np.clip(value, low, high) if dtype.kind != "b" else value  # rounding leads beyond

    if dtype.kind != "f" or not bounded.all():
        return scaled
    with np.errstate(over="ignore"):
        ends = (centre - reach).astype(dtype), (centre + reach).astype(dtype)
    return straight if np.array_equal(ends, (low, high)) else scaled
