"""Explicit randomness: a seed is an integer, which is split, or folded into, before it is used.

Stages that a population runs for all members at once have a tuple of seeds, one for each member: what
is drawn of each is stacked, and is what that member draws alone. Nothing in nappo2 reads or sets a
global seed.
"""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, TypeAlias
from zlib import crc32

import numpy as np
import torch

from nappo2 import trees
from nappo2.checks import explained

Seeds: TypeAlias = int | tuple[int, ...]
"""A seed, or one for each member of a population."""


def _of_one_run(function: Callable) -> Callable:
    """Refuses the seeds of members, in a stage that draws for one run."""

    @wraps(function)
    def call(*args, **kwargs):
        seed = args[0] if args else kwargs.get("seed")
        if isinstance(seed, tuple):
            raise ValueError(
                f"seed is an integer, not the seeds of {len(seed)} members of a population; "
                "fold_in_each, split_each and draw_each of nappo2.seeds take them"
            )
        return function(*args, **kwargs)

    return call


@_of_one_run
@explained
def split(seed: int, num: int = 2) -> tuple[int, ...]:
    """Derives ``num`` independent seeds, as ``jax.random.split`` does for keys.

    Raises:
        ValueError: if ``seed`` is negative, or no integer.

    Example:
        >>> seed, key = split(0)
        >>> seed == 0, seed == key, split(0) == (seed, key)
        (False, False, True)
    """
    words = np.random.SeedSequence(check_seed(seed)).generate_state(num, np.uint64)
    return tuple(int(word >> 1) for word in words)


@_of_one_run
@explained
@lru_cache(4096, typed=True)  # 1.0 is no seed, even where 1 is remembered
def fold_in(seed: int, data: int | str) -> int:
    """Derives the seed of worker, restart or stage ``data``; ``fold_in(seed, 0)`` is ``seed``.

    Example:
        >>> fold_in(0, "noise") == fold_in(0, "noise"), fold_in(0, 1) == fold_in(0, 2)
        (True, False)
    """
    number = crc32(data.encode()) + 2**32 if isinstance(data, str) else data
    if number == 0:
        return check_seed(seed)
    return int(
        np.random.SeedSequence([check_seed(seed), number]).generate_state(1, np.uint64)[0] >> 1
    )


@_of_one_run
@explained
def generator(seed: int) -> torch.Generator:
    """A new generator on the CPU, to be used up within one function call.

    Example:
        >>> one, other = (torch.rand(2, generator=generator(7)) for _ in range(2))
        >>> torch.equal(one, other)
        True
    """
    return torch.Generator().manual_seed(check_seed(seed))


def fold_in_each(seed: Seeds, data: int | str) -> Seeds:
    """``fold_in`` of a seed, or of the seed of each member."""
    return tuple(fold_in(x, data) for x in seed) if isinstance(seed, tuple) else fold_in(seed, data)


def split_each(seed: Seeds) -> tuple[Seeds, Seeds]:
    """``split`` of a seed in two, or of the seed of each member: two tuples of seeds."""
    if not isinstance(seed, tuple):
        first, second = split(seed)
        return first, second
    firsts, seconds = zip(*map(split, seed), strict=True)
    return firsts, seconds


def draw_each(draw: Callable[[torch.Generator], Any], seed: Seeds) -> Any:
    """Draws with the generator of a seed, or of each member's seed.

    Args:
        draw: ``generator -> tree of tensors`` [...].
        seed: of one run, or of each of n members.

    Returns:
        The tree, of tensors [...]; of members [n, ...].
    """
    if not isinstance(seed, tuple):
        return draw(generator(seed))
    return trees.stack([draw(generator(x)) for x in seed])


def num_members(seed: Seeds) -> int | None:
    """The number of members that have seeds, n; None for the seed of one run."""
    return len(seed) if isinstance(seed, tuple) else None


def check_seed(seed: int) -> int:
    """Returns ``seed`` as an int.

    Raises:
        ValueError: if it is negative, or no integer.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"seed is an integer of at least 0, not {seed!r}")
    return int(seed)
