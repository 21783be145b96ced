"""Environments of which less is seen."""

from collections.abc import Sequence

import torch
from gymnasium.spaces import Box

from nappo2.checks import checked
from nappo2.envs._cartpole import cartpole
from nappo2.envs.env import Env, physics_of
from nappo2.envs.observations import is_box


@checked
def observing(env: Env, indices: Sequence[int], name: str | None = None) -> Env:
    """The environment, of whose observations [B, n] only the entries at ``indices`` are seen.

    Raises:
        ValueError: if observations are no vectors, or have no such entries.
    """
    space = env.observation_space
    if not is_box(space) or len(space.shape) != 1:
        raise ValueError(f"{env.name} has observations in {space}; observing takes vectors")
    if not indices or not all(0 <= i < space.shape[0] for i in indices):
        raise ValueError(
            f"observations of {env.name} have entries 0 to {space.shape[0] - 1}, not {indices}"
        )
    seen, index = list(indices), torch.tensor(indices)

    def reset(seed):
        state, observation = env.reset(seed)
        return state, observation.index_select(1, index)

    def step(state, action):
        state, observation, outcome = env.step(state, action)
        reached = outcome.observation.index_select(1, index)
        return state, observation.index_select(1, index), outcome._replace(observation=reached)

    def many(n):
        return observing(env.many(n), seen, name)

    physics = physics_of(env) and env.physics._replace(
        observe=lambda at: env.physics.observe(at).index_select(1, index), env_step=step
    )
    part = Box(space.low[seen], space.high[seen], dtype=space.dtype)
    name = name or f"{env.name} seen at {seen}"
    return env._replace(
        reset=reset,
        step=step,
        observation_space=part,
        name=name,
        many=env.many and many,
        physics=physics,
    )


@checked
def masked_cartpole(num_envs: int, time_limit: int = 500) -> Env:
    """CartPole-v1 without its velocities: position and angle, [B, 2]; one has to remember."""
    return observing(cartpole(num_envs, time_limit), (0, 2), "masked cartpole")
