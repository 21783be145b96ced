"""Action specs: made once from a space, they say how actions are batched, sampled and scaled.

A new space is one new function, registered for its class: ``@action_spec.register``.
"""

import math
from collections.abc import Callable, Sequence
from functools import singledispatch
from typing import NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, Space
from torch import Generator, Tensor

from nappo2.checks import checked
from nappo2.maths.distributions import Distribution, categorical, normal


@checked
class ActionSpec(NamedTuple):
    """How the actions of an environment are batched, sampled and scaled.

    Attributes:
        kind: ``discrete``, ``continuous``, or ``unbounded`` if they are continuous and a bound is
            infinite.
        size: number of network outputs: a logit for each choice, a mean for each dimension.
        shape: of one action in a batch.
        dtype: in a batch.
        distribution: from which a policy samples; its ``num_outputs(size)`` are ``size`` and
            ``log_stds``.
        uniform: ``(num_envs, generator) -> actions`` [num_envs, *shape], uniformly distributed.
        to_env: ``actions [B, *shape] -> actions`` of the space, one for each environment.
        log_stds: number of log standard deviations after a network's outputs, parameters that do
            not depend on the observation.
    """

    kind: str
    size: int
    shape: tuple[int, ...]
    dtype: torch.dtype
    distribution: Distribution
    uniform: Callable[[int, Generator], Tensor]
    to_env: Callable[[Tensor], Sequence]
    log_stds: int = 0

    def fits(self, actions: Tensor, num_envs: int) -> bool:
        """Tests whether a tensor has the shape [num_envs, *shape] and a dtype of actions."""
        is_float = actions.is_floating_point() == self.dtype.is_floating_point
        return is_float and tuple(actions.shape) == (num_envs, *self.shape)


@singledispatch
@checked
def action_spec(space: Space) -> ActionSpec:
    """The spec of a space of actions, by the class of the space.

    Raises:
        NotImplementedError: if this class has no spec, or the space has no numbers.
    """
    raise NotImplementedError(
        f"actions in {space}; nappo2 takes a Box or Discrete. "
        "gymnasium.wrappers.TransformAction can map one of these to it"
    )


@action_spec.register
def _(space: Discrete) -> ActionSpec:
    """Integers from 0 in a batch, from ``start`` in the environment."""
    num, start = int(space.n), int(space.start)
    return ActionSpec(
        kind="discrete",
        size=num,
        shape=(),
        dtype=torch.int64,
        distribution=categorical(),
        uniform=lambda num_envs, rng: torch.randint(num, (num_envs,), generator=rng),
        # plain integers, as checking one takes Gymnasium a fifth of what a NumPy one does
        to_env=lambda actions: [start + action for action in actions.tolist()],
    )


@action_spec.register
def _(space: Box) -> ActionSpec:
    """Rows of numbers in a batch, which are in [-1, 1] in each dimension that is bounded."""
    size = math.prod(space.shape)
    if size == 0:
        raise NotImplementedError(f"actions in {space}, which has no numbers at all")
    return ActionSpec(
        kind="continuous" if space.is_bounded() else "unbounded",
        size=size,
        shape=(size,),
        dtype=torch.float32,
        distribution=normal(),
        uniform=lambda num_envs, rng: torch.empty(num_envs, size).uniform_(-1, 1, generator=rng),
        to_env=box_actions(space),
        log_stds=size,
    )


def box_actions(space: Box) -> Callable[[Tensor], np.ndarray]:
    """The function that maps actions [B, A] to arrays [B, *shape] in the space.

    In each dimension that is bounded, -1 is the lower bound, 1 the upper one and 0 the middle;
    integers are rounded. Where a bound is infinite, an action keeps its value, clipped at the other
    bound.
    """
    scale, shape = action_scale(space), space.shape
    return lambda actions: scale(actions.numpy().reshape(len(actions), *shape))


def action_scale(space: Box) -> Callable[[np.ndarray], np.ndarray]:
    """The function that maps actions [..., *shape] in [-1, 1] to actions [..., *shape] of ``space``.

    Computed in float64, whatever the dtype of the space, where no bound overflows; the ends are the
    bounds themselves, bit for bit.
    """
    dtype, low, high = space.dtype, np.asarray(space.low), np.asarray(space.high)
    if (low == -1).all() and (high == 1).all() and dtype.kind == "f":
        return lambda action: action.clip(-1, 1).astype(dtype, copy=False)
    below, above = low.astype(np.float64), high.astype(np.float64)
    bounded = space.bounded_below & space.bounded_above  # integers have no infinity in their arrays
    least, most = np.where(bounded, -1.0, below), np.where(bounded, 1.0, above)
    with np.errstate(invalid="ignore", over="ignore"):
        centre = np.where(bounded, below / 2 + above / 2, 0.0)
        half_width = np.where(bounded, above / 2 - below / 2, 1.0)

    def scale_exact(action):
        """Needs no clipping: -1 and 1 are rounded to the bounds, so nothing between is beyond them."""
        return (centre + half_width * action.clip(-1, 1)).astype(dtype)

    def scale_clipped(action):
        action = action.astype(np.float64).clip(least, most)
        value = centre + half_width * action
        value = value if dtype.kind == "f" else np.rint(value)
        with np.errstate(over="ignore", invalid="ignore"):
            value = value.astype(dtype)
        value = np.where(action <= least, low, np.where(action >= most, high, value))
        return np.clip(value, low, high) if dtype.kind != "b" else value  # rounding may lead beyond

    if dtype.kind != "f" or not bounded.all():
        return scale_clipped
    with np.errstate(over="ignore"):
        ends = (centre - half_width).astype(dtype), (centre + half_width).astype(dtype)
    return scale_exact if np.array_equal(ends, (low, high)) else scale_clipped
