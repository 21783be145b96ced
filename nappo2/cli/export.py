"""``nappo2 export``: writes a trained agent as a file for other programs."""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from nappo2.cli.words import print_result


@dataclass(frozen=True)
class Export:
    """Exports the agent of a run, which always takes its most probable action.

    Attributes:
        run: the directory of the run.
        path: of the file; its suffix is .onnx, .pt2 or .safetensors.
        env: in which file and policy are compared; by default that of the run, unless it is of a module
            to be imported.
        best: whether to take the params of the best evaluation instead of the last ones.
        member: which agent of a population.
        observations: on which file and policy are compared.
    """

    run: tyro.conf.Positional[Path]
    path: tyro.conf.Positional[Path]
    env: str | None = None
    best: bool = False
    member: int | None = None
    observations: int = 1_000


def run(argv: list[str]) -> int:
    """Writes the file, says what it takes and returns, and prints one JSON object.

    Raises:
        ValueError: if there can be no such file.
    """
    from nappo2 import export, load, load_run
    from nappo2.cli.saved import agent_file, env_of
    from nappo2.exporting.formats import check_file

    options = tyro.cli(Export, args=argv, prog="nappo2 export")
    check_file(options.path)
    agent = load(agent_file(options.run, options.best), member=options.member)
    env = env_of(load_run(options.run), options.env, 1)
    file = export(agent, options.path, env=env, num_observations=options.observations)
    print(file, file=sys.stderr)
    labels = {"run": str(options.run), "output": str(file.path)}
    print_result(labels | {"difference": file.parity.difference})
    return 0
