"""Default agents with the layers and the first weights that a configuration asks for."""

from typing import Any, TypeVar

import torch

from nappo2.envs import Env
from nappo2.networks import ActorCritic, with_uniform_weights
from nappo2.recipes.agents import default_agent

A = TypeVar("A", bound=tuple)


def agent_of(env: Env, config: Any) -> ActorCritic:
    """The default agent with the layers and the first weights of a configuration.

    Args:
        env: whose observations and actions the agent fits.
        config: with ``hidden``, ``normalize``, ``relu``, ``initial_log_std`` and ``orthogonal``.

    Returns:
        The agent.

    Raises:
        ValueError: if there is no hidden layer behind convolutions.
    """
    activation = torch.relu if config.relu else torch.tanh
    agent = default_agent(
        env,
        config.hidden,
        config.normalize,
        activation=activation,
        initial_log_std=config.initial_log_std,
    )
    return first_weights(agent, config)


def first_weights(agent: A, config: Any) -> A:
    """An agent or network that begins with orthogonal weights, or with uniform ones.

    Args:
        agent: whose weights are orthogonal.
        config: with ``orthogonal``.

    Returns:
        The agent, or it ``with_uniform_weights``.
    """
    return agent if config.orthogonal else with_uniform_weights(agent)
