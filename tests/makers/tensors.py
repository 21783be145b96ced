"""Random tensors."""

import torch
from torch import Tensor

from nappo2.seeds import generator


def randn(*shape: int, seed: int = 0) -> Tensor:
    """Independent numbers of mean 0 and variance 1."""
    return torch.randn(shape, generator=generator(seed))
