"""The stop flag: how a stage learns, in the middle of a step, that the step may end early.

``collect`` ends its rollout, a replay that waits for more rollouts waits no longer, and whatever
waits for others looks at the flag ten times a second. A step that is broken off by an interrupt
raises ``Interrupted``, with the states of stages that have changed for good: of simulators that
have moved, and of workers that were replaced.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from time import monotonic, sleep
from typing import Any, NamedTuple

SLICE_SECONDS = 0.1  # between two looks at the flag


class Stop(NamedTuple):
    """What ``collect`` asks between env steps, and tells at the end.

    Attributes:
        asked: ``share of the rollout -> bool``: whether to stop with this much of it.
        arrived: called when a rollout is at its end.
        each_rollout: whether a step of a pipeline ends with each rollout, though no batch is due.
        interrupted: whether the step is to be broken off.
        at_once: whether a signal may break off what runs now at any place of it.
    """

    asked: Callable[[float], bool]
    arrived: Callable[[], None]
    each_rollout: bool = False
    interrupted: Callable[[], bool] = lambda: False
    at_once: bool = False


class Interrupted(KeyboardInterrupt):
    """Raised where a step is broken off; ``state`` has the stages that are not as before it."""

    def __init__(self, state: dict[str, Any]):
        super().__init__("the step was broken off")
        self.state = state


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


def check_interrupt(state: dict[str, Any] | None = None) -> None:
    """Breaks off the step, if that is asked for, and leaves ``state`` of it."""
    if current_stop().interrupted():
        raise Interrupted(state or {})


def pause(seconds: float) -> None:
    """Sleeps, and breaks off the step when it is to be broken off."""
    end = monotonic() + seconds
    while True:
        check_interrupt()
        left = end - monotonic()
        if left <= 0:
            return
        sleep(min(left, SLICE_SECONDS))


@contextmanager
def interruptible_at_once() -> Iterator[None]:
    """Within, nothing changes for good, and a signal may break it off anywhere."""
    check_interrupt()
    with stopped_by(current_stop()._replace(at_once=True)):
        yield


@contextmanager
def broken_off_after(state: dict[str, Any]) -> Iterator[None]:
    """Within, a step that is broken off leaves ``state``, to which its source has come."""
    try:
        yield
    except Interrupted as interrupt:
        raise Interrupted(left_behind(state, interrupt)) from None


def left_behind(state: dict[str, Any], interrupt: Interrupted) -> dict[str, Any]:
    """The state after a step was broken off: of episodes a part is missing, so that they end."""
    ended = {
        name: value.episodes_begun() if hasattr(value, "episodes_begun") else value
        for name, value in state.items()
    }
    return ended | interrupt.state
