"""Runs a Learner with a picture in the notebook that is updated as it goes on."""

import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any, NamedTuple

from nappo2.checks import checked
from nappo2.runs.learner import Learner
from nappo2.runs.metrics import Row
from nappo2.show._dashboard import dashboard
from nappo2.show._diagram import diagram
from nappo2.show.activity import activity_of
from nappo2.show.markup import block
from nappo2.show.pictures import Picture

SECONDS = 1.0  # between two pictures


class LiveView(NamedTuple):
    """What is seen of a run while it goes on: its pipeline at work, above its curves.

    Attributes:
        drawing: of the pipeline, as SVG.
        picture: of the curves.
    """

    drawing: str
    picture: Picture

    def _repr_mimebundle_(self, include=None, exclude=None):
        html = block(self.drawing) + self.picture.inline()
        return {"text/html": html, "image/png": b64encode(self.picture.png).decode()}


def live_view(learner: Learner) -> LiveView:
    """Draws a Learner at work; no worker is asked."""
    return LiveView(diagram(learner.pipeline, activity_of(learner)), Picture(dashboard(learner)))


@checked
def live(learner: Learner, seconds: float = SECONDS) -> Iterator[Row]:
    """Runs a Learner and updates a picture in the notebook, at most every ``seconds``.

    ``for metrics in live(learner): ...`` runs as ``for metrics in learner`` does. The picture has
    the pipeline at work, the return with its spread, losses, what one watches the recipe by (KL, entropy,
    clip fraction and explained variance, or Q and its target), lags, steps per second, and where the time
    goes; the last one stays. In the pipeline, a bar in each box is its share of the time of its process;
    the number by the arrow out of a frame is how much of the time it is waited for; the bars of a frame are
    its workers, as busy as they are high, and the one that is waited for is coloured; the lag is
    in updates. Drawing takes no more than a tenth of the time. Outside of notebooks there is no
    picture, and the Learner shows its progress bar.

    Returns:
        The rows of metrics, as the Learner yields them.

    Example:
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> learner = Learner(scheme("3cs", recipe), recipe.init(0), target_steps=64, progress=False)
        >>> for row in live(learner):
        ...     pass
        >>> row["env_steps"]
        64
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
                show(live_view(learner))
                due = monotonic() + max(seconds, 10 * (monotonic() - start))
    finally:
        learner.progress = progress
        if learner.metrics:
            show(live_view(learner))


def in_notebook() -> Callable[[LiveView], Any] | None:
    """A function that shows a view in place of the last one; None outside of notebooks."""
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython

    shell = get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython.display import display

    handle = []

    def show(view):
        if handle:
            handle[0].update(view)
        else:
            handle.append(display(view, display_id=True))

    return show
