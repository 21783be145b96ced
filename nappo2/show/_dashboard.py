"""One picture of a run: what it learns, what it costs, and where its time goes."""

from collections.abc import Sequence
from itertools import cycle
from typing import Any

from nappo2.runs.curve import literal, mark_events
from nappo2.runs.metrics import Row
from nappo2.show.pictures import COLOURS, drawn, new_figure, thousands, tidy
from nappo2.show.runs import column

BLUE, ORANGE, GREEN = COLOURS[:3]
RECENT = 50  # rows, of which it is said where the time went


def dashboard(learner: Any) -> bytes:
    """A PNG of the return with its spread, losses, lags, speed, and seconds by stage."""
    figure = new_figure((9.5, 4.6), layout=None)  # to lay out anew takes longer than to draw
    axes = figure.subplot_mosaic(
        [["return", "loss", "time"], ["return", "lag", "speed"]],
        width_ratios=(2, 1, 1),
        gridspec_kw={
            **{"left": 0.05, "right": 0.985, "bottom": 0.06, "top": 0.94},
            **{"wspace": 0.42, "hspace": 0.28},
        },
    )
    rows = learner.metrics
    returns(axes["return"], rows)
    curves(axes["loss"], rows, [n for n in names(rows) if n.endswith("loss")], "losses")
    curves(axes["lag"], rows, [n for n in names(rows) if n.endswith("lag")], "lag (updates)")
    curves(axes["speed"], rows, ["steps_per_second"], "env steps/s")
    seconds(axes["time"], rows[-RECENT:])
    return drawn(figure).png


def names(rows: Sequence[Row]) -> list[str]:
    """The columns of numbers that any of the rows has."""
    found = (name for row in rows[-RECENT:] for name in row if name != "event")
    return list(dict.fromkeys(found))


def returns(axes: Any, rows: Sequence[Row]) -> None:
    """The mean return of the last episodes, their spread, and evaluations."""
    steps, means = column(rows, "env_steps", "episode_return")
    axes.plot(steps, means, color=BLUE, label="mean of the last 100 episodes")
    spread = column(rows, "env_steps", "episode_return_std")[1]
    if len(spread) == len(means):
        low, high = ([m + sign * s for m, s in zip(means, spread, strict=True)] for sign in (-1, 1))
        said = "one standard deviation of these"
        axes.fill_between(steps, low, high, color=BLUE, alpha=0.15, linewidth=0, label=said)
    tested = column(rows, "env_steps", "evaluation_return")
    if tested[0]:
        axes.plot(*tested, "o", color=ORANGE, label="evaluation")
    mark_events(axes, rows)
    tidy(axes, "episode return by env steps")
    thousands(axes)
    say_if_empty(axes)
    if steps:
        axes.legend(frameon=False, fontsize=8, loc="best")


def curves(axes: Any, rows: Sequence[Row], wanted: Sequence[str], title: str) -> None:
    """Some columns in one picture."""
    for name, colour in zip(wanted, cycle(COLOURS), strict=False):
        label = literal(name.removesuffix("_loss").removesuffix("_lag"))
        axes.plot(*column(rows, "env_steps", name), color=colour, linewidth=1.2, label=label)
    tidy(axes, title)
    thousands(axes)
    say_if_empty(axes)
    if len(wanted) > 1:
        axes.legend(frameon=False, fontsize=7, loc="best")


def say_if_empty(axes: Any) -> None:
    """Says so where there are no curves, instead of ticks from 0 to 1."""
    if not any(len(line.get_xdata()) for line in axes.lines if line.get_zorder()):
        axes.set(xticks=[], yticks=[])
        axes.text(0.5, 0.5, "nothing yet", ha="center", transform=axes.transAxes, fontsize=8)


def seconds(axes: Any, rows: Sequence[Row]) -> None:
    """Where the time goes, by stage, as the reports of these rows say."""
    spent = {
        name.removesuffix("_seconds"): sum(column(rows, "env_steps", name)[1])
        for name in names(rows)
        if name.endswith("_seconds")
    }
    if "collect" in spent and "simulator" in spent:
        spent["collect"] -= spent["simulator"]
    most = sorted(spent, key=spent.get, reverse=True)[:6]
    total = sum(spent.values()) or 1.0
    axes.barh(range(len(most)), [spent[name] / total for name in most], color=GREEN, height=0.65)
    axes.set_yticks(range(len(most)), [literal(name.replace("_", " ")) for name in most])
    axes.invert_yaxis()
    tidy(axes, "where the time goes")
    axes.tick_params(axis="y", labelsize=7)
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:.0%}")
