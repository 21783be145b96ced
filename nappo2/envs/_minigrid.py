"""The grid worlds of MiniGrid and BabyAI."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from gymnasium.wrappers import TransformObservation

from nappo2.checks import checked, installs
from nappo2.envs.env import Env
from nappo2.envs.gym import from_gym
from nappo2.saving.calls import remembering

STEPS = np.array([25, 51, 127], np.uint8)  # of 11 objects, 6 colours and 3 states, within a byte
PREFIXES = "MiniGrid-", "BabyAI-"


@remembering
@checked
def minigrid(env_id: str, num_envs: int = 1, **kwargs: Any) -> Env:
    """MiniGrid and BabyAI: the 7 x 7 cells ahead as images [B, 3, 7, 7] of objects, colours and states.

    Their numbers are spread over a byte, as networks scale bytes to [0, 1]. The mission is not
    observed. For another view, give ``from_gym`` a function that makes it, such as
    ``lambda: minigrid.wrappers.FlatObsWrapper(gymnasium.make(env_id))``.

    Raises:
        ValueError: if there is none of this id, or minigrid is not installed.
    """
    try:
        import minigrid  # noqa: F401, which registers its environments
    except ImportError as error:
        raise ValueError(
            f"{env_id} is of minigrid, which is not installed: {installs('minigrid')}"
        ) from error
    return from_gym(env_id, num_envs, wrappers=(image_only, *kwargs.pop("wrappers", ())), **kwargs)


def image_only(env: gymnasium.Env) -> gymnasium.Env:
    """Replaces the dictionaries of MiniGrid by their image, bytes [3, 7, 7]."""
    shape = np.roll(env.observation_space["image"].shape, 1)
    return TransformObservation(
        env,
        lambda observation: np.moveaxis(observation["image"] * STEPS, -1, 0),
        Box(0, 255, tuple(shape), np.uint8),
    )
