"""Tests whether code runs under torch.compile or vmap."""

import torch
from torch import Tensor


def is_traced(x: Tensor) -> bool:
    """Tests whether ``x`` [...] is a placeholder of torch.compile, or one of many under vmap."""
    return torch.compiler.is_compiling() or torch._C._functorch.is_functorch_wrapped_tensor(x)
