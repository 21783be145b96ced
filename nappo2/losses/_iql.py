"""Implicit Q-learning (IQL), for recorded data: no value of an action that is not in them is asked for."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from nappo2.checks import checked
from nappo2.losses.critics import critic_loss, least
from nappo2.losses.critics import target as target_of
from nappo2.losses.loss import Loss
from nappo2.maths.distributions import Distribution
from nappo2.maths.values import expectile_error, of_action
from nappo2.networks import ActorCritics


@checked
def iql(
    agent: ActorCritics,
    value: Callable[[Mapping, Any], Tensor],
    dist: Distribution,
    *,
    expectile: float = 0.7,
    temperature: float = 3.0,
    limit: float = 100.0,
    discrete: bool = False,
) -> Loss:
    """Implicit Q-learning (Kostrikov et al., https://arxiv.org/abs/2110.06169).

    The sum of three losses with separate gradients, where q is the least of the target critics::

        value:    |tau - 1(u < 0)| u^2,  u = q(s, a) - v(s)
        critics:  1/2 (q_k(s, a) - r - gamma v(s'))^2
        actor:    -min(exp(temperature u), limit) log pi(a | s)

    Reads, of a batch [N], ``observation``, ``action`` and ``next``; of params ``target`` and ``gamma``.
    Equal to TorchRL's ``IQLLoss`` and ``DiscreteIQLLoss``, but for the factor 1/2 of critics.

    Args:
        agent: an actor of the distribution's outputs, and critics of (observation, action), [K, N], or
            of observations for all n actions, [K, N, n].
        value: ``(weights of the value, observation) -> v(s)`` [N].
        dist: of the actor's outputs.
        expectile: tau, above 1/2 so that v is of the better actions.
        temperature: by which advantages weight log-probabilities.
        limit: the largest weight.
        discrete: whether the critics value all discrete actions.

    Returns:
        The loss, with the means ``critic_loss``, ``value_loss``, ``actor_loss``, ``value`` and
        ``advantage``.

    Raises:
        ValueError: if ``expectile`` is not within 0 and 1.
    """
    if not 0 < expectile < 1:
        raise ValueError(f"expectile is above 0 and below 1, not {expectile}")

    def critics(weights, batch):
        if not discrete:
            return agent.critics(weights, batch["observation"], batch["action"])
        values = agent.critics(weights, batch["observation"])
        return of_action(values, batch["action"].expand(values.shape[:-1]))

    def loss(params, batch):
        weights, after = params["weights"], batch["next"]
        with torch.no_grad():
            q = least(critics(params["target"]["critics"], batch), batch)
            y = target_of(params, after, value(weights["value"], after["observation"]))
        v = value(weights["value"], batch["observation"])
        advantage = q - v.detach()
        value_loss = expectile_error(q - v, expectile).mean()
        critic = critic_loss(critics(weights["critics"], batch), y, batch)
        weight = (temperature * advantage).exp().clamp(max=limit)
        log_prob = dist.log_prob(agent.actor(params, batch["observation"]), batch["action"])
        actor = -(weight * log_prob).mean()
        means = {"critic_loss": critic, "value_loss": value_loss, "actor_loss": actor}
        means |= {"value": v.mean(), "advantage": advantage.mean()}
        return critic + value_loss + actor, means

    return loss
