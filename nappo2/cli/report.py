"""``nappo2 report``: a page about runs, as one file."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from nappo2.cli.words import print_result


@dataclass(frozen=True)
class Report:
    """Reports on runs: what, how, versions, seeds, curve, interval, film, and the command that repeats each.

    Attributes:
        runs: the folders of runs, or of the seeds of one.
        y: the column that is drawn and compared; by default episode_return, or evaluation_return
            where no run has that.
        output: the file, HTML or, if it ends with .md, Markdown.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]]
    y: str | None = None
    output: Path = Path("report.html")


def run(argv: list[str]) -> int:
    """Writes the page and prints one JSON object.

    Raises:
        ValueError: if no runs are named, there is none in a folder, or there can be no such output.
    """
    from nappo2.saving.outputs import check_output
    from nappo2.show import report

    options = tyro.cli(Report, args=argv, prog="nappo2 report")
    if not options.runs:
        raise ValueError("report takes runs; name the folders that they left")
    check_output(options.output)
    try:
        page = report(options.runs, options.y)
    except FileNotFoundError as error:
        raise ValueError(str(error)) from error
    page.save(options.output)
    runs = [str(path) for path in options.runs]
    print_result({"runs": runs, "output": str(options.output)})
    return 0
