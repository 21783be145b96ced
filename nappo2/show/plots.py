"""Learning curves of several runs."""

from collections.abc import Mapping, Sequence
from itertools import chain, pairwise
from typing import Any

from nappo2.checks import checked
from nappo2.runs.curve import draw_interval, have_common_x
from nappo2.runs.events import events_of, literal, mark_events
from nappo2.runs.limits import limits_of
from nappo2.show.columns import default_x, default_y, without_curve
from nappo2.show.labels import End, by_name, counted, label_ends, style_of, with_twin
from nappo2.show.pictures import (
    Picture,
    as_picture,
    format_thousands,
    new_figure,
    style_axes,
)
from nappo2.show.runs import Runs, columns, environment_of, group_runs, groups_of, members_of
from nappo2.show.sweeps import POSITIONS, Sweep, draw_sweep, style_sweep, sweep_of


@checked
def plot(
    runs: Runs, x: str | None = None, y: str | None = None, axes: Any = None
) -> Picture | None:
    """Plots the interquartile mean of ``y`` over ``x`` for each group of runs, with its 95 % interval.

    Over a setting in which runs differ, such as ``x="learning_rate"``, it is that of their last ``y``.
    Events of the runs, such as ``set`` and restarts, are thin lines in the colour of their group. A
    curve that coincides with others is dashed, and its name says with which. Runs of a group that have
    no ``x`` in common are drawn each by itself. The title is the environment,
    where it is that of all.

    Args:
        runs: paths, loaded runs or Learners, which are grouped by all settings but the
            seed; or a mapping from names of groups to such.
        x: a column of the metrics: ``env_steps``, ``seconds`` or ``updates``; or the name of a
            setting, such as ``learning_rate`` or ``num_envs``. None for ``env_steps``, or for
            ``recorded_updates`` where all runs learn from recorded data alone.
        y: another column; None for ``episode_return``, or for ``evaluation_return`` where no run has
            the other one.
        axes: of matplotlib, to draw into; None for a new picture.

    Returns:
        The picture; None if ``axes`` are given.

    Raises:
        ValueError: if there is no run, none has these columns, or there are several and ``x`` does not
            grow over them; says which column it is.

    Example:
        >>> def run(rate):
        ...     config = PPO(num_steps=32, num_minibatches=4, learning_rate=rate, hidden=(8,))
        ...     recipe = ppo(envs.cartpole(4), config)
        ...     return Learner(scheme("3cs", recipe), recipe.init(0), target_steps=512).run()
        >>> sweep = [run(rate) for rate in (1e-4, 1e-3)]
        >>> curves, by_rate = plot(sweep), plot(sweep, x="learning_rate")
    """
    named = isinstance(runs, Mapping)  # each is read once, here
    runs = groups_of(runs) if named else members_of(runs)
    flat = list(chain(*runs.values())) if named else runs
    x, y = x or default_x(flat), y or default_y(flat)
    sweep = sweep_of(runs, x)
    figure = None if axes is not None else new_figure((7, 4))
    axes = figure.add_subplot() if figure else axes
    ends = draw_groups(axes, runs, x, y) if sweep is None else draw_sweeps(axes, sweep, y)
    if not ends:
        raise ValueError(without_curve(flat, x, y, is_setting=sweep is not None))
    axes.set(xlabel=literal(x.replace("_", " ")), ylabel=literal(y.replace("_", " ")))
    style_axes(axes, literal(environment_of(flat)))
    if sweep is None:
        format_thousands(axes)
    else:
        style_sweep(axes, sweep)
        axes.set_ylabel(literal(f"{y.replace('_', ' ')} at the end"))
    if figure and len(ends) > 1:
        label_ends(axes, ends)
    elif any(end.name for end in ends):
        axes.legend(frameon=False, fontsize=8)
    return as_picture(figure, dpi=110) if figure else None


def draw_groups(axes: Any, runs: Runs, x: str, y: str) -> list[End]:
    """Draws the curve of each group, and the events of its runs; returns the ends of the curves.

    Args:
        axes: of matplotlib.
        runs: as ``plot`` takes them.
        x: a column of the metrics.
        y: another column.

    Returns:
        The last point of each curve, with its label.
    """
    groups = group_runs(runs)
    colours, drawn = by_name(list(groups)), {}
    ends: list[End] = []
    for name, group in groups.items():
        curves = [each for run in group if (each := columns(run.metrics, x, y))[0]]
        if curves:
            check_growth(curves, x)
            label = counted(name, len(curves))
            label += "" if have_common_x(curves) else f", at no {x.replace('_', ' ')} in common"
            within = limits_of(y, [run.metrics for run in group])
            curve = draw_interval(axes, curves, literal(label), colours[name], within)
            axes.lines[-1].set_linestyle(style_of(curve, list(drawn.values())))
            text = literal(with_twin(label, curve, drawn))
            axes.lines[-1].set_label(text)
            drawn[name] = curve
            x_end, y_end = (float(each[-1]) for each in curve)
            ends.append(End(text, x_end, y_end, colours[name]))
    for name, group in groups.items():
        events = (event for run in group for event in events_of(run.metrics, x))
        mark_events(axes, events, colours[name])
    return ends


def check_growth(curves: Sequence[tuple[Sequence[float], Sequence[float]]], x: str) -> None:
    """Refuses to take the mean of several curves over a column that does not grow.

    Raises:
        ValueError: names the column.
    """
    if len(curves) > 1 and any(b < a for places, _ in curves for a, b in pairwise(places)):
        raise ValueError(
            f"{x!r} does not grow over these runs, so that their curves have no mean over it; give x "
            f"as one of {', '.join(POSITIONS)}, or as a setting of theirs"
        )


def draw_sweeps(axes: Any, sweep: Sweep, y: str) -> list[End]:
    """Draws the last values of each group over the setting.

    Args:
        axes: of matplotlib.
        sweep: the groups.
        y: the column whose last values are drawn.

    Returns:
        The last point of each line, with its label.
    """
    colours, ends = by_name(list(sweep.groups)), []
    for name in sweep.groups:
        if (end := draw_sweep(axes, sweep, name, y, colours[name])) is not None:
            ends.append(End(literal(name), *end, colours[name]))
    return ends
