"""The stop flag, by which stages end a step early.

When it is set, ``collect`` ends its rollout, and a replay waits for no more rollouts; code that waits
for workers checks it ten times a second. A step that is interrupted raises ``Interrupted`` with the
states of stages that have changed for good: of simulators that have moved, and of workers that were
replaced.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from time import monotonic, sleep
from typing import Any, NamedTuple

SLICE_SECONDS = 0.1  # between two checks of the flag


class Stop(NamedTuple):
    """The functions by which a stage is asked to stop.

    Attributes:
        asked: ``share of the rollout -> bool``: whether ``collect`` should stop with this share.
        arrived: called when a rollout is complete.
        each_rollout: whether a step of a pipeline ends with each rollout, even if no batch is due.
        interrupted: whether the step should raise ``Interrupted``.
        at_once: whether a signal may interrupt the running code anywhere.
    """

    asked: Callable[[float], bool]
    arrived: Callable[[], None]
    each_rollout: bool = False
    interrupted: Callable[[], bool] = lambda: False
    at_once: bool = False


class Interrupted(KeyboardInterrupt):
    """Raised when a step is interrupted; ``state`` has the states of stages that changed in it."""

    def __init__(self, state: dict[str, Any]):
        super().__init__("the step was broken off")
        self.state = state


_never = Stop(lambda share: False, lambda: None)
_stop: ContextVar[Stop] = ContextVar("stop", default=_never)


def current_stop() -> Stop:
    """The stop flag of the calling worker."""
    return _stop.get()


@contextmanager
def stopped_by(stop: Stop) -> Iterator[None]:
    """A context in which ``stop`` is the flag of stages."""
    token = _stop.set(stop)
    try:
        yield
    finally:
        _stop.reset(token)


def one_rollout_each() -> AbstractContextManager:
    """A context in which no step of a pipeline takes more than one rollout.

    While no batch is due, the item of a replay is an empty batch, which changes no params.
    """
    return stopped_by(current_stop()._replace(each_rollout=True))


def check_interrupt(state: dict[str, Any] | None = None) -> None:
    """Interrupts the step if that is asked for.

    Raises:
        Interrupted: with ``state``.
    """
    if current_stop().interrupted():
        raise Interrupted(state or {})


def pause(seconds: float) -> None:
    """Sleeps; raises ``Interrupted`` meanwhile if the step is interrupted."""
    end = monotonic() + seconds
    while True:
        check_interrupt()
        remaining = end - monotonic()
        if remaining <= 0:
            return
        sleep(min(remaining, SLICE_SECONDS))


@contextmanager
def interruptible_at_once() -> Iterator[None]:
    """A context of code without side effects, which a signal may interrupt anywhere."""
    check_interrupt()
    with stopped_by(current_stop()._replace(at_once=True)):
        yield


@contextmanager
def broken_off_after(state: dict[str, Any]) -> Iterator[None]:
    """A context in which an interrupt also reports ``state``, that of the stages before this one.

    Raises:
        Interrupted: if the code within is interrupted.
    """
    try:
        yield
    except Interrupted as interrupt:
        raise Interrupted(left_behind(state, interrupt)) from None


def left_behind(state: dict[str, Any], interrupt: Interrupted) -> dict[str, Any]:
    """The state after an interrupt, in which unfinished episodes begin anew, as a part is missing."""
    restarted = {
        name: value.episodes_begun() if hasattr(value, "episodes_begun") else value
        for name, value in state.items()
    }
    return restarted | interrupt.state
