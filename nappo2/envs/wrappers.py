"""Wrappers of Gymnasium environments, before they become a vector."""

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Space
from gymnasium.wrappers import FrameStackObservation, ReshapeObservation, TransformObservation

from nappo2.pipeline import positive

CHANNELS = (1, 3, 4)  # grey, colour, colour with transparency


class FrameSkip(gymnasium.Wrapper):
    """Each action is done ``num`` times; rewards are summed, and the last observation is seen."""

    def __init__(self, env: gymnasium.Env, num: int):
        super().__init__(env)
        positive(frame_skip=num)
        self.num = num

    def step(self, action):
        total = 0.0
        for _ in range(self.num):
            observation, reward, terminated, truncated, info = self.env.step(action)
            total += reward
            if terminated or truncated:
                break
        return observation, total, terminated, truncated, info


def frame_stacked(env: gymnasium.Env, num: int) -> gymnasium.Env:
    """The last ``num`` observations as one along the first dimension, the newest last.

    Vectors [n] become [num * n], images [C, H, W] become [num * C, H, W]; at first all are the
    first one. Bounds are those of the parts.
    """
    positive(frame_stack=num)
    shape = env.observation_space.shape
    stacked = FrameStackObservation(env, num, padding_type="reset") if num > 1 else env
    return ReshapeObservation(stacked, (num * shape[0], *shape[1:]))


def channels_first(env: gymnasium.Env) -> gymnasium.Env:
    """Images of bytes [H, W, C] as [C, H, W]; anything else as it is."""
    space = env.observation_space
    if not has_channels_last(space):
        return env
    low, high = np.moveaxis(space.low, -1, 0), np.moveaxis(space.high, -1, 0)
    turned = Box(low, high, dtype=space.dtype)
    return TransformObservation(env, lambda x: np.moveaxis(x, -1, 0), turned)


def has_channels_last(space: Space) -> bool:
    """Whether observations are bytes [H, W, C]."""
    if not isinstance(space, Box) or space.dtype != "uint8" or len(space.shape) != 3:
        return False
    first, _, last = space.shape
    return last in CHANNELS and first not in CHANNELS
