"""Batches whose gradients were not finite, in files for later study."""

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


def write_refused(batch: Mapping) -> Path | None:
    """Writes a batch to a .npz in the folder for temporary files, and says so; only the first ten."""
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
    log.warning("a gradient is not finite; its batch is in %s", path)
    return path


@contextmanager
def refused_at_the_end(batch: Callable[[], Mapping]) -> Iterator[None]:
    """Within, refusals that end a run leave the batch that they were of."""
    try:
        yield
    except FloatingPointError:
        write_refused(batch())
        raise
