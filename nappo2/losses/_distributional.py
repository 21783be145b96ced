"""Q-learning of whole distributions of returns: quantiles (QR-DQN, IQN) and categorical (C51)."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from nappo2.checks import checked, explained
from nappo2.losses._dqn import Error, q_error, q_loss, values_and_targets
from nappo2.losses.distributional_q import DistributionalQ, Following, best_of_target, means_of
from nappo2.losses.loss import Loss
from nappo2.maths.distributional import (
    categorical_projection,
    cross_entropy,
    midpoints,
    of_action,
    quantile_huber,
)
from nappo2.maths.drawn import beside_noise
from nappo2.maths.surrogates import weighted_mean


@checked
def expected_dqn(q: DistributionalQ, *, following: Following = best_of_target) -> Loss:
    """``dqn``, or ``double_dqn``, of a Q-function with one output for each action, its expected return.

    Args:
        q: whose outputs are values [N, n, 1].
        following: the value of the next action, by the target network.

    Returns:
        The loss, with the means ``value`` and ``value_target``.

    Example:
        >>> q = losses.DistributionalQ(lambda w, x: w["z"][x], lambda z, x: z.mean(-1))
        >>> z = torch.tensor([[[4.0], [0.0]], [[2.0], [6.0]]])  # of two actions in states 0 and 1
        >>> params = {"weights": {"z": z}, "target": {"z": z}, "hyper": {"gamma": 0.5}}
        >>> x, x_next, terminated = torch.tensor([0]), torch.tensor([1]), torch.tensor([False])
        >>> after = {"observation": x_next, "reward": torch.tensor([2.0]), "terminated": terminated}
        >>> batch = {"observation": x, "action": torch.tensor([0]), "next": after}
        >>> losses.expected_dqn(q)(params, batch)  # huber(4 - (2 + 6 / 2))
        (tensor(0.5000), {'value': tensor(4.), 'value_target': tensor(5.)})
    """
    return q_loss(_means_and_targets(q, following))


@checked
def expected_dqn_error(q: DistributionalQ, *, following: Following = best_of_target) -> Error:
    """The TD errors of ``expected_dqn``, as priorities for ``prioritized_replay``.

    Args:
        q: as for ``expected_dqn``.
        following: as there.

    Returns:
        ``(params, batch) -> errors`` [N].

    Example:
        >>> q = losses.DistributionalQ(lambda w, x: w["z"][x], lambda z, x: z.mean(-1))
        >>> z = torch.tensor([[[4.0], [0.0]], [[2.0], [6.0]]])  # of two actions in states 0 and 1
        >>> params = {"weights": {"z": z}, "target": {"z": z}, "hyper": {"gamma": 0.5}}
        >>> x, x_next, terminated = torch.tensor([0, 0]), torch.tensor([1, 1]), torch.tensor([False, True])
        >>> after = {"observation": x_next, "reward": torch.ones(2), "terminated": terminated}
        >>> batch = {"observation": x, "action": torch.tensor([0, 0]), "next": after}
        >>> losses.expected_dqn_error(q)(params, batch)  # 4 - (1 + 6 / 2), and 4 - 1 at the end
        tensor([0., 3.])
    """
    return q_error(_means_and_targets(q, following))


@checked
def quantile_dqn(
    q: DistributionalQ,
    *,
    following: Following = best_of_target,
    tau: Callable[[Mapping, Tensor], Tensor] | None = None,
) -> Loss:
    """QR-DQN (Dabney et al., https://arxiv.org/abs/1710.10044): the mean quantile Huber error.

    Each of the quantiles ``r + gamma z_j(s', a*)`` of the target is one for those of ``z(s, a)``. Reads
    the keys of ``dqn``.

    Args:
        q: whose outputs are K quantiles.
        following: the quantiles of the next action, by the target network.
        tau: ``(batch, quantiles [N, K]) -> fractions`` [K] or [N, K]; None for midpoints. IQN's are those
            that the network was given, ``drawn_tau``.

    Returns:
        The loss, with the means ``value`` and ``value_target``.

    Example:
        >>> q = losses.DistributionalQ(lambda w, x: w["z"][x], lambda z, x: z.mean(-1))
        >>> z = torch.tensor([[[3.0, 5.0]]])  # two quantiles of one action in one state
        >>> params, x = {"weights": {"z": z}, "target": {"z": z}, "hyper": {"gamma": 0.5}}, torch.tensor([0])
        >>> after = {"observation": x, "reward": torch.tensor([4.0]), "terminated": torch.tensor([True])}
        >>> loss = losses.quantile_dqn(q)
        >>> loss(params, {"observation": x, "action": x, "next": after})  # 1/4 1/2 + |3/4 - 1| 1/2
        (tensor(0.2500), {'value': tensor(4.), 'value_target': tensor(4.)})
    """
    return _loss(q, _quantile_errors(q, following, tau or _midpoints))


@checked
def quantile_dqn_error(
    q: DistributionalQ,
    *,
    following: Following = best_of_target,
    tau: Callable[[Mapping, Tensor], Tensor] | None = None,
) -> Error:
    """The errors of ``quantile_dqn``, as priorities for ``prioritized_replay``.

    Args:
        q: as for ``quantile_dqn``.
        following: as there.
        tau: as there.

    Returns:
        ``(params, batch) -> errors`` [N].

    Example:
        >>> q = losses.DistributionalQ(lambda w, x: w["z"][x], lambda z, x: z.mean(-1))
        >>> z = torch.tensor([[[4.0]]])  # a quantile of one action in one state
        >>> params = {"weights": {"z": z}, "target": {"z": z}, "hyper": {"gamma": 0.5}}
        >>> x, reward, terminated = torch.tensor([0, 0]), torch.tensor([5.0, 3.0]), torch.tensor([True, True])
        >>> after = {"observation": x, "reward": reward, "terminated": terminated}
        >>> error = losses.quantile_dqn_error(q, tau=lambda batch, quantiles: torch.tensor([0.9]))
        >>> error(params, {"observation": x, "action": x, "next": after})  # 0.9 / 2 below, 0.1 / 2 above
        tensor([0.4500, 0.0500])
    """
    return _error(_quantile_errors(q, following, tau or _midpoints))


@checked
def categorical_dqn(
    q: DistributionalQ, support: Tensor, *, following: Following = best_of_target
) -> Loss:
    """C51 (Bellemare et al., https://arxiv.org/abs/1707.06887): the mean cross-entropy of two distributions.

    The target is that of ``r + gamma z(s', a*)``, projected onto the support. Reads the keys of ``dqn``.

    Args:
        q: whose outputs are logits of K atoms.
        support: their places, at equal distances, [K].
        following: the logits of the next action, by the target network.

    Returns:
        The loss, with the means ``value`` and ``value_target``.

    Example:
        >>> support = torch.tensor([0.0, 1.0])
        >>> q = losses.DistributionalQ(lambda w, x: w["z"][x], lambda z, x: z.softmax(-1) @ support)
        >>> z = torch.zeros(1, 1, 2)  # logits of both atoms, of one action in one state
        >>> params, x = {"weights": {"z": z}, "target": {"z": z}, "hyper": {"gamma": 0.5}}, torch.tensor([0])
        >>> after = {"observation": x, "reward": torch.ones(1), "terminated": torch.tensor([True])}
        >>> loss = losses.categorical_dqn(q, support)
        >>> loss(params, {"observation": x, "action": x, "next": after})  # log 2
        (tensor(0.6931), {'value': tensor(0.5000), 'value_target': tensor(1.)})
    """
    return _loss(q, _categorical_errors(q, support, following))


@checked
def categorical_dqn_error(
    q: DistributionalQ, support: Tensor, *, following: Following = best_of_target
) -> Error:
    """The cross-entropies of ``categorical_dqn``, as Rainbow's priorities for ``prioritized_replay``.

    Args:
        q: as for ``categorical_dqn``.
        support: as there.
        following: as there.

    Returns:
        ``(params, batch) -> errors`` [N].

    Example:
        >>> support = torch.tensor([0.0, 1.0])
        >>> q = losses.DistributionalQ(lambda w, x: w["z"][x], lambda z, x: z.softmax(-1) @ support)
        >>> z = torch.tensor([[[0.25, 0.75]]]).log()  # of one action in one state
        >>> params = {"weights": {"z": z}, "target": {"z": z}, "hyper": {"gamma": 0.5}}
        >>> x, reward, terminated = torch.tensor([0, 0]), torch.tensor([0.0, 1.0]), torch.tensor([True, True])
        >>> after = {"observation": x, "reward": reward, "terminated": terminated}
        >>> batch = {"observation": x, "action": x, "next": after}
        >>> losses.categorical_dqn_error(q, support)(params, batch)  # log 4, log 4/3
        tensor([1.3863, 0.2877])
    """
    return _error(_categorical_errors(q, support, following))


@explained
def drawn_tau(batch: Mapping, quantiles: Tensor) -> Tensor:
    """The fractions that were drawn for an implicit quantile network: ``noise`` [N, K] of the batch.

    Example:
        >>> losses.drawn_tau({"noise": torch.tensor([[0.25, 0.75]])}, torch.zeros(1, 2))
        tensor([[0.2500, 0.7500]])
    """
    return batch["noise"]


@checked
def with_network_noise(loss: Loss) -> Loss:
    """A loss whose networks also take the noise that was drawn for a batch, without a change of the loss.

    Networks get ``beside_noise(observation, noise)``: of ``noise`` [N, size] for observations, and of
    ``next_noise`` [N, size] for next ones.

    Example:
        >>> def loss(params, batch):
        ...     return batch["next"]["observation"]["network_noise"].mean(), {}
        >>> x, noise = torch.zeros(2, 3), torch.zeros(2, 4)
        >>> batch = {"observation": x, "noise": noise, "next_noise": noise + 5.0, "next": {"observation": x}}
        >>> losses.with_network_noise(loss)({}, batch)
        (tensor(5.), {})
    """

    def with_noise(params, batch):
        after = batch["next"]
        following = beside_noise(after["observation"], batch["next_noise"])
        observation = beside_noise(batch["observation"], batch["noise"])
        noisy = {"observation": observation, "next": {**after, "observation": following}}
        return loss(params, {**batch, **noisy})

    return with_noise


def _means_and_targets(q: DistributionalQ, following: Following) -> Callable:
    return values_and_targets(means_of(q), lambda params, x: following(q, params, x).squeeze(-1))


def _midpoints(batch: Mapping, quantiles: Tensor) -> Tensor:
    return midpoints(quantiles.shape[-1]).to(quantiles.device)


def _quantile_errors(q: DistributionalQ, following: Following, tau: Callable) -> Callable:
    def errors(params, batch, quantiles, sums):
        reward, discount = sums
        target = reward + discount * following(q, params, batch["next"]["observation"])
        error = lambda: quantile_huber(quantiles, target, tau(batch, quantiles))
        return error, target.mean()

    return _errors(q, errors)


def _categorical_errors(q: DistributionalQ, support: Tensor, following: Following) -> Callable:
    def errors(params, batch, logits, sums):
        reward, discount = sums
        places = support.to(logits.device)
        probs = following(q, params, batch["next"]["observation"]).softmax(-1)
        target = categorical_projection(places, reward + discount * places, probs)
        return lambda: cross_entropy(target, logits), (target * places).sum(-1).mean()

    return _errors(q, errors)


def _errors(q: DistributionalQ, errors_of: Callable) -> Callable:
    """``(params, batch) -> (errors [N], means of the actions' values and of their targets)``.

    Targets have no gradient.
    """

    def errors(params, batch):
        action, after = batch["action"], batch["next"]
        outputs = q.outputs(params["weights"], batch["observation"])
        chosen = of_action(outputs, action)
        with torch.no_grad():
            reward, discount = after["reward"].unsqueeze(-1), discount_of(params, after)
            error, y = errors_of(params, batch, chosen, (reward, discount.unsqueeze(-1)))
            values = q.values(outputs, batch["observation"]).gather(-1, action.unsqueeze(-1))
        return error(), {"value": values.mean(), "value_target": y}

    return errors


def discount_of(params: Mapping, after: Mapping) -> Tensor:
    """The discount [N] of what follows, ``gamma^steps``, and 0 where an episode terminated."""
    gamma, steps = params["hyper"]["gamma"], after.get("steps", None)
    return (gamma if steps is None else gamma**steps) * ~after["terminated"]


def _error(errors: Callable) -> Error:
    return lambda params, batch: errors(params, batch)[0]


def _loss(q: DistributionalQ, errors: Callable) -> Loss:
    def loss(params, batch):
        error, means = errors(params, batch)
        return weighted_mean(error, batch.get("importance", None)), means

    return loss
