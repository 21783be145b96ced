"""Recipes with a temperature in general: agents with critics of one's own, optimisers, and the recipe."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nappo2 import optim
from nappo2.envs import Env
from nappo2.maths.distributions import tanh_normal
from nappo2.networks import (
    ActorCritics,
    Network,
    RecurrentActorCritics,
    mlp,
    quantile_actor_critics,
    quantile_actor_critics_with_torso,
    with_temperature,
)
from nappo2.optim import GradientTransformation
from nappo2.pipeline import compose
from nappo2.policies import Policy, greedy, stochastic
from nappo2.recipes.fit import check_fit
from nappo2.recipes.masks import masking_of
from nappo2.recipes.off_policy import critics_of, first_params, off_policy
from nappo2.recipes.torsos import has_torso, torso_network, torso_of, vector_view
from nappo2.recipes.values import critic_value, expected_value, least
from nappo2.stages import Recipe, noise, normal_noise


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


def soft_optimizer(
    agent: ActorCritics | RecurrentActorCritics, learn_alpha: bool
) -> GradientTransformation:
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


def check_temperature(recipe: str, agent: ActorCritics | RecurrentActorCritics) -> None:
    """Refuses an agent without a temperature, for the recipe of this name.

    Raises:
        ValueError: if the agent's weights have no ``log_alpha``.
    """
    weights = agent.init(0)
    if "log_alpha" not in weights.keys():
        raise ValueError(
            f"{recipe} learns a temperature, log_alpha, and the agent has only "
            f"{', '.join(weights.keys())}; "
            "networks.with_temperature(agent) adds one"
        )


def soft_recipe(
    name: str,
    env: Env,
    config: Any,
    agent: ActorCritics,
    *,
    targets: tuple[str, ...] = ("critics",),
    critic_shape: tuple[int, ...] = (),
    reduce: Callable[[Tensor], Tensor] = least,
    policy: Policy | None = None,
    **pieces: Any,
) -> Recipe:
    """A recipe of an actor that samples, squashed or of discrete actions, and K critics.

    Args:
        name: of the recipe.
        env: where the collectors act.
        config: as ``off_policy`` reads it.
        agent: of the environment, with its masks.
        targets: branches of the weights that have targets.
        critic_shape: of a critic's values for an observation and, if they are continuous, an action.
        reduce: one value [B] of those of the critics [K, B, ...]; of discrete actions the expected
            value counts.
        policy: how the collectors act after ``start_steps``; None samples from the actor.
        **pieces: other fields of the ``Recipe``, and arguments of ``off_policy``.

    Returns:
        The recipe.

    Raises:
        ValueError: if the agent does not fit the environment, or has no temperature.
    """
    check_temperature(name, agent)
    c, size, discrete = config, env.action_spec.size, env.action_spec.kind == "discrete"
    dist = env.action_spec.distribution if discrete else tanh_normal()
    init, most_probable = first_params(agent.init, c, *targets), greedy(agent.actor, dist)
    heads = {
        "actor": (agent.actor, (dist.num_outputs(size),)),
        "critic": critics_of(agent, None if discrete else size, critic_shape),
    }
    check_fit(name, env, init(0), heads)
    return off_policy(
        env,
        c,
        name=name,
        init=init,
        policy=masking_of(env).warmup_uniform(policy or stochastic(agent.actor, dist)),
        greedy=most_probable,
        value=expected_value(agent) if discrete else critic_value(agent, most_probable, reduce),
        noise=compose() if discrete else noise(normal_noise("noise", "next_noise", size=size)),
        **pieces,
    )
