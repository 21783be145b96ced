"""Runs over a setting in which they differ: last values by learning rate, say, instead of curves by step."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from nappo2.runs.events import literal
from nappo2.runs.intervals import interval
from nappo2.runs.limits import limits_of
from nappo2.runs.metrics import number_in
from nappo2.show.runs import Runs, group_by, members_of, settings_of

POSITIONS = ("env_steps", "updates", "seconds", "recorded_updates")
"""Columns that grow over a run, which are no settings of it."""


class Sweep(NamedTuple):
    """Groups of runs over the values of a setting.

    Attributes:
        texts: the values, in the order of the axis.
        groups: by name, the runs of each value.
    """

    texts: list[str]
    groups: dict[str, dict[str, list[Any]]]

    @property
    def places(self) -> list[float]:
        """Places of the values on the axis: numbers at their own, other texts one after the other."""
        return numbers_of(self.texts) or [float(i) for i in range(len(self.texts))]


def sweep_of(runs: Runs, name: str) -> Sweep | None:
    """The runs by a setting, such as ``learning_rate``; None if it is a column that grows, or no setting.

    Other settings tell groups apart, unless they follow from this one: sizes of weights follow from
    ``hidden``.
    """
    named = runs if isinstance(runs, Mapping) else {"": runs}
    flat = {group: members_of(each) for group, each in named.items()}
    settings = {group: [settings_of(run) for run in each] for group, each in flat.items()}
    values = {group: [value_of(each, name) for each in some] for group, some in settings.items()}
    if name in POSITIONS or any(x is None for some in values.values() for x in some):
        return None
    found: dict[str, dict[str, list[Any]]] = {}
    for group, each in flat.items():
        for other, some in by_others(each, settings[group], values[group]).items():
            found[group or other] = _by_value(some, name)
    return Sweep(ordered({text for some in values.values() for text in some}), found)


def value_of(settings: Mapping[str, str], name: str) -> str | None:
    """A setting by its last name: ``learning_rate`` of ``config.learning_rate``; None if there is none."""
    keys = [key for key in settings if key == name or key.endswith(f".{name}")]
    return settings[min(keys, key=len)] if keys else None


def by_others(
    runs: Sequence[Any], settings: Sequence[Mapping[str, str]], values: Sequence[str]
) -> dict[str, list[Any]]:
    """Groups runs by the settings that differ among runs of the same value.

    Args:
        runs: to be grouped.
        settings: of each run.
        values: of the setting on the axis, of each run.

    Returns:
        The runs of each group by its name.
    """
    pairs = list(zip(values, settings, strict=True))
    keys = dict.fromkeys(key for each in settings for key in each)
    apart = [key for key in keys if _differs(key, pairs)]
    return group_by(apart, runs, settings)


def _differs(key: str, pairs: Sequence[tuple[str, Mapping[str, str]]]) -> bool:
    """Tests whether a setting differs among runs of the same value."""
    texts: dict[str, set] = {}
    for value, settings in pairs:
        texts.setdefault(value, set()).add(settings.get(key))
    return any(len(each) > 1 for each in texts.values())


def _by_value(runs: Sequence[Any], name: str) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for run in runs:
        found.setdefault(str(value_of(settings_of(run), name)), []).append(run)
    return found


def numbers_of(texts: Sequence[str]) -> list[float] | None:
    """Texts as numbers; None if one of them is none."""
    try:
        return [float(text) for text in texts]
    except ValueError:
        return None


def ordered(texts: set[str]) -> list[str]:
    """Texts from the smallest number to the largest, or by the alphabet if one is no number."""
    return sorted(texts, key=None if numbers_of(sorted(texts)) is None else float)


def draw_sweep(
    axes: Any, sweep: Sweep, group: str, y: str, colour: str
) -> tuple[float, float] | None:
    """Draws the last values of a group by the setting, each with its interval.

    Args:
        axes: of matplotlib.
        sweep: whose group is drawn.
        group: its name.
        y: the column whose last values are drawn.
        colour: of line and band.

    Returns:
        The last point; None if no run has the column.
    """
    by_value = sweep.groups[group]
    runs = [run.metrics for some in by_value.values() for run in some]
    points = []
    for place, text in zip(sweep.places, sweep.texts, strict=True):
        scores = [x for run in by_value.get(text, []) if (x := last_of(run.metrics, y)) is not None]
        if scores:
            points.append((place, *interval_of(scores, limits_of(y, runs))))
    if not points:
        return None
    x, mean, low, high = zip(*points, strict=True)
    axes.plot(x, mean, "o-", color=colour, markersize=4, label=literal(group))
    axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    return float(x[-1]), float(mean[-1])


def interval_of(scores: Sequence[float], within: tuple[float, float]) -> tuple[float, float, float]:
    """The interquartile mean of a score per run, and the ends of its interval."""
    return tuple(float(x[0]) for x in interval(np.array(scores, float)[:, None], within))


def last_of(rows: Sequence[Mapping[str, Any]], y: str) -> float | None:
    """The last value of a column; None if there is none."""
    return next((x for row in reversed(rows) if (x := number_in(row, y)) is not None), None)


def style_sweep(axes: Any, sweep: Sweep) -> None:
    """Marks the values of a sweep on the x axis, which is logarithmic where they span tenfold or more."""
    places = sweep.places
    if numbers_of(sweep.texts) and min(places) > 0 and max(places) >= 10 * min(places):
        axes.set_xscale("log")
    axes.set_xticks(places, sweep.texts)
    axes.minorticks_off()
