"""Which columns of metrics are drawn, where nobody says it, and what is said where there are none."""

from collections.abc import Iterable, Sequence
from typing import Any

from nappo2.runs.metrics import RECORDED

TRAINED, TESTED = "episode_return", "evaluation_return"


def default_x(runs: Iterable[Any]) -> str:
    """What runs count: env steps, or the updates of runs that learn from recorded data alone."""
    rows = [row for run in runs for row in run.metrics]
    learns_alone = rows and all(RECORDED in row and not row.get("env_steps") for row in rows)
    return RECORDED if learns_alone else "env_steps"


def default_y(runs: Iterable[Any]) -> str:
    """The returns of training, or those of evaluations where no run has the others."""
    known = column_names(runs)
    return TESTED if TESTED in known and TRAINED not in known else TRAINED


def column_names(runs: Iterable[Any]) -> list[str]:
    """The columns of numbers that any row of any run has, in the order of the alphabet."""
    rows = (row for run in runs for row in run.metrics)
    return sorted({key for row in rows for key, x in row.items() if isinstance(x, (int, float))})


def without_curve(runs: Sequence[Any], x: str, y: str, *, is_setting: bool = False) -> str:
    """A sentence on runs that have no curve of two columns: which one is missing, and what to give.

    Args:
        runs: whose columns they are.
        x: a column, or a setting.
        y: another column.
        is_setting: whether ``x`` is a setting in which the runs differ.

    Returns:
        The sentence.
    """
    known = column_names(runs)
    if not known:
        return "no run has a row of metrics yet, so that there is nothing to draw"
    given = {"y": y} if is_setting else {"y": y, "x": x}
    missing = [(name, value) for name, value in given.items() if value not in known]
    if not missing:
        return f"no row of a run has both {x!r} and {y!r}; give another x or y"
    name, value = missing[0]
    why = ", as no episode has ended" if value == TRAINED else ""
    other = "a setting of theirs, or " * (name == "x")
    return (
        f"no run has {value!r} for {name}{why}; give {name} as {other}one of their columns: "
        f"{', '.join(known)}"
    )
