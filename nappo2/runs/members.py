"""The rows of each member of a population, from the rows of all."""

import re
from collections import deque
from collections.abc import Sequence

from nappo2.params import Params
from nappo2.runs.limits import LARGEST, LEAST
from nappo2.runs.metrics import Metrics, Row
from nappo2.runs.recorder import RECENT_STEPS, drop_early

RECENT = 20  # rollouts
OF_MEMBER = re.compile(r"episode_return_(\d+)")
STEPS = ("env_steps", "evaluation_env_steps")  # columns that count those of all members


def num_members_of(params: Params | None) -> int | None:
    """The number of members whose params these are; None of a single run, or without params."""
    rates = None if params is None else params["hyper", "learning_rate"]
    return len(rates) if rates is not None and rates.ndim else None


def member_rows(rows: Sequence[Row], num_members: int | None = None) -> list[Metrics]:
    """The rows of each member; none if these rows are of a single run, or no episode has ended.

    Rows have ``env_steps`` of the member alone, as ``episode_return`` the mean over the last RECENT
    rollouts in which one of the member's episodes ended, and as ``recent_return`` over those of the
    last 10,000 env steps.

    Args:
        rows: of all members.
        num_members: how many there are; None for as many as rows tell of, which may lack the last ones.

    Returns:
        The rows of each, of those without an episode its events alone.
    """
    names = {key for row in rows for key in row}
    members = [int(match[1]) for name in names if (match := OF_MEMBER.fullmatch(name))]
    num = (num_members or max(members) + 1) if members else 0
    return [_rows_of(rows, i, num) for i in range(num)]


def rows_per_member(rows: Sequence[Row], num_members: int | None = None) -> Sequence[Row]:
    """The rows of a run, of a population with the ``env_steps`` of one member."""
    num = num_members or len(member_rows(rows))
    return [row | {k: row[k] / num for k in STEPS if k in row} for row in rows] if num else rows


def _rows_of(rows: Sequence[Row], i: int, num_members: int) -> Metrics:
    scores: deque[float] = deque(maxlen=RECENT)
    recent: deque[tuple[float, float]] = deque()
    metrics = Metrics()
    for row in rows:
        numbers = {"event": row["event"]} if row.get("event") else {}
        if (score := row.get(f"episode_return_{i}")) is not None:
            steps = row["env_steps"] / num_members
            scores.append(score)
            recent.append((steps, score))
            drop_early(recent, steps - RECENT_STEPS)
            means = {"episode_return": scores, "recent_return": [x for _, x in recent]}
            numbers |= {k: sum(x) / len(x) for k, x in means.items()}
            numbers |= {k: row[k] for k in (LEAST, LARGEST) if k in row}
        if numbers:
            metrics.append({"env_steps": row["env_steps"] / num_members} | numbers)
    return metrics
