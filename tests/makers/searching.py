"""Searches whose trials train nothing: their scores are formulas."""

from collections.abc import Callable
from pathlib import Path

from nappo2.runs.interrupts import Signals
from nappo2.search import Budget, Result, log_uniform, median, uniform
from nappo2.search._search import books
from nappo2.search.driving import one_by_one
from nappo2.search.jobs import Job, Rung

SPACE = {"x": uniform(-1.0, 1.0), "rate": log_uniform(1e-3, 1.0)}
BUDGET = Budget(trials=12, total_steps=100, seeds=3, rungs=4)


def parabola(job: Job, interrupted: Callable[[], bool]):
    """Scores that rise with the steps to 100 (1 - x^2), of seeds that differ by 1."""
    for env_steps in job.budget.steps[job.rungs :]:
        scores = {
            number: tuple(env_steps * (1 - values["x"] ** 2) + i for i in (-1, 0, 1))
            for number, values in zip(job.numbers, job.values, strict=True)
        }
        if not (yield Rung(env_steps, scores)):
            return


def searched(
    folder: Path, training=parabola, budget=BUDGET, size=1, pruning=median, seed=0
) -> tuple[Result, ...]:
    """The trials of a search in this process."""
    card = {"seed": seed, "group": size, "pruning": pruning.__name__}
    with books(folder, SPACE, budget, card, pruning) as board:
        one_by_one(training, board, Signals(), lambda: None)
        return board.results()
