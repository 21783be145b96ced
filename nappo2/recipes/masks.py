"""How recipes treat masks of actions: the one place where forbidden actions are taken from networks.

A recipe asks for the ``Masking`` of its environment, and makes its agent, its policies and its values
with it. Without masks all of these stay as they are.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from torch import Tensor

from nappo2.envs import Env
from nappo2.envs.masks import has_mask, restricted, without_mask
from nappo2.maths.masks import MASK, unmasked
from nappo2.optim import Schedule
from nappo2.policies import (
    Apply,
    Policy,
    epsilon_greedy,
    masked_epsilon_greedy,
    masked_warmup_uniform,
    warmup_uniform,
)


class Masking(NamedTuple):
    """What a recipe makes its functions with.

    Attributes:
        env: the environment as networks see it, without masks.
        agent: ``agent -> agent`` whose actor gives forbidden actions a probability of 0.
        values: ``(params, observation) -> values`` [..., n] to such, in which forbidden ones are lowest.
        epsilon_greedy: as the policy of this name, among the actions that are allowed.
        warmup_uniform: ``policy -> policy`` whose first actions are uniform among those allowed.
    """

    env: Env
    agent: Callable[[Any], Any]
    values: Callable[[Apply], Apply]
    epsilon_greedy: Callable[[Apply, Schedule], Policy]
    warmup_uniform: Callable[[Policy], Policy]


def masking_of(env: Env) -> Masking:
    """The masking of an environment's recipes, which changes nothing where there are no masks."""
    if not has_mask(env):
        uniform = partial(warmup_uniform, uniform=env.action_spec.uniform)
        return Masking(env, _same, _same, epsilon_greedy, uniform)
    restrict = restricted(env.action_spec)
    return Masking(
        env=without_mask(env),
        agent=partial(masked_agent, env, restrict),
        values=partial(masked_values, restrict),
        epsilon_greedy=masked_epsilon_greedy,
        warmup_uniform=masked_warmup_uniform,
    )


def masked_values(restrict: Callable[[Tensor, Tensor], Tensor], apply: Apply) -> Apply:
    """A function of observations without masks, as one of observations with masks.

    Args:
        restrict: ``(outputs, mask) -> outputs``, in which forbidden actions are lowest.
        apply: ``(params, observation) -> outputs`` [..., n].

    Returns:
        ``(params, observation with mask) -> outputs`` [..., n].
    """
    return lambda params, x: restrict(apply(params, unmasked(x)), x[MASK])


def masked_agent(env: Env, restrict: Callable[[Tensor, Tensor], Tensor], agent: Any) -> Any:
    """An agent of observations without masks, as one of observations with masks.

    Args:
        env: with masks.
        restrict: ``(outputs [..., num_outputs], mask [..., n]) -> outputs``, in which forbidden
            actions are lowest.
        agent: whose networks see no masks.

    Returns:
        The agent that never takes a forbidden action.

    Raises:
        ValueError: if the agent has no method ``with_masks``.
    """
    if not hasattr(agent, "with_masks"):
        raise ValueError(
            f"{env.name} has an {MASK}, and an agent of class {type(agent).__name__} has no method "
            "with_masks, which takes forbidden actions from it; ActorCritic has one"
        )
    return agent.with_masks(restrict)


def _same(x: Any) -> Any:
    return x
