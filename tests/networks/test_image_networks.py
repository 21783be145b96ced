"""Networks of images: pairs of functions, against the modules they stand for."""

import math

import pytest
import torch
from gymnasium.spaces import Box
from tensordict import TensorDict
from torch import nn

from nappo2.networks import (
    MNIH,
    YOUNG,
    cnn,
    convolution,
    fixup_cnn,
    impala_cnn,
    layer_norm,
    layer_norm_cnn,
    linear,
    mlp,
    sequential,
    shared_actor_critic,
)
from nappo2.trees import walk

ATARI = (4, 84, 84)
SMALL = {
    "cnn": cnn((2, 10, 9), 8, YOUNG),
    "layer_norm_cnn": layer_norm_cnn((2, 10, 9), 8, YOUNG),
    "impala_cnn": impala_cnn((2, 10, 9), 8, (4, 4)),
    "fixup_cnn": fixup_cnn((2, 10, 9), 8, (4, 4)),
}


def pixels(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, shape, generator=generator, dtype=torch.uint8)


def size(network):
    return sum(leaf.numel() for _, leaf in walk(network.init(0)))


def nature():
    """Mnih's, as torch.nn has it."""
    layers = [nn.Conv2d(4, 32, 8, 4), nn.ReLU(), nn.Conv2d(32, 64, 4, 2), nn.ReLU()]
    layers += [nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3136, 512), nn.ReLU()]
    return nn.Sequential(*layers)


class Residual(nn.Module):
    """IMPALA's block."""

    def __init__(self, width):
        super().__init__()
        conv = lambda: nn.Conv2d(width, width, 3, padding=1)
        self.branch = nn.Sequential(nn.ReLU(), conv(), nn.ReLU(), conv())

    def forward(self, x):
        return x + self.branch(x)


def deep(channels, widths, inputs, features):
    """IMPALA's, as torch.nn has it."""
    layers = []
    for width in widths:
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.MaxPool2d(3, 2, 1)]
        layers += [Residual(width), Residual(width)]
        channels = width
    return nn.Sequential(*layers, nn.ReLU(), nn.Flatten(), nn.Linear(inputs, features), nn.ReLU())


def weights_of(module):
    """A module's weights by our names, which are torch's, without those of a block's branch."""
    found = {name.replace(".branch", ""): x for name, x in module.state_dict().items()}
    return TensorDict({tuple(name.split(".")): x for name, x in found.items()})


def test_the_atari_network_is_torchs_with_the_same_weights():
    module, x = nature(), pixels(3, *ATARI)
    theirs = module(x / 255)
    ours = cnn(ATARI).apply(weights_of(module), x)
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-6)
    assert ours.shape == (3, 512) and theirs.any()


def test_the_atari_network_is_that_of_stable_baselines():
    from stable_baselines3.common.torch_layers import NatureCNN

    module, x = NatureCNN(Box(0, 255, ATARI, "uint8")), pixels(3, *ATARI)
    names = {"cnn.0": "0", "cnn.2": "2", "cnn.4": "4", "linear.0": "7"}
    weights = {
        ours: {kind: module.state_dict()[f"{theirs}.{kind}"] for kind in ("weight", "bias")}
        for theirs, ours in names.items()
    }
    ours = cnn(ATARI).apply(weights, x)
    torch.testing.assert_close(ours, module(x / 255), atol=1e-6, rtol=1e-6)
    assert size(cnn(ATARI)) == sum(p.numel() for p in module.parameters())


def test_a_deep_network_is_torchs_with_the_same_weights():
    """Images of 10 x 9 become 5 x 5 and 3 x 3; with two sections of 4 channels, 36 features."""
    module, x = deep(2, (4, 4), 36, 8), pixels(3, 2, 10, 9)
    ours = SMALL["impala_cnn"].apply(weights_of(module), x)
    torch.testing.assert_close(ours, module(x / 255), atol=1e-6, rtol=1e-6)


