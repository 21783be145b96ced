"""SIGINT and SIGTERM: the first ends a loop in order, the second aborts it."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic

from nappo2.machine.stop import Interrupted, current_stop

SIGNALS = (signal.SIGINT, signal.SIGTERM)
GRACE_SECONDS = 1.0  # in which a step may still come to its end


class Signals:
    """The signals that arrived.

    They are counted by the bytes that each leaves in a pipe when it arrives: Python's handler is
    called once for two that arrive while C code runs.
    """

    def __init__(self):
        self.number, self.count, self.since = 0, 0, 0.0

    def over(self) -> bool:
        """Whether a step that has not ended yet is to be broken off."""
        return self.count > 0 and monotonic() >= self.since + GRACE_SECONDS

    def add(self, numbers: list[int]) -> None:
        """Counts signals; the second raises KeyboardInterrupt."""
        if numbers and not self.count:
            self.number, self.since = numbers[0], monotonic()
        self.count += len(numbers)
        if self.count > 1 and numbers:
            raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[Signals]:
    """Within, the first signal is only remembered, and the second raises KeyboardInterrupt.

    When the first has been there for so long that a step is to be broken off, what is
    ``interruptible_at_once`` raises ``Interrupted``. Threads other than the main one receive no
    signals.
    """
    signals = Signals()
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    bell = Bell()

    def handle(signum, frame):
        arrived = [int(signum)]
        with suppress(BlockingIOError):
            arrived = [n for n in os.read(reader, 4096) if n in SIGNALS]
        signals.add(bell.without_own(arrived))
        if signals.over() and current_stop().at_once:
            raise Interrupted({})
        bell.ring_later(signum)

    old_writer = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    before = {signum: signal.signal(signum, handle) for signum in SIGNALS}
    try:
        yield signals
    finally:
        bell.close()
        for signum, handler in before.items():
            signal.signal(signum, handler)
        signal.set_wakeup_fd(old_writer)
        os.close(reader)
        os.close(writer)


class Bell:
    """Sends the main thread its signal once more, when a step is to be broken off."""

    def __init__(self):
        self.lock, self.timer, self.rung, self.closed = threading.Lock(), None, 0, False

    def ring_later(self, signum: int) -> None:
        if self.timer is None and not self.closed:
            self.timer = threading.Timer(GRACE_SECONDS + 0.01, self.ring, [signum])
            self.timer.daemon = True
            self.timer.start()

    def ring(self, signum: int) -> None:
        with self.lock:
            if not self.closed:
                self.rung += 1
                signal.pthread_kill(threading.main_thread().ident, signum)

    def without_own(self, numbers: list[int]) -> list[int]:
        """The signals that others have sent."""
        own, self.rung = min(self.rung, len(numbers)), 0
        return numbers[own:]

    def close(self) -> None:
        with self.lock:
            self.closed = True
        if self.timer is not None:
            self.timer.cancel()
