"""Residual networks of images [..., C, H, W]: IMPALA's, and the same with Fixup."""

from collections.abc import Callable, Sequence

import torch
from tensordict import TensorDict
from torch import Tensor
from torch.nn import functional

from nappo2.checks import checked
from nappo2.networks._cnn import check_image, convolution, flat, images
from nappo2.networks._mlp import linear, orthogonal
from nappo2.networks.network import Network, sequential
from nappo2.pipeline import positive

WIDTHS = (16, 32, 32)
BLOCKS = 2  # in each section


@checked
def impala_cnn(
    shape: tuple[int, ...], features: int = 256, widths: Sequence[int] = WIDTHS
) -> Network:
    """The deep network of IMPALA (Espeholt et al., https://arxiv.org/abs/1802.01561, figure 3).

    Sections of a convolution, a max-pooling that halves the image, and two residual blocks; then
    a linear layer. Gains are sqrt(2), and 1 for the last convolution of a residual branch.

    Args:
        shape: of an image: (channels, height, width).
        features: size of the output.
        widths: channels of each section.

    Returns:
        A network of images [..., C, H, W], uint8 or float32, to [..., features] float32.

    Raises:
        ValueError: if ``shape`` is not an image's.

    Example:
        >>> network = networks.impala_cnn((4, 84, 84), features=16)
        >>> network.apply(network.init(0), torch.zeros(2, 4, 84, 84)).shape
        torch.Size([2, 16])
    """
    return _sections(shape, features, widths, _block)


@checked
def fixup_cnn(
    shape: tuple[int, ...], features: int = 256, widths: Sequence[int] = WIDTHS
) -> Network:
    """IMPALA's network with Fixup (Zhang et al., https://arxiv.org/abs/1901.09321).

    In each of the L residual branches of two convolutions, the first is initialised with a gain
    of sqrt(2 / L), the second with 0, both without bias; a scalar is added before every
    convolution and activation, and another multiplies the branch. So each section begins as if it
    had no branches.

    Args:
        shape: of an image: (channels, height, width).
        features: size of the output.
        widths: channels of each section.

    Returns:
        A network of images [..., C, H, W], uint8 or float32, to [..., features] float32.

    Raises:
        ValueError: if ``shape`` is not an image's.

    Example:
        >>> network = networks.fixup_cnn((4, 84, 84), features=16)
        >>> network.apply(network.init(0), torch.zeros(2, 4, 84, 84)).shape
        torch.Size([2, 16])
    """
    gain = (2 / (BLOCKS * len(widths))) ** 0.5
    return _sections(shape, features, widths, lambda width: _fixup_block(width, gain))


def _sections(
    shape: tuple[int, ...],
    features: int,
    widths: Sequence[int],
    block: Callable[[int], Network],
) -> Network:
    channels, *size = check_image(shape)
    positive(features=features, **{f"width {i}": width for i, width in enumerate(widths)})
    body = []
    for width in widths:
        body += [convolution(channels, width, 3, padding=1), _halved]
        body += [block(width) for _ in range(BLOCKS)]
        channels, size = width, [(side + 1) // 2 for side in size]
    head = linear(channels * size[0] * size[1], features, 2**0.5)
    return images(sequential(*body, torch.relu, flat, head, torch.relu), tuple(shape))


def _halved(x: Tensor) -> Tensor:
    return functional.max_pool2d(x, 3, stride=2, padding=1)


def _block(width: int) -> Network:
    first = convolution(width, width, 3, padding=1)
    second = convolution(width, width, 3, padding=1, gain=1.0)
    branch = sequential(torch.relu, first, torch.relu, second)
    return Network(branch.init, lambda weights, x: x + branch.apply(weights, x))


def _fixup_block(width: int, gain: float) -> Network:
    shape = (width, width, 3, 3)

    def init(seed):
        biases = {name: torch.zeros(()) for name in ("bias0", "bias1", "bias2", "bias3")}
        weights = {"weight1": orthogonal(shape, gain, seed), "weight2": torch.zeros(shape)}
        return TensorDict(biases | weights | {"scale": torch.ones(())})

    def apply(weights, x):
        y = torch.relu(x + weights["bias0"]) + weights["bias1"]
        y = functional.conv2d(y, weights["weight1"], padding=1)
        y = torch.relu(y + weights["bias2"]) + weights["bias3"]
        y = functional.conv2d(y, weights["weight2"], padding=1)
        return x + weights["scale"] * y

    return Network(init, apply)
