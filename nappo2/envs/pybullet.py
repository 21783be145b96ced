"""PyBullet's locomotion and manipulation environments, in the port to Gymnasium."""

import ctypes
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from nappo2.envs.env import Env
from nappo2.envs.gym import from_gym
from nappo2.envs.saving import layers, load_layer, save_known, save_layer

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

    def save(state):
        return [_save(one) for one in state.envs]

    def load(state, saved):
        with silent(1):
            for one, parts in zip(state.envs, saved, strict=True):
                _load(one, *parts)
        return state

    return env._replace(reset=reset, save=save, load=load)


HANDLES = ("physicsClientId", "ownsPhysicsClient", "stateId")  # of this process's engine


def _save(env: Any) -> tuple[list, dict, np.ndarray]:
    """Its wrappers; what environment and robot know; and the world, contacts and all, as Bullet writes it."""
    *wrappers, inner = layers(env)
    known = {"env": save_known(inner, *HANDLES), "robot": save_known(inner.robot, *HANDLES)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "world.bullet"
        inner._p.saveBullet(str(path))
        world = np.frombuffer(path.read_bytes(), np.uint8)
    return [save_layer(layer) for layer in wrappers], known, world


def _load(env: Any, outer: list, known: dict, world: np.ndarray) -> None:
    *wrappers, inner = layers(env)
    for layer, part in zip([*wrappers, inner, inner.robot], [*outer, *known.values()], strict=True):
        load_layer(layer, part)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "world.bullet"
        path.write_bytes(world.tobytes())
        inner._p.restoreState(fileName=str(path))


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
