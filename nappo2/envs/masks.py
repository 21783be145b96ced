"""Masks of actions in environments: where they come from, and which spaces they have.

An environment has masks if ``action_mask`` is a key of its observations. ``with_mask`` gives a Gymnasium
environment this key if it tells its masks in ``info["action_mask"]``, or by a method ``action_masks()``.
"""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Dict, MultiBinary, Space
from torch import Tensor

from nappo2.checks import checked
from nappo2.envs.actions import ActionSpec, action_spec
from nappo2.envs.env import Env, actions_of
from nappo2.maths.masks import MASK, allowed_only

Read = Callable[[gymnasium.Env, Any, Any], Any]
"""``(env, observation, info) -> mask`` [n], as the environment gives it."""


def has_mask(env: Env) -> bool:
    """Tests whether an environment's observations say which actions are allowed."""
    return is_masked(env.observation_space)


def is_masked(space: Space) -> bool:
    """Tests whether observations of a space have the key ``action_mask``."""
    return isinstance(space, Dict) and MASK in space.spaces


@checked
def without_mask(env: Env) -> Env:
    """The environment as networks see it: the space of its observations without ``action_mask``.

    Its functions are those of ``env``; without a mask it is ``env`` itself.
    """
    if not has_mask(env):
        return env
    return env._replace(observation_space=without_key(env.observation_space))


def without_key(space: Dict) -> Space:
    """The space of ``maths.masks.unmasked`` observations."""
    rest = {key: part for key, part in space.spaces.items() if key != MASK}
    return rest["observation"] if rest.keys() == {"observation"} else Dict(rest)


def masked_space(space: Space, num: int) -> Dict:
    """The space of observations with a mask of ``num`` actions beside them."""
    parts = dict(space.spaces) if isinstance(space, Dict) else {"observation": space}
    return Dict({**parts, MASK: MultiBinary(num)})


def num_flags(actions: ActionSpec) -> int:
    """The number of flags of a mask, one for each of n actions; 0 if such actions have no masks."""
    return actions.size if actions.kind == "discrete" else 0


def restricted(actions: ActionSpec) -> Callable[[Tensor, Tensor], Tensor]:
    """``(outputs [..., num_outputs], mask [..., n]) -> outputs``, in which forbidden actions are lowest."""
    return allowed_only


def check_space(env: Env) -> None:
    """Refuses masks that do not fit an environment's actions.

    Raises:
        ValueError: if actions have no masks, or other ones; names the shapes.
    """
    if not has_mask(env):
        return
    shape, num = env.observation_space[MASK].shape, num_flags(env.action_spec)
    if num == 0:
        raise ValueError(
            f"{env.name} has an {MASK} {list(shape)} in its observations, and actions in "
            f"{env.action_space}; masks are of discrete actions"
        )
    if shape != (num,):
        raise ValueError(
            f"{env.name} has an {MASK} of shape {shape}; its actions in {env.action_space} take one "
            f"of shape {(num,)}"
        )


class Masked(gymnasium.Wrapper):
    """Puts masks into observations, and refuses those that are none, or forbid everything."""

    def __init__(self, env: gymnasium.Env, name: str, read: Read):
        """Makes the wrapper.

        Args:
            env: with discrete actions.
            name: in messages.
            read: finds the mask.
        """
        super().__init__(env)
        self.name, self.read, self.steps = name, read, 0
        self.num = num_flags(action_spec(env.action_space))
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
        if flags.shape != (self.num,) or flags.dtype.kind not in "biu" or flags.max() > 1:
            given = "nothing" if mask is None else f"shape {flags.shape} of {flags.dtype}"
            raise ValueError(
                f"{self.name} gave {given} as its {MASK} after step {self.steps} of an episode; it "
                f"has {self.num} flags, True or 1 where an action is allowed"
            )
        flags = flags.astype(bool)
        if not ended and not flags.any():
            raise ValueError(
                f"{self.name} forbade all {self.num} actions by its {MASK} after step {self.steps} "
                "of an episode that goes on"
            )
        return flags


def reader_of(name: str, env: gymnasium.Env) -> Read | None:
    """How an environment tells its masks; None if it has none, or actions that have none.

    An environment with discrete actions is reset for this, as only an info says what is in it.

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
        The mask, [n].
    """
    return observation.get(MASK)


def of_info(env: gymnasium.Env, observation: Any, info: Any) -> Any:
    """The mask in an info dictionary.

    Args:
        env: not read.
        observation: not read.
        info: a dictionary.

    Returns:
        The mask, [n].
    """
    return info.get(MASK)


def of_method(env: gymnasium.Env, observation: Any, info: Any) -> Any:
    """The mask that an environment's method ``action_masks`` returns, as for sb3-contrib.

    Args:
        env: has the method.
        observation: not read.
        info: not read.

    Returns:
        The mask, [n].
    """
    return env.get_wrapper_attr("action_masks")()
