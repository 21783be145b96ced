"""One clock for all processes of a machine, and of machines that are set to the same time."""

from threading import TIMEOUT_MAX
from time import perf_counter, time

BEGINNING = time() - perf_counter()
"""When ``perf_counter`` of this process was 0, in seconds since 1970."""


def since_1970(seconds: float) -> float:
    """A time of ``perf_counter`` of this process, in seconds since 1970."""
    return BEGINNING + seconds


def waitable(seconds: float) -> float:
    """Seconds for a thread or a socket to wait, which take no more than 292 years, nor infinity."""
    return min(seconds, TIMEOUT_MAX)
