"""SimBa: residual feed-forward blocks with layer normalisation."""

import torch
from tensordict import TensorDict

from nappo2.checks import checked
from nappo2.networks._mlp import linear
from nappo2.networks.network import Network, layer_norm, sequential
from nappo2.pipeline import positive
from nappo2.seeds import generator

EXPANSION = 4  # of a block's hidden layer


@checked
def simba(
    inputs: int, width: int, outputs: int, *, num_blocks: int = 1, final_gain: float = 1.0
) -> Network:
    """The network of SimBa (Lee et al., https://arxiv.org/abs/2410.09754).

    A linear layer, residual blocks ``x + W2 relu(W1 layer_norm(x))`` whose hidden layers are four times
    as wide, a layer normalisation and a linear layer. The paper's actor has one block of width 128, its
    critics have two of width 512. Inputs are normalised by running statistics there, as by
    ``normalize=True`` of a recipe's configuration.

    Args:
        inputs: size of the input.
        width: of the residual pathway.
        outputs: size of the output.
        num_blocks: number of residual blocks.
        final_gain: of the last layer's weights; 0.01 for a policy, 1 for a value.

    Returns:
        A network of ``x`` [..., inputs] to [..., outputs], float32.

    Raises:
        ValueError: if a size or the number of blocks is not at least 1.

    Example:
        >>> network = networks.simba(4, 16, 2)
        >>> network.apply(network.init(0), torch.ones(5, 4)).shape
        torch.Size([5, 2])
    """
    positive(inputs=inputs, width=width, outputs=outputs, num_blocks=num_blocks)
    blocks = [_block(width) for _ in range(num_blocks)]
    first, last = linear(inputs, width), linear(width, outputs, final_gain)
    return sequential(first, *blocks, layer_norm(width), last)


def _block(width: int) -> Network:
    first, second = _he_linear(width, EXPANSION * width), _he_linear(EXPANSION * width, width)
    branch = sequential(layer_norm(width), first, torch.relu, second)
    return Network(branch.init, lambda weights, x: x + branch.apply(weights, x))


def _he_linear(inputs: int, outputs: int) -> Network:
    """A linear layer with normal weights of variance 2 / inputs (He et al., https://arxiv.org/abs/1502.01852)."""

    def init(seed):
        weight = torch.randn(outputs, inputs, generator=generator(seed)) * (2 / inputs) ** 0.5
        return TensorDict(weight=weight, bias=torch.zeros(outputs))

    return Network(init, linear(inputs, outputs).apply)
