"""Environments as pairs of functions ``(reset, step)`` on batches."""

from nappo2.envs.acrobot import acrobot
from nappo2.envs.bit_flipping import bit_flipping, bits_reached, bits_reward
from nappo2.envs.cartpole import cartpole
from nappo2.envs.catch import catch
from nappo2.envs.env import (
    Env,
    Outcome,
    action_size,
    check_spaces,
    has_goals,
    observation_size,
)
from nappo2.envs.families import TORCH, make
from nappo2.envs.goals import goal_env, goal_reward
from nappo2.envs.gym import from_gym
from nappo2.envs.mountain_car import mountain_car
from nappo2.envs.observing import masked_cartpole, observing
from nappo2.envs.pendulum import pendulum
from nappo2.envs.physics import physics_env
from nappo2.envs.pybullet import PYBULLET, pybullet

__all__ = [
    "PYBULLET",
    "TORCH",
    "Env",
    "Outcome",
    "acrobot",
    "action_size",
    "bit_flipping",
    "bits_reached",
    "bits_reward",
    "cartpole",
    "catch",
    "check_spaces",
    "from_gym",
    "goal_env",
    "goal_reward",
    "has_goals",
    "make",
    "masked_cartpole",
    "mountain_car",
    "observation_size",
    "observing",
    "pendulum",
    "physics_env",
    "pybullet",
]
