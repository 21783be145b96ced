"""What the commands share that go on from a run on disk."""

from pathlib import Path
from typing import Any

from nappo2.envs import Env, make
from nappo2.schemes import Stages
from nappo2.show import SavedRun, load_run


def saved(path: Path) -> SavedRun:
    """A run that says how it was made, and has params.

    Raises:
        ValueError: if there is none there, or something of it is missing.
    """
    try:
        run = load_run(path)
    except FileNotFoundError as error:
        raise ValueError(str(error)) from error
    if not run.described or run.params is None:
        lacks = "run.json" if not run.described else "params.npz"
        raise ValueError(f"{path} has no {lacks}, so that its agent cannot be made again")
    return run


def remade(run: SavedRun, num_envs: int, **kwargs: Any) -> tuple[Env, Stages]:
    """The environment and the stages of a run."""
    from nappo2.algorithms import RECIPES, preset

    algorithm = run.described["algorithm"]
    env = make(run.described["env"], num_envs, **kwargs)
    given = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in run.described["config"].items()
    }
    kind = type(preset(algorithm, "default").config)
    return env, RECIPES[algorithm](env, kind(**given))
