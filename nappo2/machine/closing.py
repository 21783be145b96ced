"""Who closes what a state holds outside of this process's memory: its simulators."""

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from tensordict import TensorDictBase
from torch import Tensor

from nappo2 import trees


def simulators(value: Any) -> Iterator[Any]:
    """All in a state that can be closed, also what workers in this process hold."""
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
    """Closes each once; what fails is warned of."""
    for value in {id(value): value for value in values}.values():
        try:
            value.close()
        except Exception as error:
            warnings.warn(f"a simulator could not be closed: {error!r}", stacklevel=2)
