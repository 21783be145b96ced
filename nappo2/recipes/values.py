"""Values of observations as a recipe's critics see them, for who looks at a trained agent.

A ``Value`` takes params, observations [B, ...] and the policy's memory, and gives expected returns [B],
discounted, in the units of the environment's rewards.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from nappo2 import trees
from nappo2.networks import ActorCritics, Agent
from nappo2.policies import Policy
from nappo2.policies.policy import Apply

Value = Callable[[Mapping, Any, Any], Tensor]
"""``(params, observation [B, ...], memory) -> values`` [B]."""


def agent_value(agent: Agent, policy: Policy) -> Value:
    """The critic of an on-policy agent; the scaling of rewards is taken back."""

    def value(params, observation, memory):
        batch = one_step(policy, observation, memory, is_init=False)
        scaled = agent.outputs_and_values(params, batch)[1].squeeze(0)
        returns = params["normalizer"].get("return")
        return scaled if returns is None else scaled * returns["std"]

    return value


def one_step(policy: Policy, observation: Any, memory: Any, is_init: bool) -> dict[str, Any]:
    """A rollout of one step, as agents take it.

    Args:
        policy: which records the memory.
        observation: a tree of tensors [B, ...].
        memory: before the step.
        is_init: whether episodes begin with it, so that the memory counts for nothing.

    Returns:
        ``observation``, ``is_init`` and ``memory``, where there is one, [1, B, ...].
    """
    recorded = dict(zip(("memory",), policy.recorded(memory), strict=False))
    num = len(trees.leaves(observation)[0])
    step = {"observation": observation, "is_init": torch.full((num,), is_init)} | recorded
    return {key: trees.map(lambda x: x.unsqueeze(0), x) for key, x in step.items()}


def least(values: Tensor) -> Tensor:
    """The minimum of the values of K critics, [K, B] to [B]."""
    return values.amin(0)


def critic_value(
    agent: ActorCritics, greedy: Policy, reduce: Callable[[Tensor], Tensor] = least
) -> Value:
    """The value that K critics give to the most probable action.

    Args:
        agent: with K critics of continuous actions.
        greedy: takes the most probable action.
        reduce: one value [B] of those of the critics, [K, B], or of their quantiles, [K, B, M].

    Returns:
        The value.
    """

    def value(params, observation, memory):
        action, _ = greedy.act(params, observation, memory, torch.Generator())
        return reduce(agent.critics(params["weights"]["critics"], observation, action))

    return value


def expected_value(agent: ActorCritics) -> Value:
    """The mean over discrete actions of the least of K critics."""

    def value(params, observation, memory):
        probabilities = agent.actor(params, observation).softmax(-1)
        critics = agent.critics(params["weights"]["critics"], observation).amin(0)
        return (probabilities * critics).sum(-1)

    return value


def greatest_value(q: Apply) -> Value:
    """The greatest of the values [B, n] of all actions; ``q`` is ``(params, observation) -> values``."""

    def value(params, observation, memory):
        return q(params, observation).amax(-1)

    return value
