"""The stop flag: how a stage learns, in the middle of a step, that the step may end early.

``collect`` ends its rollout, and a replay that waits for more rollouts waits no longer.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import NamedTuple


class Stop(NamedTuple):
    """What ``collect`` asks between env steps, and tells at the end.

    Attributes:
        asked: ``share of the rollout -> bool``: whether to stop with this much of it.
        arrived: called when a rollout is at its end.
        each_rollout: whether a step of a pipeline ends with each rollout, though no batch is due.
    """

    asked: Callable[[float], bool]
    arrived: Callable[[], None]
    each_rollout: bool = False


_never = Stop(lambda share: False, lambda: None)
_stop: ContextVar[Stop] = ContextVar("stop", default=_never)


def current_stop() -> Stop:
    """The flag of the worker in which this is called."""
    return _stop.get()


@contextmanager
def stopped_by(stop: Stop) -> Iterator[None]:
    """Within, stages ask ``stop``."""
    token = _stop.set(stop)
    try:
        yield
    finally:
        _stop.reset(token)


def one_rollout_each() -> AbstractContextManager:
    """Within, no step of a pipeline takes more than one rollout.

    The item of a replay is an empty batch then, while none is due, from which nothing is learnt.
    """
    return stopped_by(current_stop()._replace(each_rollout=True))
