"""Environments with goals, known by their spaces: a row of numbers within, three tensors outside."""

import math
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Dict
from gymnasium.spaces.utils import flatten_space
from torch import Tensor

from nappo2.envs.env import Env, has_goals


class GoalsInARow(gymnasium.ObservationWrapper):
    """The observation and both goals one behind the other, as a vector of environments gathers them."""

    def __init__(self, env: gymnasium.Env):
        super().__init__(env)
        self.observation_space = flatten_space(env.observation_space)

    @property
    def goals(self) -> Dict:
        """The space of the environment."""
        return self.env.observation_space

    def observation(self, observation: Any) -> np.ndarray:
        """One row of the three.

        Raises:
            ValueError: if one is missing, or of another shape than in the space.
        """
        spaces = self.goals.spaces
        for key, space in spaces.items():
            part = observation.get(key) if hasattr(observation, "get") else None
            if part is None or np.shape(part) != space.shape:
                what = "nothing" if part is None else f"an array of shape {np.shape(part)}"
                raise ValueError(
                    f"{self.unwrapped} gave {what} as {key!r} of its observation; its space has "
                    f"shape {space.shape}"
                )
        return np.concatenate([np.ravel(observation[key]) for key in spaces])


def goals_in_a_row(env: gymnasium.Env) -> gymnasium.Env:
    """A goal environment as one of vectors; any other as it is."""
    return GoalsInARow(env) if has_goals(env.observation_space) else env


def with_goals(env: Env, space: Dict) -> Env:
    """The environment of ``space`` of which ``env`` has the rows.

    Observations are ``observation``, ``achieved_goal`` and ``desired_goal``, each [B, ...] float32, or
    bytes if all are.
    """
    shapes = {key: box.shape for key, box in space.spaces.items()}  # in the order of the rows
    sizes = [math.prod(shape) for shape in shapes.values()]

    def parted(row: Tensor) -> dict[str, Tensor]:
        parts = zip(shapes.items(), row.split(sizes, -1), strict=True)
        return {key: part.reshape(-1, *shape) for (key, shape), part in parts}

    def reset(seed):
        state, row = env.reset(seed)
        return state, parted(row)

    def step(state, action):
        state, row, outcome = env.step(state, action)
        return state, parted(row), outcome._replace(observation=parted(outcome.observation))

    return env._replace(reset=reset, step=step, observation_space=space)
