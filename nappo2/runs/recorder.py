"""The record of a run: reports of steps are joined to rows of metrics, which are saved with it."""

import math
from collections import deque
from statistics import pstdev
from typing import Any

from nappo2.params import Params
from nappo2.reports import Report, averages, count, join, totals
from nappo2.runs.metrics import Metrics, Row

RECENT_EPISODES = 100  # over which returns and lengths are averaged


class Recorder:
    """Joins reports to rows of metrics, and keeps all rows and counters of a run.

    Attributes:
        env_steps: transitions collected.
        seconds: spent in steps.
        sums: of all reports so far, by name.
        metrics: the rows.
    """

    def __init__(self):
        self.env_steps, self.seconds = 0, 0.0
        self.sums: dict[str, float] = {}
        self.metrics = Metrics()
        self._episodes: deque = deque(maxlen=RECENT_EPISODES)  # (return, length)
        self._reports: list[Report] = []  # since the last row
        self._events: list[str] = []  # likewise
        self._numbers: Row = {}  # likewise

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
        steps = int(report.sums["env_steps"])
        self.env_steps += steps
        if report.episodes:
            columns = (report.episodes[name].tolist() for name in ("return", "length"))
            self._episodes.extend(zip(*columns, strict=True))
        numbers = totals(report)
        for name, x in numbers.items():
            self.sums[name] = self.sums.get(name, 0.0) + x
        numbers = averages(report) | numbers
        rate = steps / numbers.pop("seconds")
        row = {"env_steps": self.env_steps, "updates": int(params["version"])}
        row |= {"seconds": self.seconds, "steps_per_second": rate, **self._returns()}
        row |= {name: value for name, value in numbers.items() if name != "env_steps"}
        hyper = params["hyper"].items()
        row |= {name: float(x) for name, x in hyper if name not in row and x.numel() == 1}
        row |= self._numbers
        self._numbers = {}
        if restarts := int(numbers.get("restarts", 0)):
            self.tell(f"{restarts} workers restarted")
        if self._events:
            row["event"], self._events = "; ".join(self._events), []
        self.metrics.append(row)
        return row

    def _returns(self) -> Row:
        """The means over recent episodes, if any has ended."""
        if not self._episodes:
            return {}
        returns, lengths = zip(*self._episodes, strict=True)
        finite = all(map(math.isfinite, returns))
        return {
            "episode_return": sum(returns) / len(returns),
            "episode_length": sum(lengths) / len(lengths),
            "episode_return_std": pstdev(returns) if finite else math.nan,
        }

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
            "unlogged": self._reports,
        }

    def restore(self, counters: dict[str, Any]) -> None:
        """Replaces the record by ``counters`` that were saved."""
        self.env_steps, self.seconds = counters["env_steps"], counters["seconds"]
        self.sums, self.metrics = counters["sums"], Metrics(counters["metrics"])
        self._episodes = deque(counters["episodes"], RECENT_EPISODES)
        self._reports = counters["unlogged"]
