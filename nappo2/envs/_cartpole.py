"""CartPole, a pole on a cart, in torch."""

import math

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete

from nappo2.checks import checked
from nappo2.envs.env import Env
from nappo2.envs.physics import physics_env
from nappo2.envs.rendering import draw_cartpole
from nappo2.saving.calls import remembering

GRAVITY, CART_MASS, POLE_MASS, HALF_LENGTH, FORCE, DT = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02
MASS, MOMENT = CART_MASS + POLE_MASS, POLE_MASS * HALF_LENGTH
MAX_POSITION, MAX_ANGLE = 2.4, 12 * 2 * math.pi / 360


@remembering
@checked
def cartpole(num_envs: int, time_limit: int = 500) -> Env:
    """CartPole-v1 (Barto, Sutton & Anderson, 1983), which moves exactly as Gymnasium's does.

    Observations are position, velocity, angle and angular velocity, [B, 4]; actions push to the
    left (0) or to the right (1); each step is worth 1.

    Example:
        >>> env = envs.cartpole(4)
        >>> env.num_envs, env.observation_space.shape, env.action_space
        (4, (4,), Discrete(2))
    """

    def start(num_envs, rng):
        return torch.rand(num_envs, 4, generator=rng, dtype=torch.float64) * 0.1 - 0.05

    def step(physics, action):
        x, velocity, angle, spin = physics.unbind(-1)
        sin, cos = angle.sin(), angle.cos()
        push = ((2 * action - 1) * FORCE + MOMENT * spin.square() * sin) / MASS
        lever = HALF_LENGTH * (4 / 3 - POLE_MASS * cos.square() / MASS)
        torque = (GRAVITY * sin - cos * push) / lever
        pull = push - MOMENT * torque * cos / MASS
        next_physics = torch.stack(
            [x + DT * velocity, velocity + DT * pull, angle + DT * spin, spin + DT * torque], -1
        )
        fell = (next_physics[:, 0].abs() > MAX_POSITION) | (next_physics[:, 2].abs() > MAX_ANGLE)
        return next_physics, torch.ones(len(next_physics), device=next_physics.device), fell

    high = np.array([2 * MAX_POSITION, np.inf, 2 * MAX_ANGLE, np.inf], np.float32)
    spaces = Box(-high, high), Discrete(2)
    observe = torch.Tensor.float
    return physics_env(
        "cartpole", num_envs, start, step, observe, time_limit, *spaces, draw_cartpole
    )
