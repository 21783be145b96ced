"""Learning curves of several runs."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from nappo2.checks import checked
from nappo2.runs.curve import literal
from nappo2.show.intervals import interval
from nappo2.show.pictures import (
    COLOURS,
    Picture,
    as_picture,
    format_thousands,
    new_figure,
    style_axes,
)
from nappo2.show.runs import Runs, columns, group_runs

POINTS = 200


@checked
def plot(
    runs: Runs, x: str = "env_steps", y: str = "episode_return", axes: Any = None
) -> Picture | None:
    """Plots the interquartile mean of ``y`` over ``x`` for each group of runs, with its 95 % interval.

    Args:
        runs: paths, loaded runs or Learners, which are grouped by all settings but the
            seed; or a mapping from names of groups to such.
        x: a column of the metrics: ``env_steps``, ``seconds`` or ``updates``.
        y: another column.
        axes: of matplotlib, to draw into; None for a new picture.

    Returns:
        The picture; None if ``axes`` are given.

    Raises:
        ValueError: if no run has these columns.
    """
    groups = group_runs(runs)
    curves_by_name = {
        name: [curve for run in group if (curve := columns(run.metrics, x, y))[0]]
        for name, group in groups.items()
    }
    if not any(curves_by_name.values()):
        last_rows = [(run.metrics or [{}])[-1] for group in groups.values() for run in group]
        names = ", ".join(sorted({key for row in last_rows for key in row}))
        raise ValueError(f"no run has {x!r} and {y!r}; their columns are {names}")
    figure = None if axes is not None else new_figure((7, 4))
    axes = figure.add_subplot() if figure else axes
    for (name, curves), colour in zip(curves_by_name.items(), COLOURS * len(groups), strict=False):
        if curves:
            label = f"{name} ({len(curves)} runs)".strip() if len(curves) > 1 else name
            draw_interval(axes, curves, literal(label), colour)
    axes.set(xlabel=literal(x.replace("_", " ")), ylabel=literal(y.replace("_", " ")))
    style_axes(axes)
    format_thousands(axes)
    if any(groups):
        axes.legend(frameon=False, fontsize=8)
    return as_picture(figure, dpi=110) if figure else None


def draw_interval(axes: Any, curves: Sequence[tuple], label: str, colour: str) -> None:
    """Draws the interquartile mean of curves with its 95 % interval, where all of them have values.

    Args:
        axes: of matplotlib.
        curves: pairs of x and y.
        label: in the legend.
        colour: of line and band.
    """
    steps, values = on_one_grid(curves)
    mean, low, high = interval(values)
    axes.plot(steps, mean, color=colour, label=label)
    if len(curves) > 1:
        axes.fill_between(steps, low, high, color=colour, alpha=0.15, linewidth=0)


def on_one_grid(curves: Sequence[tuple]) -> tuple[np.ndarray, np.ndarray]:
    """Interpolates curves at the same points: x [POINTS] and y [curves, POINTS], where all have values."""
    start, end = max(x[0] for x, _ in curves), min(x[-1] for x, _ in curves)
    grid = np.asarray(curves[0][0], float) if len(curves) == 1 else np.linspace(start, end, POINTS)
    return grid, np.array([np.interp(grid, x, y) for x, y in curves])
