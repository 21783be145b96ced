"""Compares the last returns of groups of runs by their interquartile means and 95 % intervals."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from nappo2.checks import checked
from nappo2.runs.events import literal
from nappo2.runs.intervals import ANYTHING, interval
from nappo2.runs.limits import limits_of
from nappo2.show.columns import default_y
from nappo2.show.labels import colours_of, counted, in_lines
from nappo2.show.markup import block, table
from nappo2.show.pictures import Picture, as_picture, new_figure, style_axes
from nappo2.show.runs import Runs, environment_of, group_runs, settings_of
from nappo2.show.sweeps import last_of


class Comparison(NamedTuple):
    """Interquartile means with their 95 % intervals.

    Attributes:
        names: of the groups, the best first.
        iqm: the interquartile mean of each group.
        low: the lower ends of the intervals.
        high: the upper ends of the intervals.
        num_runs: in each group.
        label: the compared column, and the environment, if it is one.
    """

    names: list[str]
    iqm: list[float]
    low: list[float]
    high: list[float]
    num_runs: list[int]
    label: str

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Name, mean, interval and number of runs of each group, as texts."""
        columns = zip(self.names, self.iqm, self.low, self.high, self.num_runs, strict=True)
        return [
            (n, number(m), f"{number(lo)} to {number(hi)}" if k > 1 else "one run has none", str(k))
            for n, m, lo, hi, k in columns
        ]

    def __repr__(self):
        lines = (
            f"{n}: {m} ({between}; {k} runs)" if k != "1" else f"{n}: {m} (one run)"
            for n, m, between, k in self.rows()
        )
        return "\n".join([f"interquartile mean of {self.label}, with 95 % intervals", *lines])

    def picture(self) -> Picture:
        """A picture of the intervals."""
        figure = new_figure((7, 0.8 + 0.42 * len(self.names)))
        axes = figure.add_subplot()
        axes.use_sticky_edges = False  # or the lowest interval would begin at the frame
        for i, colour in enumerate(colours_of(self.names)):
            width = self.high[i] - self.low[i]
            axes.barh(i, width, left=self.low[i], height=0.5, color=colour, alpha=0.4)
            axes.vlines(self.iqm[i], i - 0.25, i + 0.25, color=colour, linewidth=2.5)
        labels = [
            literal(in_lines(counted(n, k))) for n, k in zip(self.names, self.num_runs, strict=True)
        ]
        axes.set_yticks(range(len(self.names)), labels)
        axes.invert_yaxis()
        style_axes(axes, f"{literal(self.label)}: interquartile mean, 95 % interval")
        return as_picture(figure, dpi=110)

    def _repr_html_(self):
        head = ("", "IQM", "95 % interval", "runs")
        return block(self.picture().inline(), table(head, self.rows()))


def number(x: float) -> str:
    """A figure as text: returns with one digit, and what is small with three that say something."""
    return f"{x:,.1f}" if abs(x) >= 10 else f"{x:.2f}" if abs(x) >= 1 else f"{x:.3g}"


@checked
def compare(
    runs: Runs, y: str | None = None, scales: Mapping[str, tuple[float, float]] | None = None
) -> Comparison:
    """Compares groups of runs by the interquartile mean of a column's last value, with 95 % intervals.

    Args:
        runs: as ``plot`` takes them, several seeds of each group.
        y: the column whose last value is compared; None for that which ``plot`` draws.
        scales: if there are several environments, the returns that count as 0 and 1 in each.

    Returns:
        The means and intervals, the best group first; NaN, and last, where the value of a run is NaN.

    Raises:
        ValueError: if there is no run, a run has no such column, or seeds are missing in an environment.

    Example:
        >>> def run(rate, seed):
        ...     config = PPO(num_steps=32, num_minibatches=2, hidden=(8,), learning_rate=rate)
        ...     recipe = ppo(envs.cartpole(4), config)
        ...     return Learner(scheme("3cs", recipe), recipe.init(seed), seed, target_steps=512).run()
        >>> found = compare([run(rate, seed) for rate in (1e-4, 1e-3) for seed in range(2)])
        >>> sorted(found.names), found.num_runs
        (['learning_rate 0.0001', 'learning_rate 0.001'], [2, 2])
    """
    groups = _by_environment(runs)
    y = y or default_y(_flat(groups))
    scores = {name: score_table(by_env, y, scales) for name, by_env in groups.items()}
    within = ANYTHING if scales else limits_of(y, [run.metrics for run in _flat(groups)])
    intervals = {name: interval(table[..., None], within) for name, table in scores.items()}
    names = sorted(intervals, key=lambda name: -np.nan_to_num(intervals[name].mean[0], nan=-np.inf))
    env = environment_of(_flat(groups))
    label = f"{y.replace('_', ' ')} in {env}" if env else y.replace("_", " ")
    ends = [[float(x[0]) for x in intervals[name]] for name in names]
    mean, low, high = map(list, zip(*ends, strict=True))
    return Comparison(names, mean, low, high, [len(scores[name]) for name in names], label)


def _flat(groups: Mapping[str, Mapping[str, list[Any]]]) -> list[Any]:
    return [run for by_env in groups.values() for some in by_env.values() for run in some]


def _by_environment(runs: Runs) -> dict[str, dict[str, list[Any]]]:
    groups: dict[str, dict[str, list[Any]]] = {}
    for name, group in group_runs(runs, "env").items():
        for run in group:
            env = settings_of(run).get("env", "")
            groups.setdefault(name, {}).setdefault(env, []).append(run)
    return groups


def score_table(by_env: Mapping[str, list[Any]], y: str, scales: Mapping | None) -> np.ndarray:
    """The last values of a column for the runs of a group.

    Args:
        by_env: the runs by environment.
        y: the column.
        scales: the values that count as 0 and 1 in each environment; None if there is only one.

    Returns:
        Scores [runs, environments] float64.

    Raises:
        ValueError: if scales or runs are missing.
    """
    if len(by_env) > 1 and not scales:
        raise ValueError(
            f"returns of {', '.join(by_env)} have scales of their own; scales={{env: (low, high)}} "
            "says which count as 0 and 1"
        )
    columns = [
        [_scaled(_last(run, y), (scales or {}).get(env)) for run in group]
        for env, group in by_env.items()
    ]
    if len({len(x) for x in columns}) > 1:
        raise ValueError("a group has as many runs in each of its environments")
    return np.array(columns).T


def _last(run: Any, y: str) -> float:
    if (value := last_of(run.metrics, y)) is None:
        where = getattr(run, "log_dir", None) or "a run"
        raise ValueError(f"{where} has no {y!r} to compare")
    return value


def _scaled(value: float, scale: tuple[float, float] | None) -> float:
    return value if scale is None else (value - scale[0]) / (scale[1] - scale[0])
