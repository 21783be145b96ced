"""Linear recurrences, backwards in time."""

import torch
from torch import Tensor

from nappo2.maths.traced import is_compiled

BLOCK = 8  # rows in a step of a compiled loop, each of which takes as long as these rows


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
    """``solve_recurrence`` by blocks of rows, for compiled code."""
    from torch._higher_order_ops.scan import scan

    def body(following, block):
        rows: list[Tensor] = []
        xs, cs = (part.unbind() for part in block)
        for i in reversed(range(BLOCK)):
            following = torch.addcmul(xs[i], cs[i], following)
            rows.append(following)
        # under vmap, only this lies as the carry that went in
        carry = following.clone(memory_format=torch.contiguous_format)
        return carry, torch.stack(rows)  # the last first

    missing = x.new_zeros(-len(x) % BLOCK, *x.shape[1:])
    blocks = tuple(torch.cat([y, missing]).unflatten(0, (-1, BLOCK)).flip(0) for y in (x, c))
    nothing = torch.zeros_like(x[0])
    if len(x) <= BLOCK:  # as a scan of length 1 is not C++ that can be compiled
        return body(nothing, (blocks[0][0], blocks[1][0]))[1].flip(0)[: len(x)]
    _, y = scan(body, nothing, blocks)
    return y.flatten(0, 1).flip(0)[: len(x)]
