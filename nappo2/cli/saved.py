"""The environment of a run on disk, for commands that step it."""

from pathlib import Path
from typing import Any

from nappo2.envs import Env, make
from nappo2.show import SavedRun
from nappo2.trained import env_again


def env_of(run: SavedRun, option: str | None, num_envs: int, **arguments: Any) -> Env:
    """Makes the environment of ``--env``, or else that of the run again.

    Args:
        run: with its card.
        option: the value of ``--env``; None without it.
        num_envs: number of environments.
        **arguments: further ones for the simulators, such as ``render_mode``.

    Returns:
        The environments.

    Raises:
        ValueError: if only the card names a function or a module that makes them.
    """
    if option is not None:
        return make(option, num_envs, **arguments)
    return env_again(run.description, num_envs, **arguments)


def agent_file(run: Path, best: bool) -> Path:
    """The folder of a run, or with ``best`` its params of the best evaluation.

    Raises:
        ValueError: if there are none.
    """
    if best and not (run / "best.npz").exists():
        raise ValueError(
            f"{run} has no best.npz, which evaluations leave: nappo2 train --evaluate-every 10000"
        )
    return run / "best.npz" if best else run
