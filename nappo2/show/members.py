"""Splits the run of a population into one run per member."""

from pathlib import Path
from typing import Any, NamedTuple

from nappo2.runs.members import member_rows, num_members_of
from nappo2.runs.metrics import Metrics
from nappo2.show.settings import learner_settings


class MemberRun(NamedTuple):
    """The run of one member of a population.

    Attributes:
        metrics: ``env_steps`` of the member alone, and as ``episode_return`` the mean over its latest
            rollouts in which an episode ended.
        description: settings of the population.
        hyper: hyper-parameters in which members differ.
        log_dir: of the population, or None.
    """

    metrics: Metrics
    description: dict[str, Any]
    hyper: dict[str, float]
    log_dir: Path | None


def members(run: Any) -> list[Any]:
    """One run per member of a population; a list of the run itself if it is none."""
    description = getattr(run, "description", None)
    known = (description or {}).get("population", {}).get("num_members")
    each = member_rows(run.metrics, num_members_of(getattr(run, "params", None)) or known)
    if not each:
        return [run]
    description = learner_settings(run) if description is None else description
    hyper = {} if run.params is None else run.params["hyper"].to_dict()
    differs = {key: x.tolist() for key, x in hyper.items() if x.ndim and len(x.unique()) > 1}
    return [
        MemberRun(
            rows,
            description,
            {key: values[i] for key, values in differs.items()},
            getattr(run, "log_dir", None),
        )
        for i, rows in enumerate(each)
    ]
