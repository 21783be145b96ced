"""Networks that take noise beside what they see: noisy layers, and networks of random quantiles.

Noise is drawn before it is needed, by a policy for each step and by a stage for each batch, so that a
network remains a function. Each observation has noise of its own.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.checks import checked
from nappo2.maths.distributional import midpoints
from nappo2.networks._mlp import linear
from nappo2.networks.network import Network
from nappo2.pipeline import positive
from nappo2.seeds import split

DEVIATIONS = "std"
"""The branch of a noisy layer's weights that scales its noise, beside ``mean``."""


@checked
class NoisyNetwork(NamedTuple):
    """A network that takes noise, as functions.

    Attributes:
        init: ``seed -> weights``, a tree of floating point tensors.
        apply: ``(weights, x, noise [..., noise_size]) -> y``.
        noise_size: numbers of noise for each observation.
        draw: ``(shape, generator) -> noise`` ``[*shape, noise_size]`` float32.
        still: noise [noise_size] of an evaluation, which is the same for each observation; zeros, or
            the fractions of which ``implicit_quantiles`` gives quantiles.
    """

    init: Callable[[int], TensorDict]
    apply: Callable[[Any, Any, Tensor], Tensor]
    noise_size: int
    draw: Callable[[Sequence[int], torch.Generator], Tensor]
    still: Tensor


@checked
def noisy_linear(inputs: int, outputs: int, sigma: float = 0.5, gain: float = 1.0) -> NoisyNetwork:
    """A linear layer with factorised noise (Fortunato et al., https://arxiv.org/abs/1706.10295, eq. 9)::

        y = (W + S * (f(p) outer f(e))) x + b + s * f(p),  f(x) = sign(x) sqrt(|x|)

    where e [inputs] and p [outputs] are of a standard normal. Without noise it is ``linear``.

    Args:
        inputs: size of the input.
        outputs: size of the output.
        sigma: first deviations S and s are ``sigma / sqrt(inputs)``.
        gain: of the orthogonal weights W.

    Returns:
        A network of ``x`` [..., inputs] to [..., outputs], float32, with the weights ``mean`` and ``std``.

    Example:
        >>> network, x = networks.noisy_linear(4, 2), torch.ones(5, 4)
        >>> weights, noise = network.init(0), network.draw((5,), generator(0))
        >>> noise.shape, network.apply(weights, x, noise).shape
        (torch.Size([5, 6]), torch.Size([5, 2]))
        >>> plain = networks.linear(4, 2).apply(weights["mean"], x)
        >>> torch.allclose(network.apply(weights, x, network.still.expand(5, -1)), plain)
        True
    """
    mean, first = linear(inputs, outputs, gain), sigma / math.sqrt(inputs)

    def init(seed):
        std = {
            "weight": torch.full((outputs, inputs), first),
            "bias": torch.full((outputs,), first),
        }
        return TensorDict({"mean": mean.init(seed), DEVIATIONS: std})

    def apply(weights, x, noise):
        noise = noise.to(x.device)
        scaled = noise.sign() * noise.abs().sqrt()
        into, out = scaled.split((inputs, outputs), -1)
        return mean.apply(weights["mean"], x) + out * mean.apply(weights[DEVIATIONS], into * x)

    return _with_normal_noise(init, apply, inputs + outputs)


@checked
def noisy_sequential(*layers: Network | NoisyNetwork | Callable[[Tensor], Tensor]) -> NoisyNetwork:
    """``sequential`` of networks some of which take noise; that of all is side by side.

    Raises:
        ValueError: if no layer takes noise.

    Example:
        >>> network = networks.noisy_sequential(mlp(4, 8), torch.relu, networks.noisy_linear(8, 2))
        >>> network.noise_size  # of the last layer alone: 8 + 2
        10
        >>> network.apply(network.init(0), torch.ones(5, 4), network.draw((5,), generator(0))).shape
        torch.Size([5, 2])
    """
    names = [str(i) for i, layer in enumerate(layers) if isinstance(layer, Network | NoisyNetwork)]
    sizes = [layer.noise_size for layer in layers if isinstance(layer, NoisyNetwork)]
    if not sizes:
        raise ValueError("none of the layers takes noise; networks.sequential is for such")

    def init(seed):
        seeds = zip(names, split(seed, len(names)), strict=True)
        return TensorDict({name: layers[int(name)].init(key) for name, key in seeds})

    def apply(weights, x, noise):
        parts = iter(noise.split(sizes, -1))
        for i, layer in enumerate(layers):
            if isinstance(layer, NoisyNetwork):
                x = layer.apply(weights[str(i)], x, next(parts))
            else:
                x = layer.apply(weights[str(i)], x) if isinstance(layer, Network) else layer(x)
        return x

    return _with_normal_noise(init, apply, sum(sizes))


