"""What runs came to, compared as rliable does (Agarwal et al., https://arxiv.org/abs/2108.13264)."""

import logging
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from nappo2.checks import checked
from nappo2.runs.curve import literal
from nappo2.show.markup import block, table
from nappo2.show.pictures import COLOURS, Picture, drawn, new_figure, tidy
from nappo2.show.runs import Runs, grouped

REPETITIONS = 2_000  # of the bootstrap


class Comparison(NamedTuple):
    """Interquartile means with 95 % intervals of a stratified bootstrap.

    Attributes:
        names: of the groups, the best first.
        iqm, low, high: of each of them.
        num_runs: in each of them.
        what: was compared.
    """

    names: list[str]
    iqm: list[float]
    low: list[float]
    high: list[float]
    num_runs: list[int]
    what: str

    def rows(self) -> list[tuple[str, str, str, str]]:
        """A line of text for each group."""
        columns = zip(self.names, self.iqm, self.low, self.high, self.num_runs, strict=True)
        return [(n, f"{m:.1f}", f"{lo:.1f} to {hi:.1f}", str(k)) for n, m, lo, hi, k in columns]

    def __repr__(self):
        lines = (f"{n}: {m} ({between}; {k} runs)" for n, m, between, k in self.rows())
        return "\n".join([f"interquartile mean of {self.what}, with 95 % intervals", *lines])

    def picture(self) -> Picture:
        """The intervals, drawn."""
        figure = new_figure((7, 0.8 + 0.42 * len(self.names)))
        axes = figure.add_subplot()
        axes.use_sticky_edges = False  # or the lowest interval would begin at the frame
        for i, colour in zip(range(len(self.names)), COLOURS * len(self.names), strict=False):
            width = self.high[i] - self.low[i]
            axes.barh(i, width, left=self.low[i], height=0.5, color=colour, alpha=0.4)
            axes.vlines(self.iqm[i], i - 0.25, i + 0.25, color=colour, linewidth=2.5)
        said = [literal(f"{n} ({k} runs)") for n, k in zip(self.names, self.num_runs, strict=True)]
        axes.set_yticks(range(len(self.names)), said)
        axes.invert_yaxis()
        tidy(axes, f"{literal(self.what)}: interquartile mean, 95 % interval")
        return drawn(figure, dpi=110)

    def _repr_html_(self):
        head = ("", "IQM", "95 % interval", "runs")
        return block(self.picture().inline(), table(head, self.rows()))


@checked
def compare(
    runs: Runs, y: str = "episode_return", scales: Mapping[str, tuple[float, float]] | None = None
) -> Comparison:
    """The interquartile mean of where runs ended, by group, with 95 % intervals.

    Args:
        runs: as ``plot`` takes them, several seeds of each group.
        y: the column whose last value is compared.
        scales: if there are several environments, the returns that count as 0 and 1 in each.

    Raises:
        ImportError: without rliable; says how to install it.
        ValueError: if a run has no such column, or seeds are missing in an environment.
    """
    library, metrics = _rliable()
    scores = {name: scored(some, y, scales) for name, some in _by_environment(runs).items()}
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of how rliable calls arch
        points, intervals = library.get_interval_estimates(
            scores, lambda x: np.array([metrics.aggregate_iqm(x)]), reps=REPETITIONS,
            random_state=np.random.RandomState(0),
        )  # fmt: skip
    names = sorted(scores, key=lambda name: -points[name][0])
    low, high = ([float(intervals[name][i, 0]) for name in names] for i in (0, 1))
    num_runs = [scores[name].shape[0] for name in names]
    return Comparison(
        names, [float(points[name][0]) for name in names], low, high, num_runs, y.replace("_", " ")
    )


def _by_environment(runs: Runs) -> dict[str, dict[str, list[Any]]]:
    groups: dict[str, dict[str, list[Any]]] = {}
    for name, some in grouped(runs, "env").items():
        for run in some:
            env = getattr(run, "described", {}).get("env", "")
            groups.setdefault(name, {}).setdefault(env, []).append(run)
    return groups


def scored(by_env: Mapping[str, list[Any]], y: str, scales: Mapping | None) -> np.ndarray:
    """Where the runs of a group ended, [runs, environments]."""
    if len(by_env) > 1 and not scales:
        raise ValueError(
            f"returns of {', '.join(by_env)} have scales of their own; scales={{env: (low, high)}} "
            "says which count as 0 and 1"
        )
    columns = [
        [_scaled(_last(run, y), (scales or {}).get(env)) for run in some]
        for env, some in by_env.items()
    ]
    if len({len(x) for x in columns}) > 1:
        raise ValueError("a group has as many runs in each of its environments")
    return np.array(columns).T


def _last(run: Any, y: str) -> float:
    found = [row[y] for row in run.metrics if row.get(y) is not None]
    if not found:
        where = getattr(run, "log_dir", None) or "a run"
        raise ValueError(f"{where} has no {y!r} to compare")
    return found[-1]


def _scaled(value: float, scale: tuple[float, float] | None) -> float:
    return value if scale is None else (value - scale[0]) / (scale[1] - scale[0])


def _rliable():
    try:
        from rliable import library, metrics
    except ImportError as error:
        raise ImportError(
            f"compare needs rliable, which was not found ({error}): pip install 'nappo2[stats]'"
        ) from error
    logging.getLogger("absl").setLevel(logging.WARNING)  # it tells of each algorithm
    return library, metrics
