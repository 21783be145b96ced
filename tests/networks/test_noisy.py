"""Networks that take noise, and dueling ones."""

import math

import pytest
import torch
from tensordict import TensorDict

from nappo2 import generator, mlp, ravel
from nappo2.networks import (
    Network,
    dueling,
    implicit_quantiles,
    linear,
    noisy_dueling,
    noisy_linear,
    noisy_mlp,
    noisy_sequential,
)
from tests.makers.tensors import randn


def test_a_noisy_layer_by_hand():
    """x = 1, weight 1 and bias 0, deviations 1/2; noise of 4 and -9 is scaled to 2 and -3.

    1 - 3 (1/2 * 2 + 1/2) = -7/2.
    """
    half = {"weight": torch.tensor([[0.5]]), "bias": torch.tensor([0.5])}
    one = {"weight": torch.tensor([[1.0]]), "bias": torch.tensor([0.0])}
    y = noisy_linear(1, 1).apply({"mean": one, "std": half}, torch.ones(1), torch.tensor([4.0, -9]))
    assert y.item() == -3.5


def test_each_row_has_a_matrix_of_its_own():
    """Weights W + S * (f(p) outer f(e)), as the paper writes them."""
    layer = noisy_linear(4, 3, sigma=0.7)
    weights, x, noise = layer.init(0), randn(5, 4), layer.draw((5,), generator(1))
    found = layer.apply(weights, x, noise)
    for row, e, y in zip(x, noise, found, strict=True):
        scaled = e.sign() * e.abs().sqrt()
        matrix = weights["mean", "weight"] + weights["std", "weight"] * scaled[4:].outer(scaled[:4])
        bias = weights["mean", "bias"] + weights["std", "bias"] * scaled[4:]
        torch.testing.assert_close(y, matrix @ row + bias)
    assert (weights["std", "weight"] == 0.7 / 2).all()


def test_without_noise_a_noisy_layer_is_linear():
    noisy, plain, x = noisy_linear(4, 3), linear(4, 3), randn(5, 4)
    weights = noisy.init(0)
    found = noisy.apply(weights, x, noisy.still)
    assert torch.equal(found, plain.apply(weights["mean"], x))
    assert torch.equal(weights["mean", "weight"], plain.init(0)["weight"])


def test_noisy_layers_share_no_noise():
    """The first has the first 4 + 8 numbers, the second 8 + 2; a layer without noise none."""
    network = noisy_mlp(4, 8, 2)
    assert network.noise_size == 22 and network.still.shape == (22,)
    weights, x, noise = network.init(0), randn(5, 4), network.draw((5,), generator(0))
    hidden = noisy_linear(4, 8).apply(weights["0"], x, noise[:, :12])
    y = noisy_linear(8, 2).apply(weights["2"], torch.relu(hidden), noise[:, 12:])
    torch.testing.assert_close(network.apply(weights, x, noise), y)
    behind = noisy_sequential(mlp(4, 8), torch.relu, noisy_linear(8, 2))
    assert behind.noise_size == 10 and len(ravel(behind.init(0))[0]) == 5 * 8 + 2 * (9 * 2)
    with pytest.raises(ValueError, match="none of the layers takes noise"):
        noisy_sequential(mlp(4, 8), torch.relu)


def constant(*numbers):
    """A network that gives these numbers, whatever it sees."""
    y = torch.tensor(numbers)
    return Network(lambda seed: TensorDict(), lambda weights, x: y.expand(*x.shape[:-1], -1))


TORSO = Network(lambda seed: TensorDict(), lambda weights, x: x)
NOTHING = {"torso": {}, "value": {}, "advantage": {}}


def test_dueling_by_hand():
    """A value of 3, and advantages of 1, -1 and 3, which are 1 on average."""
    network = dueling(TORSO, constant(3.0), constant(1.0, -1.0, 3.0), 3)
    assert network.apply(NOTHING, torch.zeros(2, 4)).tolist() == [[3, 1, 5]] * 2


def test_dueling_is_of_each_number_of_a_distribution():
    """Two numbers of two actions: the means of advantages are (2, 3) and values (10, 20)."""
    network = dueling(TORSO, constant(10.0, 20.0), constant(1.0, 2.0, 3.0, 4.0), 2)
    assert network.apply(NOTHING, torch.zeros(1, 4)).tolist() == [[9, 19, 11, 21]]


def test_noisy_dueling_without_noise_is_dueling():
    torso = mlp(4, 8)
    noisy = noisy_dueling(torso, noisy_linear(8, 1), noisy_linear(8, 3), 3)
    plain = dueling(torso, linear(8, 1), linear(8, 3), 3)
    weights, x = noisy.init(0), randn(5, 4)
    means = {"torso": weights["torso"]} | {k: weights[k, "mean"] for k in ("value", "advantage")}
    assert torch.equal(noisy.apply(weights, x, noisy.still), plain.apply(means, x))
    drawn = noisy.draw((5,), generator(0))
    assert drawn.shape == (5, 9 + 11)
    assert not torch.equal(noisy.apply(weights, x, drawn), plain.apply(means, x))


def test_an_implicit_quantile_is_a_function_of_its_fraction():
    """Equation 4 for each of them alone; fractions in another order give quantiles in that order."""
    network = implicit_quantiles(mlp(4, 6), 6, num_actions=2, num_quantiles=3, num_cosines=5)
    weights, x = network.init(0), randn(7, 4)
    tau = network.draw((7,), generator(0))
    found = network.apply(weights, x, tau).unflatten(-1, (2, 3))
    seen = mlp(4, 6).apply(weights["torso"], x)
    for k in range(3):
        cosines = torch.cos(math.pi * torch.arange(5) * tau[:, k : k + 1])
        features = seen * torch.relu(linear(5, 6).apply(weights["embedding"], cosines))
        torch.testing.assert_close(found[..., k], linear(6, 2).apply(weights["head"], features))
    turned = network.apply(weights, x, tau.flip(-1)).unflatten(-1, (2, 3))
    torch.testing.assert_close(turned, found.flip(-1))
    assert (tau >= 0).all() and (tau < 1).all()
    assert network.still.tolist() == pytest.approx([1 / 6, 1 / 2, 5 / 6])
