"""Closes simulators, which hold more than memory of this process."""

import warnings
from collections.abc import Iterable
from typing import Any


def close_each(values: Iterable[Any]) -> None:
    """Closes each object once; one that fails gives a warning."""
    for value in {id(value): value for value in values}.values():
        try:
            value.close()
        except Exception as error:
            warnings.warn(f"a simulator could not be closed: {error!r}", stacklevel=2)
