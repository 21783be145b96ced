"""SIGINT and SIGTERM, looked at between steps."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interruptible() -> Iterator[Callable[[], int]]:
    """Within, the first of these signals is only remembered, and the second raises KeyboardInterrupt.

    Yields a function that gives its number, 0 if there was none. Threads other than the main one
    receive no signals, so there it always does.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: 0
        return
    seen = []

    def remember(signum, frame):
        seen.append(signum)
        if len(seen) > 1:
            raise KeyboardInterrupt

    before = {signum: signal.signal(signum, remember) for signum in SIGNALS}
    try:
        yield lambda: int(seen[0]) if seen else 0
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
