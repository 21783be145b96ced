"""What perceptrons see of an observation: one row of numbers."""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from gymnasium.spaces import Space
from torch import Tensor

from nappo2.envs import Env, has_goals, is_image, observation_size
from nappo2.networks import Network, flattened, unchanged, viewing, with_goal

View = Callable[[Any], Tensor]
"""``observation [..., *shape] -> [..., n]``, in floats."""


def vector_view(env: Env) -> View:
    """All numbers of an observation as one row; of a goal environment, and its goal's beside them.

    Bytes are seen in [0, 1]. Where an observation may have been meant as an image, a warning says
    that it is not seen as one.
    """
    space = env.observation_space
    if not has_goals(space):
        _warn_of_images(env.name, space)
        return row_view(space)
    keys = ("observation", "desired_goal")
    views = {key: row_view(space[key]) for key in keys}
    if all(view is unchanged for view in views.values()):
        return with_goal
    return lambda x: torch.cat([view(x[key]) for key, view in views.items()], -1)


def row_view(space: Space) -> View:
    """All numbers of an observation of a box as one row."""
    rank = len(space.shape)
    if rank == 1 and space.dtype != "uint8":
        return unchanged
    return partial(flattened, rank=rank)


def of_rows(network: Network, env: Env) -> Network:
    """A network of rows, for an environment's observations."""
    view = vector_view(env)
    return network if view is unchanged else viewing(network, view)


def _warn_of_images(name: str, space: Space) -> None:
    """Says so if observations may be images, and are seen as none: in floats, grey, or in a stack."""
    rank = len(space.shape)
    if (rank >= 3 and not is_image(space)) or (rank == 2 and space.dtype == "uint8"):
        warnings.warn(
            f"{name} has observations of shape {space.shape} in {space.dtype}, which are seen as a row of "
            f"{observation_size(space)} numbers, not as images: these are of bytes (uint8), "
            "[C, H, W] or [H, W, C]",
            stacklevel=2,
        )
