"""A pendulum to be swung up, in torch."""

import math

import numpy as np
import torch
from gymnasium.spaces import Box

from nappo2.checks import checked
from nappo2.envs.env import Env
from nappo2.envs.physics import physics_env
from nappo2.envs.rendering import draw_pendulum
from nappo2.saving.calls import remembering

GRAVITY, MASS, LENGTH, DT, MAX_SPEED, MAX_TORQUE = 10.0, 1.0, 1.0, 0.05, 8.0, 2.0


@remembering
@checked
def pendulum(num_envs: int, time_limit: int = 200) -> Env:
    """Pendulum-v1, which moves exactly as Gymnasium's does.

    Observations are the cosine and sine of the angle, and the angular velocity, [B, 3]. Actions
    are torques in [-1, 1] of the strongest one (2 N m), [B, 1].

    Example:
        >>> envs.pendulum(4)
        4 x pendulum: Box([-1. -1. -8.], [1. 1. 8.], (3,), float32) -> Box(-2.0, 2.0, (1,), float32)
    """

    def start(num_envs, rng):
        high = torch.tensor([math.pi, 1.0], dtype=torch.float64)
        return (2 * torch.rand(num_envs, 2, generator=rng, dtype=torch.float64) - 1) * high

    def step(physics, action):
        angle, speed = physics.unbind(-1)
        torque = MAX_TORQUE * action[:, 0].clamp(-1, 1)
        upright = (angle + math.pi).remainder(2 * math.pi) - math.pi
        cost = upright.square() + 0.1 * speed.square() + 0.001 * torque.square()
        pull = 3 * GRAVITY / (2 * LENGTH) * angle.sin() + 3.0 / (MASS * LENGTH**2) * torque
        speed = (speed + pull * DT).clamp(-MAX_SPEED, MAX_SPEED)
        next_physics = torch.stack([angle + speed * DT, speed], -1)
        return next_physics, -cost.float(), torch.zeros_like(upright, dtype=torch.bool)

    def observe(physics):
        angle, speed = physics.unbind(-1)
        return torch.stack([angle.cos(), angle.sin(), speed], -1).float()

    high = np.array([1.0, 1.0, MAX_SPEED], np.float32)
    spaces = Box(-high, high), Box(-MAX_TORQUE, MAX_TORQUE, (1,))
    return physics_env(
        "pendulum", num_envs, start, step, observe, time_limit, *spaces, draw_pendulum
    )
