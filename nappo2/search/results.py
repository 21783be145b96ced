"""The trials of a search as records."""

from collections.abc import Mapping, Sequence
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
