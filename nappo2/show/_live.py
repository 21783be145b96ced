"""A run that is watched: one picture that is drawn anew while it goes on, and stays when it ends."""

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
    """The rows of a Learner, with a picture in the notebook that is drawn anew at most every ``seconds``.

    ``for metrics in live(learner): ...`` runs as ``for metrics in learner`` does. The picture has
    the return with its spread, losses, lags, steps per second, and where the time goes; the last
    one stays. Drawing takes no more than a tenth of the time. Outside of notebooks there is no
    picture, and the Learner shows its bar.
    """
    show = in_notebook()
    if show is None:
        yield from learner
        return
    bar, due = learner.progress, 0.0
    learner.progress = False  # as the picture says it all
    try:
        for row in learner:
            yield row
            if monotonic() >= due:
                start = monotonic()
                show(dashboard(learner))
                due = monotonic() + max(seconds, 10 * (monotonic() - start))
    finally:
        learner.progress = bar
        if learner.metrics:
            show(dashboard(learner))


def in_notebook() -> Callable[[bytes], Any] | None:
    """A function that shows a PNG in one output of a notebook, in place of the one before; else None."""
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
