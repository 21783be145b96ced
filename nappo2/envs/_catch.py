"""Catch, a falling ball observed as an image, in torch."""

import torch
from gymnasium.spaces import Box, Discrete

from nappo2.checks import checked
from nappo2.envs.env import Env
from nappo2.envs.physics import physics_env
from nappo2.envs.rendering import draw_board
from nappo2.pipeline import positive
from nappo2.saving.calls import remembering


@remembering
@checked
def catch(num_envs: int, rows: int = 10, columns: int = 5, pixels: int = 1) -> Env:
    """Catch, as in bsuite (Osband et al., https://arxiv.org/abs/1908.03568), as images.

    A ball falls from a random column of the top row, a row per step; a paddle in the bottom row
    moves to the left (0), not at all (1) or to the right (2). The step in which the ball arrives
    ends the episode and is worth 1 if it is caught, and -1 otherwise; all others 0. Observations
    are bytes, 255 at the ball and the paddle, [B, 1, rows * pixels, columns * pixels].

    Args:
        num_envs: B.
        rows: of the board.
        columns: of the board.
        pixels: to a side of a cell.

    Returns:
        The environment, with three discrete actions.

    Raises:
        ValueError: if a size is not at least 1, or there is no row to fall to.

    Example:
        >>> envs.catch(4)
        4 x catch: Box(0, 255, (1, 10, 5), uint8) -> Discrete(3)
    """
    positive(rows=rows, columns=columns, pixels=pixels)
    if rows < 2:
        raise ValueError("a ball needs two rows at least to fall")
    cells = torch.arange(rows * columns).view(rows, columns)

    def start(num_envs, rng):
        ball = torch.randint(columns, (num_envs,), generator=rng)
        return torch.stack([torch.zeros_like(ball), ball, torch.full_like(ball, columns // 2)], -1)

    def step(physics, action):
        row, ball, paddle = physics.unbind(-1)
        paddle = (paddle + action - 1).clamp(0, columns - 1)
        arrived = row + 1 == rows - 1
        reward = torch.where(arrived, 2.0 * (ball == paddle) - 1, 0.0)
        return torch.stack([row + 1, ball, paddle], -1), reward, arrived

    def observe(physics):
        row, ball, paddle = physics[..., None, None].unbind(1)
        lit = (cells == row * columns + ball) | (cells == (rows - 1) * columns + paddle)
        board = lit.to(torch.uint8).mul_(255)[:, None]
        if pixels == 1:
            return board
        return board.repeat_interleave(pixels, -1).repeat_interleave(pixels, -2)

    spaces = Box(0, 255, (1, rows * pixels, columns * pixels), "uint8"), Discrete(3)

    def draw(physics):
        return draw_board(observe(physics[None])[0])

    return physics_env("catch", num_envs, start, step, observe, rows, *spaces, draw)
