"""Goal environments of panda-gym (PyBullet) and gymnasium-robotics (MuJoCo)."""

import importlib
import re
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import gymnasium
import numpy as np
import torch
from torch import Tensor

from nappo2.checks import checked, installs
from nappo2.envs.env import Env
from nappo2.envs.gym import from_gym
from nappo2.machine.silence import silent
from nappo2.saving.calls import remembering

PACKAGES = {"panda_gym": "panda", "gymnasium_robotics": "robotics"}
"""Packages that register environments when they are imported, and the extras that install them."""


@remembering
@checked
def goal_env(env_id: str, num_envs: int = 1, **kwargs: Any) -> Env:
    """Makes a goal environment, such as ``PandaReach-v3`` or ``FetchReach-v4``, as ``from_gym`` does.

    Observations are ``observation``, ``achieved_goal`` and ``desired_goal``, each [B, ...] float32.

    Raises:
        ValueError: if nothing has this id, its package is not installed, or it has no goals.
    """
    env = registered(env_id, num_envs, **kwargs)
    if env.observation_spec.kind != "goals":
        raise ValueError(f"{env_id} has no goals; it has observations in {env.observation_space}")
    return env


def registered(env_id: str, num_envs: int = 1, **kwargs: Any) -> Env:
    """Makes environments of an id that Gymnasium has, or that one of ``PACKAGES`` registers.

    Raises:
        ValueError: if nothing has this id; names the packages that are not installed.
    """
    missing = import_packages(env_id)
    if missing:
        try:
            return from_gym(env_id, num_envs, **kwargs)
        except ValueError as error:
            raise ValueError(f"{error}; not installed are {', '.join(missing)}") from error
    if module_of(env_id) not in PACKAGES:
        return from_gym(env_id, num_envs, **kwargs)
    with silent(1, 2):  # PyBullet prints its version
        env = from_gym(env_id, num_envs, **kwargs)

    def reset(seed):
        with silent(1, 2):
            return env.reset(seed)

    return env._replace(reset=reset)


def import_packages(env_id: str) -> list[str]:
    """Imports packages until one registers an id; returns those not installed if none does."""
    missing = []
    for package, extra in PACKAGES.items():
        if is_known(env_id):
            return []
        try:
            with silent(1, 2):
                importlib.import_module(package)
        except ImportError as error:
            missing.append(f"{package} ({installs(extra)}: {error})")
    return [] if is_known(env_id) else missing


def is_known(env_id: str) -> bool:
    """Tests whether Gymnasium has an id, with its version or without, or will import a module for it."""
    if ":" in env_id:
        return True
    return any(env_id in (key, key.rpartition("-v")[0]) for key in gymnasium.registry)


def module_of(env_id: str) -> str:
    """The package of a registered environment; empty if the id is not registered."""
    if ":" in env_id:
        return env_id.partition(":")[0]
    spec = gymnasium.registry.get(env_id)
    return re.split("[.:]", str(spec.entry_point))[0] if spec else ""


@checked
def goal_reward(env: str | Callable[..., gymnasium.Env]) -> Callable[[Tensor, Tensor], Tensor]:
    """The reward function ``(achieved, desired) -> reward`` of a goal environment, for ``hindsight``.

    Goals are [..., G], rewards [...] float32. It calls ``compute_reward`` of an environment that is
    made when it is first needed.

    Args:
        env: an id, or a function that makes a Gymnasium environment.

    Example:
        >>> import gymnasium, numpy as np
        >>> class Reach(gymnasium.Env):
        ...     def compute_reward(self, achieved, desired, info):
        ...         return -np.abs(achieved - desired).sum(-1)
        >>> envs.goal_reward(Reach)(torch.tensor([[1.0], [4.0]]), torch.tensor([[1.0], [1.0]]))
        tensor([-0., -3.])
    """
    return partial(_reward, env)  # a partial, as it is pickled for workers


def _reward(env: str | Callable, achieved: Tensor, desired: Tensor) -> Tensor:
    size, rows = achieved.shape[-1], achieved.shape[:-1]
    goals = [x.reshape(-1, size).numpy() for x in (achieved, desired)]
    reward = np.asarray(_rewarder(env)(*goals, {}), np.float32)
    return torch.from_numpy(reward).reshape(rows)


@cache
def _rewarder(env: str | Callable) -> Callable:
    inner = (env() if callable(env) else _make(env)).unwrapped
    if not hasattr(inner, "compute_reward"):
        raise ValueError(
            f"{inner} has no compute_reward(achieved, desired, info), which computes the reward of "
            "another goal"
        )
    return inner.compute_reward


def _make(env_id: str) -> gymnasium.Env:
    import_packages(env_id)
    with silent(1, 2):
        return gymnasium.make(env_id, disable_env_checker=True)
