"""The picture of a run that ``live`` shows: returns, losses, what one watches, speed, and where time goes."""

from collections.abc import Sequence
from itertools import cycle
from typing import Any

from nappo2.runs.curve import (
    INTERVAL,
    LAST_100,
    draw_interval,
    draw_line,
    draw_recent,
    draw_successes,
    evaluated,
    have_common_x,
)
from nappo2.runs.events import events_of, literal, mark_events
from nappo2.runs.interrupts import interrupt_text
from nappo2.runs.limits import LARGEST, LEAST, limits_of
from nappo2.runs.members import member_rows, num_members_of, rows_per_member
from nappo2.runs.metrics import RECORDED, Row, position, unit_of
from nappo2.show.pictures import COLOURS, as_picture, format_thousands, new_figure, style_axes
from nappo2.show.runs import columns

BLUE, ORANGE, GREEN = COLOURS[:3]
RECENT = 50  # rows over which seconds are summed
STRIP = 0.62  # of the room of a strip is its curve, the rest its title
WATCHED = (
    *(("approx_kl",), ("clip_fraction",), ("entropy",), ("explained_variance",)),
    *(("value", "value_target"), ("alpha",), ("grad_norm",)),
    *(("collection_lag",), ("gradient_lag",), ("steps_per_second",)),
)
"""Columns that tell how a recipe is doing besides returns and losses; those in one group are compared."""
TITLES = {"approx_kl": "KL", "value_target": "target", "steps_per_second": "env steps/s"}


def dashboard(learner: Any) -> bytes:
    """Draws a Learner as a PNG: return and spread, success rates if there are any, losses, the time that
    stages take, and what one watches its recipe by.
    """
    num_members = num_members_of(getattr(learner, "params", None))
    rows, unit = by_position(learner.metrics), unit_of(learner.metrics)
    has_rates = any("success_rate" in row for row in rows[-RECENT:])
    text = state_of(learner)
    figure = new_figure((9.5, 4.6), layout=None)  # to lay out anew takes longer than to draw
    axes = figure.subplot_mosaic(
        [["return", "loss", "watched"], ["success" if has_rates else "return", "time", "watched"]],
        width_ratios=(2, 1.1, 1),
        gridspec_kw={
            **{"left": 0.06, "right": 0.985, "bottom": 0.12, "top": 0.86 if text else 0.94},
            **{"wspace": 0.4, "hspace": 0.28},
        },
    )
    draw_returns(axes["return"], rows, num_members, unit)
    draw_legend(figure, axes["return"])
    if has_rates:
        draw_rates(axes["success"], rows_per_member(rows, num_members), unit)
    draw_columns(
        axes["loss"], rows, [n for n in column_names(rows) if n.endswith("loss")], "losses"
    )
    draw_watched(axes["watched"], rows)
    draw_seconds(axes["time"], rows[-RECENT:])
    if text:
        write_state(figure, text)
    return as_picture(figure).png


def draw_legend(figure: Any, axes: Any) -> None:
    """Writes a legend below all axes, where its markers cannot be mistaken for data."""
    handles, labels = axes.get_legend_handles_labels()
    place = {"loc": "lower left", "bbox_to_anchor": (0.05, 0.0), "ncols": 4}
    figure.legend(handles, labels, frameon=False, fontsize=8, columnspacing=1.2, **place)


def state_of(learner: Any) -> str:
    """Why a Learner does not run, as long as it does not: an interrupt, or what ``until`` waited for."""
    if getattr(learner, "interrupted", 0):
        return interrupt_text(learner.interrupted, learner.env_steps)
    stopped = getattr(learner, "stopped", "")
    return f"stopped: {stopped}" if stopped else ""


def write_state(figure: Any, text: str) -> None:
    """Writes why a run has stopped above its curves, where nobody overlooks it."""
    style = {"facecolor": ORANGE, "edgecolor": "none", "boxstyle": "round,pad=0.35"}
    figure.text(
        0.985, 0.995, literal(text), ha="right", va="top", color="white", fontsize=9, bbox=style
    )


def column_names(rows: Sequence[Row]) -> list[str]:
    """The columns of numbers in any of the latest rows."""
    names = (name for row in rows[-RECENT:] for name in row if name != "event")
    return list(dict.fromkeys(names))


def draw_returns(
    axes: Any, rows: Sequence[Row], num_members: int | None = None, unit: str = "env steps"
) -> None:
    """Draws the mean return of the last episodes with its spread, or of members, and evaluations.

    Args:
        axes: of matplotlib.
        rows: of metrics.
        num_members: of a population; None for as many as the rows tell of.
        unit: of the x axis.
    """
    each_member = member_rows(rows, num_members)
    curves = [columns(each, "env_steps", "episode_return") for each in each_member]
    rows = rows_per_member(rows, num_members)
    if len(curves) > 1 and all(len(x) > 1 for x, _ in curves) and have_common_x(curves):
        within = limits_of("episode_return", [rows])
        draw_interval(axes, curves, f"{len(curves)} members: {INTERVAL}", BLUE, within)
    else:
        draw_spread(axes, rows)
    if evaluations := evaluated(rows):
        axes.plot(*zip(*evaluations, strict=True), "o", color=ORANGE, label="evaluation")
    mark_events(axes, events_of(rows))
    style_axes(axes, f"episode return by {unit}")
    format_thousands(axes)
    mark_if_empty(axes)


