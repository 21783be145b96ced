"""Makes environments in torch of an equation of motion on a batch, reset where episodes end."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from gymnasium.spaces import Space
from torch import Tensor

from nappo2.checks import checked
from nappo2.envs.env import Env, Physics, Transition
from nappo2.envs.starts import Start, drawn, first
from nappo2.pipeline import positive
from nappo2.saving.calls import remembering


class PhysicsState(NamedTuple):
    """The state of environments in torch."""

    physics: Tensor  # [B, ...], float64 as in Gymnasium
    time: Tensor  # [B], steps of each episode so far
    starts: Any  # Starts of the next episodes, or a tuple with those of each of many


@remembering
@checked
def physics_env(
    name: str,
    num_envs: int,
    start: Start,
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
        start: ``(number, generator) -> physics`` [number, ...], of new episodes; they are drawn for
            many resets at once.
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

    Example:
        >>> from gymnasium.spaces import Box, Discrete
        >>> def start(num, rng):
        ...     return torch.zeros(num, 1)
        >>> def step(x, action):  # 0 goes back and 1 goes on, up to 2
        ...     x = x + 2.0 * action[:, None] - 1.0
        ...     return x, x[:, 0], x[:, 0] >= 2
        >>> env = envs.physics_env("walk", 2, start, step, lambda x: x, 20, Box(-20, 2, (1,)), Discrete(2))
        >>> state, observation = env.reset(0)
        >>> for _ in range(2):
        ...     state, observation, transition = env.step(state, torch.tensor([0, 1]))
        >>> transition.observation.tolist(), transition.terminated.tolist()
        ([[-2.0], [2.0]], [False, True])
        >>> observation.tolist()  # the second walker began anew
        [[-2.0], [0.0]]
    """
    positive(num_envs=num_envs, time_limit=time_limit)

    def reset(seed):
        starts, physics = first(start, num_envs, drawn(start, num_envs, seed))
        return PhysicsState(physics, torch.zeros(num_envs), starts), observe(physics)

    def step_one(state, action):
        state, observation, transition = step_many(state._replace(starts=(state.starts,)), action)
        return state._replace(starts=state.starts[0]), observation, transition

    def step_many(state, action):
        """A step of as many times ``num_envs`` as there are starts."""
        physics, reward, terminated = step(state.physics, action)
        time, starts = state.time + 1, state.starts
        truncated = (time >= time_limit) & ~terminated
        observation, done = observe(physics), terminated | truncated
        transition = Transition(observation, reward, terminated, truncated)
        if done.any():
            if info is not None:
                transition = transition._replace(info=told(info(physics), done))
            starts, physics = restart_done(starts, physics, done)
            observation = observe(physics)
        return PhysicsState(physics, time * ~done, starts), observation, transition

    def restart_done(starts, physics, done):
        """Begins new episodes where one is over; only starts of groups where one is are taken."""
        groups = done.view(len(starts), num_envs).any(1).nonzero().flatten().tolist()
        starts, physics = list(starts), physics.clone()
        for i in groups:
            rows = slice(i * num_envs, (i + 1) * num_envs)
            starts[i], states = first(start, num_envs, starts[i])
            mask = done[rows].view(-1, *[1] * (physics.ndim - 1))
            physics[rows] = torch.where(mask, states.to(physics.device), physics[rows])
        return tuple(starts), physics

    def many(n):
        def reset(seeds):
            draws = [first(start, num_envs, drawn(start, num_envs, seed)) for seed in seeds]
            starts, states = zip(*draws, strict=True)
            physics = torch.cat(states)
            return PhysicsState(physics, torch.zeros(len(physics)), starts), observe(physics)

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
