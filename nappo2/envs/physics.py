"""Small simulators in torch: an equation of motion, vectorised and reset at once."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from gymnasium.spaces import Space
from torch import Tensor

from nappo2.checks import checked
from nappo2.envs.env import Env, Physics, Transition
from nappo2.pipeline import positive
from nappo2.seeds import generator, split


class PhysicsState(NamedTuple):
    """Where environments in torch stand."""

    physics: Tensor  # [B, ...], float64 as in Gymnasium
    time: Tensor  # [B], steps of each episode so far
    seed: Any  # an int, or one for each of many


@checked
def physics_env(
    name: str,
    num_envs: int,
    start: Callable[[int, torch.Generator], Tensor],
    step: Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]],
    observe: Callable[[Tensor], Tensor],
    time_limit: int,
    observation_space: Space,
    action_space: Space,
    draw: Callable[[Tensor], Any] | None = None,
) -> Env:
    """An environment of the functions that describe its physics.

    Args:
        start: ``(num_envs, generator) -> physics``, of new episodes.
        step: ``(physics, action) -> (physics, reward, terminated)``.
        observe: ``physics -> observation``.
        time_limit: steps after which an episode is truncated.
        draw: of one environment: ``physics -> frame``.
    """
    positive(num_envs=num_envs, time_limit=time_limit)

    def reset(seed):
        (seed,), physics = begun((seed,))
        return PhysicsState(physics, torch.zeros(num_envs), seed), observe(physics)

    def step_one(state, action):
        state, observation, outcome = step_many(state._replace(seed=(state.seed,)), action)
        return state._replace(seed=state.seed[0]), observation, outcome

    def begun(seeds):
        """New episodes of ``num_envs`` for each seed, and the seeds after them."""
        pairs = [split(seed) for seed in seeds]
        fresh = [start(num_envs, generator(key)) for _, key in pairs]
        return tuple(seed for seed, _ in pairs), torch.cat(fresh) if len(fresh) > 1 else fresh[0]

    def step_many(state, action):
        """A step of as many times ``num_envs`` as there are seeds."""
        reached, reward, terminated = step(state.physics, action)
        time, seeds, physics = state.time + 1, state.seed, reached
        truncated = (time >= time_limit) & ~terminated
        observation, done = observe(reached), terminated | truncated
        outcome = Transition(observation, reward, terminated, truncated)
        if done.any():
            seeds, physics = renewed(seeds, reached, done)
            observation = observe(physics)
        return PhysicsState(physics, time * ~done, seeds), observation, outcome

    def renewed(seeds, reached, done):
        """What was reached, or where an episode begins if one is over."""
        over = done.view(len(seeds), num_envs).any(1).nonzero().flatten().tolist()
        later, fresh = begun([seeds[i] for i in over])
        seeds, physics = list(seeds), reached.clone()
        for k, i in enumerate(over):
            own, seeds[i] = slice(i * num_envs, (i + 1) * num_envs), later[k]
            mask = done[own].view(-1, *[1] * (reached.ndim - 1))
            begins = fresh[k * num_envs : (k + 1) * num_envs].to(reached.device)
            physics[own] = torch.where(mask, begins, reached[own])
        return tuple(seeds), physics

    def many(n):
        def reset(seeds):
            seeds, physics = begun(tuple(seeds))
            return PhysicsState(physics, torch.zeros(len(physics)), seeds), observe(physics)

        made = env.physics._replace(env_step=step_many)
        return env._replace(
            reset=reset, step=step_many, num_envs=n * num_envs, many=None, physics=made
        )

    env = Env(
        reset,
        step_one,
        observation_space,
        action_space,
        num_envs,
        name,
        many=many,
        save=lambda state: state,
        load=lambda state, saved: saved,
        physics=Physics(start, step, observe, time_limit, step_one),
    )
    return env if draw is None else env._replace(render=lambda state: draw(state.physics[0]))
