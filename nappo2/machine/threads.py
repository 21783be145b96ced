"""Contexts that change threads and garbage collection of the process for a while."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import torch


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
