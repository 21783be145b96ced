"""Explicit randomness: a seed is an integer, which is split, or folded into, before it is used.

Nothing in nappo2 reads or sets a global seed.
"""

from functools import lru_cache
from zlib import crc32

import numpy as np
import torch

from nappo2.checks import explained


@explained
def split(seed: int, num: int = 2) -> tuple[int, ...]:
    """Derives ``num`` independent seeds, as ``jax.random.split`` does for keys.

    Raises:
        ValueError: if ``seed`` is negative, or no integer.
    """
    words = np.random.SeedSequence(check_seed(seed)).generate_state(num, np.uint64)
    return tuple(int(word >> 1) for word in words)


@explained
@lru_cache(4096, typed=True)  # 1.0 is no seed, even where 1 is remembered
def fold_in(seed: int, data: int | str) -> int:
    """Derives the seed of worker, restart or stage ``data``; ``fold_in(seed, 0)`` is ``seed``."""
    number = crc32(data.encode()) + 2**32 if isinstance(data, str) else data
    if number == 0:
        return check_seed(seed)
    return int(
        np.random.SeedSequence([check_seed(seed), number]).generate_state(1, np.uint64)[0] >> 1
    )


@explained
def generator(seed: int) -> torch.Generator:
    """A new generator on the CPU, to be used up within one function call."""
    return torch.Generator().manual_seed(check_seed(seed))


def check_seed(seed: int) -> int:
    """Returns ``seed`` as an int.

    Raises:
        ValueError: if it is negative, or no integer.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"seed is an integer of at least 0, not {seed!r}")
    return int(seed)
