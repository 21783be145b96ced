"""SimBa's network, by hand and against torch's layers."""

import torch
from torch import nn

from nappo2.networks import simba
from tests.makers.tensors import randn


def test_a_network_is_torchs_with_the_same_weights():
    """Width 8, two blocks of 32 hidden units: x + W2 relu(W1 norm(x)), and a norm before the last layer."""
    network, x = simba(3, 8, 2, num_blocks=2), randn(5, 3)
    weights = network.init(0)

    def layer(kind, *sizes, of):
        made = kind(*sizes)
        made.load_state_dict({name: of[name] for name in ("weight", "bias")})
        return made

    y = layer(nn.Linear, 3, 8, of=weights["0"])(x)
    for block in ("1", "2"):
        part = weights[block]
        z = layer(nn.LayerNorm, 8, of=part["0"])(y)
        z = torch.relu(layer(nn.Linear, 8, 32, of=part["1"])(z))
        y = y + layer(nn.Linear, 32, 8, of=part["3"])(z)
    y = layer(nn.Linear, 8, 2, of=weights["4"])(layer(nn.LayerNorm, 8, of=weights["3"])(y))
    torch.testing.assert_close(network.apply(weights, x), y)


def test_hidden_weights_have_the_variance_of_he():
    """2 / 64 of 64 inputs, within a tenth; biases are 0."""
    layer = simba(3, 64, 1).init(0)["1", "1"]
    assert layer["weight"].shape == (256, 64) and abs(layer["weight"].var() * 32 - 1) < 0.1
    assert not layer["bias"].any()
