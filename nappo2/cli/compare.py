"""``nappo2 compare``: compares runs by their interquartile means."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from nappo2.cli.words import print_result


@dataclass(frozen=True)
class Compare:
    """Compares runs, grouped by all settings but the seed, with 95 % intervals, the best first.

    Attributes:
        runs: the folders of runs, or of the seeds of one.
        y: the column whose last value is compared; by default episode_return, or evaluation_return
            where no run has that.
        output: the file of the picture.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]]
    y: str | None = None
    output: Path = Path("compare.png")


def run(argv: list[str]) -> int:
    """Writes the picture, and prints a table on the standard error and one JSON object.

    Raises:
        ValueError: if no runs are named, there is none in a folder, or there can be no such output.
    """
    import sys

    from nappo2.saving.outputs import check_output
    from nappo2.show import compare
    from nappo2.show.pictures import SUFFIXES

    options = tyro.cli(Compare, args=argv, prog="nappo2 compare")
    if not options.runs:
        raise ValueError("compare takes runs; name the folders that they left")
    check_output(options.output, *SUFFIXES)
    try:
        comparison = compare(options.runs, options.y)
    except FileNotFoundError as error:
        raise ValueError(str(error)) from error
    comparison.picture().save(options.output)
    print(comparison, file=sys.stderr)
    c = comparison
    rows = zip(c.names, c.iqm, c.low, c.high, c.num_runs, strict=True)
    groups = {n: {"iqm": m, "low": lo, "high": hi, "runs": k} for n, m, lo, hi, k in rows}
    print_result({"groups": groups, "output": str(options.output)})
    return 0
