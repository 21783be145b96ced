"""Wrappers of single environments: the time that remains, frame skips and stacks, channels first.

It imports no torch, as a process of simulators begins without.
"""

import math
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Space, Tuple
from gymnasium.wrappers import FrameStackObservation, ReshapeObservation, TransformObservation

from nappo2.checks.ranges import positive
from nappo2.envs.boxes import has_goals, is_box, is_bytes

CHANNELS = (1, 3, 4)  # grey, colour, colour with transparency


class FrameSkip(gymnasium.Wrapper):
    """Repeats each action ``num`` times, sums the rewards, and returns the last observation."""

    def __init__(self, env: gymnasium.Env, num: int):
        super().__init__(env)
        positive(frame_skip=num)
        if has_goals(env.observation_space):
            raise ValueError(
                "frame_skip stays 1 with goals, as hindsight's rewards are of one step"
            )
        self.num = num

    def step(self, action):
        """Steps until an episode ends, at most ``num`` times."""
        total = 0.0
        for _ in range(self.num):
            observation, reward, terminated, truncated, info = self.env.step(action)
            total += reward
            if terminated or truncated:
                break
        return observation, total, terminated, truncated, info


class TimeFeature(gymnasium.Wrapper):
    """Appends the share of an episode's steps that remains to observations: 1 - t / T after step t.

    T is the ``max_episode_steps`` of the environment. Where episodes are truncated, the value of a state
    depends on it (Pardo et al., https://arxiv.org/abs/1712.00378). In goal environments it is part of
    ``observation``.

    Example:
        >>> import gymnasium
        >>> env = envs.TimeFeature(gymnasium.make("CartPole-v1"), max_steps=4)
        >>> env.reset(seed=0)[0][-1].item(), env.step(0)[0][-1].item()
        (1.0, 0.75)
    """

    def __init__(self, env: gymnasium.Env, max_steps: int | None = None):
        """Wraps an environment of vectors.

        Args:
            env: with observations in a Box [n], or a Dict with such an ``observation``.
            max_steps: T; None for that of the environment's spec, or else 1,000.

        Raises:
            ValueError: if observations are no vectors.
        """
        super().__init__(env)
        limit = getattr(env.spec, "max_episode_steps", None)
        self.max_steps, self.num_steps = max_steps or limit or 1_000, 0
        positive(max_steps=self.max_steps)
        space = env.observation_space
        part = space.spaces.get("observation") if isinstance(space, Dict) else space
        if not is_box(part) or len(part.shape) != 1:
            raise ValueError(f"time_feature is for observations that are vectors, not for {space}")
        low, high = np.append(part.low, 0.0), np.append(part.high, 1.0)
        longer = Box(low.astype(part.dtype), high.astype(part.dtype), dtype=part.dtype)
        is_dict = isinstance(space, Dict)
        self.observation_space = (
            Dict({**space.spaces, "observation": longer}) if is_dict else longer
        )
        self.dtype = part.dtype

    def reset(self, **kwargs):
        """Begins an episode, of which all remains."""
        self.num_steps = 0
        observation, info = self.env.reset(**kwargs)
        return self.with_time(observation), info

    def step(self, action):
        """Steps, and counts the step."""
        self.num_steps += 1
        observation, *rest = self.env.step(action)
        return self.with_time(observation), *rest

    def with_time(self, observation: Any) -> Any:
        """An observation [n + 1] of one [n], or a dictionary with such a one."""
        if isinstance(observation, dict):
            return observation | {"observation": self.with_time(observation["observation"])}
        remaining = np.array(1 - self.num_steps / self.max_steps, self.dtype)
        return np.append(observation, remaining)


def frame_wrappers(
    skip: int, stack: int, time_feature: bool
) -> tuple[Callable[[gymnasium.Env], gymnasium.Env], ...]:
    """The wrappers of environments whose arguments they are.

    Args:
        skip: how often each action is done.
        stack: of how many observations each consists.
        time_feature: whether the time that remains is observed; it counts single steps.

    Returns:
        The wrappers, from the inside to the outside.
    """
    positive(frame_skip=skip, frame_stack=stack)
    times = (TimeFeature,) if time_feature else ()
    skips = (partial(FrameSkip, num=skip),) if skip > 1 else ()
    return times + skips + ((partial(frame_stacked, num=stack),) if stack > 1 else ())


