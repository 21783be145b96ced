"""Policies that explore by what they add to a policy that does not."""

from collections.abc import Callable

import torch
from torch import Tensor

from nappo2.checks import checked
from nappo2.networks import Apply
from nappo2.optim import Schedule
from nappo2.policies.policy import Policy, action_of, memoryless


@checked
def greedy_q(q: Apply) -> Policy:
    """The action of highest value."""

    def act(params, observation, memory, generator):
        return q(params, observation).argmax(-1), memory

    return Policy(memoryless, act, _certain)


@checked
def epsilon_greedy(q: Apply, epsilon: Schedule) -> Policy:
    """The action of highest value, or with probability ``epsilon(version)`` any action."""

    def act(params, observation, memory, generator):
        values, chance = q(params, observation), epsilon(params["version"])
        shape = values.shape[:-1]
        anything = torch.randint(values.shape[-1], shape, generator=generator)
        explore = torch.rand(shape, generator=generator) < chance
        return torch.where(explore, anything, values.argmax(-1)), memory

    def log_prob(params, rollout):
        values, chance = q(params, rollout["observation"]), epsilon(params["version"])
        greedy = rollout["action"] == values.argmax(-1)
        return (chance / values.shape[-1] + (1 - chance) * greedy).log()

    return Policy(memoryless, act, log_prob)


@checked
def deterministic(actor: Apply) -> Policy:
    """The action that a network gives, in [-1, 1]."""

    def act(params, observation, memory, generator):
        return actor(params, observation), memory

    return Policy(memoryless, act, _certain)


@checked
def with_noise(actor: Apply, std: float) -> Policy:
    """The action that a network gives, with normal noise, clipped to [-1, 1] (TD3's exploration)."""

    def act(params, observation, memory, generator):
        action = actor(params, observation)
        noise = torch.randn(action.shape, generator=generator)
        return (action + std * noise).clamp(-1, 1), memory

    return Policy(memoryless, act, _certain)


@checked
def warmup_uniform(policy: Policy, uniform: Callable[[int, torch.Generator], Tensor]) -> Policy:
    """Uniform actions while ``params["version"]`` is 0, and those of ``policy`` afterwards.

    With replay, that is for its ``start_steps``. ``uniform`` is that of the environment's
    ``action_spec``: ``(num_envs, generator) -> actions``.
    """

    def act(params, observation, memory, generator):
        decision, memory = policy.act(params, observation, memory, generator)
        if params["version"] > 0:
            return decision, memory
        return uniform(len(action_of(decision)), generator), memory

    return policy._replace(act=act)


def _certain(params, rollout):
    return torch.zeros_like(rollout["next"]["reward"])
