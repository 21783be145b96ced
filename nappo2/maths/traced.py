"""Tensors that stand for others."""

import torch
from torch import Tensor


def is_traced(x: Tensor) -> bool:
    """Whether ``x`` stands for what it will be in compiled code, or for one of many under vmap."""
    return torch.compiler.is_compiling() or torch._C._functorch.is_functorch_wrapped_tensor(x)