def draw_rates(axes: Any, rows: Sequence[Row], unit: str = "env steps") -> None:
    """Draws the success rates of the last episodes, and of evaluations.

    Args:
        axes: of matplotlib.
        rows: of metrics.
        unit: of the x axis.
    """
    draw_successes(axes, rows, ORANGE)
    mark_events(axes, events_of(rows), with_text=False)
    style_axes(axes, f"success rate by {unit}")
    format_thousands(axes)


def by_position(rows: Sequence[Row]) -> list[Row]:
    """Rows whose ``env_steps`` are how far the run was: updates from recorded data count, too."""
    return [
        {name: x for name, x in row.items() if name != RECORDED} | {"env_steps": position(row)}
        for row in rows
    ]


def draw_spread(axes: Any, rows: Sequence[Row]) -> None:
    """Draws the mean return of the last episodes and their standard deviation.

    The band ends where their least and largest returns are, beyond which none of them was.
    """
    steps, means = columns(rows, "env_steps", "episode_return")
    draw_recent(axes, rows)
    draw_line(axes, steps, means, color=BLUE, label=LAST_100)
    spread = columns(rows, "env_steps", "episode_return_std")[1]
    lowest, highest = (columns(rows, "env_steps", name)[1] for name in (LEAST, LARGEST))
    if len(spread) == len(lowest) == len(means):
        low = [max(m - s, x) for m, s, x in zip(means, spread, lowest, strict=True)]
        high = [min(m + s, x) for m, s, x in zip(means, spread, highest, strict=True)]
        label = "one standard deviation, within their range"
        axes.fill_between(steps, low, high, color=BLUE, alpha=0.15, linewidth=0, label=label)


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
        curve = columns(rows, "env_steps", name)
        draw_line(axes, *curve, color=colour, linewidth=1.2, label=label)
    mark_events(axes, events_of(rows), with_text=False)
    style_axes(axes, title)
    format_thousands(axes)
    mark_if_empty(axes)
    if len(names) > 1:
        axes.legend(frameon=False, fontsize=7, loc="best")


def draw_watched(axes: Any, rows: Sequence[Row]) -> None:
    """Draws what one watches a recipe by: strips below each other, each over its own range, with last values.

    Values and their targets are compared, so that they share a strip. Lags that never vary have none.
    """
    strips = [strip for names in WATCHED if (strip := strip_of(names, rows))]
    for place, strip in enumerate(strips):
        everything = [x for _, values in strip.values() for x in values]
        for i, (name, (steps, values)) in enumerate(strip.items()):
            heights = [-place + STRIP * x for x in within_range(values, everything)]
            draw_line(axes, steps, heights, color=(BLUE, ORANGE)[i], linewidth=0.9, markersize=3)
            write_title(axes, -place + STRIP + 0.05, name, values[-1], second=i == 1)
    mark_events(axes, events_of(rows), with_text=False)
    style_axes(axes, "each over its own range")
    axes.set(yticks=[], ylim=(-len(strips) + 0.9, 1.0) if strips else None)
    axes.spines["left"].set_visible(False)
    format_thousands(axes)
    mark_if_empty(axes)


def strip_of(names: Sequence[str], rows: Sequence[Row]) -> dict[str, tuple[list, list]]:
    """The columns of a strip that rows have, by name; a lag only where it varies, no speed of 0."""
    curves = {name: columns(rows, "env_steps", name) for name in names}
    return {
        name: (steps, values)
        for name, (steps, values) in curves.items()
        if values
        and not (name.endswith("_lag") and len(set(values)) == 1)
        and not (name == "steps_per_second" and not any(values))
    }


def write_title(axes: Any, height: float, name: str, last: float, *, second: bool) -> None:
    """Writes the name of a column with its last value above its strip: on the right for the second one.

    Args:
        axes: of matplotlib.
        height: of the text, in the values of the axes.
        name: of the column.
        last: its last value.
        second: whether it is the second column of its strip.
    """
    text = f"{TITLES.get(name, name.replace('_', ' '))} {last:.4g}"
    place, side = (1.0, "right") if second else (0.0, "left")
    colour, transform = ORANGE if second else BLUE, axes.get_yaxis_transform()
    axes.text(place, height, text, color=colour, fontsize=7, ha=side, transform=transform)


def within_range(values: Sequence[float], range_of: Sequence[float] | None = None) -> list[float]:
    """Values on a scale on which the least of ``range_of`` is 0, the largest 1; 0.5 where all are equal."""
    low, high = min(range_of or values), max(range_of or values)
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
