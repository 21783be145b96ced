"""The learning curve of one run as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nappo2.runs.events import events_of, literal, mark_events
from nappo2.runs.intervals import ANYTHING, interval
from nappo2.runs.limits import limits_of
from nappo2.runs.members import member_rows, rows_per_member
from nappo2.runs.metrics import position
from nappo2.saving.outputs import whole_file

POINTS = 200  # at which several curves are interpolated
BLUE, LIGHT, ORANGE = "#1f5fa8", "#8fb4dc", "#c8551b"
INTERVAL = "interquartile mean, 95 % interval"
LAST_100, RECENT = "mean of the last 100 episodes", "episodes of the last 10,000 env steps"


def draw_curve(
    rows: Sequence[dict[str, Any]],
    path: str | Path,
    title: str = "",
    num_members: int | None = None,
) -> Path | None:
    """Draws returns by env steps into a PNG, and below them success rates, if there are any.

    Args:
        rows: metrics, each with ``env_steps`` and, where there are any, ``episode_return``,
            ``evaluation_return``, ``success_rate``, ``evaluation_success_rate`` and ``event``.
        path: of the picture.
        title: above the curve.
        num_members: of a population; None for as many as the rows tell of.

    Returns:
        The path; None if no episode has ended in training or an evaluation, as there is nothing to draw.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # half a second, so only here
    from matplotlib.figure import Figure

    curves = [_curve(each) for each in member_rows(rows, num_members)]
    rows = rows_per_member(rows, num_members)
    trained = [
        (position(row), row["episode_return"]) for row in rows if _has(row, "episode_return")
    ]
    tested = evaluated(rows)
    if not trained and not tested:
        return None
    xlabel = "updates" if not rows[-1]["env_steps"] else "env steps"
    rate = "success_rate" if trained else "evaluation_success_rate"
    has_rates = any(_has(row, rate) for row in rows)
    figure = Figure(figsize=(7, 5.5 if has_rates else 4), layout="constrained")
    FigureCanvasAgg(figure)
    ratios = (2, 1) if has_rates else (1,)
    axes, *below = figure.subplots(len(ratios), height_ratios=ratios, squeeze=False).flatten()
    axes.set(title=literal(title), xlabel=xlabel, ylabel="episode return")
    if len(curves) > 1 and all(len(x) > 1 for x, _ in curves) and have_common_x(curves):
        within = limits_of("episode_return", [rows])
        draw_interval(axes, curves, f"{len(curves)} members: {INTERVAL}", BLUE, within)
    elif trained:
        draw_recent(axes, rows)
        draw_line(axes, *zip(*trained, strict=True), color=BLUE, label=LAST_100)
    if tested:
        axes.plot(*zip(*tested, strict=True), "o", color=ORANGE, label="evaluation")
    mark_events(axes, events_of(rows))
    axes.legend(frameon=False, loc="best")
    for rates in below:
        draw_successes(rates, rows, ORANGE)
        mark_events(rates, events_of(rows), with_text=False)
        rates.set(xlabel=xlabel, ylabel="success rate", xlim=axes.get_xlim())
    for each in (axes, *below):
        each.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
        each.grid(alpha=0.3)
        each.spines[["top", "right"]].set_visible(False)
    with whole_file(path) as unfinished:
        figure.savefig(unfinished, dpi=120)
    return Path(path)


def draw_recent(axes: Any, rows: Sequence[dict[str, Any]]) -> None:
    """Draws the mean return of training episodes that ended in the last 10,000 env steps."""
    recent = [(position(row), row["recent_return"]) for row in rows if _has(row, "recent_return")]
    if recent:
        draw_line(axes, *zip(*recent, strict=True), color=LIGHT, linewidth=1, label=RECENT)


def evaluated(
    rows: Sequence[dict[str, Any]], column: str = "evaluation_return"
) -> list[tuple[float, float]]:
    """Env steps and mean return of each evaluation; of one beside the run, those of its params."""
    return [
        (row.get("evaluation_env_steps", position(row)), row[column])
        for row in rows
        if _has(row, column)
    ]


def draw_successes(axes: Any, rows: Sequence[dict[str, Any]], colour: str) -> None:
    """Draws the success rates of the last 100 episodes, and those of evaluations.

    Args:
        axes: of matplotlib.
        rows: metrics.
        colour: of evaluations.
    """
    trained = [(position(row), row["success_rate"]) for row in rows if _has(row, "success_rate")]
    if trained:
        draw_line(axes, *zip(*trained, strict=True), color=BLUE)
    if tested := evaluated(rows, "evaluation_success_rate"):
        axes.plot(*zip(*tested, strict=True), "o", color=colour)
    axes.set_ylim(-0.02, 1.02)
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:.0%}")


def draw_line(axes: Any, x: Sequence[float], y: Sequence[float], **style: Any) -> None:
    """Draws a line; a single point as a dot, as a line of no length is not seen.

    Args:
        axes: of matplotlib.
        x: of the points.
        y: of the points.
        **style: of the line.
    """
    axes.plot(x, y, marker="o" if len(set(x)) == 1 else None, **style)


def draw_interval(
    axes: Any,
    curves: Sequence[tuple],
    label: str,
    colour: str,
    within: tuple[float, float] = ANYTHING,
) -> tuple[np.ndarray, np.ndarray]:
    """Draws the interquartile mean of curves with its 95 % interval, where all of them have values.

    Curves that have no x in common are drawn as they are.

    Args:
        axes: of matplotlib.
        curves: pairs of x and y, of growing x.
        label: in the legend.
        colour: of line and band.
        within: the least and the largest value that is possible.

    Returns:
        The points of the mean, x and y; those of the last curve if there is no mean.
    """
    if not have_common_x(curves):
        *others, (steps, values) = sorted(curves, key=lambda curve: curve[0][-1])
        for x, y in others:
            draw_line(axes, x, y, color=colour)
        draw_line(axes, steps, values, color=colour, label=label)
        return np.asarray(steps, float), np.asarray(values, float)
    steps, values = on_one_grid(curves)
    mean, low, high = interval(values, within)
    draw_line(axes, steps, mean, color=colour, label=label)
    if len(curves) > 1:
        axes.fill_between(steps, low, high, color=colour, alpha=0.15, linewidth=0)
    return steps, mean


def have_common_x(curves: Sequence[tuple]) -> bool:
    """Tests whether there is an x at which all curves, of growing x, have values."""
    return max(x[0] for x, _ in curves) <= min(x[-1] for x, _ in curves)


def on_one_grid(curves: Sequence[tuple]) -> tuple[np.ndarray, np.ndarray]:
    """Interpolates curves at the same points: x [POINTS] and y [curves, POINTS], where all have values."""
    start, end = max(x[0] for x, _ in curves), min(x[-1] for x, _ in curves)
    grid = np.asarray(curves[0][0], float) if len(curves) == 1 else np.linspace(start, end, POINTS)
    return grid, np.array([np.interp(grid, x, y) for x, y in curves])


def _curve(rows: Sequence[dict[str, Any]]) -> tuple[list[float], list[float]]:
    pairs = [
        (row["env_steps"], row["episode_return"]) for row in rows if _has(row, "episode_return")
    ]
    return [x for x, _ in pairs], [y for _, y in pairs]


def _has(row, key) -> bool:
    return row.get(key) is not None
