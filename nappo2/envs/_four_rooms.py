"""Four rooms, a grid world observed as an image, in torch."""

import torch
from gymnasium.spaces import Box, Discrete

from nappo2.checks import checked
from nappo2.envs.env import Env
from nappo2.envs.physics import physics_env
from nappo2.envs.rendering import draw_rooms
from nappo2.saving.calls import remembering

ROOMS = """
#############
#     #     #
#     #     #
#           #
#     #     #
#     #     #
## ####     #
#     ### ###
#     #     #
#     #     #
#           #
#     #     #
#############
"""
"""The map of Sutton, Precup & Singh (1999), with a border."""


@remembering
@checked
def four_rooms(num_envs: int, time_limit: int = 500) -> Env:
    """Four rooms with doors (Sutton, Precup & Singh, https://doi.org/10.1016/S0004-3702(99)00052-1).

    The agent moves up (0), to the right (1), down (2) or to the left (3), and stays where a wall is in
    its way; it never slips. At the goal an episode ends with a reward of 1; all other steps are worth 0,
    and after ``time_limit`` of them it is truncated. Agent and goal begin in different cells, which are
    drawn anew in each episode. Observations are bytes [B, 3, 13, 13], 255 at the walls, the agent and
    the goal.

    Args:
        num_envs: B.
        time_limit: steps after which an episode is truncated.

    Returns:
        The environment, with four discrete actions.

    Example:
        >>> envs.four_rooms(4)
        4 x four_rooms: Box(0, 255, (3, 13, 13), uint8) -> Discrete(4)
    """
    walls = torch.tensor([[cell == "#" for cell in row] for row in ROOMS.split("\n")[1:-1]])
    height, width = walls.shape
    free, moves = (~walls).flatten().nonzero().flatten(), moves_on(walls)
    single = torch.eye(height * width, dtype=torch.bool).view(-1, height, width)
    images = torch.cat([single, walls[None]]).to(torch.uint8) * 255  # the last one is of the walls

    def start(num_envs, rng):
        agent = torch.randint(len(free), (num_envs,), generator=rng)
        ahead = torch.randint(1, len(free), (num_envs,), generator=rng)
        return free[torch.stack([agent, (agent + ahead) % len(free)], -1)]

    def step(physics, action):
        agent, goal = physics.unbind(-1)
        agent = moves[agent, action]
        arrived = agent == goal
        return torch.stack([agent, goal], -1), arrived.float(), arrived

    def observe(physics):
        walls = torch.full_like(physics[..., :1], height * width)
        rows = torch.cat([walls, physics], -1).flatten()  # one look-up: each byte is written once
        return images.index_select(0, rows).unflatten(0, (-1, 3))

    spaces = Box(0, 255, (3, height, width), "uint8"), Discrete(4)

    def draw(physics):
        return draw_rooms(observe(physics[None])[0])

    return physics_env("four_rooms", num_envs, start, step, observe, time_limit, *spaces, draw)


def moves_on(walls: torch.Tensor) -> torch.Tensor:
    """The cell that each action leads to from each cell.

    Args:
        walls: [height, width] bool, closed all around.

    Returns:
        Cells, counted row by row, by cell and action, [height * width, 4] int64.
    """
    cells = torch.arange(walls.numel()).view(walls.shape)
    neighbours = [cells.roll(*by) for by in ((1, 0), (-1, 1), (-1, 0), (1, 1))]
    return torch.stack([torch.where(walls.flatten()[x], cells, x) for x in neighbours], -1).flatten(
        0, 1
    )
