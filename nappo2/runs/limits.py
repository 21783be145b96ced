"""Limits of columns of metrics, beyond which no band of a picture goes."""

from collections.abc import Sequence

from nappo2.runs.intervals import ANYTHING
from nappo2.runs.metrics import Row

SHARES = ("success_rate", "clip_fraction")
RETURNS = ("episode_return", "recent_return", "evaluation_return")
LEAST, LARGEST = "episode_return_min", "episode_return_max"


def limits_of(column: str, runs: Sequence[Sequence[Row]]) -> tuple[float, float]:
    """The least and the largest value of a column that is possible, as far as its runs tell.

    Shares are within 0 and 1. A mean return is within the returns of single episodes of these runs.

    Args:
        column: of the metrics.
        runs: the rows of each run.

    Returns:
        The two ends, infinite where nothing is known.
    """
    if column.endswith(SHARES):
        return 0.0, 1.0
    if column not in RETURNS:
        return ANYTHING
    return _ends([*RETURNS, LEAST, LARGEST], runs) if _has(LARGEST, runs) else ANYTHING


def _has(column: str, runs: Sequence[Sequence[Row]]) -> bool:
    """Tests whether each run has a column, so that none is cut by what others were like."""
    return bool(runs) and all(any(row.get(column) is not None for row in rows) for rows in runs)


def _ends(columns: Sequence[str], runs: Sequence[Sequence[Row]]) -> tuple[float, float]:
    """The least and the largest value of some columns; NaN is none."""
    cells = [row.get(name) for rows in runs for row in rows for name in columns]
    values = [x for x in cells if x is not None and x == x]
    return min(values), max(values)
