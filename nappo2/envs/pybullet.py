"""PyBullet's locomotion and manipulation environments, in the port to Gymnasium."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nappo2.envs.env import Env
from nappo2.envs.gym import from_gym

PYBULLET = tuple(
    f"{name}BulletEnv-v0"
    for name in (
        *("InvertedPendulum", "InvertedDoublePendulum", "InvertedPendulumSwingup"),
        *("Reacher", "Pusher", "Thrower", "Walker2D", "HalfCheetah", "Ant", "Hopper"),
        *("Humanoid", "HumanoidFlagrun", "HumanoidFlagrunHarder"),
    )
)
"""The ids of PyBullet's locomotion and manipulation environments."""


def pybullet(env_id: str, num_envs: int = 1, **kwargs: Any) -> Env:
    """One of the thirteen ``*BulletEnv-v0``.

    Raises:
        ValueError: if there is none of this id.
    """
    if env_id not in PYBULLET:
        raise ValueError(f"PyBullet has no {env_id!r}; it has {', '.join(PYBULLET)}")
    with silent(1, 2):  # it announces its build
        env = from_gym(f"pybullet_envs_gymnasium:{env_id}", num_envs, **kwargs)

    def reset(seed):
        with silent(1):
            return env.reset(seed)

    return env._replace(reset=reset)


@contextmanager
def silent(*descriptors: int) -> Iterator[None]:
    """Keeps what C code prints off the standard output, whose last line is the result of a run."""
    libc = ctypes.CDLL(None)
    libc.fflush(None)
    kept, nowhere = [os.dup(fd) for fd in descriptors], os.open(os.devnull, os.O_WRONLY)
    for fd in descriptors:
        os.dup2(nowhere, fd)
    try:
        yield
    finally:
        libc.fflush(None)  # while it still goes nowhere
        for fd, copy in zip(descriptors, kept, strict=True):
            os.dup2(copy, fd)
            os.close(copy)
        os.close(nowhere)
