"""Batch renormalisation, by hand, against torch's batch normalisation and sb3-contrib's layer."""

import pytest
import torch

from nappo2.networks import batch_renorm, batch_renorm_mlp, batch_sequential, linear, statistics_of
from tests.makers.tensors import randn


def test_two_numbers_by_hand():
    """Of 1 and 3 the mean is 2 and the variance, of N - 1, 2: normalised -1/sqrt(2) and 1/sqrt(2).

    Half-way from 0 and 1 the running mean is 1 and the variance 1.5.
    """
    layer = batch_renorm(1, momentum=0.5, eps=0.0)
    y, after = layer.learn(layer.init(0), torch.tensor([[1.0], [3.0]]))
    torch.testing.assert_close(y.flatten(), torch.tensor([-1.0, 1.0]) / 2**0.5)
    stats = {name: x.item() for name, x in after["statistics"].items()}
    assert stats == {"mean": 1.0, "var": 1.5, "count": 1.0}
    y = layer.apply(after, torch.tensor([[4.0]]))
    torch.testing.assert_close(y, torch.tensor([[3 / 1.5**0.5]]))


def test_after_the_warm_up_it_is_normalised_by_running_statistics_within_bounds():
    """Where r and d are within their bounds, y is (x - running mean) / running std."""
    layer, x = batch_renorm(3, warm_up=1), 1.5 * randn(64, 3) + 0.5
    weights = layer.init(0)
    weights["statistics", "count"] += 2
    y, _ = layer.learn(weights, x)
    torch.testing.assert_close(y, layer.apply(weights, x), atol=1e-5, rtol=1e-5)
    far, _ = layer.learn(weights, x + 100)  # d is at most 5, and r at most 3
    torch.testing.assert_close(far.mean(0), torch.full((3,), 5.0), atol=1e-4, rtol=0)


@pytest.mark.parametrize("warm_up", [1, 100])
def test_layers_are_sb3_contribs(warm_up):
    """Outputs, gradients and statistics of six batches, by the statistics of each; then by running ones.

    Theirs adds eps to a variance that is divided by r^2 already, so that eps is small here.
    """
    layers = pytest.importorskip("sb3_contrib.common.torch_layers")
    theirs = layers.BatchRenorm1d(3, eps=1e-8, warmup_steps=warm_up)
    ours = batch_renorm(3, eps=1e-8, warm_up=warm_up)
    weights = ours.init(0).to_dict()
    for i in range(6):
        x = ((1 + i) * randn(32, 3, seed=i) + i).requires_grad_()
        factor = randn(32, 3, seed=10 + i)
        y, weights = ours.learn(weights, x)
        expected = theirs(x)
        torch.testing.assert_close(y, expected, atol=1e-5, rtol=1e-5)
        grads = (torch.autograd.grad((out * factor).sum(), x)[0] for out in (y, expected))
        torch.testing.assert_close(*grads, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(weights["statistics"]["mean"], theirs.ra_mean)
    torch.testing.assert_close(weights["statistics"]["var"], theirs.ra_var)
    assert weights["statistics"]["count"] == theirs.steps
    theirs.eval()
    torch.testing.assert_close(ours.apply(weights, x), theirs(x), atol=1e-5, rtol=1e-5)


def test_units_that_are_dead_have_finite_gradients():
    """A column of zeros has a standard deviation of sqrt(eps), also where it is renormalised."""
    layer, x = batch_renorm(2, warm_up=1), torch.zeros(8, 2, requires_grad=True)
    weights = layer.init(0)
    weights["statistics", "count"] += 2
    (grad,) = torch.autograd.grad(layer.learn(weights, x)[0].sum(), x)
    assert grad.isfinite().all()


def test_a_perceptron_normalises_before_each_linear_layer():
    network, x = batch_renorm_mlp(3, 5, 2), randn(16, 3)
    weights, parts = network.init(0), [batch_renorm(3), linear(3, 5), batch_renorm(5), linear(5, 2)]
    y = x
    for name, part in zip(("0", "1", "3", "4"), parts, strict=True):
        y = part.learn(weights[name], y)[0] if name in "03" else part.apply(weights[name], y)
        y = y.relu() if name == "1" else y
    torch.testing.assert_close(network.learn(weights, x)[0], y)
    assert len(statistics_of(weights)) == 2 * 3


def test_no_gradient_goes_to_statistics():
    network, x = batch_sequential(batch_renorm(3), linear(3, 2)), randn(16, 3)
    weights = network.init(0).apply(lambda leaf: leaf.requires_grad_())
    for y in (network.apply(weights, x), network.learn(weights, x)[0]):
        grads = torch.autograd.grad(y.sum(), statistics_of(weights), allow_unused=True)
        assert grads == (None,) * 3
