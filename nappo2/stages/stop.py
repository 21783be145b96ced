"""The stop flag: how ``collect``, between steps, learns that it may end its rollout early."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple


class Stop(NamedTuple):
    """What ``collect`` asks between steps, and tells at the end.

    Attributes:
        asked: ``share of the rollout -> bool``: whether to stop with this much of it.
        arrived: called when a rollout is at its end.
    """

    asked: Callable[[float], bool]
    arrived: Callable[[], None]


_never = Stop(lambda share: False, lambda: None)
_stop: ContextVar[Stop] = ContextVar("stop", default=_never)


def current_stop() -> Stop:
    """The flag of the worker in which this is called."""
    return _stop.get()


@contextmanager
def stopped_by(stop: Stop) -> Iterator[None]:
    """Within, ``collect`` asks ``stop``."""
    token = _stop.set(stop)
    try:
        yield
    finally:
        _stop.reset(token)
