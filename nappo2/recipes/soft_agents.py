"""Agents with a temperature and critics of one's own for an environment, and their optimiser."""

from collections.abc import Callable

import torch

from nappo2 import optim
from nappo2.envs import Env
from nappo2.networks import (
    ActorCritics,
    Network,
    mlp,
    quantile_actor_critics,
    quantile_actor_critics_with_torso,
    with_temperature,
)
from nappo2.optim import GradientTransformation
from nappo2.recipes.torsos import has_torso, torso_network, torso_of, vector_view


def soft_agent(
    env: Env,
    make_critic: Callable[..., Network],
    *,
    hidden: tuple[int, ...],
    critic_hidden: tuple[int, ...],
    num_critics: int,
    alpha: float,
) -> ActorCritics:
    """A ReLU actor and K critics that are made by a function, with a temperature.

    Args:
        env: whose observations and continuous actions they fit.
        make_critic: ``(size of the input, *sizes of hidden layers) -> network`` of M outputs.
        hidden: sizes of the actor's hidden layers.
        critic_hidden: sizes of the critics' hidden layers; a torso of images or parts has the first.
        num_critics: K.
        alpha: first temperature.

    Returns:
        The agent, whose critics give quantiles [K, ..., M]; ``networks.single_valued`` makes them
        values.

    Raises:
        ValueError: if there is no hidden layer behind convolutions.
    """
    size, inputs = env.action_spec.size, env.observation_spec.size
    if has_torso(env):
        torso, (first, *rest) = torso_of(env, critic_hidden)
        actor = torso_network(env, hidden, 2 * size, gain=0.01)
        critic = make_critic(first + size, *rest)
        agent = quantile_actor_critics_with_torso(actor, torso, critic, num_critics)
    else:
        actor = mlp(inputs, *hidden, 2 * size, activation=torch.relu, final_gain=0.01)
        critic = make_critic(inputs + size, *critic_hidden)
        agent = quantile_actor_critics(actor, critic, num_critics, vector_view(env))
    return with_temperature(agent, alpha)


def soft_optimizer(agent: ActorCritics, learn_alpha: bool) -> GradientTransformation:
    """Adam for all weights of an agent, or for all but its temperature.

    Args:
        agent: with a temperature.
        learn_alpha: whether the temperature is learnt.
    """
    if learn_alpha:
        return optim.adam()
    weights = agent.init(0)
    adams = {name: optim.adam() for name in weights.keys()}
    return optim.partition(weights, adams | {"log_alpha": optim.set_to_zero()})