def test_networks_have_as_many_weights_as_in_the_papers():
    """Mnih's has 1,687,206 with a head of Pong's six actions; IMPALA's has 15 convolutions."""
    assert size(cnn(ATARI)) + size(linear(512, 6)) == 1_687_206
    module = deep(4, (16, 32, 32), 32 * 11 * 11, 256)
    assert sum(isinstance(layer, nn.Conv2d) for layer in module.modules()) == 15
    assert size(impala_cnn(ATARI)) == sum(p.numel() for p in module.parameters())
    scalars, biases = 6 * 5, 4 * 16 + 8 * 32  # of six blocks, whose convolutions lose their biases
    assert size(fixup_cnn(ATARI)) == size(impala_cnn(ATARI)) + scalars - biases


@pytest.mark.parametrize("network", SMALL.values(), ids=SMALL)
@pytest.mark.parametrize("leading", [(), (3,), (2, 3), (0,)])
def test_images_have_any_leading_dimensions(network, leading):
    weights, x = network.init(0), pixels(*leading, 2, 10, 9)
    y = network.apply(weights, x)
    assert y.shape == (*leading, 8)
    one_by_one = [network.apply(weights, image) for image in x.reshape(-1, 2, 10, 9)]
    torch.testing.assert_close(y.reshape(-1, 8), torch.stack([*one_by_one, torch.zeros(8)])[:-1])


@pytest.mark.parametrize("network", SMALL.values(), ids=SMALL)
def test_bytes_are_scaled_and_floats_are_not(network):
    weights, x = network.init(0), pixels(3, 2, 10, 9)
    before = x.clone()
    assert torch.equal(network.apply(weights, x), network.apply(weights, x / 255))
    assert not torch.equal(network.apply(weights, x.float()), network.apply(weights, x / 255))
    assert torch.equal(x, before)


def gain_of(weight):
    """By which a matrix is an orthogonal one, of a convolution [outputs, rest]."""
    w = weight.flatten(1)
    small = w @ w.T if len(w) <= w.shape[1] else w.T @ w
    gain = small.trace().div(len(small)).sqrt()
    torch.testing.assert_close(small, gain**2 * torch.eye(len(small)), atol=1e-4, rtol=0)
    return pytest.approx(gain.item(), rel=1e-3)


def test_every_gain_is_what_it_is_said_to_be():
    """The original meant sqrt(2) and 0.01, and got 1 everywhere."""
    weights = cnn(ATARI).init(0)
    assert all(gain_of(weights[name, "weight"]) == 2**0.5 for name in "0247")
    agent = shared_actor_critic(cnn(ATARI), mlp(512, 6, final_gain=0.01), mlp(512, 1))
    weights = agent.init(0)
    assert gain_of(weights["torso", "0", "weight"]) == 2**0.5
    assert gain_of(weights["actor", "0", "weight"]) == 0.01
    assert gain_of(weights["critic", "0", "weight"]) == 1
    biases = [leaf for path, leaf in walk(weights) if path[-1] == "bias"]
    assert len(biases) == 6 and not any(bias.any() for bias in biases)


def test_the_gains_of_a_deep_network():
    """In a residual branch sqrt(2), then 1; with Fixup's L = 6 branches sqrt(2 / 6), then 0."""
    deep, fixup = impala_cnn((3, 12, 12)).init(0), fixup_cnn((3, 12, 12)).init(0)
    for name in ("2", "3", "6", "7", "10", "11"):
        assert gain_of(deep[name, "1", "weight"]) == 2**0.5
        assert gain_of(deep[name, "3", "weight"]) == 1
        assert gain_of(fixup[name, "weight1"]) == math.sqrt(2 / 6)
        assert not fixup[name, "weight2"].any()
        assert fixup[name, "scale"] == 1 and not any(fixup[name, f"bias{i}"] for i in range(4))
    for name in ("0", "4", "8"):
        assert gain_of(deep[name, "weight"]) == gain_of(fixup[name, "weight"]) == 2**0.5


