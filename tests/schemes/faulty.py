"""Environments that fail when they are told to, by a file."""

import os
import time
from pathlib import Path

from nappo2 import envs


def faulty(folder: Path, num_envs: int = 2) -> envs.Env:
    """CartPole, which writes its process id into ``folder``, and obeys one file there once.

    ``raise``, ``exit`` or ``hang`` are for whoever finds it first; ``always`` is never removed.
    """
    env, folder = envs.cartpole(num_envs), Path(folder)

    def reset(seed):
        (folder / f"pid-{os.getpid()}").write_text("")
        return env.reset(seed)

    def step(state, action):
        for name in ("raise", "exit", "hang", "always"):
            if _taken(folder / name):
                _fail(name)
        return env.step(state, action)

    return env._replace(reset=reset, step=step)


def _taken(path: Path) -> bool:
    try:
        path.rename(path.with_suffix(".taken")) if path.name != "always" else path.stat()
    except FileNotFoundError:
        return False
    return True


def _fail(name: str) -> None:
    if name == "exit":
        os._exit(3)
    if name == "hang":
        time.sleep(3600)
    raise ZeroDivisionError("the simulator broke")


def pids(folder: Path) -> set[int]:
    """The processes in which environments were reset, and that are alive."""
    found = {int(path.name.removeprefix("pid-")) for path in Path(folder).glob("pid-*")}
    return {pid for pid in found if Path(f"/proc/{pid}").exists()}
