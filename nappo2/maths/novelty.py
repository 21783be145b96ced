"""Formulas of bonuses for what is new, on tensors with any leading dimensions."""

from torch import Tensor

from nappo2.checks import explained


@explained
def mean_squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    """``1/F sum_i (prediction_i - target_i)^2``, [...], of features [..., F]."""
    return (prediction - target).square().mean(-1)


@explained
def half_squared_distance(prediction: Tensor, target: Tensor) -> Tensor:
    """``1/2 |prediction - target|^2``, [...], of features [..., F]."""
    return 0.5 * (prediction - target).square().sum(-1)


@explained
def count_bonus(visits: Tensor, beta: float) -> Tensor:
    """``beta / sqrt(N)``, [...], of numbers of visits [...] (Strehl & Littman, 2008); N is at least 1."""
    return beta / visits.clamp(min=1).sqrt()
