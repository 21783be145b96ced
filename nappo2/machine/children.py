"""Processes that this one starts, and that end with it."""

import ctypes
import os
import signal
from collections.abc import Callable

PR_SET_PDEATHSIG = 1


def cores() -> int:
    """How many processes can compute at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def ending_with_parent(signum: signal.Signals) -> Callable[[], None]:
    """The ``preexec_fn`` of a process to which Linux sends a signal when its parent dies."""

    def ask() -> None:
        prctl = getattr(ctypes.CDLL(None), "prctl", None)
        if prctl is not None:
            prctl(PR_SET_PDEATHSIG, signum)

    return ask
