"""Environments as pairs of functions ``(reset, step)`` on batches."""

from nappo2.envs.acrobot import acrobot
from nappo2.envs.atari import atari
from nappo2.envs.bit_flipping import bit_flipping, bits_reached, bits_reward
from nappo2.envs.cartpole import cartpole
from nappo2.envs.catch import catch
from nappo2.envs.env import (
    Env,
    Game,
    Motion,
    Outcome,
    action_size,
    check_spaces,
    counted,
    has_goals,
    is_image,
    motion_of,
    observation_size,
)
from nappo2.envs.families import TORCH, make
from nappo2.envs.goals import goal_env, goal_reward
from nappo2.envs.gym import from_gym
from nappo2.envs.minigrid import minigrid
from nappo2.envs.monitor import monitored
from nappo2.envs.mountain_car import mountain_car
from nappo2.envs.observing import masked_cartpole, observing
from nappo2.envs.pendulum import pendulum
from nappo2.envs.physics import PhysicsState, physics_env
from nappo2.envs.pybullet import PYBULLET, pybullet

__all__ = [
    "PYBULLET",
    "TORCH",
    "Env",
    "Game",
    "Motion",
    "Outcome",
    "PhysicsState",
    "acrobot",
    "action_size",
    "atari",
    "bit_flipping",
    "bits_reached",
    "bits_reward",
    "cartpole",
    "catch",
    "check_spaces",
    "counted",
    "from_gym",
    "goal_env",
    "goal_reward",
    "has_goals",
    "is_image",
    "make",
    "masked_cartpole",
    "minigrid",
    "monitored",
    "motion_of",
    "mountain_car",
    "observation_size",
    "observing",
    "pendulum",
    "physics_env",
    "pybullet",
]
