"""Linear layers and multi-layer perceptrons, with orthogonal weights."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
from tensordict import TensorDict
from torch import Tensor
from torch.nn import functional

from nappo2.checks import checked, explained
from nappo2.envs.observations import flattened
from nappo2.machine.threads import torch_threads
from nappo2.maths.traced import is_compiled
from nappo2.networks.network import Network, layer_norm, sequential, with_view
from nappo2.pipeline import positive
from nappo2.seeds import generator, split

FEW_ROWS = 8  # up to which a product is a sum in compiled code


@explained
def orthogonal(shape: tuple[int, ...], gain: float, seed: int) -> Tensor:
    """A random orthogonal matrix (Saxe et al., https://arxiv.org/abs/1312.6120).

    Args:
        shape: of the result; all but the first dimension count as one.
        gain: by which the matrix is multiplied.
        seed: of the random numbers.

    Returns:
        The matrix ``[*shape]`` float32, the same for every number of threads.

    Example:
        >>> w = networks.orthogonal((2, 2), gain=1.0, seed=0)
        >>> torch.allclose(w @ w.T, torch.eye(2), atol=1e-6)
        True
    """
    with torch_threads(1):  # another number of threads gives other bits
        return torch.nn.init.orthogonal_(torch.empty(shape), gain, generator=generator(seed))


@checked
def linear(inputs: int, outputs: int, gain: float = 1.0) -> Network:
    """A linear layer with orthogonal weights and biases of 0.

    Args:
        inputs: size of the input.
        outputs: size of the output.
        gain: of the weights.

    Returns:
        A network of ``x`` [..., inputs] to [..., outputs], float32.

    Example:
        >>> network = networks.linear(4, 2)
        >>> network.apply(network.init(0), torch.ones(5, 4)).shape
        torch.Size([5, 2])
    """

    def init(seed):
        weight = orthogonal((outputs, inputs), gain, seed)
        return TensorDict(weight=weight, bias=torch.zeros(outputs))

    def apply(weights, x):
        if is_compiled():
            # subtracted, so that it is not taken into the product, but into what follows it
            return product(x, weights["weight"].mT) - (-weights["bias"])
        return functional.linear(x, weights["weight"], weights["bias"])

    return Network(init, apply)


def product(x: Tensor, matrix: Tensor) -> Tensor:
    """``x @ matrix`` in compiled code, of few rows as a sum: to call a library takes longer than that.

    Args:
        x: [..., inputs].
        matrix: [inputs, outputs].

    Returns:
        The product [..., outputs].
    """
    if x.numel() > FEW_ROWS * x.shape[-1]:
        return x @ matrix
    return (x.unsqueeze(-1) * matrix).sum(-2)


@checked
def mlp(
    *sizes: int,
    activation: Callable[[Tensor], Tensor] = torch.tanh,
    gain: float = 2**0.5,
    final_gain: float = 1.0,
) -> Network:
    """A multi-layer perceptron with orthogonal weights and biases of 0, whose last layer is linear.

    For inputs of a higher rank see ``flattening``.

    Args:
        *sizes: of the input, the hidden layers and the output.
        activation: of the hidden layers.
        gain: of the hidden layers' weights; sqrt(2) suits tanh and ReLU alike in practice.
        final_gain: of the last layer's weights; 0.01 for a policy, 1 for a value.

    Returns:
        A network of ``x`` [..., sizes[0]] to [..., sizes[-1]], float32.

    Raises:
        ValueError: if there are fewer than two sizes, or one is not at least 1.

    Example:
        >>> network = mlp(4, 64, 64, 2, activation=torch.relu, final_gain=0.01)
        >>> network.apply(network.init(0), torch.ones(5, 4)).shape
        torch.Size([5, 2])
    """
    _check_sizes(sizes)
    gains = [gain] * (len(sizes) - 2) + [final_gain]
    layers = {str(i): linear(sizes[i], sizes[i + 1], gains[i]) for i in range(len(gains))}

    def init(seed):
        seeds = zip(layers.items(), split(seed, len(layers)), strict=True)
        return TensorDict({name: layer.init(key) for (name, layer), key in seeds})

    def apply(weights, x):
        for name, layer in layers.items():
            x = x if name == "0" else activation(x)
            x = layer.apply(weights[name], x)
        return x

    return Network(init, apply)


@checked
def layer_norm_mlp(
    *sizes: int, activation: Callable[[Tensor], Tensor] = torch.relu, gain: float = 2**0.5
) -> Network:
    """A perceptron with layer normalisation before each activation, as PQN's (https://arxiv.org/abs/2407.04811).

    Weights are orthogonal, biases 0; the last layer is linear, with a gain of 1.

    Args:
        *sizes: of the input, the hidden layers and the output.
        activation: of the hidden layers.
        gain: of the hidden layers' weights.

    Returns:
        A network of ``x`` [..., sizes[0]] to [..., sizes[-1]], float32.

    Raises:
        ValueError: if there are fewer than two sizes, or one is not at least 1.

    Example:
        >>> network = networks.layer_norm_mlp(4, 8, 2)
        >>> network.apply(network.init(0), torch.ones(5, 4)).shape
        torch.Size([5, 2])
    """
    _check_sizes(sizes)
    layers: list[Network | Callable[[Tensor], Tensor]] = []
    for inputs, outputs in pairwise(sizes[:-1]):
        layers += [linear(inputs, outputs, gain), layer_norm(outputs), activation]
    return sequential(*layers, linear(*sizes[-2:]))


def _check_sizes(sizes: tuple[int, ...]) -> None:
    if len(sizes) < 2:
        raise ValueError(f"a perceptron has an input and an output size at least, not {sizes}")
    positive(**{f"size {i}": size for i, size in enumerate(sizes)})


@checked
def flattening(network: Network, rank: int) -> Network:
    """Lets a network of [..., n] take inputs whose last ``rank`` dimensions are ``flattened`` first.

    Example:
        >>> network = networks.flattening(mlp(4, 2), rank=2)
        >>> network.apply(network.init(0), torch.ones(5, 2, 2)).shape
        torch.Size([5, 2])
    """
    return with_view(network, partial(flattened, rank=rank))
