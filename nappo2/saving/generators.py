"""Generators of numpy, made in a state that was saved. It imports no torch."""

from typing import Any

import numpy as np

BIT_GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")  # of numpy


def numpy_generator(name: str, state: Any) -> np.random.Generator:
    """A generator of numpy in a state of its bit generator.

    Raises:
        ValueError: if numpy has no bit generator of this name, or it has other states.
    """
    if name not in BIT_GENERATORS:
        raise ValueError(f"numpy has no bit generator {name!r}; it has {', '.join(BIT_GENERATORS)}")
    bits = getattr(np.random, name)()
    bits.state = state
    return np.random.Generator(bits)
