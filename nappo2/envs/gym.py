"""Any Gymnasium environment; the state holds live simulators, which some can save as plain data."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch

from nappo2.checks import checked
from nappo2.envs.env import Env, Transition, actions_of, observations_of
from nappo2.envs.gym_makers import Wrapper, make_first, make_wrapped, maker_of
from nappo2.envs.infos import as_columns, check_names
from nappo2.envs.mask_wrapper import Masked, reader_of
from nappo2.envs.masks import is_masked, masked_space
from nappo2.envs.outputs import output_checks
from nappo2.envs.saving import CopyCheck, Load, Save, load_envs, save_envs
from nappo2.envs.settings import differences, settings_of
from nappo2.envs.simulators import (
    LOST,
    LocalSimulators,
    Place,
    RemoteSimulators,
    simulators_at,
)
from nappo2.envs.wrappers import bare_space, channels_first, frame_wrappers
from nappo2.pipeline import positive
from nappo2.saving.calls import remembering

NUMBERS = (int, float, np.floating, np.integer, np.bool_)
HERE, NO_ARGUMENTS = Place(), MappingProxyType({})


class GymState(NamedTuple):
    name: str
    envs: LocalSimulators | RemoteSimulators
    settings: str  # with which they were made
    rows: np.ndarray  # [B, *packed_shape], the observations to act on


@remembering
@checked
def from_gym(
    env: str | Callable[..., gymnasium.Env],
    num_envs: int = 1,
    *,
    wrappers: Sequence[Wrapper] = (),
    frame_skip: int = 1,
    frame_stack: int = 1,
    time_feature: bool = False,
    info_keywords: Sequence[str] = (),
    processes: int = 0,
    deadline: float = 300.0,
    env_kwargs: Mapping[str, Any] = NO_ARGUMENTS,
    **kwargs: Any,
) -> Env:
    """A vector of Gymnasium environments, stepped in this process or by others that share them.

    Each has its own seed, derived from that of ``reset``. Observations stay uint8 where they
    are, as images with their channels first. Choices are int64 from 0, switches bool, and all other
    numbers float32. Those of a Dict or a Tuple are dictionaries of such. Masks of actions that an
    environment tells are a part of its observations, called ``action_mask``, as ``envs.mask_wrapper``
    says. Actions of a bounded box are scaled to it from [-1, 1].

    What processes step is equal to the last bit to what this process steps. One that ends or hangs is
    replaced: its episodes are truncated, at the observations before the step.

    Args:
        env: a registered id, or a function that makes an environment.
        num_envs: B.
        wrappers: around each environment, from the inside to the outside; they see what it shows,
            images with their channels where it has them.
        frame_skip: how often each action is done; rewards are summed.
        frame_stack: of how many observations each consists, the newest last.
        time_feature: whether ``TimeFeature`` adds the share of an episode's steps that remains.
        info_keywords: numbers that an environment tells of the last step of an episode, which come to
            metrics, monitor files and evaluations. ``is_success`` does so in any case.
        processes: that step the environments, each a share; 0 for this process.
        deadline: seconds after which a process that gives no answer is replaced.
        env_kwargs: for the environment, by whatever names.
        **kwargs: for the environment.

    Returns:
        An environment with observations [B, ...] and rewards [B] float32.

    Raises:
        ValueError: if no environment has this id, it cannot be made, or does not take an argument; if
            a number of ``info_keywords`` has the name of another column; if there are more processes
            than environments, or it cannot be sent to one.
        NotImplementedError: for a space of observations or actions that has no spec.

    Example:
        >>> import gymnasium
        >>> env = envs.from_gym(lambda: gymnasium.make("CartPole-v1"), num_envs=2)
        >>> state, observation = env.reset(0)
        >>> state, observation, transition = env.step(state, torch.tensor([0, 1]))
        >>> transition.reward
        tensor([1., 1.])
    """
    wrappers = (*wrappers, *frame_wrappers(frame_skip, frame_stack, time_feature))
    place, arguments = Place(processes, deadline), {**env_kwargs, **kwargs}
    return vector_of(env, num_envs, wrappers, info_keywords, arguments, save_envs, load_envs, place)


def vector_of(
    env: str | Callable[..., gymnasium.Env],
    num_envs: int,
    wrappers: Sequence[Wrapper],
    info_keywords: Sequence[str],
    kwargs: Mapping[str, Any],
    save_envs: Save,
    load_envs: Load,
    place: Place = HERE,
) -> Env:
    """``from_gym`` with other functions that save and load the simulators.

    Args:
        env: a registered id, or a function that makes an environment.
        num_envs: B.
        wrappers: around each environment, from the inside to the outside.
        info_keywords: numbers that an environment tells of the last step of an episode.
        kwargs: for the environment.
        save_envs: ``(envs, unchanged) -> saved``.
        load_envs: ``(envs, saved) -> None``.
        place: where the simulators are.

    Returns:
        The vector.

    Raises:
        ValueError: if it cannot be made; ``reset`` if a simulator is given twice, ``render`` if one
            cannot be drawn, and ``load`` if the saved ones had other settings.
    """
    positive(num_envs=num_envs)
    keys = check_names(info_keywords)
    make_bare, name = maker_of(env, kwargs)
    make = partial(make_wrapped, name, make_bare, (*wrappers, channels_first))
    probe = make_first(make, name, kwargs)
    bare, settings = bare_space(probe), settings_of(probe)
    observations_of(name, probe.observation_space)
    read = reader_of(name, probe)
    if read is not None:
        masks = partial(Masked, name=name, read=read)
        make = partial(make_wrapped, name, make_bare, (*wrappers, channels_first, masks))
        probe = masks(probe)
        bare = bare if is_masked(bare) else masked_space(bare, probe.num)
    observation_space, action_space = probe.observation_space, probe.action_space
    copy_check = CopyCheck(make, save_envs, load_envs)
    probe.close()
    observation_spec = observations_of(name, observation_space)
    to_env, unpack = actions_of(name, action_space).to_env, observation_spec.unpack
    checks = output_checks(name, observation_spec)
    new_simulators = simulators_at(place, name, make, probe, num_envs, checks.empty(1).nbytes)

    def reset(seed):
        envs, rows = new_simulators(), checks.empty(num_envs)
        try:
            for i, (space, pair) in enumerate(envs.begin(seed)):
                if space != observation_space:
                    raise ValueError(
                        f"{name} had observations in {observation_space}, and has them now in {space}"
                    )
                checks.write(rows, i, checks.first_observation(i, pair))
        except BaseException:
            envs.close()
            raise
        state = GymState(name, envs, envs.made_with(settings), rows)
        return state, unpack(torch.from_numpy(rows))

    def step(state, action):
        rows, rewards, ended = checks.empty(num_envs), np.empty(num_envs, np.float32), []
        infos: list[dict[str, float]] = []
        terminations, truncations = np.empty((2, num_envs), np.bool_)
        for i, five in enumerate(state.envs.steps(to_env(action))):
            if five is LOST:
                rows[i], rewards[i], terminations[i], truncations[i] = state.rows[i], 0, False, True
                ended.append(i)
                infos.append({})
                continue
            if five.__class__ is not tuple or len(five) != 5:
                five = checks.five(i, five)
            observation, reward, terminated, truncated, info = five
            checks.write(rows, i, observation)  # a copy, as its array may be used again
            is_number = reward.__class__ is float or isinstance(reward, NUMBERS)
            try:
                rewards[i] = reward if is_number else checks.reward(i, reward)
            except OverflowError:  # an integer that no float holds
                checks.reward(i, reward)
            if terminated.__class__ is not bool or truncated.__class__ is not bool:
                terminated = checks.flag(i, "terminated", terminated)
                truncated = checks.flag(i, "truncated", truncated)
            terminations[i], truncations[i] = terminated, truncated
            if terminated or truncated:
                ended.append(i)
                infos.append(checks.info_numbers(i, info, keys))
        reached = after = unpack(torch.from_numpy(rows))
        next_rows = rows.copy() if ended else rows
        for i in ended:
            checks.write(next_rows, i, checks.first_observation(i, state.envs.first(i)))
        if ended:
            after = unpack(torch.from_numpy(next_rows))
        numbers = map(torch.from_numpy, (rewards, terminations, truncations))
        columns = as_columns(num_envs, ended, infos) if ended else {}
        transition = Transition(reached, *numbers, info=columns)
        return state._replace(rows=next_rows), after, transition

    def close(state):
        state.envs.close()

    def render(state):
        try:
            return state.envs.render()
        except Exception as error:  # of other people's code, such as without a driver
            raise ValueError(
                f"{name} could not be drawn: {type(error).__name__}: {error}"
            ) from error

    def save(state):
        copy_check.check()
        saved = state.envs.save(save_envs, copy_check.unchanged)
        return {"settings": state.settings, "rows": state.rows, **saved}

    def load(state, saved):
        difference = differences(saved["settings"], state.settings)
        if difference is not None:
            raise ValueError(difference)
        state.envs.load(load_envs, saved)
        return state._replace(rows=saved.get("rows", state.rows))

    return Env(
        reset,
        step,
        observation_space,
        action_space,
        num_envs,
        name,
        close=close,
        render=render,
        save=save,
        load=load,
        bare_space=bare,
        restarts=lambda state: state.envs.restarts,
    )
