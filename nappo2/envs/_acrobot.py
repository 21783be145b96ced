"""Acrobot, two links to be swung up, in torch."""

import math

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from torch import Tensor

from nappo2.checks import checked
from nappo2.envs.env import Env
from nappo2.envs.physics import physics_env
from nappo2.envs.rendering import draw_acrobot
from nappo2.saving.calls import remembering

GRAVITY, DT = 9.8, 0.2  # two links of mass, length and moment of inertia 1, heavy in their middles
MAX_SPEEDS = 4 * math.pi, 9 * math.pi


@remembering
@checked
def acrobot(num_envs: int, time_limit: int = 500) -> Env:
    """Acrobot-v1 (Sutton, 1996), which moves exactly as Gymnasium's does.

    Observations are cosine and sine of both angles, and the angular velocities, [B, 6]; actions
    turn the joint by -1 (0), 0 (1) or 1 N m (2); each step is worth -1, but the one that gets
    the tip above the line, which ends the episode, 0.

    Example:
        >>> envs.acrobot(4).action_space
        Discrete(3)
    """
    limits = torch.tensor(MAX_SPEEDS, dtype=torch.float64)

    def start(num_envs, rng):
        return torch.rand(num_envs, 4, generator=rng, dtype=torch.float64) * 0.2 - 0.1

    def step(physics, action):
        angles, speeds = runge_kutta(physics, action - 1.0).split(2, -1)
        speeds = torch.minimum(torch.maximum(speeds, -limits), limits)
        next_physics = torch.cat([wrap_angle(angles), speeds], -1)
        first, second = next_physics[:, 0], next_physics[:, 1]
        above = -first.cos() - (first + second).cos() > 1
        return next_physics, above.float() - 1, above

    def observe(physics):
        first, second, *speeds = physics.unbind(-1)
        columns = [first.cos(), first.sin(), second.cos(), second.sin(), *speeds]
        return torch.stack(columns, -1).float()

    high = np.array([1, 1, 1, 1, *MAX_SPEEDS], np.float32)
    spaces = Box(-high, high), Discrete(3)
    return physics_env("acrobot", num_envs, start, step, observe, time_limit, *spaces, draw_acrobot)


def runge_kutta(state: Tensor, torque: Tensor) -> Tensor:
    """Integrates states [B, 4] over a time step of DT under torques [B], by Runge-Kutta 4."""
    k1 = derivative(state, torque)
    k2 = derivative(state + DT / 2 * k1, torque)
    k3 = derivative(state + DT / 2 * k2, torque)
    k4 = derivative(state + DT * k3, torque)
    return state + DT / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def derivative(state: Tensor, torque: Tensor) -> Tensor:
    """The derivative of both angles and velocities, [B, 4], by time (Sutton & Barto, example 11.3)."""
    first, second, speed1, speed2 = state.unbind(-1)
    sin, cos = second.sin(), second.cos()
    d1, d2 = 3.5 + cos, 1.25 + 0.5 * cos
    phi2 = 0.5 * GRAVITY * (first + second).sin()
    phi1 = -0.5 * speed2.square() * sin - speed2 * speed1 * sin
    phi1 = phi1 + 1.5 * GRAVITY * first.sin() + phi2
    push = torque + d2 / d1 * phi1 - 0.5 * speed1.square() * sin - phi2
    pull2 = push / (1.25 - d2.square() / d1)
    pull1 = -(d2 * pull2 + phi1) / d1
    return torch.stack([speed1, speed2, pull1, pull2], -1)


def wrap_angle(angle: Tensor) -> Tensor:
    """Angles [B] within -pi and pi; one that is there already keeps its bits."""
    turns = ((angle.abs() - math.pi) / (2 * math.pi)).ceil().clamp(min=0)
    return angle - angle.sign() * turns * 2 * math.pi
