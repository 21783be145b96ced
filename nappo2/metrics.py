"""What a run was like: a row of numbers per rollout, in memory and in metrics.csv."""

import csv
from pathlib import Path
from typing import Any

Row = dict[str, Any]


class Metrics(list):
    """Rows, the oldest first: a list, which shows itself as a table."""

    def to_pandas(self):
        """A pandas DataFrame, by env steps; what a row lacks is NaN.

        Raises:
            ImportError: without pandas; says how to install it.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError("a DataFrame needs pandas: pip install 'nappo2[stats]'") from error
        return pandas.DataFrame(list(self))


class CsvFile:
    """Rows on disk, each written at once. Columns that turn up later are added to all rows."""

    def __init__(self, path: Path):
        self.path, self.columns = path, []

    def write(self, row: Row) -> None:
        new = [name for name in row if name not in self.columns]
        if new:
            rows = read_csv(self.path) if self.columns else []
            self.columns += new
            self._rewrite(rows)
        with open(self.path, "a", newline="") as file:
            csv.DictWriter(file, self.columns).writerow(row)

    def _rewrite(self, rows: list[Row]) -> None:
        with open(self.path, "w", newline="") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows(rows)


def read_csv(path: str | Path) -> list[Row]:
    """The rows of a metrics.csv, as numbers; what a row lacks, it does not have."""
    with open(path, newline="") as file:
        return [{k: float(x) for k, x in row.items() if x} for row in csv.DictReader(file)]
