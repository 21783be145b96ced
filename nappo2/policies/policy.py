"""Policies: pure functions that act on plain tensors, and score the actions of a rollout."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nappo2.checks import checked, explained
from nappo2.maths.distributions import Distribution
from nappo2.maths.masks import beside_mask

Apply = Callable[[Mapping, Tensor], Tensor]
"""``(params, x) -> y``, of whole params or of weights alone."""


class Decision(NamedTuple):
    """Actions [B, ...] and their log-probabilities [B], for networks that are expensive to run twice."""

    action: Any
    log_prob: Tensor


@explained
def action_of(decision: Any) -> Any:
    """The actions [B, ...] of a decision, or of actions alone: a tensor, or several by name.

    Example:
        >>> decision = policies.Decision(torch.tensor([0, 1]), log_prob=torch.zeros(2))
        >>> policies.action_of(decision), policies.action_of(torch.tensor([2]))
        (tensor([0, 1]), tensor([2]))
    """
    return decision.action if isinstance(decision, Decision) else decision


class Sampler(NamedTuple):
    """The parts of a policy that only samples from a distribution: compiled rollouts are made of these.

    Attributes:
        actor: ``(params, observation) -> outputs``.
        dist: of the actor's outputs.
        act: the policy's ``act``; the sampler is void for a policy with another one.
    """

    actor: Apply
    dist: Distribution
    act: Callable


class FromNoise(NamedTuple):
    """A policy whose randomness can be drawn before it acts: noise, and a pure function of it.

    With it noise is drawn once per rollout, and the members of a population act in one call. ``reset``
    of such a policy draws nothing.

    Attributes:
        draw: ``(params, shape, size, generator) -> noise``, a tree of tensors ``[*shape, ...]``: all
            randomness for actions of ``size`` dimensions or choices. A shape of (B,) is that of a step,
            drawn as ``act`` draws it; (T, B) is that of a rollout. Of params it reads ``version`` alone.
        decide: ``(params, observation, memory, noise) -> (action, memory)``, the rest of ``act``.
        act: the policy's ``act``; this is void for a policy with another one.
    """

    draw: Callable[[Mapping, tuple[int, ...], int, torch.Generator], Any]
    decide: Callable[[Mapping, Tensor, Any, Any], tuple[Any, Any]]
    act: Callable


@checked
class Policy(NamedTuple):
    """How to act, how probable actions are, and how a memory is kept.

    Attributes:
        init: ``(num_envs, seed) -> memory``, () without a memory.
        act: ``(params, observation, memory, generator) -> (action, memory)``, once per step; or
            ``(Decision(action, log_prob), memory)``.
        log_prob: ``(params, rollout) -> log_prob`` [T, B], once per rollout, unless ``act`` makes
            ``Decision``.
        reset: ``(memory, done, generator) -> memory`` after each step, new where an episode ended.
        recorded: ``memory -> (tensor [B, ...],)``, the memory before a step, which rollouts have as
            the key ``memory``; () if nothing is recorded.
        sampler: the parts of a policy that only samples. With it rollouts can be compiled.
        from_noise: the policy as a function of noise, None if it is none. With it a population acts in
            one call, and noise is drawn once per rollout.
    """

    init: Callable[[int, int], Any]
    act: Callable[[Mapping, Tensor, Any, torch.Generator], tuple[Any, Any]]
    log_prob: Callable[[Mapping, Mapping], Tensor]
    reset: Callable[[Any, Tensor, torch.Generator], Any] = lambda memory, done, generator: memory
    recorded: Callable[[Any], tuple[Tensor, ...]] = lambda memory: ()
    sampler: Sampler | None = None
    from_noise: FromNoise | None = None


@explained
def sampler_of(policy: Policy) -> Sampler | None:
    """The sampler of a policy; None if it has none, or its ``act`` was replaced.

    Example:
        >>> policy = stochastic(lambda params, x: x, distributions.categorical())
        >>> policies.sampler_of(policy).dist.mode(torch.tensor([[0.0, 1.0]]))
        tensor([1])
        >>> other = policies.deterministic(lambda params, x: x)
        >>> policies.sampler_of(policy._replace(act=other.act)) is None
        True
    """
    return policy.sampler if policy.sampler and policy.sampler.act is policy.act else None


@explained
def from_noise_of(policy: Policy) -> FromNoise | None:
    """A policy as a function of noise; None if it is none, or its ``act`` was replaced.

    Example:
        >>> policy = policies.with_noise(lambda params, x: x, std=0.5)
        >>> action, _ = policies.from_noise_of(policy).decide({}, torch.zeros(2, 1), (), torch.ones(2, 1))
        >>> action.flatten()
        tensor([0.5000, 0.5000])
        >>> policies.from_noise_of(policies.deterministic(lambda params, x: x)) is None
        True
    """
    fixed = policy.from_noise
    return fixed if fixed and fixed.act is policy.act else None


@explained
def memoryless(num_envs: int, seed: int) -> tuple:
    """The ``init`` of a policy without a memory: ().

    Example:
        >>> policies.memoryless(num_envs=4, seed=0)
        ()
    """
    return ()


@checked
def stochastic(actor: Apply, dist: Distribution) -> Policy:
    """A policy that samples from the distribution of an actor's outputs.

    Example:
        >>> network, dist = mlp(4, 8, 2), distributions.categorical()
        >>> params = make_params(network.init(0), gamma=0.99)
        >>> policy = stochastic(lambda params, x: network.apply(params["weights"], x), dist)
        >>> first(collect(envs.cartpole(2), policy, num_steps=3), params).item["action"].shape
        torch.Size([3, 2])
    """

    def make_act(sample):
        def act(params, observation, memory, source):
            return sample(actor(params, observation), source), memory

        return act

    return _sampling(actor, dist, make_act)


@checked
def stochastic_with_log_prob(actor: Apply, dist: Distribution) -> Policy:
    """``stochastic``, whose ``act`` also scores its actions: for networks of images, run only once.

    Example:
        >>> policy = policies.stochastic_with_log_prob(lambda params, x: x, distributions.categorical())
        >>> decision, _ = policy.act({}, torch.zeros(3, 2), (), generator(0))  # logits of two actions
        >>> decision.action.shape, decision.log_prob.exp()
        (torch.Size([3]), tensor([0.5000, 0.5000, 0.5000]))
    """

    def make_act(sample):
        def act(params, observation, memory, source):
            outputs = actor(params, observation)
            action = sample(outputs, source)
            return Decision(action, dist.log_prob(outputs, action)), memory

        return act

    return _sampling(actor, dist, make_act)


def _sampling(actor: Apply, dist: Distribution, make_act: Callable) -> Policy:
    """A policy whose ``act`` is ``make_act(sample)``, of a generator or of noise."""

    def log_prob(params, rollout):
        return dist.log_prob(actor(params, rollout["observation"]), rollout["action"])

    def draw(params, shape, size, generator):
        return dist.draw_noise((*shape, dist.num_outputs(size)), generator)

    act, from_noise = make_act(dist.sample), None
    if dist.sample_from_noise:
        from_noise = FromNoise(draw, make_act(dist.sample_from_noise), act)
    sampler = Sampler(actor, dist, act)
    return Policy(memoryless, act, log_prob, sampler=sampler, from_noise=from_noise)


@checked
def greedy(actor: Apply, dist: Distribution) -> Policy:
    """A policy that takes the most probable action, for evaluation; the log-probability is 0.

    Example:
        >>> network, dist = mlp(4, 8, 2), distributions.categorical()
        >>> params = make_params(network.init(0))
        >>> policy = greedy(lambda params, x: network.apply(params["weights"], x), dist)
        >>> evaluate(envs.cartpole(2), policy, params, num_episodes=2).returns.shape
        torch.Size([2])
    """

    def act(params, observation, memory, generator):
        return dist.mode(actor(params, observation)), memory

    def log_prob(params, rollout):
        return torch.zeros_like(rollout["next"]["reward"])

    return Policy(memoryless, act, log_prob)


@checked
def with_memory(
    policy: Policy, step: Callable[[Mapping, Tensor, Tensor], Tensor], memory_size: int
) -> Policy:
    """Gives a policy a memory, which it takes in place of observations.

    Args:
        policy: of memories [B, memory_size]; with the masks of observations beside them, if they
            have any.
        step: ``(params, memory, observation) -> memory``, for any leading dimensions.
        memory_size: size of a memory, which is 0 where an episode begins.

    Returns:
        A policy of observations, whose rollouts record ``memory`` [T, B, memory_size].

    Example:
        >>> sums = policies.greedy_q(lambda params, memory: memory)  # of all observations so far
        >>> policy = policies.with_memory(sums, lambda params, memory, x: memory + x, memory_size=2)
        >>> memory = policy.init(1, 0)
        >>> for x in torch.tensor([[[3.0, 2.0]], [[0.0, 2.0]]]):
        ...     action, memory = policy.act({}, x, memory, generator(0))
        >>> memory, action
        (tensor([[3., 4.]]), tensor([1]))
    """

    def act(params, observation, memory, generator):
        memory = step(params, memory, observation)
        action, _ = policy.act(params, beside_mask(memory, observation), (), generator)
        return action, memory

    fixed = from_noise_of(policy)

    def decide(params, observation, memory, noise):
        memory = step(params, memory, observation)
        action, _ = fixed.decide(params, beside_mask(memory, observation), (), noise)
        return action, memory

    def log_prob(params, rollout):
        # one step from each recorded memory, all in one batch, instead of T in sequence
        observation = rollout["observation"]
        memory = step(params, rollout["memory"], observation)
        return policy.log_prob(params, {**rollout, "observation": beside_mask(memory, observation)})

    return Policy(
        init=lambda num_envs, seed: torch.zeros(num_envs, memory_size),
        act=act,
        log_prob=log_prob,
        reset=lambda memory, done, generator: memory * ~done.unsqueeze(-1),
        recorded=lambda memory: (memory,),
        from_noise=FromNoise(fixed.draw, decide, act) if fixed else None,
    )
