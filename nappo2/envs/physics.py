"""Small simulators in torch: an equation of motion, vectorised and reset at once."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from gymnasium.spaces import Space
from torch import Tensor

from nappo2.envs.env import Env, Outcome
from nappo2.pipeline import positive
from nappo2.seeds import generator, split


class PhysicsState(NamedTuple):
    physics: Tensor  # [B, ...], float64 as in Gymnasium
    time: Tensor  # [B], steps of each episode so far
    seed: int


def physics_env(
    name: str,
    num_envs: int,
    start: Callable[[int, torch.Generator], Tensor],
    move: Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]],
    observe: Callable[[Tensor], Tensor],
    time_limit: int,
    observation_space: Space,
    action_space: Space,
    draw: Callable[[Tensor], Any] | None = None,
) -> Env:
    """An environment of the functions that describe its physics.

    Args:
        start: ``(num_envs, generator) -> physics``, of new episodes.
        move: ``(physics, action) -> (physics, reward, terminated)``.
        observe: ``physics -> observation``.
        time_limit: steps after which an episode is truncated.
        draw: of one environment: ``physics -> frame``.
    """
    positive(num_envs=num_envs, time_limit=time_limit)

    def reset(seed):
        seed, key = split(seed)
        physics = start(num_envs, generator(key))
        return PhysicsState(physics, torch.zeros(num_envs), seed), observe(physics)

    def step(state, action):
        reached, reward, terminated = move(state.physics, action)
        time, seed, physics = state.time + 1, state.seed, reached
        truncated = (time >= time_limit) & ~terminated
        observation, done = observe(reached), terminated | truncated
        outcome = Outcome(observation, reward, terminated, truncated)
        if done.any():
            seed, key = split(seed)
            fresh = start(num_envs, generator(key)).to(reached.device)
            over = done.view(-1, *[1] * (reached.ndim - 1))
            physics = torch.where(over, fresh, reached)
            observation = observe(physics)
        return PhysicsState(physics, time * ~done, seed), observation, outcome

    render = None if draw is None else lambda state: draw(state.physics[0])
    return Env(reset, step, observation_space, action_space, num_envs, name, render=render)
