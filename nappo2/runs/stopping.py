"""When a run ends before its target: values that are asked after each row of metrics.

``until(...)`` makes one of thresholds, of patience, of time, and of functions of a row. Each begins
anew with each loop.
"""

import math
import operator
import re
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, NamedTuple

from nappo2.checks import checked, suggestion
from nappo2.runs.metrics import Row, number_in

__all__ = ["Until", "until"]

COMPARISONS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
DEFAULT_COLUMN = "episode_return"


class Until(NamedTuple):
    """Decides after each row whether a run ends: a pair of functions.

    Attributes:
        init: ``() -> state``, at the beginning of a loop.
        step: ``(state, row) -> (state, reason)``; the run goes on while the reason is empty.
        columns: that are read, of which at least one row should have a value.
    """

    init: Callable[[], Any]
    step: Callable[[Any, Row], tuple[Any, str]]
    columns: tuple[str, ...] = ()


@checked
def until(
    *others: Callable[[Row], Any] | Until,
    patience: int | None = None,
    seconds: float | None = None,
    **columns: Any,
) -> Until:
    """Ends a run as soon as one of the conditions holds.

    ``until(episode_return=475)`` ends it with the first row whose ``episode_return`` is at least 475.

    Args:
        *others: functions of a row, whose result is true or a text when the run ends; or what
            ``until`` returns.
        patience: rows without a better value of the first of ``columns`` after which the run ends;
            of ``episode_return`` if there is none. Only rows that have a value are counted, so that of
            ``evaluation_return`` these are evaluations. A column that has no threshold but this one is
            given as ``evaluation_return=math.inf``.
        seconds: of wall time after which the run ends, from the beginning of the loop.
        **columns: numbers that are to be reached, by the name of a column of metrics; or a comparison
            and a number, such as ``loss=("<", 0.1)``.

    Returns:
        The conditions, for ``Learner(until=...)``.

    Raises:
        ValueError: if there is no condition, or a threshold is none.

    Example:
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> learner = Learner(scheme("3cs", recipe), recipe.init(0), until=until(updates=50), progress=False)
        >>> learner.run().stopped
        'updates 60 >= 50'
    """
    parts = [other if isinstance(other, Until) else holds(other) for other in others]
    thresholds = {name: _threshold(name, x) for name, x in columns.items()}
    parts += [reaches(name, *threshold) for name, threshold in thresholds.items()]
    if patience is not None:
        name, (sign, _) = next(iter(thresholds.items()), (DEFAULT_COLUMN, (">=", 0.0)))
        parts.append(stalls(name, sign, patience))
    if seconds is not None:
        parts.append(lasts(seconds))
    if not parts:
        raise ValueError("until(...) has no condition, such as episode_return=475 or seconds=600")
    return any_of(parts)


def _threshold(name: str, value: Any) -> tuple[str, float]:
    sign, number = value if isinstance(value, tuple) and len(value) == 2 else (">=", value)
    is_number = isinstance(number, (int, float)) and not isinstance(number, bool)
    if sign not in COMPARISONS or not is_number or math.isnan(number):
        raise ValueError(
            f"{name} is a number to be reached, or a comparison and a number, such as "
            f"('<', 0.1), not {value!r}"
        )
    return sign, float(number)


def reaches(column: str, sign: str, number: float) -> Until:
    """Ends a run with the first row whose value of a column compares so to a number.

    Args:
        column: of metrics.
        sign: one of >=, <=, > and <.
        number: with which values are compared.

    Returns:
        The condition.
    """

    def step(state, row):
        value = number_in(row, column)
        holds = value is not None and COMPARISONS[sign](value, number)
        return state, f"{column} {value:g} {sign} {number:g}" if holds else ""

    return Until(lambda: (), step, (column,))


class Patience(NamedTuple):
    """The best value so far, and the number of rows since then; None before the first."""

    best: float | None
    num_rows: int


def stalls(column: str, sign: str, patience: int) -> Until:
    """Ends a run after so many rows without a better value of a column.

    Args:
        column: of metrics; rows without a value of it are not counted.
        sign: < or <= if smaller values are better.
        patience: the number of rows.

    Returns:
        The condition.
    """
    better = operator.lt if sign in ("<", "<=") else operator.gt

    def step(state, row):
        value = number_in(row, column)
        if value is None:
            return state, ""
        if state.best is None or state.best != state.best or better(value, state.best):
            return Patience(value, 0), ""
        state = state._replace(num_rows=state.num_rows + 1)
        reason = f"no better {column} than {state.best:g} in {patience} rows"
        return state, reason if state.num_rows >= patience else ""

    return Until(lambda: Patience(None, 0), step, (column,))


def lasts(seconds: float) -> Until:
    """Ends a run after ``seconds`` of wall time, when the step then ends that has begun."""

    def step(start, row):
        return start, f"{seconds:g} seconds are over" if monotonic() - start >= seconds else ""

    return Until(monotonic, step)


def holds(condition: Callable[[Row], Any]) -> Until:
    """Ends a run with the first row of which a function is true; a text that it returns is the reason."""

    def step(state, row):
        result = condition(row)
        name = getattr(condition, "__name__", "a condition")
        return state, result if isinstance(result, str) else f"{name} holds" if result else ""

    return Until(lambda: (), step)


def any_of(parts: Sequence[Until]) -> Until:
    """Ends a run as soon as one of ``parts`` does, for their reasons."""

    def step(states, row):
        pairs = [part.step(state, row) for part, state in zip(parts, states, strict=True)]
        states, reasons = zip(*pairs, strict=True) if pairs else ((), ())
        return states, "; ".join(filter(None, reasons))

    columns = dict.fromkeys(name for part in parts for name in part.columns)
    return Until(lambda: tuple(part.init() for part in parts), step, tuple(columns))


def never_seen(until: Until, rows: Sequence[Row]) -> list[str]:
    """A sentence for each column of which no row had a number, so that it could not end the run."""
    missing = [name for name in until.columns if not any(name in row for row in rows)]
    known = list(rows[-1]) if rows else []
    return [
        f"no row had {name!r}, so that it could not end the run; there are {suggestion(name, known)}"
        for name in missing
    ]


def threshold_of(text: str) -> tuple[str, tuple[str, float]]:
    """Reads a threshold as one writes it: ``episode_return=475``, ``loss<0.1``.

    Returns:
        The column, and a comparison with a number; ``=`` is at least.

    Raises:
        ValueError: if it is none.
    """
    match = re.fullmatch(r"\s*(\w+)\s*(>=|<=|=|<|>)\s*(\S+)\s*", text)
    try:
        column, sign, number = match.groups()
        return column, (">=" if sign == "=" else sign, float(number))
    except (AttributeError, ValueError):
        raise ValueError(
            f"a threshold is such as episode_return=475 or loss<0.1, not {text!r}"
        ) from None
