"""Networks as pairs of functions of explicit weights, and how to combine them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor
from torch.nn import functional

from nappo2.checks import checked
from nappo2.pipeline import positive
from nappo2.seeds import split


@checked
class Network(NamedTuple):
    """A network as a pair of pure functions.

    Attributes:
        init: ``seed -> weights``, a tree of floating point tensors.
        apply: ``(weights, x) -> y``; weights may also be plain dictionaries.
    """

    init: Callable[[int], TensorDict]
    apply: Callable[[Any, Tensor], Tensor]


@checked
def with_view(network: Network, view: Callable[[Any], Tensor]) -> Network:
    """A network of ``view(observation)`` [..., n] in place of an observation ``[..., *shape]``.

    Example:
        >>> network = networks.with_view(mlp(2, 2), lambda x: x[..., :2])
        >>> network.apply(network.init(0), torch.ones(5, 4)).shape
        torch.Size([5, 2])
    """
    return Network(network.init, lambda weights, x: network.apply(weights, view(x)))


@checked
def sequential(*layers: Network | Callable[[Tensor], Tensor]) -> Network:
    """Applies networks, and functions without weights such as ``torch.relu``, from left to right.

    Weights are named by a layer's number, as in ``torch.nn.Sequential``.

    Raises:
        ValueError: if a layer is neither a network nor a function, or no layer is a network.

    Example:
        >>> network = networks.sequential(networks.linear(4, 8), torch.relu, networks.linear(8, 2))
        >>> network.apply(network.init(0), torch.ones(5, 4)).shape
        torch.Size([5, 2])
    """
    for i, layer in enumerate(layers):
        if not isinstance(layer, Network) and not callable(layer):
            raise ValueError(f"layer {i} is a network or a function of a tensor, not {layer!r}")
    networks = {str(i): layer for i, layer in enumerate(layers) if isinstance(layer, Network)}
    if not networks:
        raise ValueError("at least one of the layers is a network, as functions learn nothing")

    def init(seed):
        seeds = zip(networks.items(), split(seed, len(networks)), strict=True)
        return TensorDict({name: network.init(key) for (name, network), key in seeds})

    def apply(weights, x):
        for i, layer in enumerate(layers):
            x = layer.apply(weights[str(i)], x) if isinstance(layer, Network) else layer(x)
        return x

    return Network(init, apply)


@checked
def layer_norm(size: int, eps: float = 1e-5) -> Network:
    """Layer normalisation over the last dimension, [..., size] (Ba et al., https://arxiv.org/abs/1607.06450)::

        y = (x - mean(x)) / sqrt(var(x) + eps) * weight + bias

    Raises:
        ValueError: if ``size`` is not at least 1.

    Example:
        >>> network = networks.layer_norm(4)
        >>> network.apply(network.init(0), torch.ones(5, 4)).shape
        torch.Size([5, 4])
    """
    positive(size=size)

    def init(seed):
        return TensorDict(weight=torch.ones(size), bias=torch.zeros(size))

    def apply(weights, x):
        return functional.layer_norm(x, (size,), weights["weight"], weights["bias"], eps)

    return Network(init, apply)
