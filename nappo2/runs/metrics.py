"""Metrics of a run: a row of numbers per rollout, in memory and in metrics.csv.

Under ``event`` a row has a text on what was changed, or happened, since the row before.
"""

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nappo2.checks import installs
from nappo2.reports import RESERVED

Row = dict[str, Any]
RECORDED = "recorded_updates"
"""The column of updates from recorded data; rows of runs without any have none."""


def counters_of(row: Row) -> Row:
    """The columns of a row by which a logger knows it."""
    return {name: row[name] for name in ("env_steps", RECORDED) if name in row}


def position(row: Row) -> float:
    """How far a run was at a row: env steps, and updates from recorded data."""
    return row["env_steps"] + row.get(RECORDED, 0)


def unit_of(rows: Sequence[Row]) -> str:
    """The unit of a run's progress: updates where it has learnt from recorded data alone, else env steps."""
    return "updates" if rows and not rows[-1]["env_steps"] else "env steps"


class Metrics(list):
    """A list of rows, the oldest first, which a notebook shows as a table."""

    def to_pandas(self):
        """A pandas DataFrame of the rows, with NaN for numbers that a row lacks.

        Raises:
            ImportError: without pandas; says how to install it.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError(f"a DataFrame needs pandas: {installs('stats')}") from error
        return pandas.DataFrame(list(self))


class CsvFile:
    """A file of rows, each written at once.

    It is written again where a row has a new column, where an earlier row could not be written, as on a
    full disk, and where somebody removed the file.
    """

    def __init__(self, path: Path):
        self.path, self.columns, self.written = path, [], 0

    def write(self, rows: list[Row]) -> None:
        """Writes the rows that are not in the file yet."""
        new = [name for name in rows[-1] if name not in self.columns]
        if new or self.written != len(rows) - 1 or not self.path.exists():
            self._rewrite(rows)
        else:
            self.written = -1  # until it is whole
            with open(self.path, "a", newline="") as file:
                csv.DictWriter(file, self.columns).writerow(rows[-1])
        self.written = len(rows)

    def _rewrite(self, rows: list[Row]) -> None:
        self.columns = list(dict.fromkeys(name for row in rows for name in row))
        unfinished = self.path.with_name(f".{self.path.name}.tmp")
        with open(unfinished, "w", newline="") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows(rows)
        os.replace(unfinished, self.path)


def read_csv(path: str | Path) -> list[Row]:
    """The rows of a metrics.csv as numbers, and as texts where ``record`` added some and in ``event``.

    A row has no key for an empty cell. A last line that was not written to its end is left out.

    Raises:
        ValueError: if the file is damaged; names it.
    """
    try:
        with open(path, newline="") as file:
            lines = file.read().rpartition("\n")[0]
        return [_cells(row) for row in csv.DictReader(io.StringIO(lines, newline=""))]
    except (csv.Error, ValueError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error


def _cells(row: dict[str | None, Any]) -> Row:
    if None in row:
        raise ValueError("a row has more cells than there are columns")
    return {name: _cell(name, text) for name, text in row.items() if text}


def _cell(name: str, text: str) -> float | str:
    """A number; a text in ``event``, and in columns of one's own."""
    if name == "event":
        return text
    try:
        return float(text)
    except ValueError:
        if name in RESERVED:
            raise
        return text


def number_in(row: Row, column: str) -> float | None:
    """The number in a column of a row; None if there is none, or a text."""
    value = row.get(column)
    return None if isinstance(value, str) else value
