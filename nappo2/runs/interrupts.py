"""SIGINT and SIGTERM: the first ends a loop after its current step, the second aborts it."""

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
    """Counts the signals that arrived.

    Each leaves a byte in a pipe when it arrives, as Python's handler is called only once for two
    signals that arrive while C code runs.

    Attributes:
        number: of the first signal; 0 if none arrived.
        count: of signals.
        since: when the first arrived, by ``time.monotonic``.
    """

    def __init__(self):
        self.number, self.count, self.since = 0, 0, 0.0

    def over(self) -> bool:
        """Tests whether to break off a step that has not ended yet: a second after the first signal."""
        return self.count > 0 and monotonic() >= self.since + GRACE_SECONDS

    def add(self, numbers: list[int]) -> None:
        """Counts signals by their numbers.

        Raises:
            KeyboardInterrupt: with the second signal.
        """
        if numbers and not self.count:
            self.number, self.since = numbers[0], monotonic()
        self.count += len(numbers)
        if self.count > 1 and numbers:
            raise KeyboardInterrupt


def interrupt_text(number: int, env_steps: int) -> str:
    """A sentence about the signal of this number, after so many env steps."""
    name = signal.Signals(number).name
    return f"interrupted by {name} after {env_steps:,} env steps; run the loop again to continue"


@contextmanager
def interruptible() -> Iterator[Signals]:
    """Counts the first SIGINT or SIGTERM within; a second raises KeyboardInterrupt.

    A second after the first signal, code that may be interrupted at once raises ``Interrupted``.
    Threads other than the main one receive no signals.

    Raises:
        Interrupted: a second after the first signal, where ``current_stop().at_once``.
        KeyboardInterrupt: with the second signal.
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
        signals.add(bell.without_rung(arrived))
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
    """Sends the main thread a signal again, a second later, to break off a step that has not ended."""

    def __init__(self):
        self.lock, self.timer, self.rung, self.closed = threading.Lock(), None, 0, False

    def ring_later(self, signum: int) -> None:
        """Starts the timer, unless it is started."""
        if self.timer is None and not self.closed:
            self.timer = threading.Timer(GRACE_SECONDS + 0.01, self.ring, [signum])
            self.timer.daemon = True
            self.timer.start()

    def ring(self, signum: int) -> None:
        """Sends the signal to the main thread."""
        with self.lock:
            if not self.closed:
                self.rung += 1
                signal.pthread_kill(threading.main_thread().ident, signum)

    def without_rung(self, numbers: list[int]) -> list[int]:
        """The signals without those that the bell has sent."""
        num, self.rung = min(self.rung, len(numbers)), 0
        return numbers[num:]

    def close(self) -> None:
        """Stops the timer; no signal is sent afterwards."""
        with self.lock:
            self.closed = True
        if self.timer is not None:
            self.timer.cancel()