def test_fixup_starts_as_if_it_had_no_branches_and_then_learns_in_them():
    """A step along the gradient moves the last convolutions; one more moves the first ones."""
    network, x = SMALL["fixup_cnn"], pixels(3, 2, 10, 9)
    weights = network.init(0)
    plain = sequential(
        *[f for i in (0, 1) for f in (convolution(4 if i else 2, 4, 3, padding=1), halve)],
        *(torch.relu, lambda x: x.flatten(1), linear(36, 8), torch.relu),
    )
    names = {"0": "0", "2": "4", "6": "10"}
    same = {ours: weights[theirs] for ours, theirs in names.items()}
    torch.testing.assert_close(network.apply(weights, x), plain.apply(same, x / 255))
    moved = []
    for _ in range(2):
        leaves = {path: leaf.requires_grad_() for path, leaf in walk(weights)}
        loss = (network.apply(weights, x) - 1).square().sum()
        grads = torch.autograd.grad(loss, list(leaves.values()))
        moved.append({path: bool(g.any()) for path, g in zip(leaves, grads, strict=True)})
        weights = TensorDict(
            {
                path: (w - 0.01 * g).detach()
                for (path, w), g in zip(leaves.items(), grads, strict=True)
            }
        )
    assert [now["2", "weight2"] for now in moved] == [True, True]
    assert [now["2", "weight1"] for now in moved] == [False, True]


def halve(x):
    return nn.functional.max_pool2d(x, 3, 2, 1)


@pytest.mark.parametrize("network", SMALL.values(), ids=SMALL)
def test_members_of_a_population_see_what_each_would_see(network):
    weights = [network.init(seed) for seed in range(3)]
    x = pixels(3, 5, 2, 10, 9)
    together = torch.vmap(network.apply)(torch.stack(weights).to_dict(), x)
    alone = torch.stack([network.apply(w, images) for w, images in zip(weights, x, strict=True)])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=1e-5)


def test_networks_can_be_traced_whole():
    """Without a break in the graph, which compiling asks for; products of few rows are sums there."""
    for network in SMALL.values():
        weights, x = network.init(0).to_dict(), pixels(3, 2, 10, 9)
        traced = torch.compile(network.apply, backend="eager", fullgraph=True)
        torch.testing.assert_close(
            traced(weights, x), network.apply(weights, x), atol=1e-6, rtol=1e-6
        )


def test_a_seed_decides_the_weights(same):
    for network in SMALL.values():
        assert same(network.init(1), network.init(1))
        assert not same(network.init(1), network.init(2))


def test_images_that_are_none_are_refused():
    for make in (cnn, impala_cnn, fixup_cnn):
        with pytest.raises(
            ValueError, match=r"an image has channels, height and width, not .*\(4,"
        ):
            make((4,))
    with pytest.raises(ValueError, match=r"images of 10 x 5 are too small for a kernel of 8"):
        cnn((1, 10, 5))
    with pytest.raises(ValueError, match=r"layers\[0\]\[2\] is an integer of at least 1"):
        cnn(ATARI, layers=((16, 3, 0),))
    assert MNIH[0] == (32, 8, 4)


def test_layer_norm_by_hand_and_against_torchs():
    """1 and 3 have mean 2 and deviation 1."""
    network = layer_norm(2, eps=0.0)
    assert network.apply(network.init(0), torch.tensor([1.0, 3.0])).tolist() == [-1, 1]
    module, x = nn.LayerNorm(5), torch.arange(10.0).view(2, 5).square()
    nn.init.normal_(module.weight)
    torch.testing.assert_close(layer_norm(5).apply(module.state_dict(), x), module(x))


def test_networks_in_sequence_are_torchs():
    """A perceptron with layer norm, say; functions have a place and no weights."""
    network = sequential(linear(4, 8), layer_norm(8), torch.tanh, linear(8, 2, gain=0.01))
    module = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.Tanh(), nn.Linear(8, 2))
    weights, x = network.init(0), torch.arange(12.0).view(3, 4)
    module.load_state_dict({".".join(path): leaf for path, leaf in walk(weights)})
    torch.testing.assert_close(network.apply(weights, x), module(x))


@pytest.mark.parametrize("layers", [(), (torch.relu,), (linear(2, 2), 3)])
def test_a_sequence_of_what_is_no_network_is_refused(layers):
    with pytest.raises(ValueError, match=r"is a [nN]etwork"):
        sequential(*layers)
