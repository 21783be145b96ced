"""Tests whether code runs under torch.compile, torch.export or vmap."""

import torch
from torch import Tensor


def is_compiled() -> bool:
    """Tests whether code runs under torch.compile, rather than torch.export.

    What is exported keeps the operations of eager code, which other programs know by name.
    """
    return torch.compiler.is_compiling() and not torch.compiler.is_exporting()


def is_traced(x: Tensor) -> bool:
    """Tests whether ``x`` [...] is a placeholder of torch.compile, or one of many under vmap."""
    return torch.compiler.is_compiling() or torch._C._functorch.is_functorch_wrapped_tensor(x)
