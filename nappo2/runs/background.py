"""Calls of one object in a thread of its own, which can neither end nor stop a run.

The run hands over calls in a bounded queue and goes on. An error is warned of once, and later calls are
made still. An object that does not come back is left behind, with one warning. Warnings are given in the
thread of the run, at its next call.
"""

import warnings
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, Full, Queue
from threading import Thread
from time import monotonic, sleep
from typing import Any, NamedTuple

CAPACITY = 4_096  # calls that wait
SLICE_SECONDS = 0.01  # between two looks at the thread


class Seconds(NamedTuple):
    """How long the run puts up with an object.

    Attributes:
        opening: until it is made.
        calling: until a call returns.
        waiting: until all calls are made, at the end of a loop.
        closing: until it is closed.
    """

    opening: float = 60.0
    calling: float = 10.0
    waiting: float = 30.0
    closing: float = 15.0


class Background:
    """Calls the methods of an object in a thread of its own.

    Args:
        name: of the object, in warnings.
        make: makes the object, in its thread.
        seconds: how long the run puts up with it.
    """

    def __init__(self, name: str, make: Callable[[], Any], seconds: Seconds = Seconds()):
        self.name, self.seconds = name, seconds
        self._shared = _Shared()
        self._left, self._warned = False, set()
        Thread(target=_serve, args=(make, self._shared), name=name, daemon=True).start()
        self._end = weakref.finalize(self, _end, self._shared, seconds.closing)

    def send(self, method: str, *args: Any) -> None:
        """Has a method called, unless the object has none of that name, and does not wait for it.

        While the queue is full the run waits, as long as calls return.
        """
        self.warn()
        while not self._left_behind():
            with suppress(Full):
                self._shared.calls.put((method, args), timeout=SLICE_SECONDS)
                return

    def idle(self) -> bool:
        """Tests whether all calls were made."""
        return self._shared.calls.unfinished_tasks == 0

    def wait(self, seconds: float | None = None) -> bool:
        """Waits until all calls were made, and tests whether they were.

        With ``seconds`` None, it waits as long as ``self.seconds.waiting``, and warns of calls that
        are left then.
        """
        end = monotonic() + (self.seconds.waiting if seconds is None else seconds)
        while not self.idle() and monotonic() < end and not self._left_behind():
            sleep(SLICE_SECONDS)
        if seconds is None and not self._left and not self.idle():
            num = self._shared.calls.unfinished_tasks
            self._warn(f"{self.name} has {num} calls to make still, which it goes on with")
        self.warn()
        return self.idle()

    def close(self) -> None:
        """Makes the calls that wait, closes the object, and waits for it a while."""
        if self._end.alive:
            self._left_behind()
            closed = self._end()
            if not closed and not self._left:
                self._warn(f"{self.name} was not closed in {self.seconds.closing:g} s, and is left")
            self.warn()

    def warn(self) -> None:
        """Warns of errors since the last time: once of each kind."""
        with suppress(IndexError):
            while True:
                error = self._shared.errors.popleft()
                if type(error) not in self._warned:
                    self._warned.add(type(error))
                    self._warn(f"{self.name} failed, and the run goes on: {error!r}")
        self._left = self._left or self._shared.failed

    def _left_behind(self) -> bool:
        """Tests whether the object is left behind, now or since a call that did not return."""
        since, limit = self._shared.since, self.seconds.calling
        if self._shared.opening:
            limit = self.seconds.opening
        if not self._left and since is not None and monotonic() - since > limit:
            self._left = self._shared.failed = True
            self._warn(
                f"{self.name} has not answered for {limit:g} s, and the run goes on without it"
            )
        return self._left

    def _warn(self, text: str) -> None:
        warnings.warn(text, stacklevel=4)


class _Shared:
    """What the run and the thread share.

    Attributes:
        calls: pairs of a method's name and its arguments; None ends the thread.
        errors: not warned of yet.
        since: when the call began that is being made, by ``time.monotonic``; None between calls.
        opening: whether this call makes the object.
        failed: whether no more calls are made.
        ended: whether the object is closed.
    """

    def __init__(self):
        self.calls: Queue = Queue(CAPACITY)
        self.errors: deque[BaseException] = deque()
        self.since: float | None = monotonic()
        self.opening, self.failed, self.ended = True, False, False


def _serve(make: Callable[[], Any], shared: _Shared) -> None:
    """The thread: makes the object, and one call after the other until there is None."""
    value = _attempt(make, (), shared)
    shared.failed = shared.failed or value is None
    shared.opening = False
    while (call := _next(shared)) is not None:
        method = getattr(value, call[0], None)
        if method is not None and not shared.failed:
            _attempt(method, call[1], shared)
        shared.calls.task_done()
    close = getattr(value, "close", None)
    if close is not None:
        _attempt(close, (), shared)
    shared.ended = True
    shared.calls.task_done()


def _next(shared: _Shared) -> Any:
    shared.since = None
    call = shared.calls.get()
    shared.since = monotonic()
    return call


def _attempt(function: Callable, args: tuple, shared: _Shared) -> Any:
    try:
        return function(*args)
    except BaseException as error:  # a SystemExit too ends this thread alone
        shared.errors.append(error)
        return None


def _end(shared: _Shared, seconds: float) -> bool:
    """Ends the thread after the calls that wait; returns whether it did within so many seconds.

    Those of an object that is left behind are dropped.
    """
    if shared.failed:
        with suppress(Empty):
            while True:
                shared.calls.get_nowait()
                shared.calls.task_done()
    end = monotonic() + seconds
    with suppress(Full):
        shared.calls.put(None, timeout=0.0 if shared.failed else seconds)
        while not shared.ended and not shared.failed and monotonic() < end:
            sleep(SLICE_SECONDS)
    return shared.ended
