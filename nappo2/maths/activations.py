"""What stands between the layers of a network."""

import torch
from torch import Tensor


def tanh(x: Tensor) -> Tensor:
    """The hyperbolic tangent, within 2e-7.

    In compiled code it is made of a sigmoid, as a vector of these takes less than half as long.
    """
    compiling = torch.compiler.is_compiling()
    return 2 * torch.sigmoid(2 * x) - 1 if compiling else torch.tanh(x)
