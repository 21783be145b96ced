"""Policies: how to act, on plain tensors, and how probable it was, once per rollout."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nappo2.maths.distributions import Distribution
from nappo2.networks import Apply


class Decision(NamedTuple):
    """An action [B, ...], and how probable it was, [B]: where to ask again costs as much as to act."""

    action: Tensor
    log_prob: Tensor


def action_of(decision: Tensor | Decision) -> Tensor:
    """The action that was decided on."""
    return decision.action if isinstance(decision, Decision) else decision


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
        parts: the network and the distribution that it samples from, if it does no more; by these
            a population acts at once.
    """

    init: Callable[[int, int], Any]
    act: Callable[[Mapping, Tensor, Any, torch.Generator], tuple[Tensor | Decision, Any]]
    log_prob: Callable[[Mapping, Mapping], Tensor]
    reset: Callable[[Any, Tensor, torch.Generator], Any] = lambda memory, done, generator: memory
    recorded: Callable[[Any], tuple[Tensor, ...]] = lambda memory: ()
    parts: tuple[Apply, Distribution] | None = None


def memoryless(num_envs: int, seed: int) -> tuple:
    """The memory of a policy that remembers nothing."""
    return ()


def stochastic(actor: Apply, dist: Distribution) -> Policy:
    """Samples from the distribution."""

    def act(params, observation, memory, generator):
        return dist.sample(actor(params, observation), generator), memory

    def log_prob(params, rollout):
        return dist.log_prob(actor(params, rollout["observation"]), rollout["action"])

    return Policy(memoryless, act, log_prob, parts=(actor, dist))


def telling(actor: Apply, dist: Distribution) -> Policy:
    """``stochastic``, but says at once how probable an action was: for networks of images."""

    def act(params, observation, memory, generator):
        outputs = actor(params, observation)
        action = dist.sample(outputs, generator)
        return Decision(action, dist.log_prob(outputs, action)), memory

    return stochastic(actor, dist)._replace(act=act)


def greedy(actor: Apply, dist: Distribution) -> Policy:
    """Takes the most probable action, for evaluation; its log-probability is 0."""

    def act(params, observation, memory, generator):
        return dist.mode(actor(params, observation)), memory

    def log_prob(params, rollout):
        return torch.zeros_like(rollout["next"]["reward"])

    return Policy(memoryless, act, log_prob)
