"""``nappo2 plot``."""

import json
from dataclasses import dataclass
from pathlib import Path

import tyro


@dataclass(frozen=True)
class Plot:
    """Draws the learning curves of runs: of seeds of the same, the mean and a standard deviation.

    Attributes:
        runs: the directories that they left.
        x: a column of their metrics, such as env_steps or seconds.
        y: another one.
        output: the picture.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]]
    x: str = "env_steps"
    y: str = "episode_return"
    output: Path = Path("curves.png")


def run(argv: list[str]) -> int:
    """Writes the picture, and prints one JSON object."""
    from nappo2.show import load_run, plot

    options = tyro.cli(Plot, args=argv, prog="nappo2 plot")
    if not options.runs:
        raise ValueError("plot draws runs; name at least one directory that a run left")
    try:
        found = [load_run(path) for path in options.runs]
    except FileNotFoundError as error:
        raise ValueError(str(error)) from error
    plot(found, options.x, options.y).save(options.output)
    print(json.dumps({"runs": [str(path) for path in options.runs], "output": str(options.output)}))
    return 0
