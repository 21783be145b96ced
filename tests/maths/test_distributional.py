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
    truncated,
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


def test_two_quantiles_and_two_samples_by_hand():
    """Quantiles 0 and 4 at 1/4 and 3/4, samples -1/2 and 3.

    Errors of the first are -1/2 and 3, of weights 3/4 and 1/4: 3/4 1/8 + 1/4 5/2. Those of the second
    are -9/2 and -1, of weight 1/4: (4 + 1/2) / 4. The mean over two samples.
    """
    error = quantile_huber(torch.tensor([[0.0, 4.0]]), torch.tensor([[-0.5, 3.0]]), midpoints(2))
    assert error.tolist() == [(3 / 4 / 8 + 5 / 8 + 4.5 / 4) / 2]


def test_quantiles_of_samples_have_the_least_error():
    """Those of 1,000 uniform numbers are near the midpoints, within Huber's rounding of them."""
    samples = torch.linspace(0, 100, 1000)[None]
    quantiles = torch.zeros(1, 4, requires_grad=True)
    optimizer = torch.optim.Adam([quantiles], 1.0)
    for _ in range(300):
        optimizer.zero_grad()
        quantile_huber(quantiles, samples, midpoints(4)).sum().backward()
        optimizer.step()
    assert quantiles[0].tolist() == pytest.approx([12.5, 37.5, 62.5, 87.5], abs=1)


def test_the_one_quantile_of_a_critic_is_what_a_value_is():
    """Of one quantile, whose midpoint is 1/2, the error is half of Huber's."""
    values, y = torch.tensor([[[1.0], [5.0]]]), torch.tensor([[1.5], [2.0]])
    assert quantile_huber(values, y, midpoints(1))[0].tolist() == [1 / 16, 5 / 4]


def test_the_largest_quantiles_of_all_critics_are_dropped():
    """Of (1, 5, 9) and (2, 8, 7) two are dropped, 9 and 8, which are of both critics."""
    quantiles = torch.tensor([[[1.0, 5.0, 9.0]], [[2.0, 8.0, 7.0]]])
    assert truncated(quantiles, 1).tolist() == [[1], [2], [5], [7]]
    assert sorted(truncated(quantiles, 0).flatten().tolist()) == [1, 2, 5, 7, 8, 9]
    with pytest.raises(ValueError, match="of 3 quantiles 0 to 2 can be dropped, not 3"):
        truncated(quantiles, 3)
