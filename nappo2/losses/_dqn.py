"""Q-learning with a target network, whose params ``params["target"]`` follow the online ones."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from nappo2.checks import checked
from nappo2.losses.critics import target
from nappo2.losses.loss import Loss
from nappo2.maths.surrogates import weighted_mean
from nappo2.maths.values import of_action

Q = Callable[[Mapping, Tensor], Tensor]
"""``(weights, observation) -> values`` of all n actions, [N, n]."""

Error = Callable[[Mapping, Mapping], Tensor]
"""``(params, batch) -> TD errors`` [N] of a batch's transitions."""


@checked
def dqn(q: Q) -> Loss:
    """Deep Q-learning (Mnih et al., 2015, https://www.nature.com/articles/nature14236).

    The mean over a batch of ``huber(q(s, a) - y)``, with ``y = r + gamma max_b q_target(s', b)``, and
    ``y = r`` where an episode terminated. Reads, of a batch [N], ``observation``, ``action`` and
    ``next``; of params ``target`` and ``gamma``.

    Args:
        q: ``(weights, observation) -> values`` of all n actions, [N, n].

    Example:
        >>> network = mlp(4, 8, 2)
        >>> params = {"weights": network.init(0), "target": network.init(1), "hyper": {"gamma": 0.99}}
        >>> x, terminated = torch.ones(3, 4), torch.zeros(3, dtype=torch.bool)
        >>> after = {"observation": x, "reward": torch.ones(3), "terminated": terminated}
        >>> batch = {"observation": x, "action": torch.tensor([0, 1, 0]), "next": after}
        >>> loss, means = losses.dqn(network.apply)(params, batch)
        >>> sorted(means)
        ['value', 'value_target']
    """
    return q_loss(values_and_targets(q, _highest(q)))


@checked
def double_dqn(q: Q) -> Loss:
    """Double Q-learning (van Hasselt et al., https://arxiv.org/abs/1509.06461).

    ``dqn`` with ``y = r + gamma q_target(s', argmax_b q(s', b))``: the online network chooses the next
    action, the target network values it. ``q`` is ``(weights, observation) -> values`` [N, n].

    Example:
        >>> network = mlp(4, 8, 2)
        >>> params = {"weights": network.init(0), "target": network.init(1), "hyper": {"gamma": 0.99}}
        >>> x, terminated = torch.ones(3, 4), torch.zeros(3, dtype=torch.bool)
        >>> after = {"observation": x, "reward": torch.ones(3), "terminated": terminated}
        >>> batch = {"observation": x, "action": torch.tensor([0, 1, 0]), "next": after}
        >>> loss, means = losses.double_dqn(network.apply)(params, batch)
        >>> sorted(means)
        ['value', 'value_target']
    """
    return q_loss(values_and_targets(q, _chosen(q)))


@checked
def dqn_error(q: Q) -> Error:
    """The TD errors of ``dqn``, as priorities for ``prioritized_replay``.

    Example:
        >>> network = mlp(4, 8, 2)
        >>> params = {"weights": network.init(0), "target": network.init(1), "hyper": {"gamma": 0.99}}
        >>> x, terminated = torch.ones(3, 4), torch.zeros(3, dtype=torch.bool)
        >>> after = {"observation": x, "reward": torch.ones(3), "terminated": terminated}
        >>> batch = {"observation": x, "action": torch.tensor([0, 1, 0]), "next": after}
        >>> losses.dqn_error(network.apply)(params, batch).shape
        torch.Size([3])
    """
    return q_error(values_and_targets(q, _highest(q)))


@checked
def double_dqn_error(q: Q) -> Error:
    """The TD errors of ``double_dqn``, as priorities for ``prioritized_replay``.

    Example:
        >>> network = mlp(4, 8, 2)
        >>> params = {"weights": network.init(0), "target": network.init(1), "hyper": {"gamma": 0.99}}
        >>> x, terminated = torch.ones(3, 4), torch.zeros(3, dtype=torch.bool)
        >>> after = {"observation": x, "reward": torch.ones(3), "terminated": terminated}
        >>> batch = {"observation": x, "action": torch.tensor([0, 1, 0]), "next": after}
        >>> losses.double_dqn_error(network.apply)(params, batch).shape
        torch.Size([3])
    """
    return q_error(values_and_targets(q, _chosen(q)))


def _highest(q: Q) -> Callable[[Mapping, Tensor], Tensor]:
    return lambda params, observation: q(params["target"], observation).max(-1).values


def _chosen(q: Q) -> Callable[[Mapping, Tensor], Tensor]:
    def next_value(params, observation):
        best = q(params["weights"], observation).argmax(-1)
        return of_action(q(params["target"], observation), best)

    return next_value


def values_and_targets(q: Q, next_value: Callable[[Mapping, Tensor], Tensor]) -> Callable:
    """``(params, batch) -> (values, targets)`` of a batch's actions, each [N]."""

    def of_batch(params, batch):
        after = batch["next"]
        with torch.no_grad():
            y = target(params, after, next_value(params, after["observation"]))
        return of_action(q(params["weights"], batch["observation"]), batch["action"]), y

    return of_batch


def q_error(values_and_targets: Callable) -> Error:
    """The TD errors of ``(params, batch) -> (values [N], targets [N])``."""

    def error(params, batch):
        value, y = values_and_targets(params, batch)
        return value - y

    return error


def q_loss(values_and_targets: Callable) -> Loss:
    """The loss that is the mean Huber error of ``(params, batch) -> (values [N], targets [N])``."""

    def loss(params, batch):
        value, y = values_and_targets(params, batch)
        error = smooth_l1_loss(value, y, reduction="none")
        means = {"value": value.mean(), "value_target": y.mean()}
        return weighted_mean(error, batch.get("importance", None)), means

    return loss