def frame_stacked(env: gymnasium.Env, num: int) -> gymnasium.Env:
    """Joins the last ``num`` observations along the first dimension, the newest last.

    Vectors [n] become [num * n], single numbers [num]. Images of bytes, grey ones
    [H, W] too, become a stack [num, ...], of which ``channels_first`` makes one image. An episode
    begins with ``num`` copies of its first observation.

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
    """Turns images of bytes [H, W, C] to [C, H, W], and stacks of N images to one of N * C channels.

    So it does in the parts of dictionaries and tuples. Anything else stays as it is. Where a shape does
    not tell which dimension has the channels, a warning says that the first one is taken for it.
    """
    space = env.observation_space
    for part in _boxes(space):
        if is_bytes(part, 3, 4) and channel_axis(part.shape[-3:]) is None:
            warnings.warn(
                f"observations of shape {part.shape} in bytes do not tell which dimension is that of "
                "their channels; the first of an image is taken for it. If it is another, a "
                "gymnasium.wrappers.TransformObservation turns them",
                stacklevel=2,
            )
    turn = turning(space)
    return env if turn is None else TransformObservation(env, turn, turned(space))


def _boxes(space: Space) -> list[Space]:
    """The boxes in a space whose images may be turned; of goal environments none."""
    parts = _parts(space)
    return [space] if not parts else [box for part in parts.values() for box in _boxes(part)]


def _parts(space: Space) -> dict[Any, Space]:
    """The spaces of the parts of dictionaries and tuples, by key or position."""
    if isinstance(space, Dict) and not has_goals(space):
        return dict(space.spaces)
    return dict(enumerate(space.spaces)) if isinstance(space, Tuple) else {}


def turned(space: Space) -> Space:
    """The space of the observations that ``turning(space)`` makes."""
    turn = turning(space)
    if turn is None:
        return space
    if is_box(space):
        return Box(turn(space.low), turn(space.high), dtype=space.dtype)
    parts = {key: turned(part) for key, part in _parts(space).items()}
    return Dict(parts) if isinstance(space, Dict) else Tuple(list(parts.values()))


FIRST, LAST = 0, 2


def image(x: Any, last: bool, rank: int) -> Any:
    """Images [..., C, H, W] of images ``[..., *bare]``, in an array or a tensor.

    Args:
        x: the images; ``bare`` is (C, H, W) or (H, W, C), or a stack of N of them.
        last: whether their channels are last.
        rank: of ``bare``; the channels of a stack are joined.

    Returns:
        The images, an array or a tensor as ``x`` is.
    """
    x = x.swapaxes(-1, -2).swapaxes(-2, -3) if last else x
    return x.reshape(*x.shape[:-rank], math.prod(x.shape[-rank:-2]), *x.shape[-2:])


def image_parts(x: Any, turns: Mapping[Any, Callable[[Any], Any]]) -> Any:
    """Turns images in the parts of an observation, by key or position; others stay as they are."""
    if isinstance(x, (tuple, list)):
        return tuple(turns[i](part) if i in turns else part for i, part in enumerate(x))
    if not isinstance(x, Mapping):
        return x
    return {key: turns[key](part) if key in turns else part for key, part in x.items()}


def turning(space: Space) -> Callable[[Any], Any] | None:
    """How ``channels_first`` turns images ``[..., *shape]`` of a space; None if they stay as they are."""
    turns = {key: turning(part) for key, part in _parts(space).items()}
    turns = {key: turn for key, turn in turns.items() if turn is not None}
    if turns:
        return partial(image_parts, turns=turns)
    if not is_bytes(space, 3, 4):
        return None
    last, rank = channel_axis(space.shape[-3:]) == LAST, len(space.shape)
    return None if rank == 3 and not last else partial(image, last=last, rank=rank)


def bare_space(env: gymnasium.Env) -> Space:
    """The space of observations of an environment, before ``channels_first`` turned its images."""
    function = getattr(env, "func", None)
    is_turned = isinstance(function, partial) and function.func in (image, image_parts)
    return env.env.observation_space if is_turned else env.observation_space


def channel_axis(shape: tuple[int, ...]) -> int | None:
    """The dimension of the channels in an image: FIRST, LAST, or None if the shape does not tell.

    It is the one of size 1, 3 or 4; if that is none or both, the one beside a square; or else the
    one that is smaller than both others.
    """
    first, middle, last = shape
    if (first in CHANNELS) != (last in CHANNELS):
        return FIRST if first in CHANNELS else LAST
    if (first == middle) != (middle == last):
        return LAST if first == middle else FIRST
    if first < min(middle, last):
        return FIRST
    return LAST if last < min(first, middle) else None
