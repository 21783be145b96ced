"""Environments: a pair of functions of an explicit state, on batches of B.

Continuous actions are in [-1, 1] in each dimension, [B, A]; an environment clips them to
that, and scales them to its own bounds. Discrete actions are integers from 0, [B].
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from gymnasium.spaces import Space
from torch import Generator, Tensor

from nappo2.checks import checked, explained
from nappo2.envs.actions import ActionSpec, action_spec
from nappo2.envs.observations import ObservationSpec, observation_spec


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
        observation_space: of one environment, one that has an ``observation_spec``.
        action_space: of one environment, one that has an ``action_spec``.
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

    @property
    def observation_spec(self) -> ObservationSpec:
        """The spec of its observations; NotImplementedError if its space has none."""
        return observations_of(self.name, self.observation_space)

    @property
    def action_spec(self) -> ActionSpec:
        """The spec of its actions; NotImplementedError if its space has none."""
        return actions_of(self.name, self.action_space)

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


def observations_of(name: str, space: Space) -> ObservationSpec:
    """The spec of the observations of an environment of this name.

    Raises:
        NotImplementedError: if the space has none; names the environment.
    """
    return _spec_of(name, observation_spec, space)


def actions_of(name: str, space: Space) -> ActionSpec:
    """The spec of the actions of an environment of this name; errors are those of the above."""
    return _spec_of(name, action_spec, space)


def _spec_of(name: str, make: Callable[[Space], Any], space: Space) -> Any:
    try:
        return _made_once(make, Identity(space))
    except NotImplementedError as error:
        raise NotImplementedError(f"{name} has {error}") from None


class Identity(NamedTuple):
    """A space, as the key of a cache: spaces have no hash."""

    space: Space

    def __hash__(self):
        return id(self.space)

    def __eq__(self, other):
        return self.space is other.space


@lru_cache(256)
def _made_once(make: Callable[[Space], Any], key: Identity) -> Any:
    return make(key.space)


@explained
def physics_of(env: Env) -> Physics | None:
    """What it is made of; None if it is not in torch, or a wrapper's ``step`` is around it."""
    return env.physics if env.physics and env.physics.env_step is env.step else None


@explained
def counted(outcome: Transition) -> EpisodeCount:
    """What is counted of a step: the game, or what is learnt from, if that is the same."""
    done = outcome.terminated | outcome.truncated
    return EpisodeCount(outcome.reward, done) if outcome.game is None else outcome.game
