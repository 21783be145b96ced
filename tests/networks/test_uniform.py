"""First weights that are uniform: against those of torch's own layers."""

import math

import pytest
import torch
from torch import nn

from nappo2 import envs, mlp
from nappo2.networks import cnn, sequential, simba, state_dependent, with_uniform_weights
from nappo2.recipes import perceptrons


def test_layers_begin_within_the_bounds_of_torchs_and_fill_them():
    """400 numbers in a layer of 100 inputs: within 1/10, and beyond 0.099; torch's,
    which no seed draws, beyond 0.095, as all but one in 10^9."""
    weights = with_uniform_weights(mlp(100, 100, 4)).init(0)
    theirs = nn.Sequential(nn.Linear(100, 100), nn.Tanh(), nn.Linear(100, 4))
    for name, place in (("0", 0), ("1", 2)):
        ours = weights[name]["weight"]
        assert 0.099 < ours.abs().max() <= 0.1 and 0.095 < theirs[place].weight.abs().max() <= 0.1
        assert weights[name]["bias"].any() and weights[name]["bias"].abs().max() <= 0.1
        torch.testing.assert_close(ours.std(), torch.tensor(0.1 / math.sqrt(3)), rtol=0.1, atol=0)


def test_convolutions_count_what_a_pixel_sees():
    """The first has 3 channels of 3 x 3, so 27 numbers."""
    network = cnn((3, 10, 10), 8, ((4, 3, 1),))
    weights = with_uniform_weights(network).init(0)
    (weight,) = (x for _, x in weights.items(True, True) if x.shape == (4, 3, 3, 3))
    assert 0.9 / math.sqrt(27) < weight.abs().max() <= 1 / math.sqrt(27)


def test_shapes_names_and_all_other_weights_stay():
    """Normalisations of SimBa, and the log standard deviations of gSDE."""
    actor = state_dependent(sequential(mlp(3, 5), torch.relu), 5, 2, initial=-3.0)
    for network in (simba(3, 8, 2), actor):
        before, after = network.init(0), with_uniform_weights(network).init(0)
        assert [(k, x.shape) for k, x in sorted(before.items(True, True), key=str)] == [
            (k, x.shape) for k, x in sorted(after.items(True, True), key=str)
        ]
    assert (with_uniform_weights(actor).init(0)["log_std"] == -3).all()


@pytest.mark.parametrize("seed", [0, 1])
def test_layers_of_one_shape_are_different_and_depend_on_the_seed_alone(seed):
    agent = with_uniform_weights(perceptrons(envs.pendulum(1)))
    weights, again = agent.init(seed), agent.init(seed)
    assert (weights == again).all() and not (weights == agent.init(seed + 2)).all()
    actor, critic = weights["actor"]["1"]["weight"], weights["critic"]["1"]["weight"]
    assert actor.shape == critic.shape and not torch.equal(actor, critic)


def test_a_weight_of_k_critics_counts_its_last_dimensions():
    """[2, 6, 9] with a bias of [2, 6]: 9 inputs, so within 1/3."""
    stacked = mlp(9, 6)._replace(
        init=lambda seed: torch.stack([mlp(9, 6).init(seed), mlp(9, 6).init(seed)])
    )
    weight = with_uniform_weights(stacked).init(0)["0"]["weight"]
    assert weight.shape == (2, 6, 9) and 0.3 < weight.abs().max() <= 1 / 3
    assert not torch.equal(*weight)
