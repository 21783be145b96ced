"""What actions are: a spec, made once from a space, which everything else reads.

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
    """Actions of one environment, and how a batch has them.

    Attributes:
        kind: what recipes call them: ``discrete``, ``continuous``, or ``unbounded`` if they are
            continuous and a bound is infinite.
        size: how many outputs a network has for them: a logit for each choice, a mean for each
            dimension.
        shape: of one in a batch.
        dtype: in a batch.
        distribution: from which a policy draws them; its ``num_outputs(size)`` are ``size`` and
            ``log_stds``.
        uniform: ``(num_envs, generator) -> actions``: any of them with the same chance.
        to_env: ``actions [B, *shape] -> actions`` of the space, one for each environment.
        log_stds: how many log standard deviations stand behind a network's outputs, which no
            observation changes.
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
        """Whether these are actions, [num_envs, *shape], of so many environments."""
        is_float = actions.is_floating_point() == self.dtype.is_floating_point
        return is_float and tuple(actions.shape) == (num_envs, *self.shape)


@singledispatch
@checked
def action_spec(space: Space) -> ActionSpec:
    """The spec of a space of actions, by the class of the space.

    Raises:
        NotImplementedError: if there is none for it, or it has no numbers; says which have one.
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
    """``actions [B, A] -> [B, *shape]``, all of which are in the space.

    In each dimension that is bounded, -1 is the lower bound, 1 the upper one and 0 the middle;
    integers are rounded. Where a bound is infinite, an action is what it is, within the other bound.
    """
    scale, shape = scaled_to(space), space.shape
    return lambda actions: scale(actions.numpy().reshape(len(actions), *shape))


def scaled_to(space: Box) -> Callable[[np.ndarray], np.ndarray]:
    """``[..., *shape] -> [..., *shape]``: actions in [-1, 1] as actions of ``space``.

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
