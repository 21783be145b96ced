"""Perceptrons with dropout and layer normalisation, as DroQ's critics are.

A network draws nothing: the masks of dropout are leaves ``kept`` beside the weights of a hidden layer, which
``losses.with_dropout`` puts there from a batch. Without them no unit is dropped, as in an evaluation.
"""

from collections.abc import Mapping, Sequence

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.checks import checked, explained
from nappo2.networks._mlp import linear
from nappo2.networks.network import Network, layer_norm
from nappo2.pipeline import positive
from nappo2.seeds import split

GAIN = 2**0.5


@checked
def dropout_mlp(
    *sizes: int, dropout: float = 0.0, normalize_layers: bool = True, final_gain: float = 1.0
) -> Network:
    """A ReLU perceptron with dropout (Hiraoka et al., https://arxiv.org/abs/2110.02034).

    Each hidden layer is linear, dropout, layer normalisation, ReLU. Weights are orthogonal.

    Args:
        *sizes: of the input, the hidden layers and the output.
        dropout: probability that a unit of a hidden layer is 0; those kept are scaled by
            ``1 / (1 - dropout)``.
        normalize_layers: whether hidden layers are normalised.
        final_gain: of the last layer's weights.

    Returns:
        A network of ``x`` [..., sizes[0]] to [..., sizes[-1]], float32.

    Raises:
        ValueError: if there are fewer than two sizes, or one is not at least 1.

    Example:
        >>> network = networks.dropout_mlp(4, 8, 2, dropout=0.01)
        >>> weights = network.init(0)
        >>> network.apply(weights, torch.ones(5, 4)).shape, sorted(weights["0"].keys())
        (torch.Size([5, 2]), ['bias', 'norm', 'weight'])
    """
    if len(sizes) < 2:
        raise ValueError(f"a perceptron has an input and an output size at least, not {sizes}")
    positive(**{f"size {i}": size for i, size in enumerate(sizes)})
    *hidden, last = sizes[1:]
    layers = {
        str(i): _hidden_layer(sizes[i], size, dropout, normalize_layers)
        for i, size in enumerate(hidden)
    }
    layers[str(len(hidden))] = linear(sizes[-2], last, final_gain)

    def init(seed):
        seeds = zip(layers.items(), split(seed, len(layers)), strict=True)
        return TensorDict({name: layer.init(key) for (name, layer), key in seeds})

    def apply(weights, x):
        for name, layer in layers.items():
            x = layer.apply(weights[name], x)
        return x

    return Network(init, apply)


def _hidden_layer(inputs: int, outputs: int, dropout: float, normalize: bool) -> Network:
    affine, norm = linear(inputs, outputs, GAIN), layer_norm(outputs)

    def init(seed):
        weights = affine.init(seed)
        return weights.update({"norm": norm.init(seed)}) if normalize else weights

    def apply(weights, x):
        x = affine.apply(weights, x)
        if KEPT in weights.keys():
            x = torch.where(weights[KEPT], x / (1 - dropout), 0.0)
        return torch.relu(norm.apply(weights["norm"], x) if normalize else x)

    return Network(init, apply)


KEPT = "kept"
"""The name of a mask [N, size] bool beside the weights of a layer of this size."""


@explained
def with_kept(weights: Mapping, masks: Sequence[Tensor]) -> dict:
    """Weights of ``dropout_mlp`` with the masks [N, size] bool of its hidden layers, in order.

    Example:
        >>> network = networks.dropout_mlp(4, 8, 2, dropout=0.5, normalize_layers=False)
        >>> masks = [torch.zeros(1, 8, dtype=torch.bool)]  # no unit is kept: the biases, 0, are left
        >>> network.apply(networks.with_kept(network.init(0), masks), torch.ones(1, 4))
        tensor([[0., 0.]])
    """
    masked = {str(i): {**weights[str(i)], KEPT: mask} for i, mask in enumerate(masks)}
    return {**weights, **masked}
