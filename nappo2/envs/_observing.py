"""Environments with fewer observations: partially observed versions of others."""

from collections.abc import Sequence

import torch
from gymnasium.spaces import Box

from nappo2.checks import checked
from nappo2.envs._cartpole import cartpole
from nappo2.envs._pendulum import pendulum
from nappo2.envs.boxes import is_box
from nappo2.envs.env import Env, physics_of
from nappo2.saving.calls import remembering


@remembering
@checked
def observing(env: Env, indices: Sequence[int], name: str | None = None) -> Env:
    """Keeps only some entries of the observations [B, n] of an environment.

    Args:
        env: an environment with vectors as observations.
        indices: the entries that stay, in this order.
        name: of the new environment; by default that of ``env`` with the indices.

    Returns:
        An environment with observations [B, len(indices)].

    Raises:
        ValueError: if observations are no vectors, or have no such entries.

    Example:
        >>> angles = envs.observing(envs.cartpole(4), (2,))  # of position, velocity, angle, and its velocity
        >>> angles.reset(0)[1].shape
        torch.Size([4, 1])
    """
    space = env.observation_space
    if not is_box(space) or len(space.shape) != 1:
        raise ValueError(f"{env.name} has observations in {space}; observing takes vectors")
    if not indices or not all(0 <= i < space.shape[0] for i in indices):
        raise ValueError(
            f"observations of {env.name} have entries 0 to {space.shape[0] - 1}, not {indices}"
        )
    columns, index = list(indices), torch.tensor(indices)

    def reset(seed):
        state, observation = env.reset(seed)
        return state, observation.index_select(1, index)

    def step(state, action):
        state, observation, transition = env.step(state, action)
        part = transition.observation.index_select(1, index)
        return state, observation.index_select(1, index), transition._replace(observation=part)

    def many(n):
        return observing(env.many(n), columns, name)

    physics = physics_of(env) and env.physics._replace(
        observe=lambda physics: env.physics.observe(physics).index_select(1, index), env_step=step
    )
    part = Box(space.low[columns], space.high[columns], dtype=space.dtype)
    name = name or f"{env.name} seen at {columns}"
    return env._replace(
        reset=reset,
        step=step,
        observation_space=part,
        name=name,
        many=env.many and many,
        physics=physics,
    )


@remembering
@checked
def masked_cartpole(num_envs: int, time_limit: int = 500) -> Env:
    """CartPole-v1 without its velocities: position and angle, [B, 2]; it takes memory to solve.

    Example:
        >>> envs.masked_cartpole(4)
        4 x masked cartpole: Box([-4.8 -0.41887903], [4.8 0.41887903], (2,), float32) -> Discrete(2)
    """
    return observing(cartpole(num_envs, time_limit), (0, 2), "masked cartpole")


@remembering
@checked
def masked_pendulum(num_envs: int, time_limit: int = 200) -> Env:
    """Pendulum-v1 without its velocity: cosine and sine of the angle, [B, 2]; it takes memory to solve.

    Example:
        >>> envs.masked_pendulum(4)
        4 x masked pendulum: Box(-1.0, 1.0, (2,), float32) -> Box(-2.0, 2.0, (1,), float32)
    """
    return observing(pendulum(num_envs, time_limit), (0, 1), "masked pendulum")
