"""What the stages and workers of a run do with their time, as its rows and spans say; nobody is asked."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from nappo2.pipeline import Stage
from nappo2.reports import Span
from nappo2.runs.metrics import Row

RECENT = 50  # rows
WAITS = 0.1  # share of its time that a cut waits, from which on its slowest worker is waited for


class Activity(NamedTuple):
    """How a pipeline lives; empty of one that has not run.

    Attributes:
        shares: by stage, that of the time of its process which it takes itself; of a cut, which it waits.
        workers: by cut, the share of time in which each worker is in a step, in their order; of workers
            within workers, the means over these.
        lags: by cut, how many updates old its results are; under an empty name of a line without cuts.
        restarts: by cut, how many workers were begun anew.
    """

    shares: Mapping[str, float] = {}
    workers: Mapping[str, Sequence[float]] = {}
    lags: Mapping[str, float] = {}
    restarts: Mapping[str, int] = {}

    def waited_for(self, cut: str) -> int | None:
        """The worker that is in its step for most of the time, if the cut waits; None if it does not."""
        busy = self.workers.get(cut, ())
        if len(busy) < 2 or self.shares.get(cut, 0.0) < WAITS or max(busy) <= 0:
            return None
        return max(range(len(busy)), key=lambda i: busy[i])


def activity_of(learner: Any) -> Activity:
    """What the stages and workers of a Learner did in the last rows of metrics."""
    rows, stages = learner.metrics, learner.pipeline.stages
    if not rows:
        return Activity()
    recorder = getattr(learner, "recorder", None)
    return Activity(
        shares_of(rows, stages),
        workers_of(getattr(recorder, "recent_spans", ()), stages),
        lags_of(rows[-1], stages),
        restarts_of(learner),
    )


def shares_of(rows: Sequence[Row], stages: Sequence[Stage]) -> dict[str, float]:
    """The share of each stage in the time of its process, over the last rows."""
    recent = rows[-RECENT:]
    before = rows[-RECENT - 1]["seconds"] if len(rows) > RECENT else 0.0
    wall = recent[-1]["seconds"] - before
    if wall <= 0:
        return {}
    shares, processes = {}, 1
    for stage in reversed(stages):
        column = f"{stage.name}{'' if stage.cut is None else '_wait'}_seconds"
        if any(column in row for row in recent):
            seconds = sum(row.get(column, 0.0) for row in recent)
            shares[stage.name] = min(1.0, seconds / (wall * processes))
        if stage.cut is not None and stage.cut.remote:
            processes *= stage.cut.num_workers
    return shares


def workers_of(spans: Sequence[Span], stages: Sequence[Stage]) -> dict[str, list[float]]:
    """The share of time that each worker of each cut is in a step, from the spans of its last stage."""
    if not spans:
        return {}
    window = max(x.start + x.seconds for x in spans) - min(x.start for x in spans)
    busy: dict[str, list[float]] = {}
    groups = 1
    for i, stage in reversed(list(enumerate(stages))):
        if stage.cut is None or i == 0:
            continue
        depth = len(busy) + 1
        last = stages[i - 1].name
        totals = [0.0] * stage.cut.num_workers
        for span in spans:
            number = _number(span.worker, depth, stage.name)
            if number is not None and span.name == last and number < len(totals):
                totals[number] += span.seconds
        busy[stage.name] = [min(1.0, x / (groups * window)) if window else 0.0 for x in totals]
        groups *= stage.cut.num_workers
    return busy


def _number(worker: Sequence[str], depth: int, cut: str) -> int | None:
    """The number of a worker of a cut; None of others."""
    if len(worker) != depth:
        return None
    name, _, number = worker[-1].rpartition(" ")
    return int(number) if name == cut and number.isdecimal() else None


def lags_of(row: Row, stages: Sequence[Stage]) -> dict[str, float]:
    """How old the results of each cut are: rollouts, or gradients where workers compute these."""
    cuts = [(i, stage.name) for i, stage in enumerate(stages) if stage.cut is not None]
    lags = {}
    for i, name in cuts or [(0, "")]:
        computes = any(stage.kind == "gradients" for stage in stages[:i])
        lag = row.get("gradient_lag" if computes and len(cuts) > 1 else "collection_lag")
        if lag is not None:
            lags[name] = lag
    return lags


def restarts_of(learner: Any) -> dict[str, int]:
    """How many workers were begun anew: of the last cut as its state says, of others what is left."""
    cuts = [stage.name for stage in learner.pipeline.stages if stage.cut is not None]
    total = int(getattr(learner, "sums", {}).get("restarts", 0))
    if not cuts or not total:
        return {}
    members = getattr(learner.state.get(cuts[-1]), "members", ())
    last = min(total, sum(member.lives for member in members)) if len(cuts) > 1 else total
    restarts = {cuts[-1]: last}
    if len(cuts) > 1:
        restarts[cuts[0]] = total - last
    return {name: num for name, num in restarts.items() if num}
