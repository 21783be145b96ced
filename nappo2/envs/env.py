"""Environments: a pair of functions of an explicit state, on batches of B.

Continuous actions are in [-1, 1] in each dimension, [B, A]; an environment clips them to
that, and scales them to its own bounds. Discrete actions are integers from 0, [B], or [B, k] of k
choices. Hybrid actions are a dictionary of these by name.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from gymnasium.spaces import Space
from torch import Generator, Tensor

from nappo2.checks import checked, explained
from nappo2.envs import choices, dictionaries  # noqa: F401, which register their spaces
from nappo2.envs.actions import ActionSpec, action_spec
from nappo2.envs.observations import ObservationSpec, observation_spec
from nappo2.saving.calls import Call


class EpisodeCount(NamedTuple):
    """What episode statistics count of a step, where that is not what is learnt from.

    Attributes:
        reward: before it was clipped, [B].
        over: whether the whole game is over, not just a life, [B] bool.
    """

    reward: Tensor
    over: Tensor


class Transition(NamedTuple):
    """The result of an action, in plain tensors.

    Attributes:
        observation: after the action and before any reset, [B, ...].
        reward: [B].
        terminated: whether a terminal state was reached, so that nothing follows, [B] bool.
        truncated: whether the episode was cut off here, [B] bool.
        game: what episode statistics count, if not the reward and the flags above.
        info: numbers that an environment tells of an episode, or game, that ends with this step, by
            name, [B] float32, such as ``is_success``; NaN where it tells none. Other steps need none.
    """

    observation: Tensor
    reward: Tensor
    terminated: Tensor
    truncated: Tensor
    game: EpisodeCount | None = None
    info: dict[str, Tensor] = {}


class Physics(NamedTuple):
    """The functions of an environment in torch, of which a whole rollout can be compiled.

    Attributes:
        start: ``(num_envs, generator) -> physics``, of new episodes.
        step: ``(physics, action) -> (physics, reward, terminated)``.
        observe: ``physics -> observation``.
        time_limit: steps after which an episode is truncated.
        env_step: the ``Env.step`` made of these; a wrapper has another one, and so no physics.
        info: ``physics -> {name: [B]}``: what is told of episodes that end in this state; None for
            nothing.
    """

    start: Callable[[int, Generator], Tensor]
    step: Callable[[Tensor, Any], tuple[Tensor, Tensor, Tensor]]
    observe: Callable[[Tensor], Tensor]
    time_limit: int
    env_step: Callable
    info: Callable[[Tensor], dict[str, Tensor]] | None = None


@checked
class Env(NamedTuple):
    """A batch of environments, as a pair of functions.

    Attributes:
        reset: ``seed -> (state, observation)``.
        step: ``(state, action) -> (state, observation, transition)``. An episode that ends is reset
            at once: ``observation`` is the one to act on next, ``transition.observation`` the
            last one of the episode.
        observation_space: of one environment; it has an ``observation_spec``.
        action_space: of one environment; it has an ``action_spec``.
        num_envs: B.
        name: in messages.
        close: ``state -> None``: frees resources outside of this process's memory.
        render: ``state -> frame``, a picture [height, width, 3] uint8 of the first environment, or
            None if it was made without a render mode; None if the environment has no pictures.
        many: ``n -> Env`` of n * B environments that move at once; its ``reset`` takes n seeds.
            None if there is no such version.
        save: ``state -> saved``, tensors, arrays and numbers in dictionaries, tuples and lists;
            None if a state holds more than these.
        load: ``(state, saved) -> state``: moves a state to the saved one.
        physics: the functions of an environment in torch; its state is then a PhysicsState.
        made: the call that made it; None if no function of nappo2 did.
        bare_space: of observations as a simulator gives them, whose images may have their channels
            last; None if these are those of ``observation_space``.
        restarts: ``state -> int``, how many processes of simulators were replaced since ``reset``; None
            if there are none.
    """

    reset: Callable[[int], tuple[Any, Tensor]]
    step: Callable[[Any, Any], tuple[Any, Tensor, Transition]]
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
    made: Call | None = None
    bare_space: Space | None = None
    restarts: Callable[[Any], int] | None = None

    @property
    def observation_spec(self) -> ObservationSpec:
        """The spec of the observations; NotImplementedError if their space has none."""
        return observations_of(self.name, self.observation_space)

    @property
    def action_spec(self) -> ActionSpec:
        """The spec of the actions; NotImplementedError if their space has none."""
        return actions_of(self.name, self.action_space)

    @staticmethod
    def of(value: Any) -> Any:
        """Makes one environment of an id; returns any other value as it is."""
        if not isinstance(value, str):
            return value
        from nappo2.envs.families import make

        return make(value)

    def __repr__(self):
        spaces = f"{self.observation_space} -> {self.action_space}"
        return f"{self.num_envs} x {self.name}: {' '.join(spaces.split())}"


def observations_of(name: str, space: Space) -> ObservationSpec:
    """The spec of a space of observations, with errors that name the environment.

    Raises:
        NotImplementedError: if the space has none.
    """
    return _spec_of(name, observation_spec, space)


def actions_of(name: str, space: Space) -> ActionSpec:
    """The spec of a space of actions, with errors that name the environment."""
    return _spec_of(name, action_spec, space)


def _spec_of(name: str, make: Callable[[Space], Any], space: Space) -> Any:
    try:
        return _cached_spec(make, Identity(space))
    except NotImplementedError as error:
        raise NotImplementedError(f"{name} has {error}") from None


class Identity(NamedTuple):
    """A space as the key of a cache, by identity: spaces have no hash."""

    space: Space

    def __hash__(self):
        return id(self.space)

    def __eq__(self, other):
        return self.space is other.space


@lru_cache(256)
def _cached_spec(make: Callable[[Space], Any], key: Identity) -> Any:
    return make(key.space)


@explained
def physics_of(env: Env) -> Physics | None:
    """The physics of an environment; None if it is not in torch, or a wrapper has replaced ``step``.

    Example:
        >>> envs.physics_of(envs.cartpole(4)).time_limit
        500
        >>> envs.physics_of(envs.make("CartPole-v1", 4)) is None  # one of Gymnasium
        True
    """
    return env.physics if env.physics and env.physics.env_step is env.step else None


@explained
def counted(transition: Transition) -> EpisodeCount:
    """The reward and the end that episode statistics count of a step: ``game`` if there is one, else its own.

    Example:
        >>> flag = torch.tensor([False, True])
        >>> step = envs.Transition(torch.zeros(2, 1), torch.tensor([1.0, 2.0]), flag, ~flag)
        >>> envs.counted(step)  # both episodes are over: one was cut off, and one came to its end
        EpisodeCount(reward=tensor([1., 2.]), over=tensor([True, True]))
    """
    done = transition.terminated | transition.truncated
    return EpisodeCount(transition.reward, done) if transition.game is None else transition.game
