"""Closes the simulators in a state, which hold more than memory of this process."""

import warnings
from collections.abc import Iterable, Iterator
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


def close_each(values: Iterable[Any]) -> None:
    """Closes each object once; one that fails gives a warning."""
    for value in {id(value): value for value in values}.values():
        try:
            value.close()
        except Exception as error:
            warnings.warn(f"a simulator could not be closed: {error!r}", stacklevel=2)
