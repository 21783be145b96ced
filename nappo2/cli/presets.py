"""``nappo2 presets``: lists presets."""

import sys
from dataclasses import dataclass
from shutil import get_terminal_size
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Presets:
    """Lists the presets of one recipe or of all, with their environments, steps, sources and evidence.

    Attributes:
        algorithm: the recipe; by default all.
    """

    algorithm: Annotated[str | None, tyro.conf.Positional] = None


def run(argv: list[str]) -> int:
    """Prints the table of presets, as wide as the terminal; in a file, a line for each."""
    from nappo2.recipes import PRESETS, preset
    from nappo2.recipes.presets import evidence_of
    from nappo2.show.markup import aligned

    options = tyro.cli(Presets, args=argv, prog="nappo2 presets")
    if options.algorithm is not None:
        preset(options.algorithm, "default")  # raises with the names of recipes
    rows = [("recipe", "preset", "env", "envs", "steps", "numbers from", "measured by")]
    for algorithm in [options.algorithm] if options.algorithm else PRESETS:
        for name, x in PRESETS[algorithm].items():
            made_for = (x.env or "by name only", x.num_envs, f"{x.total_steps:,}")
            rows.append((algorithm, name, *made_for, x.source, evidence_of(algorithm, name)))
    width = get_terminal_size().columns if sys.stdout.isatty() else None
    print("\n".join(aligned(rows, width)))
    return 0
