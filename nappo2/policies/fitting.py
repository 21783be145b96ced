"""Checks that a policy can act in an environment with certain params."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from nappo2 import trees
from nappo2.envs import Env
from nappo2.policies.policy import Policy, action_of
from nappo2.seeds import generator


@torch.no_grad()
def check_acts(env: Env, policy: Policy, params: Mapping, observation: Any, memory: Any) -> None:
    """Refuses params with which a policy cannot act in an environment.

    The policy acts on zeros, with a generator made for this check.

    Args:
        env: in which the policy is to act.
        policy: to be checked.
        params: of the policy.
        observation: a tree of tensors [B, ...] of the right shapes.
        memory: of the policy.

    Raises:
        ValueError: if acting fails, or the actions are not the environment's.
    """
    zeros = trees.map(torch.zeros_like, observation)
    first_act(env, policy, params, zeros, memory, generator(0))


def first_act(
    env: Env, policy: Policy, params: Mapping, observation: Any, memory: Any, rng: torch.Generator
) -> tuple[Any, Any]:
    """Calls ``policy.act``, and explains its errors; for the first step in an environment.

    Args:
        env: in which the policy acts.
        policy: which acts.
        params: of the policy.
        observation: a tree of tensors [B, ...].
        memory: of the policy.
        rng: of which the policy draws.

    Returns:
        The action [B, ...], or a ``Decision``, and the memory.

    Raises:
        ValueError: if acting fails, or the actions are not the environment's.
    """
    try:
        decision, memory = policy.act(params, observation, memory, rng)
        action = action_of(decision)
    except Exception as error:  # a user's network may raise anything
        space = " ".join(str(env.observation_space).split())
        raise ValueError(
            f"with these params the policy cannot act on observations of {env.name}, in {space}: "
            f"{error}"
        ) from error
    if not env.action_spec.fits(action, env.num_envs):
        raise ValueError(
            f"with these params the policy gives {described(action)} for actions; "
            f"{env.num_envs} of {env.name} take actions in {env.action_space}"
        )
    return decision, memory


def described(action: Any) -> str:
    """Actions in words, such as ``numbers of shape (2, 3)``; of several tensors, by name."""
    if isinstance(action, Mapping):
        return f"{{{', '.join(f'{name}: {described(x)}' for name, x in action.items())}}}"
    if not isinstance(action, Tensor):
        return type(action).__name__
    kind = "numbers" if action.is_floating_point() else "integers"
    return f"{kind} of shape {tuple(action.shape)}"
