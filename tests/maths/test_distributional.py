"""Formulas of distributional Q-learning, by hand."""

import math

import pytest
import torch
from sb3_contrib.common.utils import quantile_huber_loss

from nappo2.maths.distributional import (
    categorical_projection,
    cross_entropy,
    midpoints,
    of_action,
    quantile_huber,
)
from tests.makers.tensors import randn


def test_a_median_is_as_far_from_targets_above_as_huber_says():
    """One quantile at 0, tau 1/2, targets 1/2 and 2: Huber's 1/8 and 3/2, halved, in the mean 13/32."""
    found = quantile_huber(torch.zeros(1, 1), torch.tensor([[0.5, 2.0]]), torch.tensor([0.5]))
    assert found.item() == 13 / 32


def test_errors_above_and_below_a_quantile_weigh_differently():
    """Quantiles of 1/4 and 3/4 at 0 and 2, a target of 1: 1/4 of 1/2, and 1 - 3/4 of 1/2."""
    tau = midpoints(2)
    assert tau.tolist() == [0.25, 0.75]
    assert quantile_huber(torch.tensor([[0.0, 2.0]]), torch.tensor([[1.0]]), tau).item() == 0.25
    assert quantile_huber(torch.tensor([[1.0, 1.0]]), torch.tensor([[2.0]]), tau).item() == 0.5


def test_the_quantile_huber_error_is_sb3_contribs():
    """Of five quantiles and seven targets, some further than 1 away."""
    quantiles, target = 2 * randn(64, 5), 2 * randn(64, 7, seed=1)
    found = quantile_huber(quantiles, target, midpoints(5)).mean()
    torch.testing.assert_close(found, quantile_huber_loss(quantiles, target), rtol=1e-5, atol=0)


def test_a_projection_by_hand():
    """A half lies between 0 and 1; 5 counts as 2, and -1 as 0."""
    support, probs = torch.tensor([0.0, 1.0, 2.0]), torch.tensor([[0.5, 0.25, 0.25]])
    found = categorical_projection(support, torch.tensor([[0.5, 5.0, -1.0]]), probs)
    assert found.tolist() == [[0.5, 0.25, 0.25]]


def test_a_projection_keeps_probability_and_mean():
    """Of atoms between the ends of the support."""
    support = torch.linspace(-3, 3, 13)
    atoms, probs = 6 * torch.rand(32, 9) - 3, randn(32, 9).softmax(-1)
    found = categorical_projection(support, atoms, probs)
    torch.testing.assert_close(found.sum(-1), torch.ones(32))
    torch.testing.assert_close((found * support).sum(-1), (probs * atoms).sum(-1))


def test_a_cross_entropy_by_hand():
    """Of a coin with three equal logits: log 3."""
    found = cross_entropy(torch.tensor([[0.0, 0.5, 0.5]]), torch.zeros(1, 3))
    assert found.item() == pytest.approx(math.log(3))


def test_outputs_of_an_action_are_its_row():
    table = torch.arange(12.0).view(2, 3, 2)
    assert of_action(table, torch.tensor([2, 0])).tolist() == [[4, 5], [6, 7]]
