"""Contexts that change threads, garbage collection and arithmetic of the process for a while."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import torch

DENORMAL = 5e-324  # the smallest number of float64
MOST_THREADS = 1024  # with many more torch ends the process, without a word


def check_threads(num: int) -> None:
    """Refuses a number of threads with which torch would crash.

    Raises:
        ValueError: if it is that large.
    """
    if num > MOST_THREADS:
        raise ValueError(f"threads is at most {MOST_THREADS:,}, not {num:,}")


@contextmanager
def torch_threads(num: int) -> Iterator[None]:
    """A context in which torch uses ``num`` threads."""
    old = torch.get_num_threads()
    torch.set_num_threads(num)
    try:
        yield
    finally:
        torch.set_num_threads(old)


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """A context without garbage collection, which walks all objects again and again as rollouts grow."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def without_denormals() -> Iterator[None]:
    """A context in which denormal numbers, in float32 those below 1.2e-38, count as 0, as in XLA.

    A CPU takes a hundred times as long for them, and they stay: Adam's mean gradient of a weight that
    gets no gradient any more ends at 5.6e-45, as 0.9 of that is rounded to itself. Threads that torch
    started before keep them.
    """
    before = DENORMAL * 1.0 == 0.0  # torch does not tell
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)
