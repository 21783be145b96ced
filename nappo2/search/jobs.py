"""What a search hands out: a budget, and jobs, each of one trial or of several that train together."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from nappo2.checks import checked


@checked
@dataclass(frozen=True)
class Budget:
    """How much a search may try.

    Attributes:
        trials: how many combinations of values.
        total_steps: env steps of each run.
        seeds: runs of each trial, whose interquartile mean counts.
        rungs: how often in a run it is evaluated, and may be pruned.
        episodes: of each evaluation.

    Raises:
        ValueError: if a run has fewer steps than rungs.

    Example:
        >>> from nappo2.search import Budget
        >>> Budget(total_steps=9_000, rungs=3).steps
        (3000, 6000, 9000)
    """

    trials: int = 50
    total_steps: int = 20_000
    seeds: int = 2
    rungs: int = 5
    episodes: int = 10

    def __post_init__(self):
        if self.total_steps < self.rungs:
            raise ValueError(f"{self.rungs} rungs need as many steps, not {self.total_steps}")

    @property
    def steps(self) -> tuple[int, ...]:
        """The env steps of a run at each rung."""
        return tuple(self.total_steps * (i + 1) // self.rungs for i in range(self.rungs))


class Job(NamedTuple):
    """Trials that train together.

    Attributes:
        numbers: of the trials, which follow one another.
        values: of each trial, by name.
        rungs: how many of them all trials have behind them.
        folder: for the files of the runs.
        seed: of all runs of the job.
        evaluation_seed: the same for all jobs, so that all play the same episodes.
        budget: of the search.
    """

    numbers: tuple[int, ...]
    values: tuple[Mapping[str, Any], ...]
    rungs: int
    folder: Path
    seed: int
    evaluation_seed: int
    budget: Budget


class Rung(NamedTuple):
    """What the trials of a job have reached.

    Attributes:
        env_steps: of each run.
        scores: of each seed, by the number of the trial; higher ones are better.
        failed: why a trial has no score, by its number.
    """

    env_steps: int
    scores: Mapping[int, tuple[float, ...]]
    failed: Mapping[int, str] = {}


Training: TypeAlias = Callable[[Job, Callable[[], bool]], Generator[Rung, bool, None]]
"""``(job, interrupted) -> rungs``: a generator, which is sent whether to go on after each rung.

It raises ``Interrupted`` soon after ``interrupted()`` is true, and has saved what a later call with
the same job goes on from.
"""
