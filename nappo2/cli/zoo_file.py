"""Files of rl-zoo3 on a command line: ``--preset ppo.yml`` or ``--preset ppo.yml:CartPole-v1``."""

import re
from pathlib import Path
from typing import Any

FILE = re.compile(r"(.+\.ya?ml)(?::(.+))?")
GSDE = "_gsde"  # behind the name of a recipe, whose entries are beside those without


def is_zoo_file(name: str) -> bool:
    """Tests whether a preset's name is that of a file of rl-zoo3."""
    return FILE.fullmatch(name) is not None


def zoo_preset(algorithm: str, env: str, name: str) -> Any:
    """The preset of an entry of rl-zoo3.

    Args:
        algorithm: the name of the recipe.
        env: an id.
        name: the path of the file, maybe with the name of an entry behind a colon.

    Returns:
        The preset.

    Raises:
        ValueError: if it is of another recipe, or does not fit.
    """
    from nappo2.zoo import ALGORITHMS, from_zoo

    path, entry = FILE.fullmatch(name).groups()
    given = {} if Path(path).stem in ALGORITHMS else {"algorithm": algorithm.removesuffix(GSDE)}
    found = from_zoo(path, env, entry=entry, **given)
    if found.algorithm != algorithm:
        raise ValueError(
            f"the entry for {env} in {path} is of {found.algorithm}, not of {algorithm}: "
            f"nappo2 train {found.algorithm} takes it"
        )
    return found.preset
