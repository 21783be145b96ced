"""Dates, fractions, paths and slices as parts of a simulator that is saved: values that never change."""

from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from nappo2.envs.kinds import MISSING, Kind, exactly

MOMENTS = {cls.__name__: cls for cls in (date, datetime, time)}


def _of_parts(cls: type, *names: str) -> Kind:
    """The kind of values that are made of the attributes of these names."""

    def save(x, saving, path):
        return saving.values([getattr(x, name) for name in names], path)

    def load(data, current, loading, path, index):
        return cls(*loading.values(data, MISSING, path))

    return Kind(exactly(cls), save, load)


def _is_moment(x: Any) -> bool:
    """Tests whether a date or time has no zone, or one whose offset is always the same."""
    zone = getattr(x, "tzinfo", None)
    return type(x) in MOMENTS.values() and (zone is None or type(zone) is timezone)


def _save_moment(x: Any, saving: Any, path: str) -> dict[str, str]:
    return {"class": type(x).__name__, "text": x.isoformat()}


def _load_moment(data: dict, current: Any, loading: Any, path: str, index: int) -> Any:
    return MOMENTS[data["class"]].fromisoformat(data["text"])


VALUES: dict[str, Kind] = {
    "plain": Kind(exactly(complex, bytes), lambda x, *_: x, lambda data, *_: data),
    "range": _of_parts(range, "start", "stop", "step"),
    "slice": _of_parts(slice, "start", "stop", "step"),
    "moment": Kind(_is_moment, _save_moment, _load_moment),
    "timedelta": _of_parts(timedelta, "days", "seconds", "microseconds"),
    "fraction": _of_parts(Fraction, "numerator", "denominator"),
    "path": Kind(lambda x: isinstance(x, Path), lambda x, *_: str(x), lambda data, *_: Path(data)),
    "decimal": Kind(exactly(Decimal), lambda x, *_: str(x), lambda data, *_: Decimal(data)),
}
"""Kinds of values by name."""
