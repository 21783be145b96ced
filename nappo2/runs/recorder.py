"""The record of a run: reports of steps are joined to rows of metrics, which are saved with it."""

import math
import warnings
from collections import deque
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from nappo2.params import Params
from nappo2.reports import Report, Span, averages, count, episode_column, join, totals
from nappo2.runs.limits import LARGEST, LEAST
from nappo2.runs.metrics import RECORDED, Metrics, Row

RECENT_EPISODES = 100  # over which returns and lengths are averaged, and what is told of episodes
RECENT_SPANS = 2_000
RECENT_STEPS = 10_000  # env steps; returns of episodes that ended in them are averaged, too
Numbers = dict[str, float]  # of an episode: return, length, and what is told of it


class Recorder:
    """Joins reports to rows of metrics, and keeps all rows and counters of a run.

    Attributes:
        env_steps: transitions collected.
        recorded_updates: updates from recorded data.
        seconds: spent in steps.
        sums: of all reports so far, by name.
        metrics: the rows.
        spans: when stages took the steps of the last row.
        recent_spans: the last of all rows.
        columns: of the last row, without those that a user added.
    """

    def __init__(self):
        self.env_steps, self.seconds = 0, 0.0
        self.sums: dict[str, float] = {}
        self.metrics = Metrics()
        self.spans: tuple[Span, ...] = ()
        self.recent_spans: deque[Span] = deque(maxlen=RECENT_SPANS)
        self.columns: frozenset[str] = frozenset()
        self._episodes: deque[Numbers] = deque(maxlen=RECENT_EPISODES)
        self._ended: deque[tuple[int, float]] = deque()  # env steps and return of recent episodes
        self._means: Row | None = None  # over recent episodes; None once these have changed
        self._reports: list[Report] = []  # since the last row
        self._events: list[str] = []  # likewise
        self._numbers: Row = {}  # likewise

    @property
    def recorded_updates(self) -> int:
        """Updates from recorded data, which no env steps count."""
        return int(self.sums.get(RECORDED, 0))

    @property
    def updates_without_row(self) -> int:
        """Updates from recorded data since the last row."""
        return int(sum(report.sums.get(RECORDED, 0) for report in self._reports))

    @property
    def position(self) -> int:
        """How far the run is: env steps, and updates from recorded data."""
        return self.env_steps + self.recorded_updates

    def add(self, report: Report, seconds: float) -> None:
        """Adds the report of a step that took so many seconds."""
        self.seconds += seconds
        self._reports.append(count(report, seconds=seconds))

    def tell(self, *events: str) -> None:
        """Adds events to the next row."""
        self._events += events

    def add_numbers(self, numbers: Row) -> None:
        """Adds columns to the next row."""
        self._numbers |= numbers

    def tell_last(self, event: str) -> None:
        """Adds an event to the last row, once."""
        if not self.metrics:
            return self.tell(event)
        events = [text for text in self.metrics[-1].get("event", "").split("; ") if text]
        if event not in events:
            self.metrics[-1]["event"] = "; ".join([*events, event])

    def row(self, params: Params) -> Row:
        """Adds a row of all reports since the last row, and returns it."""
        report, self._reports = join(self._reports), []
        self.spans = report.spans
        self.recent_spans.extend(self.spans)
        steps = int(report.sums.get("env_steps", 0))
        self.env_steps += steps
        episodes = each_episode(report.episodes)
        self._episodes.extend(episodes)
        self._ended.extend((self.env_steps, episode["return"]) for episode in episodes)
        if drop_early(self._ended, self.env_steps - RECENT_STEPS) or episodes:
            self._means = None
        numbers = totals(report)
        for name, x in numbers.items():
            self.sums[name] = self.sums.get(name, 0.0) + x
        numbers = averages(report) | numbers
        rate = steps / numbers.pop("seconds")
        row = {"env_steps": self.env_steps, "updates": int(params["version"])}
        if self.recorded_updates:
            row[RECORDED] = self.recorded_updates
        if self._means is None:
            self._means = self._returns()
        row |= {"seconds": self.seconds, "steps_per_second": rate, **self._means}
        row |= {
            name: value for name, value in numbers.items() if name not in ("env_steps", RECORDED)
        }
        hyper = params["hyper"].items()
        row |= {name: float(x) for name, x in hyper if name not in row and x.numel() == 1}
        row = self._with_numbers(row)
        if restarts := int(numbers.get("restarts", 0)):
            self.tell("1 worker restarted" if restarts == 1 else f"{restarts} workers restarted")
        if self._events:
            row["event"], self._events = "; ".join(self._events), []
        self.metrics.append(row)
        return row

    def _with_numbers(self, row: Row) -> Row:
        """Adds a user's numbers; warns of those that the row has already, which stay as they are."""
        numbers, self._numbers = self._numbers, {}
        self.columns = frozenset(row)
        for name in self.columns & set(numbers):
            text = f"{name!r} is a column of this run; what was recorded by this name is left out"
            warnings.warn(text, stacklevel=2)
        return row | {name: x for name, x in numbers.items() if name not in row}

    def _returns(self) -> Row:
        """The means over recent episodes, if any has ended."""
        if not self._episodes:
            return {}
        row = {episode_column(name): x for name, x in means_of(self._episodes).items()}
        returns = [episode["return"] for episode in self._episodes]
        recent = sum(x for _, x in self._ended) / len(self._ended)
        ends = {LEAST: min(returns), LARGEST: max(returns)}
        return row | {"episode_return_std": spread(returns), **ends, "recent_return": recent}

    @property
    def best_score(self) -> float:
        """The best mean return of an evaluation so far."""
        scores = [row["evaluation_return"] for row in self.metrics if "evaluation_return" in row]
        scores = [score for score in scores if not math.isnan(score)]
        return max(scores, default=-math.inf)

    def counters(self) -> dict[str, Any]:
        """The record as plain data, to be saved."""
        return {
            "env_steps": self.env_steps,
            "seconds": self.seconds,
            "sums": self.sums,
            "metrics": self.metrics,
            "episodes": list(self._episodes),
            "ended": list(self._ended),
            "unlogged": [report._replace(spans=()) for report in self._reports],
            "events": self._events,
            "numbers": self._numbers,
        }

    def restore(self, counters: dict[str, Any]) -> None:
        """Replaces the record by ``counters`` that were saved."""
        self.env_steps, self.seconds = counters["env_steps"], counters["seconds"]
        self.sums, self.metrics = counters["sums"], Metrics(counters["metrics"])
        self._episodes = deque(counters["episodes"], RECENT_EPISODES)
        self._ended, self._means = deque(counters["ended"]), None
        self._reports, self._events = counters["unlogged"], list(counters["events"])
        self._numbers = dict(counters["numbers"])


