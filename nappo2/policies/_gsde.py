"""State-dependent exploration (gSDE): noise that varies smoothly with the state."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from nappo2.checks import checked
from nappo2.maths.distributions import Distribution
from nappo2.pipeline import positive
from nappo2.policies.policy import Apply, Policy
from nappo2.seeds import generator as generator_of


class GsdeMemory(NamedTuple):
    """The memory of a gSDE policy: an exploration matrix for each environment, and how old it is."""

    noise: Tensor  # [B, F, A], standard normal: exploration matrices in units of their deviations
    age: Tensor  # [B], steps since each was drawn


def actors_log_std(params: Mapping) -> Tensor:
    """Log standard deviations [F, A] of an actor made by ``networks.state_dependent``."""
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
    """Explores by a random matrix (generalised SDE; Raffin et al., https://arxiv.org/abs/2005.05719)::

        action = mean(s) + features(s) @ matrix

    The matrix is the policy's memory, drawn at the start of each episode and every ``every`` steps.
    A single action is normally distributed, so log-probabilities are those of ``dist``. Rollouts
    do not record the memory.

    Args:
        actor: ``(params, observation) -> outputs``, made by ``networks.state_dependent``.
        dist: made by ``distributions.state_dependent``; a squashed one squashes mean and noise.
        shape: of the matrix: (F features, A actions).
        every: steps after which the matrix is drawn again.
        log_std: ``params -> [F, A]``, log standard deviations of the matrix.

    Returns:
        A policy of observations [B, ...].

    Raises:
        ValueError: if ``every`` is not at least 1.

    Example:
        >>> network = networks.state_dependent(mlp(3, 4), num_features=4, action_size=1)
        >>> dist = distributions.state_dependent(distributions.normal(), num_features=4)
        >>> actor = lambda params, x: network.apply(params["weights"]["actor"], x)
        >>> policy = policies.gsde(actor, dist, (4, 1), every=8)
        >>> params, memory = {"weights": {"actor": network.init(0)}}, policy.init(2, 0)
        >>> a, b = (policy.act(params, torch.ones(2, 3), memory, generator(seed))[0] for seed in (0, 1))
        >>> bool((a == b).all()), memory.noise.shape  # the same noise until it is drawn again
        (True, torch.Size([2, 4, 1]))
    """
    positive(every=every)
    num_features, size = shape

    def init(num_envs, seed):
        noise = torch.randn(num_envs, *shape, generator=generator_of(seed))
        return GsdeMemory(noise, torch.zeros(num_envs))

    def act(params, observation, memory, generator):
        outputs = actor(params, observation)
        matrix = log_std(params).exp() * memory.noise
        noise = torch.bmm(outputs[:, None, -num_features:], matrix).squeeze(1)
        explored = torch.cat([outputs[:, :size] + noise, outputs[:, size:]], -1)
        return dist.mode(explored), memory

    def log_prob(params, rollout):
        return dist.log_prob(actor(params, rollout["observation"]), rollout["action"])

    def reset(memory, done, generator):
        noise, age = memory.noise, memory.age + 1
        due = done | (age >= every)
        if due.any():
            drawn = torch.randn(noise.shape, generator=generator)
            noise, age = torch.where(due[:, None, None], drawn, noise), age * ~due
        return GsdeMemory(noise, age)

    return Policy(init, act, log_prob, reset)
