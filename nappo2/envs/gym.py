"""Any Gymnasium environment; the state is the live simulator, which some can save as plain data."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch

from nappo2.checks import checked
from nappo2.envs.env import Env, Transition, actions_of, observations_of
from nappo2.envs.gym_makers import Simulators, Wrapper, make_first, make_wrapped, maker_of
from nappo2.envs.infos import as_columns, check_names
from nappo2.envs.mask_wrapper import Masked, reader_of
from nappo2.envs.outputs import output_checks
from nappo2.envs.saving import CopyCheck, Load, Save, load_envs, save_envs
from nappo2.envs.settings import common_settings, differences, settings_of
from nappo2.envs.wrappers import bare_space, channels_first
from nappo2.machine.closing import close_each
from nappo2.pipeline import positive
from nappo2.saving.calls import remembering
from nappo2.seeds import split

NUMBERS = (int, float, np.floating, np.integer, np.bool_)


class GymState(NamedTuple):
    name: str
    envs: list[gymnasium.Env]  # live simulators
    settings: str  # with which they were made


@remembering
@checked
def from_gym(
    env: str | Callable[..., gymnasium.Env],
    num_envs: int = 1,
    *,
    wrappers: Sequence[Wrapper] = (),
    info_keywords: Sequence[str] = (),
    **kwargs: Any,
) -> Env:
    """A vector of Gymnasium environments, stepped one after the other in this process.

    Each has its own seed, derived from that of ``reset``. Observations stay uint8 where they
    are, as images with their channels first. Choices are int64 from 0, switches bool, and all other
    numbers float32. Those of a Dict or a Tuple are dictionaries of such. Masks of actions that an
    environment tells are a part of its observations, called ``action_mask``, as ``envs.mask_wrapper``
    says. Actions of a bounded box are scaled to it from [-1, 1].

    Args:
        env: a registered id, or a function that makes an environment.
        num_envs: B.
        wrappers: around each environment, from the inside to the outside; they see what it shows,
            images with their channels where it has them.
        info_keywords: numbers that an environment tells of the last step of an episode, which come to
            metrics, monitor files and evaluations. ``is_success`` does so in any case.
        **kwargs: for the environment.

    Returns:
        An environment with observations [B, ...] and rewards [B] float32.

    Raises:
        ValueError: if no environment has this id, it cannot be made, or does not take an argument; or
            if a number of ``info_keywords`` has the name of another column.
        NotImplementedError: for a space of observations or actions that has no spec.
    """
    return vector_of(env, num_envs, wrappers, info_keywords, kwargs, save_envs, load_envs)


def vector_of(
    env: str | Callable[..., gymnasium.Env],
    num_envs: int,
    wrappers: Sequence[Wrapper],
    info_keywords: Sequence[str],
    kwargs: dict[str, Any],
    save_envs: Save,
    load_envs: Load,
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
        bare, probe = None, masks(probe)
    observation_space, action_space = probe.observation_space, probe.action_space
    copy_check = CopyCheck(make, save_envs, load_envs)
    probe.close()
    observation_spec = observations_of(name, observation_space)
    to_env, unpack = actions_of(name, action_space).to_env, observation_spec.unpack
    checks = output_checks(name, observation_spec)
    simulators = Simulators()
    simulators.add(name, probe)

    def reset(seed):
        envs = []
        try:
            return reset_new(envs, seed)
        except BaseException:
            close_each(envs)
            raise

    def reset_new(envs, seed):
        envs += (make() for _ in range(num_envs))
        for env in envs:
            simulators.add(name, env)
            if env.observation_space != observation_space:
                raise ValueError(
                    f"{name} had observations in {observation_space}, and has them now in "
                    f"{env.observation_space}"
                )
        made_with = common_settings(settings, settings_of(envs[0]))
        rows = checks.empty(num_envs)
        for i, (env, env_seed) in enumerate(zip(envs, split(seed, num_envs), strict=True)):
            pair = env.reset(seed=env_seed % 2**31)
            checks.write(rows, i, checks.first_observation(i, pair))
        return GymState(name, envs, made_with), unpack(torch.from_numpy(rows))

    def step(state, action):
        rows, rewards, ended = checks.empty(num_envs), np.empty(num_envs, np.float32), []
        infos: list[dict[str, float]] = []
        terminations, truncations = np.empty((2, num_envs), np.bool_)
        for i, (env, env_action) in enumerate(zip(state.envs, to_env(action), strict=True)):
            five = env.step(env_action)
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
        next_rows = rows.copy() if ended else rows
        for i in ended:
            checks.write(next_rows, i, checks.first_observation(i, state.envs[i].reset()))
        numbers = map(torch.from_numpy, (rewards, terminations, truncations))
        told = as_columns(num_envs, ended, infos) if ended else {}
        transition = Transition(unpack(torch.from_numpy(rows)), *numbers, info=told)
        return state, unpack(torch.from_numpy(next_rows)), transition

    def close(state):
        close_each(state.envs)

    def render(state):
        env = state.envs[0]
        if getattr(env, "render_mode", None) != "rgb_array":
            return None
        try:
            return env.render()
        except Exception as error:  # of other people's code, such as without a driver
            raise ValueError(
                f"{name} could not be drawn: {type(error).__name__}: {error}"
            ) from error

    def save(state):
        copy_check.check()
        return {"settings": state.settings, "envs": save_envs(state.envs, copy_check.unchanged)}

    def load(state, saved):
        difference = differences(saved["settings"], state.settings)
        if difference is not None:
            raise ValueError(difference)
        load_envs(state.envs, saved["envs"])
        return state

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
    )
