"""Learning curves of several runs."""

from typing import Any

from nappo2.checks import checked
from nappo2.runs.curve import draw_interval
from nappo2.runs.events import events_of, literal, mark_events
from nappo2.show.labels import End, by_name, label_ends, style_of
from nappo2.show.pictures import (
    Picture,
    as_picture,
    format_thousands,
    new_figure,
    style_axes,
)
from nappo2.show.runs import Runs, columns, group_runs


@checked
def plot(
    runs: Runs, x: str = "env_steps", y: str = "episode_return", axes: Any = None
) -> Picture | None:
    """Plots the interquartile mean of ``y`` over ``x`` for each group of runs, with its 95 % interval.

    Events of the runs, such as ``set`` and restarts, are thin lines in the colour of their group.

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
    colours, ends, means = by_name(list(groups)), [], []
    for name, curves in curves_by_name.items():
        if curves:
            label = literal(f"{name} ({len(curves)} runs)".strip() if len(curves) > 1 else name)
            steps, mean = draw_interval(axes, curves, label, colours[name])
            axes.lines[-1].set_linestyle(style_of(mean, means))
            means.append(mean)
            ends.append(End(label, float(steps[-1]), float(mean[-1]), colours[name]))
    for name, group in groups.items():
        events = (event for run in group for event in events_of(run.metrics, x))
        mark_events(axes, events, colours[name])
    axes.set(xlabel=literal(x.replace("_", " ")), ylabel=literal(y.replace("_", " ")))
    style_axes(axes)
    format_thousands(axes)
    if figure and len(ends) > 1:
        label_ends(axes, ends)
    elif any(groups):
        axes.legend(frameon=False, fontsize=8)
    return as_picture(figure, dpi=110) if figure else None
