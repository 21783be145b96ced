"""Any Gymnasium environment. The state is the live simulator, which some can save as plain data."""

import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial, reduce
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch

from nappo2.checks import checked
from nappo2.envs.answers import answers_of
from nappo2.envs.env import Env, EpisodeCount, Transition, actions_of, observations_of
from nappo2.envs.saving import Exactness, Load, Save, load_envs, save_envs
from nappo2.envs.settings import differences, settings_of, settled
from nappo2.envs.wrappers import channels_first
from nappo2.machine.closing import close_each
from nappo2.pipeline import positive
from nappo2.seeds import split

NUMBERS = (int, float, np.floating, np.integer, np.bool_)


class GymState(NamedTuple):
    name: str
    envs: list[gymnasium.Env]  # live simulators
    settings: str  # with which they were made


@checked
def from_gym(
    env: str | Callable[..., gymnasium.Env],
    num_envs: int = 1,
    *,
    wrappers: Sequence[Callable[[gymnasium.Env], gymnasium.Env]] = (),
    info_keywords: Sequence[str] = (),
    **kwargs: Any,
) -> Env:
    """A vector of Gymnasium environments, stepped one after the other in this process.

    Each has its own seed, derived from that of ``reset``. Observations stay uint8 where they
    are, as images with their channels first, and are float32 otherwise; of goal environments there
    are three. Actions of a bounded box are scaled to it from [-1, 1].

    Args:
        env: a registered id, or a function that makes an environment.
        num_envs: B.
        wrappers: around each environment, from the inside to the outside; they see what it shows,
            images with their channels where it has them.
        info_keywords: numbers that an environment tells of the last step of an episode.
        **kwargs: for the environment.

    Raises:
        ValueError: if no environment has this id, it cannot be made, or does not take an argument.
        NotImplementedError: for a space of observations or actions that has no spec.
    """
    return vector_of(env, num_envs, wrappers, info_keywords, kwargs, save_envs, load_envs)


def vector_of(
    env: str | Callable[..., gymnasium.Env],
    num_envs: int,
    wrappers: Sequence[Callable[[gymnasium.Env], gymnasium.Env]],
    info_keywords: Sequence[str],
    kwargs: dict[str, Any],
    save_envs: Save,
    load_envs: Load,
) -> Env:
    """``from_gym`` of environments that are saved, and loaded, in a way of their own."""
    positive(num_envs=num_envs)
    bare, name = _maker(env, kwargs)
    make = partial(_wrapped, name, bare, (*wrappers, channels_first))
    probe = _made(make, name, kwargs)
    observation_space, action_space = probe.observation_space, probe.action_space
    settings, exactness = settings_of(probe), Exactness(make, save_envs, load_envs)
    probe.close()
    observations = observations_of(name, observation_space)
    to_env, unpack = actions_of(name, action_space).to_env, observations.unpack
    answers = answers_of(name, observations)
    keys, made = tuple(info_keywords), Made()
    made.add(name, probe)

    def reset(seed):
        envs = []
        try:
            return begun(envs, seed)
        except BaseException:
            close_each(envs)
            raise

    def begun(envs, seed):
        envs += (make() for _ in range(num_envs))
        for env in envs:
            made.add(name, env)
            if env.observation_space != observation_space:
                raise ValueError(
                    f"{name} had observations in {observation_space}, and has them now in "
                    f"{env.observation_space}"
                )
        made_with = settled(settings, settings_of(envs[0]))
        first = answers.empty(num_envs)
        for i, (env, own) in enumerate(zip(envs, split(seed, num_envs), strict=True)):
            answers.put(first, i, answers.start(i, env, seed=own % 2**31))
        return GymState(name, envs, made_with), unpack(torch.from_numpy(first))

    def step(state, action):
        reached, reward, ended = answers.empty(num_envs), np.empty(num_envs, np.float32), []
        told: list[list[float]] = []
        terminated, truncated = np.empty((2, num_envs), np.bool_)
        for i, (env, own) in enumerate(zip(state.envs, to_env(action), strict=True)):
            answer = env.step(own)
            if answer.__class__ is not tuple or len(answer) != 5:
                answer = answers.five(i, answer)
            observation, points, over, cut, info = answer
            answers.put(reached, i, observation)  # a copy, as its array may be used again
            known = points.__class__ is float or isinstance(points, NUMBERS)
            try:
                reward[i] = points if known else answers.reward(i, points)
            except OverflowError:  # an integer that no float holds
                answers.reward(i, points)
            if over.__class__ is not bool or cut.__class__ is not bool:
                over = answers.flag(i, "terminated", over)
                cut = answers.flag(i, "truncated", cut)
            terminated[i], truncated[i] = over, cut
            if over or cut:
                ended.append(i)
                told.append(answers.told(i, info, keys) if keys else [])
        following = reached.copy() if ended else reached
        for i in ended:
            answers.put(following, i, answers.start(i, state.envs[i]))
        numbers = map(torch.from_numpy, (reward, terminated, truncated))
        outcome = Transition(unpack(torch.from_numpy(reached)), *numbers)
        if keys:
            outcome = outcome._replace(game=_game(outcome, ended, told, keys))
        return state, unpack(torch.from_numpy(following)), outcome

    def close(state):
        close_each(state.envs)

    def render(state):
        first = state.envs[0]
        if getattr(first, "render_mode", None) != "rgb_array":
            return None
        try:
            return first.render()
        except Exception as error:  # of other people's code, such as without a driver
            raise ValueError(
                f"{name} could not be drawn: {type(error).__name__}: {error}"
            ) from error

    def save(state):
        exactness.check()
        return {"settings": state.settings, "envs": save_envs(state.envs, exactness.unchanged)}

    def load(state, saved):
        difference = differences(saved["settings"], state.settings)
        if difference is not None:
            raise ValueError(difference)
        load_envs(state.envs, saved["envs"])
        return state

    spaces = observation_space, action_space
    later = {"close": close, "render": render, "save": save, "load": load}
    return Env(reset, step, *spaces, num_envs, name, **later)


