"""What the recipes share: first params, agents of the right sizes, and checks of what fits."""

from typing import Any

import torch
from gymnasium.spaces import Discrete

from nappo2.envs import Env, action_size, check_spaces
from nappo2.maths.distributions import Distribution, categorical, normal
from nappo2.networks import ActorCritic, actor_critic, mlp, normalized, with_log_std
from nappo2.params import make_params


def first_params(agent: Any, config: Any, *names: str):
    """``seed -> params``: the agent's weights, and of the config what may change during a run."""

    def init(seed):
        hyper = {name: getattr(config, name) for name in names}
        return make_params(agent.init(seed), normalizer=agent.normalizer(), **hyper)

    return init


def suited(env: Env) -> Distribution:
    """The distribution for an environment's actions: categorical, or diagonal normal."""
    return categorical() if isinstance(env.action_space, Discrete) else normal()


def perceptrons(env: Env, hidden: tuple[int, ...] = (64, 64)) -> ActorCritic:
    """Separate tanh perceptrons for actor and critic, of an environment's sizes.

    For continuous actions with standard deviations that no observation changes.
    """
    check_spaces(env.name, env.observation_space, env.action_space)
    inputs = torch.Size(env.observation_space.shape).numel()
    outputs = action_size(env.action_space)
    agent = actor_critic(mlp(inputs, *hidden, outputs, final_gain=0.01), mlp(inputs, *hidden, 1))
    return agent if isinstance(env.action_space, Discrete) else with_log_std(agent, outputs)


def normalizing(agent: ActorCritic, env: Env) -> ActorCritic:
    """The agent, with observations normalised and rewards scaled."""
    return normalized(agent, env.observation_space.shape)


def check_fit(env: Env, agent: ActorCritic, dist: Distribution) -> None:
    """Refuses an agent that cannot see the observations, or does not fit the actions.

    Raises:
        ValueError: says what it gave for one observation, and what would be right.
    """
    params = make_params(agent.init(0), normalizer=agent.normalizer())
    space = env.observation_space
    observation = torch.zeros(2, *space.shape, dtype=torch.uint8 if space.dtype == "uint8" else torch.float32)
    try:
        outputs, value = agent.both(params.to_dict(), observation)
    except RuntimeError as error:
        raise ValueError(
            f"the agent cannot be applied to observations [B, {', '.join(map(str, space.shape))}] "
            f"of {env.name}: {error}"
        ) from error
    needed = dist.num_outputs(action_size(env.action_space))
    if tuple(outputs.shape) != (2, needed):
        raise ValueError(
            f"for two observations the actor gives outputs of shape {tuple(outputs.shape)}; for "
            f"{env.action_space} of {env.name} they are (2, {needed})"
        )
    if tuple(value.shape) != (2,):
        raise ValueError(f"for two observations the critic gives values of shape {tuple(value.shape)}, not (2,)")
