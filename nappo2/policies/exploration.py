"""Greedy policies of values and of deterministic actors, and ways to explore with them."""

from collections.abc import Callable
from typing import Any

import torch

from nappo2 import trees
from nappo2.checks import checked
from nappo2.optim import Schedule
from nappo2.policies.policy import (
    Apply,
    FromNoise,
    Policy,
    action_of,
    from_noise_of,
    memoryless,
)


@checked
def greedy_q(q: Apply) -> Policy:
    """Takes the action of highest value; ``q`` is ``(params, observation) -> values`` [..., n]."""

    def act(params, observation, memory, generator):
        return q(params, observation).argmax(-1), memory

    return Policy(memoryless, act, _certain)


@checked
def epsilon_greedy(q: Apply, epsilon: Schedule) -> Policy:
    """Takes the action of highest value, or with a probability a uniform action.

    Args:
        q: ``(params, observation) -> values`` [..., n].
        epsilon: ``version -> probability`` of a uniform action; ``params["version"]`` counts updates.
    """

    def drawn(shape, size, generator):
        uniform = torch.randint(size, shape, generator=generator)
        return uniform, torch.rand(shape, generator=generator)

    def chosen(params, values, noise):
        uniform, share = noise
        return torch.where(share < epsilon(params["version"]), uniform, values.argmax(-1))

    def act(params, observation, memory, generator):
        values = q(params, observation)
        noise = drawn(values.shape[:-1], values.shape[-1], generator)
        return chosen(params, values, noise), memory

    def draw(params, num_envs, size, generator):
        return drawn((num_envs,), size, generator)

    def decide(params, observation, memory, noise):
        return chosen(params, q(params, observation), noise), memory

    def log_prob(params, rollout):
        values, probability = q(params, rollout["observation"]), epsilon(params["version"])
        greedy = rollout["action"] == values.argmax(-1)
        return (probability / values.shape[-1] + (1 - probability) * greedy).log()

    return Policy(memoryless, act, log_prob, from_noise=FromNoise(draw, decide, act))


@checked
def deterministic(actor: Apply) -> Policy:
    """Takes the action of a network, ``(params, observation) -> action`` [..., A] in [-1, 1]."""

    def act(params, observation, memory, generator):
        return actor(params, observation), memory

    return Policy(memoryless, act, _certain)


@checked
def with_noise(actor: Apply, std: float) -> Policy:
    """Adds normal noise to the action of a network, clipped to [-1, 1] (TD3's exploration).

    Args:
        actor: ``(params, observation) -> action`` [..., A] in [-1, 1].
        std: standard deviation of the noise.
    """

    def act(params, observation, memory, generator):
        action = actor(params, observation)
        return noisy(action, torch.randn(action.shape, generator=generator)), memory

    def noisy(action, noise):
        return (action + std * noise).clamp(-1, 1)

    def draw(params, num_envs, size, generator):
        return torch.randn(num_envs, size, generator=generator)

    def decide(params, observation, memory, noise):
        return noisy(actor(params, observation), noise), memory

    return Policy(memoryless, act, _certain, from_noise=FromNoise(draw, decide, act))


@checked
def warmup_uniform(policy: Policy, uniform: Callable[[int, torch.Generator], Any]) -> Policy:
    """Takes uniform actions before the first update, and those of ``policy`` afterwards.

    With replay, that is for its ``start_steps``: ``params["version"]`` is 0 until the first update.

    Args:
        policy: to act later.
        uniform: ``(num_envs, generator) -> actions`` [B, ...], as ``env.action_spec.uniform``.
    """

    def act(params, observation, memory, generator):
        decision, memory = policy.act(params, observation, memory, generator)
        if params["version"] > 0:
            return decision, memory
        return uniform(len(trees.leaves(action_of(decision))[0]), generator), memory

    fixed = from_noise_of(policy)

    def draw(params, num_envs, size, generator):
        noise = fixed.draw(params, num_envs, size, generator)
        return noise, () if params["version"] > 0 else uniform(num_envs, generator)

    def decide(params, observation, memory, noise):
        noise, action = noise
        decision, memory = fixed.decide(params, observation, memory, noise)
        return decision if params["version"] > 0 else action, memory

    from_noise = FromNoise(draw, decide, act) if fixed else None
    return policy._replace(act=act, from_noise=from_noise)


def _certain(params, rollout):
    return torch.zeros_like(rollout["next"]["reward"])
