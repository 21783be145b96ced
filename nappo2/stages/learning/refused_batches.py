"""Files of batches whose gradients were not finite, to study them."""

import itertools
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from nappo2.trees import walk

log = logging.getLogger("nappo2")
MOST = 10  # files of one process
_numbers = itertools.count()


def write_refused(batch: Mapping) -> None:
    """Writes a batch to a .npz in the folder for temporary files and logs its path."""
    if path := _written(batch):
        log.warning("a gradient is not finite; its batch is in %s", path)


@contextmanager
def refused_at_the_end(batch: Callable[[], Mapping]) -> Iterator[None]:
    """Writes ``batch()`` if a FloatingPointError, which ends a run, is raised within, and adds its path."""
    try:
        yield
    except FloatingPointError as error:
        if path := _written(batch()):
            error.args = (f"{error}. The batch is in {path}",)
        raise


def _written(batch: Mapping) -> Path | None:
    """The path of a batch; None after ten files of this process, or where none can be written."""
    number = next(_numbers)
    if number >= MOST:
        return None
    path = Path(tempfile.gettempdir()) / f"nappo2-refused-{os.getpid()}-{number}.npz"
    arrays = {"/".join(names): leaf.detach().cpu().numpy() for names, leaf in walk(batch)}
    try:
        np.savez(path, **arrays)
    except OSError as error:
        log.warning("a gradient is not finite, and its batch could not be written: %s", error)
        return None
    return path
