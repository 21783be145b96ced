"""Policies that remember."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from nappo2.checks import checked
from nappo2.maths.distributions import Distribution
from nappo2.networks import RecurrentActorCritic
from nappo2.policies.policy import Policy, greedy, stochastic

Step = Callable[[Mapping, Tensor, Tensor], Tensor]


@checked
def with_memory(policy: Policy, step: Step, memory_size: int) -> Policy:
    """A policy without memory, which sees the memory after an observation in place of that.

    Args:
        policy: of memories.
        step: ``(params, memory, observation) -> memory``, of any leading dimensions.
        memory_size: of a memory, [B, memory_size], which is 0 where an episode begins.
    """

    def act(params, observation, memory, generator):
        memory = step(params, memory, observation)
        action, _ = policy.act(params, memory, (), generator)
        return action, memory

    def log_prob(params, rollout):
        # a step from each recorded memory, in one batch: what these params have remembered
        memory = step(params, rollout["memory"], rollout["observation"])
        return policy.log_prob(params, {**rollout, "observation": memory})

    return Policy(
        init=lambda num_envs, seed: torch.zeros(num_envs, memory_size),
        act=act,
        log_prob=log_prob,
        reset=lambda memory, done, generator: memory * ~done.unsqueeze(-1),
        recorded=lambda memory: (memory,),
    )


@checked
def recurrent(agent: RecurrentActorCritic, dist: Distribution) -> Policy:
    """Samples from the distribution."""
    return with_memory(stochastic(agent.heads.actor, dist), agent.step, agent.memory_size)


@checked
def recurrent_greedy(agent: RecurrentActorCritic, dist: Distribution) -> Policy:
    """Takes the most probable action, for evaluation; its log-probability is 0."""
    return with_memory(greedy(agent.heads.actor, dist), agent.step, agent.memory_size)
