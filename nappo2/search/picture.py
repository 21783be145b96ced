"""A picture of a search: its course, what mattered, and the scores by what mattered most."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from nappo2.runs.events import literal
from nappo2.search.results import Result
from nappo2.show.pictures import COLOURS, Picture, as_picture, new_figure, style_axes

MOST_BARS = 12
MARKS = {"complete": "o", "pruned": "x", "running": "."}


def picture_of(trials: Sequence[Result], importances: Mapping[str, float]) -> Picture:
    """Draws a search.

    Args:
        trials: in their order.
        importances: of the values, the largest first.

    Returns:
        The picture, of three parts, or of the first alone while nothing is known to matter.
    """
    parts = 3 if importances else 1
    figure = new_figure((4.2 * parts, 3.4))
    axes = figure.subplots(1, parts, squeeze=False)[0]
    draw_course(axes[0], trials)
    if importances:
        draw_importances(axes[1], importances)
        draw_scores(axes[2], trials, next(iter(importances)))
    return as_picture(figure, dpi=110)


def draw_course(axes: Any, trials: Sequence[Result]) -> None:
    """Draws the score of each trial, and the best so far."""
    from matplotlib.ticker import MaxNLocator

    for (state, mark), colour in zip(MARKS.items(), COLOURS, strict=False):
        some = [trial for trial in trials if trial.state == state and trial.score is not None]
        if some:
            numbers, scores = [trial.number for trial in some], [trial.score for trial in some]
            axes.plot(numbers, scores, mark, color=colour, markersize=4, label=state)
    for trial in trials:
        if trial.state == "failed":
            axes.axvline(trial.number, color=COLOURS[5], linewidth=0.6, zorder=0)
    complete = [trial for trial in trials if trial.state == "complete"]
    best = list(accumulate((trial.score for trial in complete), max))
    axes.step([trial.number for trial in complete], best, where="post", color=COLOURS[0])
    axes.set(xlabel="trial", ylabel="score: interquartile mean over seeds")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.legend(frameon=False, fontsize=7)
    style_axes(axes, "the course: scores, the best so far; lines are failed trials")


def draw_importances(axes: Any, importances: Mapping[str, float]) -> None:
    """Draws a bar for each value, the most important on top."""
    names = list(importances)[:MOST_BARS]
    axes.barh(range(len(names)), [importances[name] for name in names], color=COLOURS[0])
    axes.set_yticks(range(len(names)), [literal(name) for name in names])
    axes.invert_yaxis()
    axes.set(xlabel="share")
    style_axes(axes, "what mattered among complete trials (PED-ANOVA)")


def draw_scores(axes: Any, trials: Sequence[Result], name: str) -> None:
    """Draws the scores of complete and pruned trials by one of their values.

    Args:
        axes: of matplotlib.
        trials: of a search.
        name: of the value.
    """
    ended = [x for x in trials if x.state in ("complete", "pruned") and x.score is not None]
    values = [trial.values[name] for trial in ended]
    numbers = all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in values)
    names = [] if numbers else sorted({str(x) for x in values})
    places = values if numbers else [names.index(str(x)) for x in values]
    for state, colour in zip(("complete", "pruned"), COLOURS, strict=False):
        some = [i for i, trial in enumerate(ended) if trial.state == state]
        scores = [ended[i].score for i in some]
        axes.plot([places[i] for i in some], scores, MARKS[state], color=colour, markersize=4)
    if numbers and min(values) > 0 and max(values) > 20 * min(values):
        axes.set_xscale("log")
    if names:
        axes.set_xticks(range(len(names)), [literal(text) for text in names])
    axes.set(xlabel=literal(name.replace("_", " ")))
    style_axes(axes, "scores by what mattered most")
