"""Masks of actions of Gymnasium environments, and the wrapper that puts them into observations.

An environment tells its masks in ``info["action_mask"]``, under the key ``action_mask`` of its observations,
or by a method ``action_masks()``, as for sb3-contrib.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium
import numpy as np

from nappo2.envs.actions import action_spec
from nappo2.envs.env import actions_of
from nappo2.envs.masks import is_masked, masked_space, num_flags
from nappo2.maths.masks import MASK

Read = Callable[[gymnasium.Env, Any, Any], Any]
"""``(env, observation, info) -> mask`` [n], as the environment gives it."""


class Masked(gymnasium.Wrapper):
    """Puts masks into observations, and refuses those that are none, or forbid everything."""

    def __init__(self, env: gymnasium.Env, name: str, read: Read):
        """Makes the wrapper.

        Args:
            env: whose actions have choices.
            name: in messages.
            read: finds the mask.
        """
        super().__init__(env)
        self.name, self.read, self.steps = name, read, 0
        self.sizes = action_spec(env.action_space).sizes
        self.num = sum(self.sizes)
        ends = list(itertools.accumulate(self.sizes, initial=0))
        self.parts = [slice(*pair) for pair in itertools.pairwise(ends)]
        if not is_masked(env.observation_space):
            self.observation_space = masked_space(env.observation_space, self.num)

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple:
        """Begins an episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        self.steps = 0
        return self.with_mask(observation, info, ended=False), info

    def step(self, action: Any) -> tuple:
        """Steps; after the last step of an episode nothing has to be allowed."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self.steps += 1
        observation = self.with_mask(observation, info, bool(terminated))
        return observation, reward, terminated, truncated, info

    def with_mask(self, observation: Any, info: Any, ended: bool) -> dict:
        """The observation with its mask.

        Args:
            observation: of the environment.
            info: of the environment.
            ended: whether the episode terminated, after which there may be no mask.

        Returns:
            A dictionary with the key ``action_mask``, [n] bool.

        Raises:
            ValueError: if there is no mask, it has another shape or dtype, or forbids everything.
        """
        mask = self.read(self.env, observation, info)
        if mask is None and ended:
            mask = np.ones(self.num, bool)
        parts = observation if isinstance(observation, dict) else {"observation": observation}
        return {**parts, MASK: self.checked_mask(mask, ended)}

    def checked_mask(self, mask: Any, ended: bool) -> np.ndarray:
        """The mask as bools; where an episode ended it may forbid everything.

        Args:
            mask: of the environment.
            ended: whether the episode terminated.

        Returns:
            The mask, [n] bool.

        Raises:
            ValueError: if it has another shape or dtype, or forbids everything in an episode that
                goes on.
        """
        flags = np.asarray(mask)
        if flags.shape != (self.num,) or not is_flags(flags):
            given = "nothing" if mask is None else f"shape {flags.shape} of {flags.dtype}"
            if flags.shape == (self.num,):
                given = f"{str(flags.tolist())[:60]} of {flags.dtype}"
            raise ValueError(
                f"{self.name} gave {given} as its {MASK} after step {self.steps} of an episode; it "
                f"has {self.num} flags, True or 1 where an action is allowed"
            )
        data = (flags if flags.itemsize == 1 else flags.astype(bool)).tobytes()
        if not ended and not all(1 in data[part] for part in self.parts):
            num = next(
                n for n, part in zip(self.sizes, self.parts, strict=True) if 1 not in data[part]
            )
            raise ValueError(
                f"{self.name} forbade all {num} actions by its {MASK} after step {self.steps} of an "
                "episode that goes on"
            )
        return np.frombuffer(data, bool)


def is_flags(x: np.ndarray) -> bool:
    """Tests whether an array [n] has bools, or integers of which each is 0 or 1."""
    if x.itemsize == 1:  # a byte each, which numpy would take ten times as long to compare
        return x.dtype.kind in "biu" and not x.tobytes().strip(b"\0\1")
    return x.dtype.kind in "iu" and not (x >> 1).any()


def reader_of(name: str, env: gymnasium.Env) -> Read | None:
    """How an environment tells its masks; None if it has none, or actions that have none.

    An environment whose actions are choices is reset for this, as only an info says what is in it.

    Args:
        name: in messages.
        env: that is made for this.

    Returns:
        One of the functions below.
    """
    if num_flags(actions_of(name, env.action_space)) == 0:
        return None
    if is_masked(env.observation_space):
        return of_observation
    if isinstance(env, gymnasium.Env) and env.has_wrapper_attr("action_masks"):
        return of_method
    return of_info if MASK in first_info(env) else None


def first_info(env: gymnasium.Env) -> Any:
    """The info of a reset; empty where it fails, which the first reset of a run will tell."""
    try:
        info = env.reset()[1]
    except Exception:
        return {}
    return info if isinstance(info, dict) else {}


def of_observation(env: gymnasium.Env, observation: Any, info: Any) -> Any:
    """The mask in an observation.

    Args:
        env: not read.
        observation: a dictionary.
        info: not read.

    Returns:
        The mask, [n]; None if there is none.
    """
    return observation.get(MASK) if isinstance(observation, Mapping) else None


def of_info(env: gymnasium.Env, observation: Any, info: Any) -> Any:
    """The mask in an info dictionary.

    Args:
        env: not read.
        observation: not read.
        info: a dictionary.

    Returns:
        The mask, [n]; None if there is none.
    """
    return info.get(MASK) if isinstance(info, Mapping) else None


def of_method(env: gymnasium.Env, observation: Any, info: Any) -> Any:
    """The mask that an environment's method ``action_masks`` returns, as for sb3-contrib.

    Args:
        env: has the method.
        observation: not read.
        info: not read.

    Returns:
        The mask, [n]; None if there is none.
    """
    return env.get_wrapper_attr("action_masks")()
