"""Convolutional networks of images [..., C, H, W], in floats or in bytes, which they scale to [0, 1]."""

import math
from collections.abc import Callable, Sequence

import torch
from tensordict import TensorDict
from torch import Tensor
from torch.nn import functional

from nappo2.checks import checked
from nappo2.networks._mlp import linear, orthogonal
from nappo2.networks.network import Network, layer_norm, sequential
from nappo2.pipeline import positive

MNIH = ((32, 8, 4), (64, 4, 2), (64, 3, 1))
"""Layers for Atari (Mnih et al., 2015): channels, kernel and stride of each."""
YOUNG = ((16, 3, 1),)
"""Layers for MinAtar (Young & Tian, https://arxiv.org/abs/1903.03176)."""


@checked
def cnn(
    shape: tuple[int, ...], features: int = 512, layers: Sequence[tuple[int, int, int]] = MNIH
) -> Network:
    """The network for Atari without its head (Mnih et al., https://doi.org/10.1038/nature14236).

    Convolutions, then a linear layer, each followed by a ReLU. Weights are orthogonal with a gain of
    sqrt(2), and have the names that ``torch.nn.Sequential`` gives them.

    Args:
        shape: of an image: (channels, height, width).
        features: size of the output.
        layers: channels, kernel and stride of each convolution. ``YOUNG`` is for images of
            10 x 10 or so (MinAtar, https://arxiv.org/abs/1903.03176).

    Returns:
        A network of images [..., C, H, W], uint8 or float32, to [..., features] float32.

    Raises:
        ValueError: if ``shape`` is not an image's, or too small for the kernels.

    Example:
        >>> network = networks.cnn((4, 84, 84), features=16)
        >>> network.apply(network.init(0), torch.zeros(2, 4, 84, 84)).shape
        torch.Size([2, 16])
    """
    return _convolutions(shape, features, layers, _no_layers, _no_layers)


@checked
def layer_norm_cnn(
    shape: tuple[int, ...], features: int = 512, layers: Sequence[tuple[int, int, int]] = MNIH
) -> Network:
    """``cnn`` with layer normalisation before each ReLU, as in PQN (https://arxiv.org/abs/2407.04811).

    Behind convolutions it is over the channels of each pixel.

    Args:
        shape: of an image: (channels, height, width).
        features: size of the output.
        layers: channels, kernel and stride of each convolution.

    Returns:
        A network of images [..., C, H, W], uint8 or float32, to [..., features] float32.

    Raises:
        ValueError: if ``shape`` is not an image's, or too small for the kernels.

    Example:
        >>> network = networks.layer_norm_cnn((4, 84, 84), features=16)
        >>> network.apply(network.init(0), torch.zeros(2, 4, 84, 84)).shape
        torch.Size([2, 16])
    """
    return _convolutions(shape, features, layers, _channel_norm, _layer_norm)


Layer = Network | Callable[[Tensor], Tensor]


def _convolutions(
    shape: tuple[int, ...],
    features: int,
    layers: Sequence[tuple[int, int, int]],
    after_convolution: Callable[[int], list[Layer]],
    after_linear: Callable[[int], list[Layer]],
) -> Network:
    """Convolutions and a linear layer, each followed by layers made for its size, and a ReLU."""
    channels, *size = check_image(shape)
    body: list[Layer] = []
    for out, kernel, stride in layers:
        positive(channels=out, kernel=kernel, stride=stride, features=features)
        body += [convolution(channels, out, kernel, stride), *after_convolution(out), torch.relu]
        channels, size = out, [(side - kernel) // stride + 1 for side in size]
        if min(size) < 1:
            raise ValueError(
                f"images of {shape[1]} x {shape[2]} are too small for a kernel of {kernel}"
            )
    head = linear(channels * size[0] * size[1], features, 2**0.5)
    body += [flat, head, *after_linear(features), torch.relu]
    return images(sequential(*body), tuple(shape))


def _no_layers(size: int) -> list[Layer]:
    return []


def _layer_norm(size: int) -> list[Layer]:
    return [layer_norm(size)]


def _channel_norm(channels: int) -> list[Layer]:
    """Layer normalisation over the channels of each pixel, of images [N, C, H, W]."""
    norm = layer_norm(channels)

    def apply(weights, x):
        return norm.apply(weights, x.movedim(1, -1)).movedim(-1, 1)

    return [Network(norm.init, apply)]


@checked
def convolution(
    inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0, gain: float = 2**0.5
) -> Network:
    """A convolution with orthogonal weights and biases of 0.

    Args:
        inputs: channels of the input.
        outputs: channels of the output.
        kernel: side of the square kernel, in pixels.
        stride: pixels between two places of the kernel.
        padding: rows of zeros on each side.
        gain: of the weights; sqrt(2) suits ReLU.

    Returns:
        A network of images [N, inputs, H, W] to [N, outputs, H', W'], float32.

    Example:
        >>> network = networks.convolution(3, 8, kernel=3, stride=2)
        >>> network.apply(network.init(0), torch.zeros(2, 3, 9, 9)).shape
        torch.Size([2, 8, 4, 4])
    """

    def init(seed):
        weight = orthogonal((outputs, inputs, kernel, kernel), gain, seed)
        return TensorDict(weight=weight, bias=torch.zeros(outputs))

    def apply(weights, x):
        return functional.conv2d(x, weights["weight"], weights["bias"], stride, padding)

    return Network(init, apply)


@checked
def images(network: Network, shape: tuple[int, ...]) -> Network:
    """Lets a network of float images ``[N, *shape]`` take any leading dimensions, and bytes.

    Example:
        >>> network = networks.images(networks.sequential(lambda x: x.flatten(1), mlp(12, 2)), (3, 2, 2))
        >>> x = torch.zeros(4, 5, 3, 2, 2, dtype=torch.uint8)
        >>> network.apply(network.init(0), x).shape
        torch.Size([4, 5, 2])
    """

    def apply(weights, x):
        leading = x.shape[: x.ndim - len(shape)]
        x = x.reshape(math.prod(leading), *shape)
        x = x.permute(0, 2, 3, 1).contiguous()  # which a CPU convolves faster
        x = x if x.is_floating_point() else x.float().div_(255)
        y = network.apply(weights, x.permute(0, 3, 1, 2))
        return y.reshape(*leading, y.shape[-1])

    return Network(network.init, apply)


def flat(x: Tensor) -> Tensor:
    """Flattens each image, [N, C, H, W] to [N, C * H * W]."""
    return x.flatten(1)


def check_image(shape: Sequence[int]) -> tuple[int, ...]:
    """Returns ``shape`` as a tuple if it can be an image's.

    Raises:
        ValueError: if it is not (channels, height, width), each at least 1.
    """
    if len(shape) != 3:
        raise ValueError(f"an image has channels, height and width, not a shape of {tuple(shape)}")
    positive(channels=shape[0], height=shape[1], width=shape[2])
    return tuple(shape)