class Made:
    """The simulators that were made, so that none is taken for two; it travels without them."""

    def __init__(self):
        self.known: weakref.WeakValueDictionary = weakref.WeakValueDictionary()

    def __reduce__(self):
        return Made, ()

    def add(self, name: str, env: gymnasium.Env) -> None:
        """Remembers a simulator.

        Raises:
            ValueError: if it was made before.
        """
        inner = getattr(env, "unwrapped", env)
        if self.known.get(id(inner)) is inner:
            raise ValueError(
                f"{name} gave the same environment twice, which two would step in turns; give a "
                "function that makes a new one each time, such as its class"
            )
        with suppress(TypeError):  # of a class that knows no weak references
            self.known[id(inner)] = inner


def _maker(env: str | Callable, kwargs: dict) -> tuple[Callable[[], gymnasium.Env], str]:
    """A function that makes one environment, and what to call it."""
    if callable(env):
        return (lambda: env(**kwargs)), getattr(env, "__name__", repr(env))
    return (lambda: gymnasium.make(env, disable_env_checker=True, **kwargs)), env.rpartition(":")[2]


def _wrapped(name: str, make: Callable, wrappers: Sequence[Callable]) -> gymnasium.Env:
    """An environment with its wrappers."""
    made = make()
    try:
        return _checked(name, made, wrappers)
    except BaseException:
        close_each([made] if callable(getattr(made, "close", None)) else [])
        raise


def _checked(name: str, made: Any, wrappers: Sequence[Callable]) -> gymnasium.Env:
    if not hasattr(made, "observation_space") or not hasattr(made, "action_space"):
        raise ValueError(f"{name} made {made!r}, which is no Gymnasium environment")
    return reduce(lambda env, wrapper: wrapper(env), wrappers, made)


def _game(
    outcome: Transition, ended: list[int], told: list[list], names: Sequence[str]
) -> EpisodeCount:
    """What environments told of the last step of their episodes, NaN where they did not."""
    info = torch.full((len(names), len(outcome.reward)), torch.nan)
    if ended:
        info[:, ended] = torch.tensor(told, dtype=torch.float32).T
    done = outcome.terminated | outcome.truncated
    return EpisodeCount(outcome.reward, done, dict(zip(names, info, strict=True)))


def _made(make: Callable[[], gymnasium.Env], name: str, kwargs: dict[str, Any]) -> gymnasium.Env:
    try:
        return make()
    except (gymnasium.error.Error, ImportError) as error:
        raise ValueError(f"no environment can be made of {name!r}: {error}") from error
    except TypeError as error:
        none = "() takes no arguments" in str(error)  # as of a class without an __init__
        refused = [
            key for key in kwargs if none or f"unexpected keyword argument '{key}'" in str(error)
        ]
        if not refused:
            raise
        raise ValueError(f"{name} takes no argument {refused[0]!r}: {error}") from error
