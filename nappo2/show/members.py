"""Splits the run of a population into one run per member."""

import re
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nappo2.runs.metrics import Metrics, Row
from nappo2.show.settings import learner_settings

RECENT = 20  # rollouts


class MemberRun(NamedTuple):
    """The run of one member of a population.

    Attributes:
        metrics: ``env_steps`` of the member alone, and as ``episode_return`` the mean over the last
            RECENT rollouts in which one of the member's episodes ended.
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
    names = {key for row in run.metrics for key in row if re.fullmatch(r"episode_return_\d+", key)}
    if not names:
        return [run]
    n, description = len(names), getattr(run, "description", None)
    description = learner_settings(run) if description is None else description
    hyper = {} if run.params is None else run.params["hyper"].to_dict()
    differs = {key: x.tolist() for key, x in hyper.items() if x.ndim and len(x.unique()) > 1}
    return [
        MemberRun(
            _rows_of(run.metrics, i, n),
            description,
            {key: values[i] for key, values in differs.items()},
            getattr(run, "log_dir", None),
        )
        for i in range(n)
    ]


def _rows_of(rows: Sequence[Row], i: int, num_members: int) -> Metrics:
    recent: deque[float] = deque(maxlen=RECENT)
    metrics = Metrics()
    for row in rows:
        if (score := row.get(f"episode_return_{i}")) is not None:
            recent.append(score)
            steps = row["env_steps"] / num_members
            metrics.append({"env_steps": steps, "episode_return": sum(recent) / len(recent)})
    return metrics
