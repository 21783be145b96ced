"""Policies of agents that remember."""

import torch

from nappo2.maths.distributions import Distribution
from nappo2.networks import RecurrentActorCritic
from nappo2.policies.policy import Policy


def recurrent(agent: RecurrentActorCritic, dist: Distribution) -> Policy:
    """Samples from the distribution that is seen after an observation more."""

    def act(params, observation, memory, generator):
        memory = agent.step(params, memory, observation)
        return dist.sample(agent.heads.actor(params, memory), generator), memory

    def log_prob(params, rollout):
        # a step from each recorded memory, in one batch: what these params have remembered
        memory = agent.step(params, rollout["memory"], rollout["observation"])
        return dist.log_prob(agent.heads.actor(params, memory), rollout["action"])

    return _remembering(agent, act, log_prob)


def recurrent_greedy(agent: RecurrentActorCritic, dist: Distribution) -> Policy:
    """Takes the most probable action, for evaluation; its log-probability is 0."""

    def act(params, observation, memory, generator):
        memory = agent.step(params, memory, observation)
        return dist.mode(agent.heads.actor(params, memory)), memory

    def log_prob(params, rollout):
        return torch.zeros_like(rollout["next"]["reward"])

    return _remembering(agent, act, log_prob)


def _remembering(agent, act, log_prob) -> Policy:
    return Policy(
        init=lambda num_envs, seed: agent.fresh(num_envs),
        act=act,
        log_prob=log_prob,
        reset=forgotten,
        recorded=lambda memory: (memory,),
    )


def forgotten(memory, done, generator):
    """A memory [B, ...] that is 0 where an episode ended."""
    return memory * ~done.unsqueeze(-1)
