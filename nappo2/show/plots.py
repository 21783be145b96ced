"""Learning curves of several runs."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from nappo2.checks import checked
from nappo2.runs.curve import literal
from nappo2.show.pictures import COLOURS, Picture, drawn, new_figure, thousands, tidy
from nappo2.show.runs import Runs, column, grouped

POINTS = 200


@checked
def plot(
    runs: Runs, x: str = "env_steps", y: str = "episode_return", axes: Any = None
) -> Picture | None:
    """Curves of ``y`` by ``x``: of each group of runs the mean, and a standard deviation around it.

    Args:
        runs: paths, loaded runs or Learners, which are grouped by all that was set but the seed;
            or a mapping from names to such.
        x: a column of the metrics: ``env_steps``, ``seconds`` or ``updates``.
        y: another one.
        axes: of matplotlib, to draw into; then there is nothing to return.

    Raises:
        ValueError: if no run has these columns; says which there are.
    """
    groups = {
        name: [found for run in some if (found := column(run.metrics, x, y))[0]]
        for name, some in grouped(runs).items()
    }
    if not any(groups.values()):
        known = sorted(
            {
                key
                for some in grouped(runs).values()
                for r in some
                for key in (r.metrics or [{}])[-1]
            }
        )
        raise ValueError(f"no run has {x!r} and {y!r}; their columns are {', '.join(known)}")
    figure = None if axes is not None else new_figure((7, 4))
    axes = figure.add_subplot() if figure else axes
    for (name, curves), colour in zip(groups.items(), COLOURS * len(groups), strict=False):
        if curves:
            draw(
                axes,
                curves,
                literal(f"{name} ({len(curves)} runs)".strip() if len(curves) > 1 else name),
                colour,
            )
    axes.set(xlabel=literal(x.replace("_", " ")), ylabel=literal(y.replace("_", " ")))
    tidy(axes)
    thousands(axes)
    if any(groups):
        axes.legend(frameon=False, fontsize=8)
    return drawn(figure, dpi=110) if figure else None


def draw(axes: Any, curves: Sequence[tuple], name: str, colour: str) -> None:
    """The mean of curves, with a band, as far as all of them reach."""
    steps, values = on_one_grid(curves)
    mean, std = values.mean(0), values.std(0)
    axes.plot(steps, mean, color=colour, label=name)
    if len(curves) > 1:
        axes.fill_between(steps, mean - std, mean + std, color=colour, alpha=0.15, linewidth=0)


def on_one_grid(curves: Sequence[tuple]) -> tuple[np.ndarray, np.ndarray]:
    """Curves, interpolated at the same points from where the last begins to where the first ends."""
    start, end = max(x[0] for x, _ in curves), min(x[-1] for x, _ in curves)
    grid = np.asarray(curves[0][0], float) if len(curves) == 1 else np.linspace(start, end, POINTS)
    return grid, np.array([np.interp(grid, x, y) for x, y in curves])
