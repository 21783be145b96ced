"""The rows of each member of a population, from the rows of all."""

import re
from collections import deque
from collections.abc import Sequence

from nappo2.runs.metrics import Metrics, Row

RECENT = 20  # rollouts
STEPS = ("env_steps", "evaluation_env_steps")  # columns that count those of all members


def member_rows(rows: Sequence[Row]) -> list[Metrics]:
    """The rows of each member; none if these rows are of a single run.

    Rows have ``env_steps`` of the member alone, and as ``episode_return`` the mean over the last
    RECENT rollouts in which one of the member's episodes ended.
    """
    names = {key for row in rows for key in row if re.fullmatch(r"episode_return_\d+", key)}
    return [_rows_of(rows, i, len(names)) for i in range(len(names))]


def rows_per_member(rows: Sequence[Row]) -> Sequence[Row]:
    """The rows of a run, of a population with the ``env_steps`` of one member."""
    num = len(member_rows(rows))
    return [row | {k: row[k] / num for k in STEPS if k in row} for row in rows] if num else rows


def _rows_of(rows: Sequence[Row], i: int, num_members: int) -> Metrics:
    recent: deque[float] = deque(maxlen=RECENT)
    metrics = Metrics()
    for row in rows:
        numbers = {"event": row["event"]} if row.get("event") else {}
        if (score := row.get(f"episode_return_{i}")) is not None:
            recent.append(score)
            numbers["episode_return"] = sum(recent) / len(recent)
        if numbers:
            metrics.append({"env_steps": row["env_steps"] / num_members} | numbers)
    return metrics
