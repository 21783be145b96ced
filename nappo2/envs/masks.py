"""Masks of actions in environments: which spaces they have, and which outputs of networks they forbid.

An environment has masks if ``action_mask`` is a key of its observations, beside ``observation`` or other
keys. It has a flag for each choice of an action, those of several choices one after the other.
"""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Dict, MultiBinary, Space
from torch import Generator, Tensor

from nappo2.checks import checked
from nappo2.envs.actions import ActionSpec, action_spec
from nappo2.envs.env import Env
from nappo2.maths.masks import MASK, allowed_only, mask_of


def has_mask(env: Env) -> bool:
    """Tests whether an environment's observations say which actions are allowed."""
    return is_masked(env.observation_space)


def is_masked(space: Space) -> bool:
    """Tests whether observations of a space have the key ``action_mask``."""
    return isinstance(space, Dict) and MASK in space.spaces


@checked
def without_mask(env: Env) -> Env:
    """The environment as networks see it: the space of its observations without ``action_mask``.

    Its functions are those of ``env``; without a mask it is ``env`` itself.
    """
    if not has_mask(env):
        return env
    return env._replace(observation_space=without_key(env.observation_space))


def without_key(space: Dict) -> Space:
    """The space of ``maths.masks.unmasked`` observations."""
    rest = {key: part for key, part in space.spaces.items() if key != MASK}
    return rest["observation"] if rest.keys() == {"observation"} else Dict(rest)


def masked_space(space: Space, num: int) -> Dict:
    """The space of observations with a mask of ``num`` actions beside them."""
    parts = dict(space.spaces) if isinstance(space, Dict) else {"observation": space}
    return Dict({**parts, MASK: MultiBinary(num)})


def num_flags(actions: ActionSpec) -> int:
    """The number of flags of a mask, one for each choice of each part; 0 if actions are no choices."""
    return sum(actions.sizes)


def restricted(actions: ActionSpec) -> Callable[[Tensor, Tensor], Tensor]:
    """``(outputs [..., num_outputs], mask [..., n]) -> outputs``, in which forbidden actions are lowest.

    Outputs that are no logits, as those of numbers in hybrid actions, stay as they are.
    """
    logits = is_logit(actions)
    if all(logits):
        return allowed_only
    numbers = itertools.count()
    column = torch.tensor([next(numbers) if logit else sum(logits) for logit in logits])

    def restrict(outputs, mask):
        always = torch.ones_like(mask[..., :1])
        flags = torch.cat([mask, always], -1).index_select(-1, column.to(mask.device))
        return allowed_only(outputs, flags)

    return restrict


def is_logit(actions: ActionSpec) -> list[bool]:
    """Tests of each output of a distribution whether it is the logit of a choice."""
    return [*_logits(actions), *[False] * actions.log_stds]


def _logits(actions: ActionSpec) -> list[bool]:
    if actions.parts:
        return [logit for part in actions.parts.values() for logit in _logits(part)]
    return [bool(actions.sizes)] * actions.size


def check_space(env: Env) -> None:
    """Refuses masks that do not fit an environment's actions.

    Raises:
        ValueError: if actions have no masks, or other ones; names the shapes.
    """
    if not has_mask(env):
        return
    shape, num = env.observation_space[MASK].shape, num_flags(env.action_spec)
    if num == 0:
        raise ValueError(
            f"{env.name} has an {MASK} {list(shape)} in its observations, and actions in "
            f"{env.action_space}; masks are of choices"
        )
    if shape != (num,):
        raise ValueError(
            f"{env.name} has an {MASK} of shape {shape}; its actions in {env.action_space} take one "
            f"of shape {(num,)}"
        )


def uniform_allowed(env: Env, observation: Any, generator: Generator) -> Any:
    """Draws actions without regard to anything but masks.

    Args:
        env: whose actions they are.
        observation: [B, ...], with or without masks.
        generator: of the draws.

    Returns:
        Actions [B, ...]; choices are uniform among those allowed, and beside masks numbers are normal.
    """
    actions, mask = env.action_spec, mask_of(observation)
    if mask is None:
        return actions.uniform(env.num_envs, generator)
    return allowed_actions(actions, mask, generator)


def allowed_actions(actions: ActionSpec, mask: Tensor, generator: Generator) -> Any:
    """Draws actions among those that masks allow.

    Args:
        actions: the spec of the actions.
        mask: [B, n] bool.
        generator: of the draws.

    Returns:
        Actions [B, ...], as ``uniform_allowed`` draws them.
    """
    num_outputs = actions.distribution.num_outputs(actions.size)
    zeros = torch.zeros(len(mask), num_outputs)
    return actions.distribution.sample(restricted(actions)(zeros, mask), generator)


def allowed_draws(space: Space) -> Callable[[Any], Any]:
    """``observation -> action`` of a simulator with these actions, drawn among those that its mask allows."""
    spec, generator = action_spec(space), Generator().manual_seed(0)

    def draw(observation):
        mask = torch.from_numpy(np.array(observation[MASK], bool))
        return spec.to_env(allowed_actions(spec, mask[None], generator))[0]

    return draw
