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

StateValue = Callable[[Mapping, Any], Tensor]
"""``(weights of the value, observation) -> v(s)`` [N]."""


@checked
def iql(
    agent: ActorCritics,
    value: StateValue,
    dist: Distribution,
    *,
    expectile: float = 0.7,
    temperature: float = 3.0,
    limit: float = 100.0,
) -> Loss:
    """Implicit Q-learning (Kostrikov et al., https://arxiv.org/abs/2110.06169).

    The sum of three losses with separate gradients, where q is the least of the target critics::

        value:    |tau - 1(u < 0)| u^2,  u = q(s, a) - v(s)
        critics:  1/2 (q_k(s, a) - r - gamma v(s'))^2
        actor:    -min(exp(temperature u), limit) log pi(a | s)

    Reads, of a batch [N], ``observation``, ``action`` and ``next``; of params ``target`` and ``gamma``.
    Equal to TorchRL's ``IQLLoss``, but for the factor 1/2 of critics.

    Args:
        agent: an actor of the distribution's outputs, and critics of (observation, action), [K, N].
        value: ``(weights of the value, observation) -> v(s)`` [N].
        dist: of the actor's outputs.
        expectile: tau, above 1/2 so that v is of the better actions.
        temperature: by which advantages weight log-probabilities.
        limit: the largest weight.

    Returns:
        The loss, with the means ``critic_loss``, ``value_loss``, ``actor_loss``, ``value`` and
        ``advantage``.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> agent = networks.actor_critics(mlp(3, 2), mlp(4, 1))  # an input of 0 gives 0, as biases are 0
        >>> weights = agent.init(0).update({"value": torch.tensor(1.0)})
        >>> loss = losses.iql(agent, lambda v, x: v.expand(len(x)), distributions.normal())
        >>> x, terminated = torch.zeros(2, 3), torch.tensor([True, True])
        >>> after = {"observation": x, "reward": torch.ones(2), "terminated": terminated}
        >>> batch = {"observation": x, "action": torch.zeros(2, 1), "next": after}
        >>> _, means = loss(make_params(weights, target=weights, gamma=0.9), batch)
        >>> means["value_loss"]  # of values 1 above q: (1 - 0.7) (0 - 1)^2
        tensor(0.3000)
    """

    def values(weights, batch):
        return agent.critics(weights, batch["observation"], batch["action"])

    return _implicit(agent, values, value, dist, expectile, temperature, limit)


@checked
def discrete_iql(
    agent: ActorCritics,
    value: StateValue,
    dist: Distribution,
    *,
    expectile: float = 0.7,
    temperature: float = 3.0,
    limit: float = 100.0,
) -> Loss:
    """``iql`` for n discrete actions, whose critics give the values of all of them.

    Reads the same keys. Equal to TorchRL's ``DiscreteIQLLoss``, but for the factor 1/2 of critics.

    Args:
        agent: an actor of the distribution's outputs, and critics of observations, [K, N, n].
        value: ``(weights of the value, observation) -> v(s)`` [N].
        dist: of the actor's outputs.
        expectile: tau, above 1/2 so that v is of the better actions.
        temperature: by which advantages weight log-probabilities.
        limit: the largest weight.

    Returns:
        The loss, with the means of ``iql``.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> agent = networks.discrete_actor_critics(mlp(3, 2), mlp(3, 2))  # an input of 0 gives 0
        >>> weights = agent.init(0).update({"value": torch.tensor(0.0)})
        >>> loss = losses.discrete_iql(agent, lambda v, x: v.expand(len(x)), distributions.categorical())
        >>> x, reward, terminated = torch.zeros(2, 3), torch.tensor([2.0, 4.0]), torch.tensor([True, True])
        >>> after = {"observation": x, "reward": reward, "terminated": terminated}
        >>> batch = {"observation": x, "action": torch.tensor([0, 1]), "next": after}
        >>> _, means = loss(make_params(weights, target=weights, gamma=0.9), batch)
        >>> means["critic_loss"], means["actor_loss"]  # of two critics: 2 (4/2 + 16/2) / 2, and log 2
        (tensor(10.), tensor(0.6931))
    """

    def values(weights, batch):
        of_all = agent.critics(weights, batch["observation"])
        return of_action(of_all, batch["action"].expand(of_all.shape[:-1]))

    return _implicit(agent, values, value, dist, expectile, temperature, limit)


def _implicit(
    agent: ActorCritics,
    values: Callable[[Mapping, Mapping], Tensor],
    value: StateValue,
    dist: Distribution,
    expectile: float,
    temperature: float,
    limit: float,
) -> Loss:
    """The loss of critics that give ``(weights, batch) -> values`` [K, N] of the actions of a batch."""

    def loss(params, batch):
        weights, after = params["weights"], batch["next"]
        with torch.no_grad():
            q = least(values(params["target"]["critics"], batch), batch)
            y = target_of(params, after, value(weights["value"], after["observation"]))
        v = value(weights["value"], batch["observation"])
        advantage = q - v.detach()
        value_loss = expectile_error(q - v, expectile).mean()
        critic = critic_loss(values(weights["critics"], batch), y, batch)
        weight = (temperature * advantage).exp().clamp(max=limit)
        log_prob = dist.log_prob(agent.actor(params, batch["observation"]), batch["action"])
        actor = -(weight * log_prob).mean()
        means = {"critic_loss": critic, "value_loss": value_loss, "actor_loss": actor}
        means |= {"value": v.mean(), "advantage": advantage.mean()}
        return critic + value_loss + actor, means

    return loss
