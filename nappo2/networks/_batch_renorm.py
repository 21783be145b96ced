"""Batch renormalisation: networks whose running statistics follow the batches they learn from.

Statistics are leaves of the weights, under ``statistics`` of a layer. A network is a pure function with
two uses: ``apply`` normalises by the running statistics, to act with; ``learn`` normalises by those of
the batch, and also gives the weights with statistics that moved towards it. A loss hands these on as a
gradient, the step itself (``losses.statistics_step``), which ``optim.gradient_descent`` takes. So
statistics are averaged, sent, resumed and refused as all other weights are.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.checks import checked, explained
from nappo2.networks._mlp import linear
from nappo2.networks.network import Network
from nappo2.pipeline import positive
from nappo2.seeds import split

STATISTICS = "statistics"
"""The name of the branch with a layer's ``mean``, ``var`` [size] and ``count`` []."""
MAX_R, MAX_D = 3.0, 5.0  # bounds of Ioffe's correction
GAIN = 2**0.5


@checked
class BatchNetwork(NamedTuple):
    """A network that learns otherwise than it acts.

    Attributes:
        init: ``seed -> weights``, in which there are ``statistics``.
        apply: ``(weights, x [..., n]) -> y``, by the running statistics; as of a ``Network``.
        learn: ``(weights, x [N, n]) -> (y, weights)``, by those of the batch, with statistics that moved.
    """

    init: Callable[[int], TensorDict]
    apply: Callable[[Any, Tensor], Tensor]
    learn: Callable[[Any, Tensor], tuple[Tensor, dict]]


@checked
def batch_renorm(
    size: int, *, momentum: float = 0.01, eps: float = 1e-3, warm_up: int = 100_000
) -> BatchNetwork:
    """Batch renormalisation (Ioffe, https://arxiv.org/abs/1702.03275), with the numbers of CrossQ::

        learn: y = ((x - mean(x)) / std(x) r + d) weight + bias
        apply: y = (x - mean) / std weight + bias

    ``r = clip(std(x) / std, 1/3, 3)`` and ``d = clip((mean(x) - mean) / std, -5, 5)`` have no gradient; in
    the first batches, r is 1 and d is 0, which is batch normalisation. A std is ``sqrt(var + eps)``.

    Args:
        size: of x.
        momentum: share by which the running mean and variance move towards those of a batch.
        eps: added to variances.
        warm_up: batches without r and d.

    Returns:
        A network of [..., size] to [..., size].

    Raises:
        ValueError: if ``size`` is not at least 1, or ``momentum`` not within 0 and 1.

    Example:
        >>> network, x = networks.batch_renorm(1, momentum=0.5, eps=0.0), torch.tensor([[1.0], [3.0]])
        >>> y, weights = network.learn(network.init(0), x)
        >>> y.flatten()  # less the mean 2, over the deviation sqrt(2)
        tensor([-0.7071,  0.7071])
        >>> weights["statistics"]["mean"]  # half-way from 0 to 2
        tensor([1.])
    """
    positive(size=size)
    if not 0 < momentum <= 1:
        raise ValueError(f"momentum is above 0 and at most 1, not {momentum}")

    def init(seed):
        first = {"mean": torch.zeros(size), "var": torch.ones(size), "count": torch.zeros(())}
        return TensorDict(weight=torch.ones(size), bias=torch.zeros(size), statistics=first)

    def affine(weights, x):
        return torch.addcmul(weights["bias"], weights["weight"], x)

    def apply(weights, x):
        mean, std, _ = running(weights)
        return affine(weights, (x - mean) / std)

    def running(weights):
        stats = weights[STATISTICS]
        return stats["mean"].detach(), (stats["var"].detach() + eps).sqrt(), stats["count"].detach()

    def learn(weights, x):
        var, mean = torch.var_mean(x, 0)
        std, (old_mean, old_std, count) = (var + eps).sqrt(), running(weights)
        r = (std.detach() / old_std).clamp(1 / MAX_R, MAX_R)
        d = ((mean.detach() - old_mean) / old_std).clamp(-MAX_D, MAX_D)
        r, d = torch.where(count > warm_up, r, 1.0), torch.where(count > warm_up, d, 0.0)
        old, batch = weights[STATISTICS], {"mean": mean.detach(), "var": var.detach()}
        moved = {name: old[name].detach().lerp(new, momentum) for name, new in batch.items()}
        moved["count"] = count + 1
        return affine(weights, (x - mean) / std * r + d), {**weights, STATISTICS: moved}

    return BatchNetwork(init, apply, learn)


