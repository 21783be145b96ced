"""Policies that see observations by a view of params, such as a normalisation."""

from collections.abc import Callable, Mapping
from typing import Any

from nappo2.checks import checked
from nappo2.policies.policy import FromNoise, Policy, Sampler, from_noise_of, sampler_of

View = Callable[[Mapping, Any], Any]
"""``(params, observation) -> observation``, trees of tensors ``[..., *shape]``."""


@checked
def with_view(policy: Policy, view: View) -> Policy:
    """The policy that acts on ``view(params, observation)`` in place of an observation.

    Example:
        >>> policy = policies.with_view(policies.greedy_q(lambda params, x: x), lambda params, x: -x)
        >>> policy.act({}, torch.tensor([[3.0, 1.0, 2.0]]), (), generator(0))[0]  # of -3, -1 and -2
        tensor([1])
    """

    def act(params, observation, memory, generator):
        return policy.act(params, view(params, observation), memory, generator)

    def log_prob(params, rollout):
        observation = view(params, rollout["observation"])
        return policy.log_prob(params, {**rollout, "observation": observation})

    fixed, sampler = from_noise_of(policy), sampler_of(policy)

    def decide(params, observation, memory, noise):
        return fixed.decide(params, view(params, observation), memory, noise)

    def actor(params, observation):
        return sampler.actor(params, view(params, observation))

    return policy._replace(
        act=act,
        log_prob=log_prob,
        from_noise=FromNoise(fixed.draw, decide, act) if fixed else None,
        sampler=Sampler(actor, sampler.dist, act) if sampler else None,
    )
