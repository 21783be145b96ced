"""The picture of a run that ``live`` shows: returns, losses, lags, speed, and where the time goes."""

from collections.abc import Sequence
from itertools import cycle
from typing import Any

from nappo2.runs.curve import (
    INTERVAL,
    LAST_100,
    draw_interval,
    draw_recent,
    draw_successes,
    evaluated,
)
from nappo2.runs.events import events_of, literal, mark_events
from nappo2.runs.members import member_rows, rows_per_member
from nappo2.runs.metrics import Row
from nappo2.show.pictures import COLOURS, as_picture, format_thousands, new_figure, style_axes
from nappo2.show.runs import columns

BLUE, ORANGE, GREEN = COLOURS[:3]
RECENT = 50  # rows over which seconds are summed
WATCHED = ("approx_kl", "clip_fraction", "entropy", "grad_norm", "value", "alpha")
"""What tells how a recipe is doing besides returns and losses."""


def dashboard(learner: Any) -> bytes:
    """Draws return and spread, success rates if there are any, losses, lags, speed, and seconds by stage
    of a Learner as a PNG; where no lag varies, KL, entropy and other means instead.
    """
    rows = learner.metrics
    has_rates = any("success_rate" in row for row in rows[-RECENT:])
    figure = new_figure((9.5, 4.6), layout=None)  # to lay out anew takes longer than to draw
    axes = figure.subplot_mosaic(
        [["return", "loss", "time"], ["success" if has_rates else "return", "lag", "speed"]],
        width_ratios=(2, 1, 1),
        gridspec_kw={
            **{"left": 0.05, "right": 0.985, "bottom": 0.06, "top": 0.94},
            **{"wspace": 0.42, "hspace": 0.28},
        },
    )
    draw_returns(axes["return"], rows)
    if has_rates:
        draw_rates(axes["success"], rows)
    draw_columns(
        axes["loss"], rows, [n for n in column_names(rows) if n.endswith("loss")], "losses"
    )
    lags = [n for n in column_names(rows) if n.endswith("lag")]
    if any(len(set(columns(rows, "env_steps", name)[1])) > 1 for name in lags):
        draw_columns(axes["lag"], rows, lags, "lag (updates)")
    else:
        draw_watched(axes["lag"], rows)
    draw_columns(axes["speed"], rows, ["steps_per_second"], "env steps/s")
    draw_seconds(axes["time"], rows[-RECENT:])
    return as_picture(figure).png


def column_names(rows: Sequence[Row]) -> list[str]:
    """The columns of numbers in any of the latest rows."""
    names = (name for row in rows[-RECENT:] for name in row if name != "event")
    return list(dict.fromkeys(names))


def draw_returns(axes: Any, rows: Sequence[Row]) -> None:
    """Draws the mean return of the last episodes with its spread, or of members, and evaluations."""
    curves = [columns(each, "env_steps", "episode_return") for each in member_rows(rows)]
    rows = rows_per_member(rows)
    if len(curves) > 1 and all(len(x) > 1 for x, _ in curves):
        steps = curves[0][0]
        draw_interval(axes, curves, f"{len(curves)} members: {INTERVAL}", BLUE)
    else:
        steps = draw_spread(axes, rows)
    if evaluations := evaluated(rows):
        axes.plot(*zip(*evaluations, strict=True), "o", color=ORANGE, label="evaluation")
    mark_events(axes, events_of(rows))
    style_axes(axes, "episode return by env steps")
    format_thousands(axes)
    mark_if_empty(axes)
    if steps:
        axes.legend(frameon=False, fontsize=8, loc="best")


def draw_rates(axes: Any, rows: Sequence[Row]) -> None:
    """Draws the success rates of the last episodes, and of evaluations."""
    draw_successes(axes, rows_per_member(rows), ORANGE)
    mark_events(axes, events_of(rows), with_text=False)
    style_axes(axes, "success rate by env steps")
    format_thousands(axes)


def draw_spread(axes: Any, rows: Sequence[Row]) -> list[float]:
    """Draws the mean return of the last episodes and their standard deviation; returns its env steps."""
    steps, means = columns(rows, "env_steps", "episode_return")
    draw_recent(axes, rows)
    axes.plot(steps, means, color=BLUE, label=LAST_100)
    spread = columns(rows, "env_steps", "episode_return_std")[1]
    if len(spread) == len(means):
        low, high = ([m + sign * s for m, s in zip(means, spread, strict=True)] for sign in (-1, 1))
        label = "one standard deviation of these"
        axes.fill_between(steps, low, high, color=BLUE, alpha=0.15, linewidth=0, label=label)
    return steps


def draw_columns(axes: Any, rows: Sequence[Row], names: Sequence[str], title: str) -> None:
    """Draws columns over environment steps.

    Args:
        axes: of matplotlib.
        rows: of metrics.
        names: of the columns.
        title: of the axes.
    """
    for name, colour in zip(names, cycle(COLOURS), strict=False):
        label = literal(name.removesuffix("_loss").removesuffix("_lag"))
        axes.plot(*columns(rows, "env_steps", name), color=colour, linewidth=1.2, label=label)
    mark_events(axes, events_of(rows), with_text=False)
    style_axes(axes, title)
    format_thousands(axes)
    mark_if_empty(axes)
    if len(names) > 1:
        axes.legend(frameon=False, fontsize=7, loc="best")


def draw_watched(axes: Any, rows: Sequence[Row]) -> None:
    """Draws what one watches a recipe by, each column over its own range, with its last value."""
    for name, colour in zip(WATCHED, COLOURS, strict=False):
        steps, values = columns(rows, "env_steps", name)
        if values:
            label = f"{name.replace('_', ' ')} {values[-1]:.3g}"
            axes.plot(steps, within_range(values), color=colour, linewidth=1.2, label=label)
    style_axes(axes, "each over its own range")
    axes.set_yticks([])
    format_thousands(axes)
    mark_if_empty(axes)
    if axes.lines:
        axes.legend(frameon=False, fontsize=7, loc="best")


def within_range(values: Sequence[float]) -> list[float]:
    """Values on a scale on which the least is 0 and the largest 1; 0.5 where all are equal."""
    low, high = min(values), max(values)
    return [(x - low) / (high - low) if high > low else 0.5 for x in values]


def mark_if_empty(axes: Any) -> None:
    """Writes "nothing yet" into axes without curves, instead of ticks from 0 to 1."""
    if not any(len(line.get_xdata()) for line in axes.lines if line.get_zorder()):
        axes.set(xticks=[], yticks=[])
        axes.text(0.5, 0.5, "nothing yet", ha="center", transform=axes.transAxes, fontsize=8)


def draw_seconds(axes: Any, rows: Sequence[Row]) -> None:
    """Draws the share of each stage in the seconds of some rows."""
    seconds = {
        name.removesuffix("_seconds"): sum(columns(rows, "env_steps", name)[1])
        for name in column_names(rows)
        if name.endswith("_seconds")
    }
    if "collect" in seconds and "simulator" in seconds:
        seconds["collect"] -= seconds["simulator"]
    stages = sorted(seconds, key=seconds.get, reverse=True)[:6]
    total = sum(seconds.values()) or 1.0
    axes.barh(
        range(len(stages)), [seconds[name] / total for name in stages], color=GREEN, height=0.65
    )
    axes.set_yticks(range(len(stages)), [literal(name.replace("_", " ")) for name in stages])
    axes.invert_yaxis()
    style_axes(axes, "where the time goes")
    axes.tick_params(axis="y", labelsize=7)
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:.0%}")
