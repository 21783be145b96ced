"""``nappo2 presets``."""

from dataclasses import dataclass
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Presets:
    """Lists the presets of a recipe, or of all: for which environments, how many steps, from where.

    Attributes:
        algorithm: the recipe; all if none is given.
    """

    algorithm: Annotated[str | None, tyro.conf.Positional] = None


def run(argv: list[str]) -> int:
    """Prints a table."""
    from nappo2.recipes import PRESETS, preset
    from nappo2.show.markup import aligned

    options = tyro.cli(Presets, args=argv, prog="nappo2 presets")
    if options.algorithm is not None:
        preset(options.algorithm, "default")  # says which there are
    rows = [("recipe", "preset", "env", "envs", "steps", "numbers from")]
    for algorithm in [options.algorithm] if options.algorithm else PRESETS:
        rows += [
            (
                algorithm,
                name,
                its.env or "by name only",
                its.num_envs,
                f"{its.total_steps:,}",
                its.source,
            )
            for name, its in PRESETS[algorithm].items()
        ]
    print("\n".join(aligned(rows)))
    return 0
