"""``nappo2 trace``: the times of all processes of a run, as Chrome's trace events."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from nappo2.cli.words import print_result


@dataclass(frozen=True)
class Trace:
    """Writes when all stages of a run took their steps, for https://ui.perfetto.dev or chrome://tracing.

    Attributes:
        run: the folder of a run of nappo2 train --log trace.
        output: the file, compressed if it ends with .gz; by default trace.json in the folder.
    """

    run: tyro.conf.Positional[Path]
    output: Path | None = None


def run(argv: list[str]) -> int:
    """Writes the file and prints one JSON object.

    Raises:
        ValueError: if there is no trace in the folder.
    """
    from nappo2.show import trace

    options = tyro.cli(Trace, args=argv, prog="nappo2 trace")
    try:
        traced = trace(options.run, options.output)
    except FileNotFoundError as error:
        raise ValueError(str(error)) from error
    numbers = {"spans": traced.num_spans, "workers": list(traced.workers)}
    print_result({"run": str(options.run), "output": str(traced.path)} | numbers)
    return 0
