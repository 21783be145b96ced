"""A car in a valley, in torch."""

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete

from nappo2.checks import checked
from nappo2.envs.env import Env
from nappo2.envs.physics import physics_env
from nappo2.envs.rendering import draw_mountain_car
from nappo2.saving.calls import remembering

GRAVITY, FORCE = 0.0025, 0.001
LEFT, RIGHT, GOAL, MAX_SPEED = -1.2, 0.6, 0.5, 0.07


@remembering
@checked
def mountain_car(num_envs: int, time_limit: int = 200) -> Env:
    """MountainCar-v0 (Moore, 1990), which moves exactly as Gymnasium's does.

    Observations are position and velocity, [B, 2]; actions push to the left (0), not at all (1)
    or to the right (2); each step is worth -1, until the top is reached.

    Example:
        >>> envs.mountain_car(4)
        4 x mountain_car: Box([-1.2 -0.07], [0.6 0.07], (2,), float32) -> Discrete(3)
    """

    def start(num_envs, rng):
        position = torch.rand(num_envs, generator=rng, dtype=torch.float64) * 0.2 - 0.6
        return torch.stack([position, torch.zeros_like(position)], -1)

    def step(physics, action):
        position, velocity = physics.unbind(-1)
        velocity = velocity + (action - 1) * FORCE - GRAVITY * (3 * position).cos()
        velocity = velocity.clamp(-MAX_SPEED, MAX_SPEED)
        position = (position + velocity).clamp(LEFT, RIGHT)
        velocity = torch.where((position == LEFT) & (velocity < 0), 0.0, velocity)
        reward = torch.full(position.shape, -1.0, device=position.device)
        return torch.stack([position, velocity], -1), reward, (position >= GOAL) & (velocity >= 0)

    low, high = np.array([[LEFT, -MAX_SPEED], [RIGHT, MAX_SPEED]], np.float32)
    spaces = Box(low, high), Discrete(3)
    observe = torch.Tensor.float
    return physics_env(
        "mountain_car", num_envs, start, step, observe, time_limit, *spaces, draw_mountain_car
    )
