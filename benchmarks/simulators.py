"""What is stepped: HalfCheetahBullet, and a stub of the same spaces; both keep their own time."""

from collections.abc import Callable
from time import perf_counter

import gymnasium
import numpy as np
from gymnasium.spaces import Box

NUM_ENVS, NUM_STEPS = 8, 256


class Timed(gymnasium.Wrapper):
    """Appends the seconds of each step to ``spent``."""

    def __init__(self, env: gymnasium.Env, spent: list[float]):
        super().__init__(env)
        self.spent = spent

    def step(self, action):
        start = perf_counter()
        outcome = self.env.step(action)
        self.spent.append(perf_counter() - start)
        return outcome


class Stub(gymnasium.Env):
    """Has HalfCheetahBullet's spaces, does nothing and never ends."""

    observation_space = Box(-np.inf, np.inf, (26,), np.float32)
    action_space = Box(-1, 1, (6,), np.float32)
    observation = np.zeros(26, np.float32)

    def reset(self, *, seed=None, options=None):
        return self.observation, {}

    def step(self, action):
        return self.observation, 0.0, False, False, {}


def half_cheetah(spent: list[float]) -> Callable[[], gymnasium.Env]:
    """A function that makes a HalfCheetahBullet that keeps its time in ``spent``."""
    env_id = "pybullet_envs_gymnasium:HalfCheetahBulletEnv-v0"
    return lambda: Timed(gymnasium.make(env_id, disable_env_checker=True), spent)


def stub(spent: list[float]) -> Callable[[], gymnasium.Env]:
    """The same of a Stub."""
    return lambda: Timed(Stub(), spent)
