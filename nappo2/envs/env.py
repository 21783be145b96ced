"""Environments: a pair of functions of an explicit state, on batches of B.

Continuous actions are in [-1, 1] in each dimension, [B, A]; an environment clips them to
that, and scales them to its own bounds. Discrete actions are integers from 0, [B].
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from gymnasium.spaces import Box, Dict, Discrete, Space
from torch import Generator, Tensor

from nappo2.checks import checked, explained

GOAL_KEYS = ("observation", "achieved_goal", "desired_goal")


class EpisodeCount(NamedTuple):
    """What is counted of a step, where that is not what is learnt from.

    Attributes:
        reward: before it was clipped, [B].
        over: whether the whole game is over, not just a life, [B] bool.
        info: further numbers by name, [B], that are written down of the step that ends a game.
    """

    reward: Tensor
    over: Tensor
    info: dict[str, Tensor] = {}


class Transition(NamedTuple):
    """What an action led to; plain tensors, as they are made once per step.

    Attributes:
        observation: the one reached, before any reset, [B, ...].
        reward: [B].
        terminated: whether it is terminal, so that nothing follows it, [B] bool.
        truncated: whether the episode was cut off here, [B] bool.
        game: of which returns and lengths are reported, where these are not those of the above.
    """

    observation: Tensor
    reward: Tensor
    terminated: Tensor
    truncated: Tensor
    game: EpisodeCount | None = None


class Physics(NamedTuple):
    """What an environment in torch is made of, so that a whole rollout of it can be compiled.

    Attributes:
        start: ``(num_envs, generator) -> physics``, of new episodes.
        step: ``(physics, action) -> (physics, reward, terminated)``.
        observe: ``physics -> observation``.
        time_limit: steps after which an episode is truncated.
        env_step: the ``step`` that these make; an environment with another one has other physics.
    """

    start: Callable[[int, Generator], Tensor]
    step: Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]
    observe: Callable[[Tensor], Tensor]
    time_limit: int
    env_step: Callable


@checked
class Env(NamedTuple):
    """A batch of environments, as a pair of functions.

    Attributes:
        reset: ``seed -> (state, observation)``.
        step: ``(state, action) -> (state, observation, outcome)``. An episode
            that ends is reset at once: ``observation`` is the one to act on,
            ``outcome.observation`` the one that was reached.
        observation_space: of one environment, a Box, or a Dict of GOAL_KEYS.
        action_space: of one environment, a Box (of any bounds) or Discrete.
        num_envs: B.
        name: what messages call it.
        close: ``state -> None``: frees what the state holds outside of this process's memory.
        render: ``state -> frame``, a picture [height, width, 3] of the first environment, or None
            if it was made without one; None where there are no pictures.
        many: ``n -> Env`` of n * B, which moves at once what n of these would; its ``reset`` takes
            a seed for each of them. None where there is none.
        save: ``state -> saved``, tensors, arrays and numbers in dictionaries, tuples and lists;
            None where there is more in a state than that.
        load: ``(state, saved) -> state``: any state, moved to where the saved one was.
        physics: what it is made of, if it is in torch; its state is then a PhysicsState.
    """

    reset: Callable[[int], tuple[Any, Tensor]]
    step: Callable[[Any, Tensor], tuple[Any, Tensor, Transition]]
    observation_space: Space
    action_space: Space
    num_envs: int
    name: str = "env"
    close: Callable[[Any], None] = lambda state: None
    render: Callable[[Any], Any] | None = None
    many: Callable[[int], "Env"] | None = None
    save: Callable[[Any], Any] | None = None
    load: Callable[[Any, Any], Any] | None = None
    physics: Physics | None = None

    @staticmethod
    def of(value: Any) -> Any:
        """An id stands for one environment; all else for itself."""
        if not isinstance(value, str):
            return value
        from nappo2.envs.families import make

        return make(value)

    def __repr__(self):
        spaces = f"{self.observation_space} -> {self.action_space}"
        return f"{self.num_envs} x {self.name}: {' '.join(spaces.split())}"


@explained
def physics_of(env: Env) -> Physics | None:
    """What it is made of; None if it is not in torch, or a wrapper's ``step`` is around it."""
    return env.physics if env.physics and env.physics.env_step is env.step else None


@checked
def check_spaces(name: str, observation_space: Space, action_space: Space) -> None:
    """Refuses what no policy of nappo2 can see or do.

    Raises:
        NotImplementedError: names the space, and where to look.
    """
    if not isinstance(observation_space, Box) and not has_goals(observation_space):
        raise NotImplementedError(
            f"{name} has observations in {observation_space}; nappo2 takes a Box, or a Dict of "
            f"{', '.join(GOAL_KEYS)}. gymnasium.wrappers.FlattenObservation turns most spaces into a Box"
        )
    if not isinstance(action_space, (Box, Discrete)):
        raise NotImplementedError(
            f"{name} has actions in {action_space}; nappo2 takes a Box or Discrete. "
            "gymnasium.wrappers.TransformAction can map one of these to it"
        )
    for what, size, space in (
        ("observations", observation_size(observation_space), observation_space),
        ("actions", action_size(action_space), action_space),
    ):
        if size == 0:
            raise NotImplementedError(f"{name} has {what} in {space}, which has no numbers at all")


@explained
def counted(outcome: Transition) -> EpisodeCount:
    """What is counted of a step: the game, or what is learnt from, if that is the same."""
    done = outcome.terminated | outcome.truncated
    return EpisodeCount(outcome.reward, done) if outcome.game is None else outcome.game


def is_image(space: Space) -> bool:
    """Whether observations are bytes [C, H, W]."""
    return isinstance(space, Box) and space.dtype == "uint8" and len(space.shape) == 3


def has_goals(space: Space) -> bool:
    """Whether observations are those of a goal environment, three boxes."""
    if not isinstance(space, Dict) or set(space.spaces) != set(GOAL_KEYS):
        return False
    return all(isinstance(box, Box) for box in space.spaces.values())


@explained
def observation_size(space: Space) -> int:
    """How many numbers a policy sees: of a goal environment, the observation and the goal."""
    if has_goals(space):
        return observation_size(space["observation"]) + observation_size(space["desired_goal"])
    return math.prod(space.shape)


@explained
def action_size(space: Space) -> int:
    """How many actions there are to choose from, or how many dimensions an action has."""
    if isinstance(space, Discrete):
        return int(space.n)
    return math.prod(space.shape)
