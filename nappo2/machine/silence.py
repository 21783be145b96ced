"""Silences C code, which writes to descriptors and not to Python's streams."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def silent(*descriptors: int) -> Iterator[None]:
    """Silences C code, as the last line of the standard output is the result of a run."""
    libc = ctypes.CDLL(None)
    libc.fflush(None)
    copies, null = [os.dup(fd) for fd in descriptors], os.open(os.devnull, os.O_WRONLY)
    for fd in descriptors:
        os.dup2(null, fd)
    try:
        yield
    finally:
        libc.fflush(None)  # while it still goes to the null device
        for fd, copy in zip(descriptors, copies, strict=True):
            os.dup2(copy, fd)
            os.close(copy)
        os.close(null)
