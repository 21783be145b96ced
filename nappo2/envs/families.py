"""Environments by name."""

from typing import Any

from nappo2.envs.acrobot import acrobot
from nappo2.envs.cartpole import cartpole
from nappo2.envs.catch import catch
from nappo2.envs.env import Env
from nappo2.envs.goals import family, goal_env
from nappo2.envs.gym import from_gym
from nappo2.envs.mountain_car import mountain_car
from nappo2.envs.observing import masked_cartpole
from nappo2.envs.pendulum import pendulum
from nappo2.envs.pybullet import PYBULLET, pybullet

TORCH = {
    "torch/CartPole-v1": cartpole,
    "torch/MaskedCartPole-v1": masked_cartpole,
    "torch/Pendulum-v1": pendulum,
    "torch/MountainCar-v0": mountain_car,
    "torch/Acrobot-v1": acrobot,
    "torch/Catch-v0": catch,
}
"""Environments that are written in torch: id to ``num_envs -> Env``."""


def make(env_id: str, num_envs: int = 1, **kwargs: Any) -> Env:
    """Environments by id: torch's own (``torch/CartPole-v1``), PyBullet's, Panda's and
    Fetch's with goals, or any of Gymnasium.

    Raises:
        ValueError: if nothing has this id.
        NotImplementedError: for spaces that no policy of nappo2 can see or do.
    """
    if env_id in TORCH:
        return TORCH[env_id](num_envs, **kwargs)
    if env_id in PYBULLET:
        return pybullet(env_id, num_envs, **kwargs)
    if family(env_id):
        return goal_env(env_id, num_envs, **kwargs)
    return from_gym(env_id, num_envs, **kwargs)
