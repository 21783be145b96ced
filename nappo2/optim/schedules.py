"""Schedules: functions of the number of updates so far."""

from collections.abc import Callable

from torch import Tensor

from nappo2.checks import checked

Schedule = Callable[[Tensor], Tensor]
"""``version -> value``, where the version is the number of updates so far, []."""


@checked
def linear(start: float, end: float, num_updates: int) -> Schedule:
    """From ``start`` to ``end`` in ``num_updates`` updates, and ``end`` from then on.

    Raises:
        ValueError: if ``num_updates`` is not at least 1.
    """
    if num_updates < 1:
        raise ValueError(f"num_updates is at least 1, not {num_updates}")

    def value(version):
        return start + (end - start) * (version / num_updates).clamp(max=1)

    return value


@checked
def constant(value: float) -> Schedule:
    """Always ``value``."""
    return lambda version: version * 0.0 + value
