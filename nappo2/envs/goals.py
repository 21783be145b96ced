"""Goal environments of Gymnasium: panda-gym's (PyBullet) and gymnasium-robotics' (MuJoCo)."""

import importlib
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.wrappers import FlattenObservation
from torch import Tensor

from nappo2.envs.env import Env, has_goals
from nappo2.envs.gym import from_gym
from nappo2.envs.pybullet import silent

GOALS = {"Panda": "panda_gym", "Fetch": "gymnasium_robotics", "HandReach": "gymnasium_robotics"}
EXTRAS = {"panda_gym": "panda", "gymnasium_robotics": "robotics"}


def family(env_id: str) -> str | None:
    """The package that registers a goal environment of this id; None for any other id."""
    return next((package for start, package in GOALS.items() if env_id.startswith(start)), None)


def goal_env(env_id: str, num_envs: int = 1, **kwargs: Any) -> Env:
    """A goal environment, such as ``PandaReach-v3`` or ``FetchReach-v4``.

    Observations are ``observation``, ``achieved_goal`` and ``desired_goal``, each [B, ...] float32.

    Raises:
        ValueError: if nothing has this id, what registers it is not installed, or it has no goals.
    """
    with silent(1, 2):  # PyBullet announces itself
        made = _made(env_id, **kwargs)
        space = made.observation_space
        made.close()
        if not has_goals(space):
            raise ValueError(f"{env_id} has no goals; it has observations in {space}")
        flat = from_gym(lambda: FlattenObservation(_made(env_id, **kwargs)), num_envs)
    shapes = {key: box.shape for key, box in space.spaces.items()}  # in the order of flattening

    def parted(observation: Tensor) -> dict[str, Tensor]:
        parts = observation.split([int(np.prod(shape)) for shape in shapes.values()], -1)
        return {
            key: part.reshape(-1, *shape)
            for (key, shape), part in zip(shapes.items(), parts, strict=True)
        }

    def reset(seed):
        with silent(1, 2):
            state, observation = flat.reset(seed)
        return state, parted(observation)

    def step(state, action):
        state, observation, outcome = flat.step(state, action)
        reached = outcome._replace(observation=parted(outcome.observation))
        return state, parted(observation), reached

    return flat._replace(reset=reset, step=step, observation_space=space, name=env_id)


def goal_reward(env_id: str) -> Callable[[Tensor, Tensor], Tensor]:
    """``(achieved, desired) -> reward`` [...] of goals [..., G], as the environment computes it.

    For ``hindsight``: ``compute_reward`` of an environment that is made when it is first needed.
    """
    return partial(_reward, env_id)  # a worker can be sent it


def _reward(env_id: str, achieved: Tensor, desired: Tensor) -> Tensor:
    size, rows = achieved.shape[-1], achieved.shape[:-1]
    goals = [x.reshape(-1, size).numpy() for x in (achieved, desired)]
    reward = np.asarray(_rewarder(env_id)(*goals, {}), np.float32)
    return torch.from_numpy(reward).reshape(rows)


@cache
def _rewarder(env_id: str) -> Callable:
    with silent(1, 2):
        return _made(env_id).unwrapped.compute_reward


def _made(env_id: str, **kwargs: Any) -> gymnasium.Env:
    package = family(env_id)
    try:
        importlib.import_module(package)
        return gymnasium.make(f"{package}:{env_id}", disable_env_checker=True, **kwargs)
    except ImportError as error:
        raise ValueError(
            f"{env_id} needs {package}: pip install nappo2[{EXTRAS[package]}] ({error})"
        ) from error
    except gymnasium.error.Error as error:
        raise ValueError(f"no environment can be made of {env_id!r}: {error}") from error
