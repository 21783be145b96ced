"""Finds the simulators in a state, which hold more than memory of this process."""

from collections.abc import Iterator
from typing import Any

from tensordict import TensorDictBase
from torch import Tensor

from nappo2 import trees


def simulators(value: Any) -> Iterator[Any]:
    """Finds all objects in a state that have a ``close``, also within workers of this process."""
    if hasattr(value, "worker_states"):
        value = value.worker_states()
    if isinstance(value, (Tensor, TensorDictBase)):
        return
    parts = trees.children(value)
    if parts is not None:
        for _, part in parts:
            yield from simulators(part)
    elif callable(getattr(value, "close", None)):
        yield value
