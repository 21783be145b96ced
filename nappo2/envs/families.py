"""Environments by id: ``make`` looks up which library has one and adds frame skips and stacks."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

import gymnasium

from nappo2.checks import checked
from nappo2.envs._acrobot import acrobot
from nappo2.envs._atari import atari, is_atari
from nappo2.envs._cartpole import cartpole
from nappo2.envs._catch import catch
from nappo2.envs._envpool import PREFIX, envpool
from nappo2.envs._four_rooms import four_rooms
from nappo2.envs._minigrid import PREFIXES, minigrid
from nappo2.envs._mountain_car import mountain_car
from nappo2.envs._observing import masked_cartpole, masked_pendulum
from nappo2.envs._pendulum import pendulum
from nappo2.envs._pybullet import PYBULLET, pybullet
from nappo2.envs.env import Env
from nappo2.envs.goals import registered
from nappo2.envs.gym import NO_ARGUMENTS, from_gym
from nappo2.envs.monitor import monitored
from nappo2.envs.wrappers import frame_wrappers
from nappo2.saving.calls import remembering

TORCH = {
    "torch/CartPole-v1": cartpole,
    "torch/MaskedCartPole-v1": masked_cartpole,
    "torch/Pendulum-v1": pendulum,
    "torch/MaskedPendulum-v1": masked_pendulum,
    "torch/MountainCar-v0": mountain_car,
    "torch/Acrobot-v1": acrobot,
    "torch/Catch-v0": catch,
    "torch/FourRooms-v0": four_rooms,
}
"""Environments that are written in torch: id to ``num_envs -> Env``."""


OF_GYM = ("wrappers", "info_keywords", "processes", "deadline", "env_kwargs")
"""Arguments of ``from_gym``, and of all functions that pass theirs on to it."""


@remembering
@checked
def make(
    env_id: str | Callable[..., gymnasium.Env],
    num_envs: int = 1,
    *,
    frame_skip: int = 1,
    frame_stack: int = 1,
    time_feature: bool = False,
    monitor: str | Path | None = None,
    info_keywords: Sequence[str] = (),
    processes: int = 0,
    env_kwargs: Mapping[str, Any] = NO_ARGUMENTS,
    **kwargs: Any,
) -> Env:
    """Makes environments by id: of torch, PyBullet, Atari, MiniGrid, Panda, Fetch, or any of Gymnasium.

    Args:
        env_id: such as ``torch/CartPole-v1``, ``AntBulletEnv-v0``, ``ALE/Pong-v5``, ``Ant-v5``; or a
            function that makes a Gymnasium environment.
        num_envs: B.
        frame_skip: how often each action is done; rewards are summed.
        frame_stack: of how many observations each consists, the newest last.
        time_feature: whether the share of an episode's steps that remains is part of observations.
        monitor: a folder for files of all episodes, as ``monitored`` writes them.
        info_keywords: numbers that an environment tells of the last step of an episode, which come to
            metrics, evaluations and monitor files.
        processes: that step the environments, each a share; 0 for this process.
        env_kwargs: for the environment, by whatever names.
        **kwargs: for the environment; ``wrappers`` and ``deadline`` are as in ``from_gym``.

    Returns:
        The environment; the docs of ``from_gym``, ``atari`` and ``pybullet`` say what it observes.

    Raises:
        ValueError: if nothing has this id, or does not take an argument; names it.
        NotImplementedError: for a space of observations or actions that has no spec.

    Example:
        >>> env = envs.make("CartPole-v1", 4)
        >>> state, observation = env.reset(0)
        >>> observation.shape
        torch.Size([4, 4])
    """
    name = env_id if isinstance(env_id, str) else getattr(env_id, "__name__", repr(env_id))
    maker, frames = maker_of(env_id), frame_wrappers(frame_skip, frame_stack, time_feature)
    names = arguments_of(maker)
    if frames and "wrappers" not in names:
        raise ValueError(
            f"{name} has frames of its own; frame_skip and frame_stack stay 1, and time_feature False"
        )
    kwargs |= {"wrappers": (*kwargs.get("wrappers", ()), *frames)} if frames else {}
    kwargs |= {"info_keywords": info_keywords} if info_keywords else {}
    kwargs |= {"processes": processes} if processes else {}
    if "env_kwargs" in names:
        kwargs |= {"env_kwargs": env_kwargs} if env_kwargs else {}
    else:
        kwargs |= env_kwargs
    takes_any = "kwargs" in names
    refused = [x for x in kwargs if x not in names and (x in OF_GYM or not takes_any)]
    if refused:
        raise ValueError(
            f"{name} takes no argument {refused[0]!r}; it takes {', '.join(names) or 'none'}"
        )
    env = maker(num_envs=num_envs, **kwargs)
    return env if monitor is None else monitored(env, monitor, info_keywords)


def maker_of(env_id: str | Callable) -> Callable[..., Env]:
    """The function of this package that makes environments of an id, or of a user's function."""
    if not isinstance(env_id, str):
        return partial(from_gym, env_id)
    if env_id in TORCH:
        return TORCH[env_id]
    if env_id in PYBULLET:
        return partial(pybullet, env_id)
    if env_id.startswith(PREFIX):
        return partial(envpool, env_id)
    if is_atari(env_id):
        return partial(atari, env_id)
    if env_id.startswith(PREFIXES):
        return partial(minigrid, env_id)
    return partial(registered, env_id)


def arguments_of(maker: Callable[..., Env]) -> list[str]:
    """The arguments of a maker beside id and number; with "kwargs", also those of ``from_gym``."""
    names = [name for name in signature(maker).parameters if name not in ("env_id", "num_envs")]
    is_gyms = "kwargs" in names and maker.func is not envpool
    return [*dict.fromkeys([*names, *OF_GYM])] if is_gyms else names
