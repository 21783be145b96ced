"""Linear recurrences, backwards in time."""

import torch
from torch import Tensor

from nappo2.maths.traced import is_compiled


def solve_recurrence(x: Tensor, c: Tensor) -> Tensor:
    """Solves ``y[t] = x[t] + c[t] * y[t + 1]`` of tensors [T, ...], by doubling: log2(T) steps on them.

    Example:
        >>> from nappo2.maths.recurrences import solve_recurrence
        >>> solve_recurrence(torch.ones(3), torch.full((3,), 0.5))
        tensor([1.7500, 1.5000, 1.0000])
    """
    if is_compiled():  # where doubling would be one expression of all rows
        return _scanned(x, c)
    width = 1
    while width < len(x):
        x = torch.cat([torch.addcmul(x[:-width], c[:-width], x[width:]), x[-width:]])
        c = torch.cat([c[:-width] * c[width:], c[-width:]])
        width *= 2
    return x


def _scanned(x: Tensor, c: Tensor) -> Tensor:
    """``solve_recurrence`` row by row, for compiled code."""
    from torch._higher_order_ops.scan import scan

    def body(following, row):
        x, c = row
        following = torch.addcmul(x, c, following)
        return following, following.clone()

    _, y = scan(body, torch.zeros_like(x[0]), (x.flip(0), c.flip(0)))
    return y.flip(0)
