"""Environments as pairs of functions ``(reset, step)`` on batches."""

from nappo2.envs._acrobot import acrobot
from nappo2.envs._atari import atari
from nappo2.envs._bit_flipping import bit_flipping, bits_reached, bits_reward
from nappo2.envs._cartpole import cartpole
from nappo2.envs._catch import catch
from nappo2.envs._envpool import envpool
from nappo2.envs._four_rooms import four_rooms
from nappo2.envs._minigrid import minigrid
from nappo2.envs._mountain_car import mountain_car
from nappo2.envs._observing import masked_cartpole, masked_pendulum, observing
from nappo2.envs._pendulum import pendulum
from nappo2.envs._pybullet import PYBULLET, pybullet
from nappo2.envs.actions import ActionSpec, action_spec
from nappo2.envs.env import Env, EpisodeCount, Physics, Transition, counted, physics_of
from nappo2.envs.factored_actions import batched
from nappo2.envs.families import TORCH, make
from nappo2.envs.goals import goal_env, goal_reward
from nappo2.envs.gym import from_gym
from nappo2.envs.monitor import monitored
from nappo2.envs.observations import ObservationSpec, observation_spec, tensor_spec
from nappo2.envs.physics import PhysicsState, physics_env
from nappo2.envs.wrappers import TimeFeature

__all__ = [
    "PYBULLET",
    "TORCH",
    "ActionSpec",
    "Env",
    "EpisodeCount",
    "ObservationSpec",
    "Physics",
    "PhysicsState",
    "TimeFeature",
    "Transition",
    "acrobot",
    "action_spec",
    "atari",
    "batched",
    "bit_flipping",
    "bits_reached",
    "bits_reward",
    "cartpole",
    "catch",
    "counted",
    "envpool",
    "four_rooms",
    "from_gym",
    "goal_env",
    "goal_reward",
    "make",
    "masked_cartpole",
    "masked_pendulum",
    "minigrid",
    "monitored",
    "mountain_car",
    "observation_spec",
    "observing",
    "pendulum",
    "physics_env",
    "physics_of",
    "pybullet",
    "tensor_spec",
]
