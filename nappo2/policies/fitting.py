"""Whether a policy can act in an environment with certain params, tried before it does."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from nappo2 import trees
from nappo2.envs import Env
from nappo2.policies.policy import Decision, Policy, action_of
from nappo2.seeds import generator


@torch.no_grad()
def check_acts(env: Env, policy: Policy, params: Mapping, observation: Any, memory: Any) -> None:
    """Refuses params with which a policy cannot act in an environment.

    It acts on zeros in place of observations [B, ...], and draws from a generator of its own.

    Raises:
        ValueError: as ``first_act`` does.
    """
    zeros = trees.map(torch.zeros_like, observation)
    first_act(env, policy, params, zeros, memory, generator(0))


def first_act(
    env: Env, policy: Policy, params: Mapping, observation: Any, memory: Any, rng: torch.Generator
) -> tuple[Tensor | Decision, Any]:
    """What ``policy.act`` does, where it acts in an environment for the first time.

    Raises:
        ValueError: if it cannot, or its actions are not the environment's; names that.
    """
    try:
        decision, memory = policy.act(params, observation, memory, rng)
        action = action_of(decision)
    except Exception as error:  # of anybody's network
        space = " ".join(str(env.observation_space).split())
        raise ValueError(
            f"with these params the policy cannot act on observations of {env.name}, in {space}: "
            f"{error}"
        ) from error
    if not env.action_spec.fits(action, env.num_envs):
        kind = "numbers" if action.is_floating_point() else "integers"
        raise ValueError(
            f"with these params the policy gives {kind} of shape {tuple(action.shape)} for actions; "
            f"{env.num_envs} of {env.name} take actions in {env.action_space}"
        )
    return decision, memory
