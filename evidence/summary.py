"""What the file of an entry comes to: interquartile means over seeds with 95 % intervals, and costs."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np

from nappo2.runs.intervals import ANYTHING, interval

TRAINED = ("episode_return", "recent_return")  # columns of rows


class Mean(NamedTuple):
    """An interquartile mean over runs, and the ends of its 95 % interval."""

    mean: float
    low: float
    high: float
    num: int

    def __str__(self):
        if self.num == 1:
            return number(self.mean)
        return f"{number(self.mean)} ({number(self.low)} to {number(self.high)})"


def mean_of(scores: Sequence[float], within: tuple[float, float] = ANYTHING) -> Mean:
    """The interquartile mean of a score per run, with its interval, which stays within what is possible."""
    mean, low, high = interval(np.array(scores, float)[:, None], within)
    return Mean(float(mean[0]), float(low[0]), float(high[0]), len(scores))


def number(x: float) -> str:
    """A return as text, to about four digits."""
    digits = 0 if abs(x) >= 1000 else 1 if abs(x) >= 10 else 2
    text = f"{x:,.{digits}f}"
    return text.removeprefix("-") if float(text.replace(",", "")) == 0 else text


def greedy(data: Mapping[str, Any], which: str) -> Mean | None:
    """The mean returns of 100 greedy episodes, with the ``last`` or the ``best`` params."""
    if not all(which in run for run in data["runs"]):
        return None
    return mean_of([fmean(run[which]["return"]) for run in data["runs"]], limits(data))


def training(data: Mapping[str, Any]) -> Mean | None:
    """The returns of training episodes at the end."""
    lasts = [last_of(run["rows"].get("recent_return", [])) for run in data["runs"]]
    return None if None in lasts else mean_of(lasts, limits(data))


def limits(data: Mapping[str, Any]) -> tuple[float, float]:
    """The least and the largest return that any episode had, or any mean over episodes."""
    columns = [
        run[which]["return"] for run in data["runs"] for which in ("last", "best") if which in run
    ]
    columns += [run.get("evaluations", {}).get("return", []) for run in data["runs"]]
    columns += [run.get("rows", {}).get(name, []) for run in data["runs"] for name in TRAINED]
    values = [x for column in columns for x in column if x is not None]
    return min(values), max(values)


def successes(data: Mapping[str, Any]) -> Mean | None:
    """The shares of successes among the episodes of the last params, where the environment tells."""
    told = [[x for x in run["last"].get("is_success", []) if x is not None] for run in data["runs"]]
    return mean_of([fmean(x) for x in told], (0.0, 1.0)) if all(told) else None


def last_of(values: Sequence[float | None]) -> float | None:
    """The last value that is there."""
    return next((x for x in reversed(values) if x is not None), None)


def core_hours(data: Mapping[str, Any]) -> float:
    """Of all runs, evaluations included."""
    return sum(run["core_seconds"] for run in data["runs"]) / 3600


def hours(x: float) -> str:
    """Core hours as text."""
    return f"{x:.2f}" if x < 1 else f"{x:.1f}"


def commits(data: Mapping[str, Any]) -> str:
    """The commits that runs were begun with, shortened."""
    cards = [{**data["card"], **run["card"]} for run in data["runs"]]
    found = dict.fromkeys(str(card.get("commit")) for card in cards)
    return ", ".join(text[:10] + ("+" if text.endswith("-dirty") else "") for text in found)


def curves(data: Mapping[str, Any], source: str, y: str, x: str = "env_steps") -> list[tuple]:
    """Pairs of x and y of each run, from its ``rows`` or its ``evaluations``, where both are there."""
    found = []
    for run in data["runs"]:
        columns = run[source]
        pairs = zip(columns.get(x, []), columns.get(y, []), strict=False)
        points = [(a, b) for a, b in pairs if a is not None and b is not None]
        if len(points) > 1:
            found.append(tuple(map(list, zip(*points, strict=True))))
    return found
