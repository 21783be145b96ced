"""A deep sea: a grid that must be crossed without one wrong step, as in bsuite, in torch."""

import torch
from gymnasium.spaces import Discrete

from nappo2.envs import Env
from nappo2.envs.physics import physics_env
from nappo2.seeds import generator


def deep_sea(num_envs: int, depth: int) -> Env:
    """A diver sinks a row per step, and steers left or right; a treasure of 1 lies at the bottom right.

    After Osband et al. (https://arxiv.org/abs/1703.07608), without the cost of a step to the right. It
    tells its field, a Discrete. Which action is right differs from field to field, so that no simple
    policy finds the treasure by luck, and who acts at random does in about one of 2^(depth - 2) episodes.
    """
    swapped = torch.randint(2, (depth, depth), generator=generator(0))

    def start(num, rng):
        return torch.zeros(num, 2, dtype=torch.int64)

    def step(physics, action):
        row, column = physics.unbind(1)
        right = action ^ swapped[row.clamp(max=depth - 1), column]
        row, column = row + 1, (column + 2 * right - 1).clamp(0, depth - 1)
        ended = row == depth
        return torch.stack([row, column], 1), (ended & (column == depth - 1)).float(), ended

    def observe(physics):
        row, column = physics.unbind(1)
        return row * depth + column

    spaces = Discrete(depth * (depth + 1)), Discrete(2)
    return physics_env("deep_sea", num_envs, start, step, observe, depth + 1, *spaces)
