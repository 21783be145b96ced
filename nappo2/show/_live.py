"""Runs a Learner with a picture in the notebook that is updated as it goes on."""

import sys
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

from nappo2.checks import checked
from nappo2.runs.learner import Learner
from nappo2.runs.metrics import Row
from nappo2.show._dashboard import dashboard

SECONDS = 1.0  # between two pictures


@checked
def live(learner: Learner, seconds: float = SECONDS) -> Iterator[Row]:
    """Runs a Learner and updates a picture in the notebook, at most every ``seconds``.

    ``for metrics in live(learner): ...`` runs as ``for metrics in learner`` does. The picture has
    the return with its spread, losses, lags, steps per second, and where the time goes; the last
    one stays. Drawing takes no more than a tenth of the time. Outside of notebooks there is no
    picture, and the Learner shows its progress bar.

    Returns:
        The rows of metrics, as the Learner yields them.
    """
    show = in_notebook()
    if show is None:
        yield from learner
        return
    progress, due = learner.progress, 0.0
    learner.progress = False  # the picture replaces the progress bar
    try:
        for row in learner:
            yield row
            if monotonic() >= due:
                start = monotonic()
                show(dashboard(learner))
                due = monotonic() + max(seconds, 10 * (monotonic() - start))
    finally:
        learner.progress = progress
        if learner.metrics:
            show(dashboard(learner))


def in_notebook() -> Callable[[bytes], Any] | None:
    """A function that shows a PNG in place of the last one; None outside of notebooks."""
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython

    shell = get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython.display import Image, display

    handle = []

    def show(png):
        if handle:
            handle[0].update(Image(png))
        else:
            handle.append(display(Image(png), display_id=True))

    return show
