"""Schedules: functions of the number of updates so far."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from nappo2.checks import checked

Schedule = Callable[[Tensor], Tensor]
"""``version -> value``, where the version is the number of updates so far, []."""


@checked
def linear(start: float, end: float, num_updates: int) -> Schedule:
    """A line from ``start`` to ``end`` in ``num_updates`` updates, and ``end`` from then on.

    Args:
        start: value at version 0.
        end: value at version ``num_updates``, and later.
        num_updates: length of the line.

    Returns:
        ``version -> value``.

    Raises:
        ValueError: if ``num_updates`` is not at least 1.

    Example:
        >>> optim.linear(1.0, 0.0, num_updates=100)(torch.tensor([0, 50, 100, 200]))
        tensor([1.0000, 0.5000, 0.0000, 0.0000])
    """
    if num_updates < 1:
        raise ValueError(f"num_updates is at least 1, not {num_updates}")

    def value(version):
        return start + (end - start) * (version / num_updates).clamp(max=1)

    return value


@checked
def cosine(start: float, end: float, num_updates: int) -> Schedule:
    """Half a cosine from ``start`` to ``end`` in ``num_updates`` updates, and ``end`` from then on.

    ``end + (start - end) (1 + cos(pi version / num_updates)) / 2`` (Loshchilov & Hutter,
    https://arxiv.org/abs/1608.03983, without restarts).

    Args:
        start: value at version 0.
        end: value at version ``num_updates``, and later.
        num_updates: length of the half cosine.

    Returns:
        ``version -> value``.

    Raises:
        ValueError: if ``num_updates`` is not at least 1.

    Example:
        >>> optim.cosine(1.0, 0.0, num_updates=100)(torch.tensor([0, 50, 100, 200]))
        tensor([1.0000, 0.5000, 0.0000, 0.0000])
    """
    if num_updates < 1:
        raise ValueError(f"num_updates is at least 1, not {num_updates}")

    def value(version):
        share = (version / num_updates).clamp(max=1)
        return end + (start - end) * (1 + torch.cos(math.pi * share)) / 2

    return value


@checked
def warm_up(num_updates: int, then: Schedule) -> Schedule:
    """From 0 to the first value of ``then`` in ``num_updates`` updates, and ``then`` from there on.

    Args:
        num_updates: length of the warm-up.
        then: schedule of the updates after it, counted from 0.

    Raises:
        ValueError: if ``num_updates`` is not at least 1.

    Example:
        >>> optim.warm_up(100, then=optim.constant(0.1))(torch.tensor([0, 50, 100, 200]))
        tensor([0.0000, 0.0500, 0.1000, 0.1000])
    """
    if num_updates < 1:
        raise ValueError(f"num_updates is at least 1, not {num_updates}")

    def value(version):
        target = then((version - num_updates).clamp(min=0))
        return target * (version / num_updates).clamp(max=1)

    return value


@checked
def constant(value: float) -> Schedule:
    """Always ``value``.

    Example:
        >>> optim.constant(0.1)(torch.tensor([0, 50, 100, 200]))
        tensor([0.1000, 0.1000, 0.1000, 0.1000])
    """
    return lambda version: version * 0.0 + value
