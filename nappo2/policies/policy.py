"""Policies: how to act, on plain tensors, and how probable it was, once per rollout."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nappo2.checks import checked, explained
from nappo2.maths.distributions import Distribution

Apply = Callable[[Mapping, Tensor], Tensor]
"""``(params, x) -> y``, of whole params, or of weights alone."""


class Decision(NamedTuple):
    """An action [B, ...], and how probable it was, [B]: where to ask again costs as much as to act."""

    action: Tensor
    log_prob: Tensor


@explained
def action_of(decision: Tensor | Decision) -> Tensor:
    """The action that was decided on."""
    return decision.action if isinstance(decision, Decision) else decision


class Sampler(NamedTuple):
    """Of what a policy is made that does no more than sample from a distribution.

    Attributes:
        actor: the network.
        dist: the distribution of its outputs.
        act: the policy's ``act``, which these make; a policy with another one is not made of them.
        draw_noise: ``(num_envs, size, generator) -> noise``: all that is random in a step, for actions of
            so many dimensions or choices, so that it can be drawn before; None where it
            depends on what is seen.
        sample_from_noise: ``(params, observation, memory, noise) -> (action, memory)``: the rest of ``act``.
    """

    actor: Apply
    dist: Distribution
    act: Callable
    draw_noise: Callable[[int, int, torch.Generator], Any] | None
    sample_from_noise: Callable[[Mapping, Tensor, Any, Any], tuple[Tensor | Decision, Any]] | None


@checked
class Policy(NamedTuple):
    """How to act, and how probable that was; of a policy with a memory also how it forgets.

    Attributes:
        init: ``(num_envs, seed) -> memory``, () where nothing is remembered.
        act: ``(params, observation, memory, generator) -> (action, memory)``, once per step; or
            ``(Decision(action, log_prob), memory)``.
        log_prob: ``(params, rollout) -> log_prob``, [T, B], once per rollout, if ``act`` did not
            say it.
        reset: ``(memory, done, generator) -> memory``, fresh where an episode ended, after a step.
        recorded: ``memory -> (tensor [B, ...],)``, which rollouts have as the key ``memory``:
            what acting began with; () if nothing of it is needed again.
        sampler: of what it is made, if it does no more than sample; by these a population acts at
            once, noise is drawn once per rollout, and a rollout can be compiled.
    """

    init: Callable[[int, int], Any]
    act: Callable[[Mapping, Tensor, Any, torch.Generator], tuple[Tensor | Decision, Any]]
    log_prob: Callable[[Mapping, Mapping], Tensor]
    reset: Callable[[Any, Tensor, torch.Generator], Any] = lambda memory, done, generator: memory
    recorded: Callable[[Any], tuple[Tensor, ...]] = lambda memory: ()
    sampler: Sampler | None = None


@explained
def sampler_of(policy: Policy) -> Sampler | None:
    """Its sampler; None if it has none, or acts in another way than these do."""
    return policy.sampler if policy.sampler and policy.sampler.act is policy.act else None


@explained
def memoryless(num_envs: int, seed: int) -> tuple:
    """The memory of a policy that remembers nothing."""
    return ()


@checked
def stochastic(actor: Apply, dist: Distribution) -> Policy:
    """Samples from the distribution."""

    def deciding(sample):
        def act(params, observation, memory, source):
            return sample(actor(params, observation), source), memory

        return act

    return _sampling(actor, dist, deciding)


@checked
def telling(actor: Apply, dist: Distribution) -> Policy:
    """``stochastic``, but says at once how probable an action was: for networks of images."""

    def deciding(sample):
        def act(params, observation, memory, source):
            outputs = actor(params, observation)
            action = sample(outputs, source)
            return Decision(action, dist.log_prob(outputs, action)), memory

        return act

    return _sampling(actor, dist, deciding)


def _sampling(actor: Apply, dist: Distribution, deciding: Callable) -> Policy:
    """The policy whose ``act`` is ``deciding(sample)``, of a generator or of noise."""

    def log_prob(params, rollout):
        return dist.log_prob(actor(params, rollout["observation"]), rollout["action"])

    def draw_noise(num_envs, size, generator):
        return dist.draw_noise((num_envs, dist.num_outputs(size)), generator)

    act, before = deciding(dist.sample), (None, None)
    if dist.sample_from_noise:
        before = draw_noise, deciding(dist.sample_from_noise)
    return Policy(memoryless, act, log_prob, sampler=Sampler(actor, dist, act, *before))


@checked
def greedy(actor: Apply, dist: Distribution) -> Policy:
    """Takes the most probable action, for evaluation; its log-probability is 0."""

    def act(params, observation, memory, generator):
        return dist.mode(actor(params, observation)), memory

    def log_prob(params, rollout):
        return torch.zeros_like(rollout["next"]["reward"])

    return Policy(memoryless, act, log_prob)


@checked
def with_memory(
    policy: Policy, step: Callable[[Mapping, Tensor, Tensor], Tensor], memory_size: int
) -> Policy:
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