@checked
def batch_renorm_mlp(
    *sizes: int,
    final_gain: float = 1.0,
    momentum: float = 0.01,
    eps: float = 1e-3,
    warm_up: int = 100_000,
) -> BatchNetwork:
    """A ReLU perceptron with ``batch_renorm`` before each linear layer, as CrossQ's networks are.

    Args:
        *sizes: of the input, the hidden layers and the output.
        final_gain: of the last layer's weights; they are orthogonal, and biases 0.
        momentum, eps, warm_up: as for ``batch_renorm``.

    Returns:
        A network of ``x`` [..., sizes[0]] to [..., sizes[-1]].

    Raises:
        ValueError: if there are fewer than two sizes, or one is not at least 1.

    Example:
        >>> network = networks.batch_renorm_mlp(4, 8, 2)
        >>> weights = network.init(0)
        >>> network.apply(weights, torch.ones(5, 4)).shape
        torch.Size([5, 2])
        >>> [name for name, layer in weights.items() if "statistics" in layer.keys()]
        ['0', '3']
    """
    if len(sizes) < 2:
        raise ValueError(f"a perceptron has an input and an output size at least, not {sizes}")
    layers: list[BatchNetwork | Network | Callable[[Tensor], Tensor]] = []
    for i, size in enumerate(sizes[:-1]):
        last = i == len(sizes) - 2
        layers.append(batch_renorm(size, momentum=momentum, eps=eps, warm_up=warm_up))
        layers.append(linear(size, sizes[i + 1], final_gain if last else GAIN))
        layers += [] if last else [torch.relu]
    return batch_sequential(*layers)


@checked
def batch_sequential(*layers: BatchNetwork | Network | Callable[[Tensor], Tensor]) -> BatchNetwork:
    """``sequential`` of networks some of which learn by statistics of batches.

    Example:
        >>> network = networks.batch_sequential(networks.linear(4, 8), networks.batch_renorm(8), torch.relu)
        >>> y, weights = network.learn(network.init(0), torch.ones(5, 4))
        >>> y.shape, weights["1"]["statistics"]["count"]
        (torch.Size([5, 8]), tensor(1.))
    """
    networks = {
        str(i): layer
        for i, layer in enumerate(layers)
        if isinstance(layer, (BatchNetwork, Network))
    }

    def init(seed):
        seeds = zip(networks.items(), split(seed, len(networks)), strict=True)
        return TensorDict({name: network.init(key) for (name, network), key in seeds})

    def apply(weights, x):
        for i, layer in enumerate(layers):
            name = str(i)
            x = layer.apply(weights[name], x) if name in networks else layer(x)
        return x

    def learn(weights, x):
        after = dict(weights)
        for i, layer in enumerate(layers):
            name = str(i)
            if isinstance(layer, BatchNetwork):
                x, after[name] = layer.learn(weights[name], x)
            else:
                x = layer.apply(weights[name], x) if name in networks else layer(x)
        return x, after

    return BatchNetwork(init, apply, learn)


@explained
def statistics_of(weights: Mapping) -> list[Tensor]:
    """The leaves [...] of all statistics in a tree of weights, in order.

    Example:
        >>> weights = networks.batch_renorm(2).init(0)
        >>> networks.statistics_of(weights)  # mean, variance and count
        [tensor([0., 0.]), tensor([1., 1.]), tensor(0.)]
    """
    found = []
    for name, child in weights.items():
        if name == STATISTICS:
            found += list(child.values())
        elif isinstance(child, Mapping) or hasattr(child, "keys"):
            found += statistics_of(child)
    return found
