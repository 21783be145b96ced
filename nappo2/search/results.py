"""The trials of a search as records, and as rows of a file."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nappo2.runs.intervals import interquartile_mean
from nappo2.search.space import Space


class Result(NamedTuple):
    """A trial of a search.

    Attributes:
        number: counted from 0.
        state: ``complete``, ``pruned``, ``failed`` or ``running``.
        values: by name.
        score: the last interquartile mean over seeds; None if there is none.
        rungs: the interquartile mean over seeds by env steps.
        scores: the last ones of all seeds.
        error: why it failed; empty if it did not.
    """

    number: int
    state: str
    values: dict[str, Any]
    score: float | None
    rungs: dict[int, float]
    scores: tuple[float, ...]
    error: str


STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}


def middle(scores: Sequence[float]) -> float:
    """The interquartile mean over seeds."""
    return float(interquartile_mean(np.asarray(scores)[:, None])[0])


def decoded(space: Space, params: Mapping[str, Any]) -> dict[str, Any]:
    """The values of which Optuna keeps ``params``."""
    keeping = Keeping(params)
    return {name: x.suggest(keeping, name) for name, x in space.items() if name in params}


class Keeping:
    """A trial that suggests what was suggested before."""

    def __init__(self, params: Mapping[str, Any]):
        self.params = params

    def _suggest(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return self.params[name]

    suggest_float = suggest_int = suggest_categorical = _suggest


def result_of(trial: Any, space: Space) -> Result:
    """The record of a trial of Optuna."""
    rungs = dict(sorted(trial.intermediate_values.items()))
    state = STATES.get(trial.state.name, "running")
    score = trial.value if state == "complete" else next(reversed(rungs.values()), None)
    scores = tuple(trial.user_attrs.get("scores", ()))
    error = trial.user_attrs.get("error", "")
    return Result(trial.number, state, decoded(space, trial.params), score, rungs, scores, error)


def write_row(
    folder: Path, number: int, env_steps: int, score: float, scores: Sequence[float]
) -> None:
    """Adds a row to the rows.csv of a job.

    Args:
        folder: of the job.
        number: of the trial.
        env_steps: of each run.
        score: the interquartile mean.
        scores: of each seed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "rows.csv"
    new = not path.exists()
    with open(path, "a", newline="") as file:
        rows = csv.writer(file)
        if new:
            names = [f"score_{i}" for i in range(len(scores))]
            rows.writerow(["trial", "env_steps", "score", *names])
        rows.writerow([number, env_steps, score, *scores])
