"""What a process does beside the work in hand, changed for a while."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def torch_threads(num: int) -> Iterator[None]:
    """Within, torch uses ``num`` threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(num)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Within, no cycles are looked for: what is kept makes Python walk all objects again and again."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()
