"""Wrappers of Gymnasium environments, before they become a vector."""

import warnings

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from gymnasium.wrappers import FrameStackObservation, ReshapeObservation, TransformObservation

from nappo2.envs.observations import has_goals, is_box, is_bytes
from nappo2.pipeline import positive

CHANNELS = (1, 3, 4)  # grey, colour, colour with transparency


class FrameSkip(gymnasium.Wrapper):
    """Each action is done ``num`` times; rewards are summed, and the last observation is seen."""

    def __init__(self, env: gymnasium.Env, num: int):
        super().__init__(env)
        positive(frame_skip=num)
        if has_goals(env.observation_space):
            raise ValueError(
                "frame_skip stays 1 with goals, as hindsight's rewards are of one step"
            )
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

    Vectors [n] become [num * n], single numbers [num]. Of images of bytes, which are grey if they
    are [H, W], there is a stack, [num, ...], which ``channels_first`` makes one image of. At first
    all are the first one. Bounds are those of the parts.

    Raises:
        ValueError: if observations are no Box.
    """
    positive(frame_stack=num)
    space = env.observation_space
    if not is_box(space):
        raise ValueError(f"frame_stack is for observations in a Box, not in {space}")
    if num == 1:
        return env
    stacked = FrameStackObservation(env, num, padding_type="reset")
    if is_bytes(space, 2, 3):
        return ReshapeObservation(stacked, (num, *(1,) * (3 - len(space.shape)), *space.shape))
    first, *rest = space.shape or (1,)
    return ReshapeObservation(stacked, (num * first, *rest))


def channels_first(env: gymnasium.Env) -> gymnasium.Env:
    """Images of bytes [H, W, C] as [C, H, W], and stacks of N images as one of N * C channels.

    Anything else stays as it is. Where a shape does not tell which are its channels, a warning says
    that its first dimension is taken for them.
    """
    space = env.observation_space
    if not is_bytes(space, 3, 4):
        return env
    axis = channel_axis(space.shape[-3:])
    if axis is None:
        warnings.warn(
            f"observations of shape {space.shape} in bytes do not tell which dimension is that of "
            "their channels; the first of an image is taken for it. If it is another, a "
            "gymnasium.wrappers.TransformObservation turns them",
            stacklevel=2,
        )
    if len(space.shape) == 3 and axis != LAST:
        return env

    def turned(x):
        x = np.moveaxis(x, -1, -3) if axis == LAST else x
        return x.reshape(-1, *x.shape[-2:])

    bounds = turned(space.low), turned(space.high)
    return TransformObservation(env, turned, Box(*bounds, dtype=space.dtype))


FIRST, LAST = 0, 2


def channel_axis(shape: tuple[int, ...]) -> int | None:
    """Which dimension of an image is that of its channels: FIRST, LAST, or None if that is unsure.

    It is the one of 1, 3 or 4; if that is none or both, the one beside a square; or the smaller
    one, if it is smaller than both others.
    """
    first, middle, last = shape
    if (first in CHANNELS) != (last in CHANNELS):
        return FIRST if first in CHANNELS else LAST
    if (first == middle) != (middle == last):
        return LAST if first == middle else FIRST
    if first < min(middle, last):
        return FIRST
    return LAST if last < min(first, middle) else None
