"""Any Gymnasium environment. The state is the live simulator, which cannot be copied or replayed."""

from collections.abc import Callable
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Discrete, Space
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.vector.utils import concatenate, create_empty_array
from torch import Tensor

from nappo2.envs.env import Env, Outcome, check_spaces
from nappo2.pipeline import positive
from nappo2.seeds import split


class GymState(NamedTuple):
    name: str
    envs: Any  # the vector of live simulators


def from_gym(env: str | Callable[[], gymnasium.Env], num_envs: int = 1, **kwargs: Any) -> Env:
    """A vector of Gymnasium environments, stepped one after the other in this process.

    Each has its own seed, derived from that of ``reset``. Observations stay uint8 where they
    are, and are float32 otherwise; actions of a bounded box are scaled to it from [-1, 1].

    Args:
        env: a registered id, or a function that makes an environment.
        num_envs: B.
        **kwargs: for the environment.

    Raises:
        ValueError: if no environment has this id, or it cannot be made.
        NotImplementedError: for spaces other than Box observations and Box or Discrete actions.
    """
    positive(num_envs=num_envs)
    make, name = _maker(env, kwargs)
    probe = _made(make, name)
    observation_space, action_space = probe.observation_space, probe.action_space
    probe.close()
    check_spaces(name, observation_space, action_space)
    to_action = _to_action(action_space, num_envs)

    def reset(seed):
        envs = _Vector([make] * num_envs, autoreset_mode=AutoresetMode.SAME_STEP)
        seeds = [s % 2**31 for s in split(seed, num_envs)]
        observation, _ = _explained(lambda: envs.reset(seed=seeds), name, envs)
        return GymState(name, envs), _to_tensor(observation)

    def step(state, action):
        envs = state.envs
        observation, reward, terminated, truncated, info = _explained(
            lambda: envs.step(to_action(action)), name, envs
        )
        observation = reached = _to_tensor(observation)
        if "final_obs" in info:
            reached = observation.clone()
            for i in (terminated | truncated).nonzero()[0]:
                reached[i] = _to_tensor(np.asarray(info["final_obs"][i]))
        reward, *flags = map(torch.from_numpy, (reward, terminated, truncated))
        return state, observation, Outcome(reached, reward.float(), *flags)

    def close(state):
        state.envs.close()

    def render(state):
        first = state.envs.envs[0]
        return first.render() if first.render_mode == "rgb_array" else None

    return Env(reset, step, observation_space, action_space, num_envs, name, close, render=render)


class _Vector(SyncVectorEnv):
    """Keeps a copy of what an episode ended with: an environment may reuse the array in its reset."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._env_obs = list(self._observations)  # so that None is what an environment gave

    def _add_info(self, infos, info, i):
        if "final_obs" in info:
            space = self.single_observation_space
            kept = concatenate(space, [info["final_obs"]], create_empty_array(space, 1))[0]
            info = {**info, "final_obs": kept}
        return super()._add_info(infos, info, i)


def _maker(env: str | Callable, kwargs: dict) -> tuple[Callable[[], gymnasium.Env], str]:
    """A function that makes one environment, and what to call it."""
    if callable(env):
        return (lambda: env(**kwargs)), getattr(env, "__name__", repr(env))
    if not isinstance(env, str):
        raise ValueError(
            f"an environment is a Gymnasium id or a function that makes one, not {env!r}"
        )
    return (lambda: gymnasium.make(env, disable_env_checker=True, **kwargs)), env.rpartition(":")[2]


def _made(make: Callable[[], gymnasium.Env], name: str) -> gymnasium.Env:
    try:
        made = make()
    except (gymnasium.error.Error, ImportError) as error:
        raise ValueError(f"no environment can be made of {name!r}: {error}") from error
    if not hasattr(made, "observation_space") or not hasattr(made, "action_space"):
        raise ValueError(f"{name} made {made!r}, which is no Gymnasium environment")
    return made


def _explained(call: Callable[[], Any], name: str, envs: SyncVectorEnv) -> Any:
    """What ``call`` returns; if it fails since an observation has the wrong shape, that is said."""
    try:
        return call()
    except Exception as error:
        shape = envs.single_observation_space.shape
        for i, found in enumerate(envs._env_obs):
            if found is None or np.shape(found) != shape:
                what = "None" if found is None else f"shape {np.shape(found)}"
                raise ValueError(
                    f"environment {i} of {name} gave an observation of {what}; its space has shape {shape}"
                ) from error
        raise


def _to_tensor(observation: np.ndarray) -> Tensor:
    if observation.dtype == np.uint8:
        return torch.from_numpy(observation)
    return torch.from_numpy(observation.astype(np.float32, copy=False))


def _to_action(space: Space, num_envs: int) -> Callable[[Tensor], np.ndarray]:
    """From what a policy decides to what Gymnasium takes."""
    if isinstance(space, Discrete):
        return lambda action: action.numpy() + space.start
    shape, low, high = (num_envs, *space.shape), space.low, space.high
    if not np.isfinite([low, high]).all():
        return lambda action: action.numpy().reshape(shape).clip(low, high).astype(space.dtype)
    centre, reach = (high + low) / 2, (high - low) / 2

    def scaled(action):
        return (centre + reach * action.numpy().reshape(shape).clip(-1, 1)).astype(space.dtype)

    return scaled
