"""``nappo2 plot``: draws learning curves of runs."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from nappo2.cli.words import print_result


@dataclass(frozen=True)
class Plot:
    """Draws the learning curves of runs; of several seeds the interquartile mean, with its 95 % interval.

    Attributes:
        runs: the folders of runs, or of the seeds of one.
        x: a column of their metrics, such as seconds, or a setting, such as learning_rate; by default
            env_steps, or recorded_updates of runs on recorded data.
        y: another column; by default episode_return, or evaluation_return where no run has that.
        output: the file of the picture.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]]
    x: str | None = None
    y: str | None = None
    output: Path = Path("curves.png")


def run(argv: list[str]) -> int:
    """Writes the picture and prints one JSON object.

    Raises:
        ValueError: if no runs are named, there is none in a directory, or there can be no such output.
    """
    from nappo2.saving.outputs import check_output
    from nappo2.show import plot
    from nappo2.show.pictures import SUFFIXES

    options = tyro.cli(Plot, args=argv, prog="nappo2 plot")
    if not options.runs:
        raise ValueError("plot draws runs; name at least one directory that a run left")
    check_output(options.output, *SUFFIXES)
    try:
        picture = plot(options.runs, options.x, options.y)
    except FileNotFoundError as error:
        raise ValueError(str(error)) from error
    picture.save(options.output)
    print_result({"runs": [str(path) for path in options.runs], "output": str(options.output)})
    return 0
