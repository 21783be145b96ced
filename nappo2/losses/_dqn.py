"""Q-learning with a target network."""

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


Error = Callable[[Mapping, Mapping], Tensor]
"""``(params, batch) -> [N]``: how wrong the value of each transition's action is."""


@checked
def dqn(q: Q) -> Loss:
    """Deep Q-learning (Mnih et al., 2015, https://www.nature.com/articles/nature14236).

    Reads, of a batch [N], ``observation``, ``action`` and ``next``; of params ``target`` and
    ``gamma``. The error is Huber's.

    Args:
        q: ``(weights, observation) -> values`` of all n actions, [N, n].
    """
    return _loss(_compared(q, _highest(q)))


@checked
def double_dqn(q: Q) -> Loss:
    """Double Q-learning (van Hasselt et al., https://arxiv.org/abs/1509.06461): ``dqn``, whose next
    action is the online network's choice, and whose value is the target's."""
    return _loss(_compared(q, _chosen(q)))


@checked
def dqn_error(q: Q) -> Error:
    """What ``dqn`` lowers, for ``prioritized_replay`` to go by."""
    return _error(_compared(q, _highest(q)))


@checked
def double_dqn_error(q: Q) -> Error:
    """What ``double_dqn`` lowers, for ``prioritized_replay`` to go by."""
    return _error(_compared(q, _chosen(q)))


def _highest(q: Q) -> Callable[[Mapping, Tensor], Tensor]:
    return lambda params, observation: q(params["target"], observation).max(-1).values


def _chosen(q: Q) -> Callable[[Mapping, Tensor], Tensor]:
    def next_value(params, observation):
        best = q(params["weights"], observation).argmax(-1)
        return of_action(q(params["target"], observation), best)

    return next_value


def _compared(q: Q, next_value: Callable[[Mapping, Tensor], Tensor]) -> Callable:
    """``(params, batch) -> values, targets``, of the actions that were taken."""

    def compared(params, batch):
        reached = batch["next"]
        with torch.no_grad():
            y = target(params, reached, next_value(params, reached["observation"]))
        return of_action(q(params["weights"], batch["observation"]), batch["action"]), y

    return compared


def _error(compared: Callable) -> Error:
    def error(params, batch):
        value, y = compared(params, batch)
        return value - y

    return error


def _loss(compared: Callable) -> Loss:
    def loss(params, batch):
        value, y = compared(params, batch)
        error = smooth_l1_loss(value, y, reduction="none")
        return weighted_mean(error, batch.get("importance", None)), {"value": value.mean()}

    return loss
