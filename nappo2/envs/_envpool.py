"""The environments of EnvPool, which steps many in C++ threads (Weng et al., https://arxiv.org/abs/2206.10558)."""

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box

from nappo2.checks import checked, installs, is_installed
from nappo2.envs.boxes import is_box
from nappo2.envs.env import Env, EpisodeCount, Transition, actions_of, observations_of
from nappo2.envs.gym import NO_ARGUMENTS
from nappo2.envs.observations import unchanged
from nappo2.envs.wrappers import turning
from nappo2.pipeline import positive
from nappo2.saving.calls import remembering
from nappo2.seeds import split

PREFIX = "envpool/"


@remembering
@checked
def envpool(
    env_id: str, num_envs: int = 1, *, env_kwargs: Mapping[str, Any] = NO_ARGUMENTS, **kwargs: Any
) -> Env:
    """One of EnvPool's environments, such as ``envpool/Pong-v5`` or ``envpool/HalfCheetah-v4``.

    An episode that ends is reset in the same step. Of games with lives and clipped rewards, as EnvPool
    has them by ``episodic_life`` and ``reward_clip``, returns are reported of whole games, unclipped.

    Args:
        env_id: of EnvPool, with ``envpool/`` before it or without.
        num_envs: B.
        env_kwargs: for ``envpool.make``, by whatever names.
        **kwargs: for ``envpool.make``, such as ``num_threads``.

    Returns:
        An environment with observations [B, ...] and rewards [B] float32; it cannot be saved.

    Raises:
        ValueError: if EnvPool is not installed, has no such environment, or refuses an argument.
        NotImplementedError: for observations or actions in another space than a Box or Discrete.
    """
    positive(num_envs=num_envs)
    name, arguments = env_id.removeprefix(PREFIX), {**env_kwargs, **kwargs}
    probe = _pool(name, 1, 0, arguments)
    space, action_space = probe.observation_space, probe.action_space
    _close(probe)
    if not is_box(space):
        raise NotImplementedError(
            f"{env_id} has observations in {space}; nappo2 takes those of EnvPool that are in a Box"
        )
    turn = turning(space) or unchanged
    space = Box(turn(space.low), turn(space.high), dtype=space.dtype)
    spec, to_env = observations_of(env_id, space), actions_of(env_id, action_space).to_env
    dtype = spec.zeros(1).numpy().dtype

    def rows(observation):
        return np.array(turn(np.asarray(observation)), dtype)  # a copy, as its memory is EnvPool's

    def reset(seed):
        pool = _pool(name, num_envs, split(seed, 1)[0] % 2**31, arguments)
        observation, _ = pool.reset()
        return pool, torch.from_numpy(rows(observation))

    def step(pool, action):
        actions = np.asarray(to_env(action), action_space.dtype)
        observation, reward, terminated, truncated, info = pool.step(actions)
        last, flags = rows(observation), (np.asarray(terminated), np.asarray(truncated))
        done, following = flags[0] | flags[1], last
        if done.any():
            first, first_info = pool.reset(np.flatnonzero(done).astype(np.int32))
            following = last.copy()
            following[first_info["env_id"]] = rows(first)
        numbers = np.array(reward, np.float32), *(flag.astype(bool) for flag in flags)
        transition = Transition(*map(torch.from_numpy, (last, *numbers)))
        transition = transition._replace(game=_game(info, transition.truncated))
        return pool, torch.from_numpy(following), transition

    return Env(reset, step, space, action_space, num_envs, env_id, close=_close)


def _pool(name: str, num_envs: int, seed: int, arguments: Mapping[str, Any]) -> Any:
    if not is_installed("envpool"):
        raise ValueError(
            f"{PREFIX}{name} is of EnvPool, which is not installed: {installs('envpool')}"
        )
    package = importlib.import_module("envpool")
    try:
        kwargs = {"env_type": "gymnasium", "num_envs": num_envs, "seed": seed, **arguments}
        return package.make(name, **kwargs)
    except (AssertionError, TypeError, ValueError, KeyError, RuntimeError) as error:
        raise ValueError(f"EnvPool cannot make {name!r}: {error}") from error


def _close(pool: Any) -> None:
    if callable(getattr(pool, "close", None)):
        pool.close()


def _game(info: Mapping[str, Any], truncated: torch.Tensor) -> EpisodeCount | None:
    """Reward and end of whole Atari games, of their infos; None for other environments."""
    if "reward" not in info or "terminated" not in info:
        return None
    points = torch.from_numpy(np.array(info["reward"], np.float32))
    return EpisodeCount(points, torch.from_numpy(np.array(info["terminated"], bool)) | truncated)