@checked
def noisy_mlp(
    *sizes: int, activation: Callable[[Tensor], Tensor] = torch.relu, sigma: float = 0.5
) -> NoisyNetwork:
    """A perceptron of noisy layers, whose last one is linear.

    Args:
        *sizes: of the input, the hidden layers and the output.
        activation: of the hidden layers.
        sigma: of the noise, as for ``noisy_linear``.

    Returns:
        A network of ``x`` [..., sizes[0]] to [..., sizes[-1]], float32.

    Raises:
        ValueError: if there are fewer than two sizes, or one is not at least 1.

    Example:
        >>> network = networks.noisy_mlp(4, 8, 2)
        >>> network.noise_size  # of inputs and outputs: 4 + 8 + 8 + 2
        22
        >>> network.apply(network.init(0), torch.ones(5, 4), network.draw((5,), generator(0))).shape
        torch.Size([5, 2])
    """
    if len(sizes) < 2:
        raise ValueError(f"a perceptron has an input and an output size at least, not {sizes}")
    positive(**{f"size {i}": size for i, size in enumerate(sizes)})
    layers: list = []
    for i in range(len(sizes) - 2):
        layers += [noisy_linear(sizes[i], sizes[i + 1], sigma, 2**0.5), activation]
    return noisy_sequential(*layers, noisy_linear(*sizes[-2:], sigma))


def _with_normal_noise(init: Callable, apply: Callable, size: int) -> NoisyNetwork:
    def draw(shape, generator):
        return torch.randn((*shape, size), generator=generator)

    return NoisyNetwork(init, apply, size, draw, torch.zeros(size))


@checked
def implicit_quantiles(
    torso: Network, features: int, num_actions: int, num_quantiles: int = 32, num_cosines: int = 64
) -> NoisyNetwork:
    """An implicit quantile network (IQN; Dabney et al., https://arxiv.org/abs/1806.06923, eq. 4).

    Features of an observation times those of each fraction tau, and then a linear layer::

        z(s, a, tau) = W (torso(s) * relu(L cos(pi i tau))) + b,  i = 0, ..., num_cosines - 1

    Fractions are its noise, uniform in [0, 1); those of an evaluation are midpoints.

    Args:
        torso: of observations, to features [..., features].
        features: of an observation.
        num_actions: n.
        num_quantiles: K, fractions for each observation.
        num_cosines: with which a fraction is embedded.

    Returns:
        A network of observations and fractions [..., K] to quantiles [..., n * K] float32, those of an
        action side by side.

    Example:
        >>> network = networks.implicit_quantiles(mlp(4, 8), 8, num_actions=2, num_quantiles=4)
        >>> tau = network.draw((5,), generator(0))
        >>> tau.shape, network.apply(network.init(0), torch.ones(5, 4), tau).shape
        (torch.Size([5, 4]), torch.Size([5, 8]))
        >>> network.still  # fractions of an evaluation
        tensor([0.1250, 0.3750, 0.6250, 0.8750])
    """
    positive(num_actions=num_actions, num_quantiles=num_quantiles, num_cosines=num_cosines)
    embedding, head = linear(num_cosines, features, 2**0.5), linear(features, num_actions)
    steps = math.pi * torch.arange(num_cosines)

    def init(seed):
        first, second, third = split(seed, 3)
        embedded = embedding.init(second)
        return TensorDict(torso=torso.init(first), embedding=embedded, head=head.init(third))

    def apply(weights, x, noise):
        x = torso.apply(weights["torso"], x).unsqueeze(-2)
        cosines = (noise.to(x.device).unsqueeze(-1) * steps.to(x.device)).cos()
        fractions = torch.relu(embedding.apply(weights["embedding"], cosines))
        return head.apply(weights["head"], x * fractions).transpose(-1, -2).flatten(-2)

    def draw(shape, generator):
        return torch.rand((*shape, num_quantiles), generator=generator)

    return NoisyNetwork(init, apply, num_quantiles, draw, midpoints(num_quantiles))
