"""Makes environments in torch of an equation of motion on a batch, reset where episodes end."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from gymnasium.spaces import Space
from torch import Tensor

from nappo2.checks import checked
from nappo2.envs.env import Env, Physics, Transition
from nappo2.pipeline import positive
from nappo2.saving.calls import remembering
from nappo2.seeds import generator, split


class PhysicsState(NamedTuple):
    """The state of environments in torch."""

    physics: Tensor  # [B, ...], float64 as in Gymnasium
    time: Tensor  # [B], steps of each episode so far
    seed: Any  # an int, or one for each of many


@remembering
@checked
def physics_env(
    name: str,
    num_envs: int,
    start: Callable[[int, torch.Generator], Tensor],
    step: Callable[[Tensor, Any], tuple[Tensor, Tensor, Tensor]],
    observe: Callable[[Tensor], Tensor],
    time_limit: int,
    observation_space: Space,
    action_space: Space,
    draw: Callable[[Tensor], Any] | None = None,
    info: Callable[[Tensor], dict[str, Tensor]] | None = None,
) -> Env:
    """Makes an environment of the functions that describe its physics.

    Args:
        name: in messages.
        num_envs: B.
        start: ``(num_envs, generator) -> physics`` [num_envs, ...], of new episodes.
        step: ``(physics, action) -> (physics, reward [B], terminated [B] bool)``; hybrid actions are a
            dictionary.
        observe: ``physics -> observation`` [B, ...].
        time_limit: steps after which an episode is truncated.
        observation_space: of one environment.
        action_space: of one environment.
        draw: of one environment: ``physics -> frame`` [height, width, 3] uint8; None for no pictures.
        info: ``physics -> {name: numbers [B]}``, what is told of episodes that end in this state, such
            as ``is_success``; None for nothing.

    Returns:
        The environment, whose state is a PhysicsState.
    """
    positive(num_envs=num_envs, time_limit=time_limit)

    def reset(seed):
        (seed,), physics = start_each((seed,))
        return PhysicsState(physics, torch.zeros(num_envs), seed), observe(physics)

    def step_one(state, action):
        state, observation, transition = step_many(state._replace(seed=(state.seed,)), action)
        return state._replace(seed=state.seed[0]), observation, transition

    def start_each(seeds):
        """New episodes of ``num_envs`` for each seed, and the seeds after them."""
        pairs = [split(seed) for seed in seeds]
        starts = [start(num_envs, generator(key)) for _, key in pairs]
        physics = torch.cat(starts) if len(starts) > 1 else starts[0]
        return tuple(seed for seed, _ in pairs), physics

    def step_many(state, action):
        """A step of as many times ``num_envs`` as there are seeds."""
        physics, reward, terminated = step(state.physics, action)
        time, seeds = state.time + 1, state.seed
        truncated = (time >= time_limit) & ~terminated
        observation, done = observe(physics), terminated | truncated
        transition = Transition(observation, reward, terminated, truncated)
        if done.any():
            if info is not None:
                transition = transition._replace(info=told(info(physics), done))
            seeds, physics = restart_done(seeds, physics, done)
            observation = observe(physics)
        return PhysicsState(physics, time * ~done, seeds), observation, transition

    def restart_done(seeds, physics, done):
        """Starts new episodes where one is over; only seeds of groups where one is are used."""
        groups = done.view(len(seeds), num_envs).any(1).nonzero().flatten().tolist()
        next_seeds, starts = start_each([seeds[i] for i in groups])
        seeds, physics = list(seeds), physics.clone()
        for k, i in enumerate(groups):
            rows, seeds[i] = slice(i * num_envs, (i + 1) * num_envs), next_seeds[k]
            mask = done[rows].view(-1, *[1] * (physics.ndim - 1))
            start_rows = starts[k * num_envs : (k + 1) * num_envs].to(physics.device)
            physics[rows] = torch.where(mask, start_rows, physics[rows])
        return tuple(seeds), physics

    def many(n):
        def reset(seeds):
            seeds, physics = start_each(tuple(seeds))
            return PhysicsState(physics, torch.zeros(len(physics)), seeds), observe(physics)

        physics = env.physics._replace(env_step=step_many)
        return env._replace(
            reset=reset, step=step_many, num_envs=n * num_envs, many=None, physics=physics
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
        physics=Physics(start, step, observe, time_limit, step_one, info),
    )
    return env if draw is None else env._replace(render=lambda state: draw(state.physics[0]))


def told(numbers: dict[str, Tensor], done: Tensor) -> dict[str, Tensor]:
    """Numbers [B] by name as float32, NaN where no episode ends."""
    return {name: x.float().where(done, torch.nan) for name, x in numbers.items()}