def drop_early(ended: deque[tuple[float, float]], since: float) -> bool:
    """Drops the episodes that ended at env step ``since`` or before, but never those that ended last.

    Returns:
        Whether there were any.
    """
    before = len(ended)
    while ended and ended[0][0] <= min(since, ended[-1][0] - 1):
        ended.popleft()
    return len(ended) < before


def each_episode(columns: dict[str, Tensor]) -> list[Numbers]:
    """The numbers of each episode, of columns [N] as a report has them."""
    names = [name for name in columns if name != "member"]
    rows = zip(*(columns[name].tolist() for name in names), strict=True)
    return [dict(zip(names, row, strict=True)) for row in rows]


def means_of(episodes: Sequence[Numbers]) -> Numbers:
    """The mean of each number over the episodes that have it, in the order in which names first come."""
    names = dict.fromkeys(name for episode in episodes for name in episode)
    columns = {name: told_of(episodes, name) for name in names}
    return {name: sum(values) / len(values) for name, values in columns.items() if values}


def told_of(episodes: Sequence[Numbers], name: str) -> list[float]:
    """A number of each episode that has it, where a NaN tells nothing; a return is there, if it is NaN."""
    numbers = [x[name] for x in episodes if name in x]
    return numbers if name == "return" else [x for x in numbers if x == x]


def spread(numbers: Sequence[float]) -> float:
    """The standard deviation of numbers, NaN if one is not finite."""
    if not all(map(math.isfinite, numbers)):
        return math.nan
    mean = sum(numbers) / len(numbers)
    return math.sqrt(sum([(x - mean) * (x - mean) for x in numbers]) / len(numbers))
