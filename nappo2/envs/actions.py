"""Action specs: made once from a space, they say how actions are batched, sampled and scaled.

A new space is one new function, registered for its class: ``@action_spec.register``.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import singledispatch
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, Space
from torch import Generator, Tensor

from nappo2.checks import checked
from nappo2.envs.scales import action_scale, box_scale, tensor_scale
from nappo2.maths.distributions import Distribution, categorical, normal


def unscaled(actions: Tensor) -> Tensor:
    """Actions of a space that are batched as they are, ``[B, *shape]``."""
    return actions


@checked
class ActionSpec(NamedTuple):
    """How the actions of an environment are batched, sampled and scaled.

    A batch of actions is a tensor where all parts of an action are choices, or all are numbers.
    Hybrid actions are a dictionary of the batches of their parts by name, which is nested as the space is.

    Attributes:
        kind: ``discrete``, ``multi-discrete`` if there are several choices, ``continuous``,
            ``unbounded`` if they are continuous and a bound is infinite, or ``hybrid``.
        size: number of network outputs: a logit for each choice, a mean for each dimension.
        shape: of one action in a batch; of hybrid ones the shape of each part by name.
        dtype: in a batch; of hybrid ones the dtype of each part by name.
        distribution: from which a policy samples; its ``num_outputs(size)`` are ``size`` and
            ``log_stds``.
        uniform: ``(num_envs, generator) -> actions`` ``[num_envs, *shape]``, uniformly distributed.
        to_env: ``actions [B, *shape] -> actions`` of the space, one for each environment.
        in_space: ``to_env`` in torch, which can be exported: ``actions [B, *shape] -> tensor`` of
            actions of the space, [B, ...], or tensors by name. By default these are the actions
            themselves.
        within: ``actions [N, *shape] -> actions``, of which numbers are clipped to their bounds, and
            integers rounded, as the environment does it. By default these are the actions themselves.
        log_stds: number of log standard deviations after a network's outputs, parameters that do
            not depend on the observation.
        sizes: for each choice of an action, among how many it is, in the order of their logits; ()
            if there is none.
        parts: the specs of the parts of an action by name, in order; empty if it has none.
    """

    kind: str
    size: int
    shape: tuple[int, ...] | Mapping[str, Any]
    dtype: torch.dtype | Mapping[str, Any]
    distribution: Distribution
    uniform: Callable[[int, Generator], Any]
    to_env: Callable[[Any], Sequence]
    in_space: Callable[[Any], Any] = unscaled
    within: Callable[[Any], Any] = unscaled
    log_stds: int = 0
    sizes: tuple[int, ...] = ()
    parts: Mapping[str, "ActionSpec"] = {}

    @property
    def is_tree(self) -> bool:
        """Whether a batch is a dictionary of the batches of parts, and no tensor."""
        return isinstance(self.shape, Mapping)

    def fits(self, actions: Any, num_envs: int) -> bool:
        """Tests whether actions are ``[num_envs, *shape]`` and of a dtype of actions."""
        if self.is_tree:
            return _has_keys(actions, self.parts) and all(
                part.fits(actions[name], num_envs) for name, part in self.parts.items()
            )
        if not isinstance(actions, Tensor):
            return False
        is_float = actions.is_floating_point() == self.dtype.is_floating_point
        return is_float and tuple(actions.shape) == (num_envs, *self.shape)

    def zeros(self, num_envs: int) -> Any:
        """Actions of zeros ``[num_envs, *shape]``: first choices, and the middle of bounds."""
        if self.is_tree:
            return {name: part.zeros(num_envs) for name, part in self.parts.items()}
        return torch.zeros(num_envs, *self.shape, dtype=self.dtype)


def _has_keys(actions: Any, parts: Mapping[str, Any]) -> bool:
    return isinstance(actions, Mapping) and set(actions) == set(parts)


@singledispatch
@checked
def action_spec(space: Space) -> ActionSpec:
    """The spec of a space of actions, by the class of the space.

    Raises:
        NotImplementedError: if this class has no spec, or the space has no numbers.

    Example:
        >>> from gymnasium.spaces import Discrete
        >>> envs.action_spec(Discrete(3)).kind
        'discrete'
    """
    raise NotImplementedError(
        f"actions in {space}; nappo2 takes a Box, Discrete, MultiDiscrete, MultiBinary, and a Tuple "
        "or Dict of these. gymnasium.wrappers.TransformAction can map one of these to it"
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
        in_space=lambda actions: actions + start,
        sizes=(num,),
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
        in_space=box_tensors(space),
        within=clipped_to(space),
        log_stds=size,
    )


def box_actions(space: Box) -> Callable[[Tensor], np.ndarray]:
    """The function that maps actions [B, A] to arrays ``[B, *shape]`` in the space.

    In each dimension that is bounded, -1 is the lower bound, 1 the upper one and 0 the middle;
    integers are rounded. Where a bound is infinite, an action keeps its value, clipped at the other
    bound.
    """
    scale, shape = action_scale(space), space.shape
    return lambda actions: scale(actions.numpy().reshape(len(actions), *shape))


def box_tensors(space: Box) -> Callable[[Tensor], Tensor]:
    """``box_actions`` in torch: maps actions [B, A] to tensors ``[B, *shape]`` in the space."""
    scale, shape = tensor_scale(space), space.shape
    return lambda actions: scale(actions.reshape(-1, *shape))


def clipped_to(space: Box) -> Callable[[Tensor], Tensor]:
    """The function that makes actions [N, A] those that the environment does.

    They are clipped to -1 and 1, or to the finite one of two bounds; integers are rounded to those of the
    space, and what has one value is 0.
    """
    scale = box_scale(space)
    least, most, centre, half_width = (torch.from_numpy(x.reshape(-1)) for x in scale[:4])
    is_fixed = half_width == 0

    def clipped(actions):
        return torch.minimum(torch.maximum(actions, least.float()), most.float())

    def rounded(actions):
        whole = (centre + half_width * clipped(actions).double()).round()
        numbers = (whole - centre) / half_width.where(~is_fixed, torch.ones_like(half_width))
        return clipped(numbers.float())

    def of_one_value(actions):
        return actions.where(~is_fixed, torch.zeros_like(actions))

    done = clipped if space.dtype.kind == "f" else rounded
    return (lambda actions: of_one_value(done(actions))) if is_fixed.any() else done
