"""Greedy policies of values and of deterministic actors, and ways to explore with them."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nappo2 import trees
from nappo2.checks import checked
from nappo2.maths.drawn import beside_noise
from nappo2.maths.masks import MASK, any_allowed
from nappo2.maths.values import of_action
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
    """Takes the action of highest value; ``q`` is ``(params, observation) -> values`` [..., n].

    Example:
        >>> policy = policies.greedy_q(lambda params, x: x)
        >>> policy.act({}, torch.tensor([[3.0, 1.0], [1.0, 2.0]]), (), generator(0))[0]
        tensor([0, 1])
    """

    def act(params, observation, memory, generator):
        return q(params, observation).argmax(-1), memory

    return Policy(memoryless, act, _certain)


class Choice(NamedTuple):
    """How one of n actions is chosen without regard to its value.

    Attributes:
        draw: ``(shape, n, generator) -> noise`` ``[*shape, ...]``.
        action: ``(observation, noise) -> action`` [...] int64.
        chance: ``(probability, observation, action, n) -> probability`` [...] that this action is
            chosen, if one is chosen in this way with a probability.
    """

    draw: Callable[[Sequence[int], int, torch.Generator], Tensor]
    action: Callable[[Any, Tensor], Tensor]
    chance: Callable[[Any, Any, Tensor, int], Any]


OF_ALL = Choice(
    draw=lambda shape, size, generator: torch.randint(size, shape, generator=generator),
    action=lambda observation, noise: noise,
    chance=lambda probability, observation, action, size: probability / size,
)
OF_ALLOWED = Choice(
    draw=lambda shape, size, generator: torch.rand(*shape, size, generator=generator),
    action=lambda observation, noise: any_allowed(observation[MASK], noise),
    chance=lambda probability, observation, action, size: (
        probability * of_action(observation[MASK], action) / observation[MASK].sum(-1)
    ),
)


@checked
def epsilon_greedy(q: Apply, epsilon: Schedule) -> Policy:
    """Takes the action of highest value, or with a probability a uniform action.

    Args:
        q: ``(params, observation) -> values`` [..., n].
        epsilon: ``version -> probability`` of a uniform action; ``params["version"]`` counts updates.

    Example:
        >>> policy = policies.epsilon_greedy(lambda params, x: x, optim.constant(0.5))
        >>> values, action = torch.tensor([[3.0, 1.0], [3.0, 1.0]]), torch.tensor([0, 1])
        >>> params, rollout = {"version": torch.tensor(0)}, {"observation": values, "action": action}
        >>> policy.log_prob(params, rollout).exp()  # 1/2 + 1/4, 1/4
        tensor([0.7500, 0.2500])
    """
    return _epsilon_greedy(q, epsilon, OF_ALL)


@checked
def masked_epsilon_greedy(q: Apply, epsilon: Schedule) -> Policy:
    """``epsilon_greedy`` among the actions that are allowed by the ``action_mask`` of observations.

    Args:
        q: ``(params, observation) -> values`` [..., n], of which those of forbidden actions are lowest.
        epsilon: ``version -> probability`` of a uniform action among the allowed ones.

    Example:
        >>> policy = policies.masked_epsilon_greedy(lambda params, x: x["observation"], optim.constant(0.5))
        >>> values, mask = torch.tensor([3.0, 1.0, -99.0]), torch.tensor([True, True, False])
        >>> x = {"observation": values.expand(3, 3), "action_mask": mask.expand(3, 3)}
        >>> params, rollout = {"version": torch.tensor(0)}, {"observation": x, "action": torch.arange(3)}
        >>> policy.log_prob(params, rollout).exp()  # 1/2 + 1/4, 1/4, forbidden
        tensor([0.7500, 0.2500, 0.0000])
    """
    return _epsilon_greedy(q, epsilon, OF_ALLOWED)


def _epsilon_greedy(q: Apply, epsilon: Schedule, choice: Choice) -> Policy:
    def drawn(shape, size, generator):
        noise = choice.draw(shape, size, generator)
        return noise, torch.rand(shape, generator=generator)

    def chosen(params, observation, values, noise):
        uniform, share = noise
        action = choice.action(observation, uniform)
        return torch.where(share < epsilon(params["version"]), action, values.argmax(-1))

    def act(params, observation, memory, generator):
        values = q(params, observation)
        noise = drawn(values.shape[:-1], values.shape[-1], generator)
        return chosen(params, observation, values, noise), memory

    def draw(params, shape, size, generator):
        return drawn(shape, size, generator)

    def decide(params, observation, memory, noise):
        return chosen(params, observation, q(params, observation), noise), memory

    def log_prob(params, rollout):
        observation, action = rollout["observation"], rollout["action"]
        values, probability = q(params, observation), epsilon(params["version"])
        greedy = action == values.argmax(-1)
        uniform = choice.chance(probability, observation, action, values.shape[-1])
        return (uniform + (1 - probability) * greedy).log()

    return Policy(memoryless, act, log_prob, from_noise=FromNoise(draw, decide, act))


@checked
def deterministic(actor: Apply) -> Policy:
    """Takes the action of a network, ``(params, observation) -> action`` [..., A] in [-1, 1].

    Example:
        >>> policy = policies.deterministic(lambda params, x: x.clamp(-1, 1))
        >>> policy.act({}, torch.tensor([[0.5], [2.0]]), (), generator(0))[0].flatten()
        tensor([0.5000, 1.0000])
    """

    def act(params, observation, memory, generator):
        return actor(params, observation), memory

    return Policy(memoryless, act, _certain)


@checked
def with_noise(actor: Apply, std: float) -> Policy:
    """Adds normal noise to the action of a network, clipped to [-1, 1] (TD3's exploration).

    Args:
        actor: ``(params, observation) -> action`` [..., A] in [-1, 1].
        std: standard deviation of the noise.

    Example:
        >>> policy = policies.with_noise(lambda params, x: x, std=0.1)
        >>> action, _ = policy.act({}, torch.full((100, 1), 0.9), (), generator(0))
        >>> float(action.max()), bool((action < 0.9).any())
        (1.0, True)
    """

    def act(params, observation, memory, generator):
        action = actor(params, observation)
        return noisy(action, torch.randn(action.shape, generator=generator)), memory

    def noisy(action, noise):
        return (action + std * noise).clamp(-1, 1)

    def draw(params, shape, size, generator):
        return torch.randn(*shape, size, generator=generator)

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

    Example:
        >>> later = policies.deterministic(lambda params, x: x)
        >>> policy = policies.warmup_uniform(later, envs.pendulum(2).action_spec.uniform)
        >>> x = torch.ones(2, 1)
        >>> before, after = (policy.act({"version": i}, x, (), generator(0))[0] for i in (0, 1))
        >>> bool((before == 1).any()), bool((after == 1).all())
        (False, True)
    """

    def drawn(shape, generator):
        return trees.map(lambda x: x.unflatten(0, shape), uniform(math.prod(shape), generator))

    return _warmup(
        policy,
        act=lambda observation, num, generator: uniform(num, generator),
        draw=lambda shape, size, generator: drawn(shape, generator),
        action=lambda observation, noise: noise,
    )


@checked
def masked_warmup_uniform(policy: Policy) -> Policy:
    """``warmup_uniform`` among the actions that are allowed by the ``action_mask`` of observations.

    Example:
        >>> policy = policies.masked_warmup_uniform(policies.greedy_q(lambda params, x: x["observation"]))
        >>> values, mask = torch.tensor([3.0, 1.0, -99.0]), torch.tensor([True, True, False])
        >>> x = {"observation": values.expand(100, 3), "action_mask": mask.expand(100, 3)}
        >>> [policy.act({"version": i}, x, (), generator(0))[0].unique() for i in (0, 1)]  # uniform, greedy
        [tensor([0, 1]), tensor([0])]
    """

    def act(observation, num, generator):
        mask = observation[MASK]
        return any_allowed(mask, OF_ALLOWED.draw((num,), mask.shape[-1], generator))

    return _warmup(policy, act, OF_ALLOWED.draw, OF_ALLOWED.action)


def _warmup(policy: Policy, act: Callable, draw: Callable, action: Callable) -> Policy:
    """A policy whose first actions are ``act(observation, num, generator)``, or ``action`` of noise."""

    def acting(params, observation, memory, generator):
        decision, memory = policy.act(params, observation, memory, generator)
        if params["version"] > 0:
            return decision, memory
        num = trees.leaves(action_of(decision))[0].shape[
            0
        ]  # not len, which export takes for a constant
        return act(observation, num, generator), memory

    fixed = from_noise_of(policy)

    def drawn(params, shape, size, generator):
        noise = fixed.draw(params, shape, size, generator)
        return noise, () if params["version"] > 0 else draw(shape, size, generator)

    def decide(params, observation, memory, noise):
        noise, first = noise
        decision, memory = fixed.decide(params, observation, memory, noise)
        return decision if params["version"] > 0 else action(observation, first), memory

    from_noise = FromNoise(drawn, decide, acting) if fixed else None
    return policy._replace(act=acting, from_noise=from_noise)


@checked
def with_network_noise(
    policy: Policy, draw_noise: Callable[[Sequence[int], torch.Generator], Tensor]
) -> Policy:
    """Gives the networks of a policy noise in each step (Fortunato et al., https://arxiv.org/abs/1706.10295).

    Args:
        policy: without a memory, of ``beside_noise(observation, noise)``; a function of noise itself, as
            ``epsilon_greedy`` is.
        draw_noise: ``(shape, generator) -> noise`` ``[*shape, size]``, as ``NoisyNetwork.draw``.

    Returns:
        A policy of observations, whose log-probabilities are those of the network without noise.

    Raises:
        ValueError: if the policy is no function of noise.

    Example:
        >>> noisy_q = lambda params, x: x["observation"] + x["network_noise"]
        >>> policy = policies.epsilon_greedy(noisy_q, optim.constant(0.0))
        >>> policy = policies.with_network_noise(policy, lambda shape, rng: torch.tensor([[0.0, 9.0]]))
        >>> policy.act({"version": 0}, torch.tensor([[3.0, 1.0]]), (), generator(0))[0]  # of 3 and 10
        tensor([1])
    """
    fixed = from_noise_of(policy)
    if fixed is None:
        raise ValueError("a network's noise is for a policy that is a function of noise itself")

    def act(params, observation, memory, generator):
        num = trees.leaves(observation)[0].shape[0]
        noisy = beside_noise(observation, draw_noise((num,), generator))
        return policy.act(params, noisy, memory, generator)

    def draw(params, shape, size, generator):
        noise = draw_noise(shape, generator)
        return noise, fixed.draw(params, shape, size, generator)

    def decide(params, observation, memory, noise):
        of_network, rest = noise
        return fixed.decide(params, beside_noise(observation, of_network), memory, rest)

    return Policy(memoryless, act, policy.log_prob, from_noise=FromNoise(draw, decide, act))


def _certain(params, rollout):
    return torch.zeros_like(rollout["next"]["reward"])
