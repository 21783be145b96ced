"""Networks, as pairs of functions of explicit parameters."""

from collections.abc import Callable
from typing import Any, NamedTuple

from tensordict import TensorDict
from torch import Tensor

from nappo2.checks import checked


@checked
class Network(NamedTuple):
    """A pair of pure functions.

    Attributes:
        init: ``seed -> weights``, a tree of floating point tensors.
        apply: ``(weights, x) -> y``, where weights may also be plain dictionaries.
    """

    init: Callable[[int], TensorDict]
    apply: Callable[[Any, Tensor], Tensor]


@checked
def viewing(network: Network, view: Callable[[Any], Tensor]) -> Network:
    """The network of what ``view`` makes of an observation."""
    return Network(network.init, lambda weights, x: network.apply(weights, view(x)))
