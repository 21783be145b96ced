"""Losses of K critics: their TD targets, and how K values become one."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from nappo2 import trees
from nappo2.checks import explained
from nappo2.losses.sequences import step_weight
from nappo2.maths.surrogates import squared_error
from nappo2.maths.traced import is_traced
from nappo2.maths.values import td_target

CriticReduction = Callable[[Tensor, Mapping], Tensor]
"""``(values [K, N, ...], batch) -> value [N, ...]``: one value of those of K critics."""

CriticChoice = Callable[[Mapping, Mapping], Mapping]
"""``(weights of K critics, batch) -> weights`` of those that are evaluated."""


@explained
def least(values: Tensor, batch: Mapping) -> Tensor:
    """The minimum over critics, [K, N, ...] to [N, ...] (Fujimoto et al., https://arxiv.org/abs/1802.09477).

    Example:
        >>> losses.least(torch.tensor([[1.0, 5.0], [2.0, 3.0]]), {})
        tensor([1., 3.])
    """
    return values.amin(0)


@explained
def least_chosen(values: Tensor, batch: Mapping) -> Tensor:
    """The minimum over chosen critics, [K, N] to [N] (REDQ: Chen et al., https://arxiv.org/abs/2101.05982).

    Reads, of a batch [N], the numbers ``chosen`` [N, M] int64 of M critics, which ``chosen_critics`` draws.

    Example:
        >>> values = torch.tensor([[1.0, 5.0], [2.0, 3.0], [9.0, 9.0]])
        >>> losses.least_chosen(values, {"chosen": torch.tensor([[0, 2], [1, 2]])})
        tensor([1., 3.])
    """
    return values.gather(0, batch["chosen"].mT).amin(0)


def all_critics(weights: Mapping, batch: Mapping) -> Mapping:
    """The weights of all critics, unchanged."""
    return weights


@explained
def only_chosen(weights: Mapping, batch: Mapping) -> Mapping:
    """The weights of the chosen critics, which alone are evaluated (REDQ: Chen et al., https://arxiv.org/abs/2101.05982).

    Reads, of a batch [N], the numbers ``chosen`` [N, M] int64 of M critics, the same in each row, which
    ``chosen_critics`` draws. For agents of ``networks.actor_critics``, which name critics by number.

    Example:
        >>> weights = {"0": torch.tensor(0.0), "1": torch.tensor(10.0), "2": torch.tensor(20.0)}
        >>> losses.only_chosen(weights, {"chosen": torch.tensor([[2, 0], [2, 0]])})
        {'0': tensor(20.), '1': tensor(0.)}
    """
    chosen, names = batch["chosen"][0], map(str, range(batch["chosen"].shape[-1]))
    if not is_traced(chosen):
        return {name: weights[str(i)] for name, i in zip(names, chosen.tolist(), strict=True)}
    ordered = [weights[str(i)] for i in range(len(weights.keys()))]
    part = trees.map(lambda *xs: torch.stack(xs)[chosen], *ordered)
    return {name: trees.map(lambda x, i=i: x[i], part) for i, name in enumerate(names)}


@explained
def mean_value(values: Tensor, batch: Mapping) -> Tensor:
    """The mean over critics, [K, N, ...] to [N, ...].

    Example:
        >>> losses.mean_value(torch.tensor([[1.0, 5.0], [2.0, 3.0]]), {})
        tensor([1.5000, 4.0000])
    """
    return values.mean(0)


def target(params: Mapping, after: Mapping, next_value: Tensor) -> Tensor:
    """TD targets ``r + gamma^steps next_value``, without the value where an episode terminated.

    Args:
        params: with ``hyper["gamma"]``.
        after: a batch's ``next``: ``reward`` [N], ``terminated`` [N] bool, and with ``n_step`` the
            number of ``steps`` [N], otherwise 1.
        next_value: of the next observations, [N], or [M, N] of several values each.

    Returns:
        Targets of the shape of ``next_value``, float32.
    """
    gamma, steps = params["hyper"]["gamma"], after.get("steps", None)
    discount = gamma if steps is None else gamma**steps
    return td_target(after["reward"], next_value, after["terminated"], discount)


def critic_loss(values: Tensor, target: Tensor, batch: Mapping) -> Tensor:
    """The sum over K critics of the mean of ``1/2 (value - target)^2``.

    Args:
        values: of the critics, [K, N], or of sequences [K, L, N].
        target: of all critics, [N] or [L, N].
        batch: whose ``importance`` [N] and ``learnt`` [L, N], if there are any, weight the errors.

    Returns:
        The loss, [].
    """
    weight = step_weight(batch)
    first, *others = (squared_error(value, target, weight) for value in values)
    return sum(others, first)
