"""Exploration by noise that depends on the state (gSDE), which is smooth as long as it is kept."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from nappo2.checks import checked
from nappo2.maths.distributions import Distribution
from nappo2.pipeline import positive
from nappo2.policies.policy import Apply, Policy
from nappo2.seeds import generator as generator_of


class Exploration(NamedTuple):
    """A policy's memory: what its exploration matrices are, and how old."""

    noise: Tensor  # [B, F, A], standard normal: exploration matrices in units of their deviations
    age: Tensor  # [B], steps since each was drawn


def actors_log_std(params: Mapping) -> Tensor:
    """Where an actor made by ``networks.state_dependent`` has its log standard deviations, [F, A]."""
    return params["weights"]["actor"]["log_std"]


@checked
def gsde(
    actor: Apply,
    dist: Distribution,
    shape: tuple[int, int],
    *,
    every: int,
    log_std: Callable[[Mapping], Tensor] = actors_log_std,
) -> Policy:
    """Acts with the mean and ``features @ exploration matrix`` (https://arxiv.org/abs/2005.05719).

    The matrix is the policy's memory, drawn at the start of each episode and every so many steps.
    Within a step the action is a normal's, so log-probabilities are those of ``dist``. Nothing of
    the memory is recorded.

    Args:
        actor: ``(params, observation) -> outputs``, made by ``networks.state_dependent``.
        dist: made by ``distributions.state_dependent``; a squashed one squashes mean and noise.
        shape: (features, actions) of the matrix.
        every: steps after which it is drawn again.
        log_std: ``params -> [F, A]``, the matrix' log standard deviations.

    Raises:
        ValueError: if ``every`` is not at least 1.
    """
    positive(every=every)
    num_features, size = shape

    def init(num_envs, seed):
        noise = torch.randn(num_envs, *shape, generator=generator_of(seed))
        return Exploration(noise, torch.zeros(num_envs))

    def act(params, observation, memory, generator):
        outputs = actor(params, observation)
        matrix = log_std(params).exp() * memory.noise
        noise = torch.bmm(outputs[:, None, -num_features:], matrix).squeeze(1)
        moved = torch.cat([outputs[:, :size] + noise, outputs[:, size:]], -1)
        return dist.mode(moved), memory

    def log_prob(params, rollout):
        return dist.log_prob(actor(params, rollout["observation"]), rollout["action"])

    def reset(memory, done, generator):
        noise, age = memory.noise, memory.age + 1
        over = done | (age >= every)
        if over.any():
            fresh = torch.randn(noise.shape, generator=generator)
            noise, age = torch.where(over[:, None, None], fresh, noise), age * ~over
        return Exploration(noise, age)

    return Policy(init, act, log_prob, reset)
