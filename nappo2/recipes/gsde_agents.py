"""Agents and policies with state-dependent exploration (gSDE; https://arxiv.org/abs/2005.05719)."""

from typing import Any, NamedTuple

import torch

from nappo2.envs import Env
from nappo2.maths.distributions import Distribution, normal, state_dependent, tanh_normal
from nappo2.networks import (
    ActorCritic,
    ActorCritics,
    Network,
    actor_critic,
    mlp,
    normalized_parts,
    quantile_actor_critics,
    quantile_actor_critics_with_torso,
    sequential,
    with_temperature,
)
from nappo2.networks import state_dependent as state_dependent_actor
from nappo2.policies import Policy, gsde
from nappo2.recipes.first_weights import first_weights
from nappo2.recipes.fit import OFF_POLICY, ON_POLICY, check_env
from nappo2.recipes.torsos import GAIN, Activation, perceiving, torso_of, vector_view
from nappo2.stages import Compatibility

NOISE = {
    "actions": "it explores with continuous noise",
    "observations": "its networks are perceptrons, behind torsos only of parts",
}
SQUASHED = {"actions": "it explores with continuous noise, squashed into bounds"}
OBSERVATIONS = ("vectors", "goals", "dictionaries")
ON_POLICY_GSDE = ON_POLICY._replace(
    actions=("continuous", "unbounded"),
    observations=OBSERVATIONS,
    agent=("ActorCritic",),
    reasons={**ON_POLICY.reasons, **NOISE},
)
"""On-policy recipes with gSDE."""
SOFT_GSDE = OFF_POLICY._replace(
    actions=("continuous",),
    observations=OBSERVATIONS,
    reasons={**OFF_POLICY.reasons, **NOISE, **SQUASHED},
)
"""Recipes with gSDE that learn from a replay."""


class Exploring(NamedTuple):
    """What a recipe with gSDE is made with: an agent, the distribution of its outputs, and a policy."""

    agent: ActorCritic
    dist: Distribution
    policy: Policy


def exploring_actor_critic(
    env: Env, name: str, compatible: Compatibility, config: Any
) -> Exploring:
    """An actor that explores by a random matrix of its last features, and a critic.

    Args:
        env: whose observations and actions they fit.
        name: of the recipe.
        compatible: what the recipe supports.
        config: with ``hidden``, ``relu``, ``orthogonal``, ``normalize``, ``initial_log_std`` and
            ``resample_every``.

    Returns:
        The agent, its distribution and its policy.

    Raises:
        ValueError: if actions are not continuous, or there is no hidden layer.
    """
    c, (num_features, size) = config, _shape(env, name, compatible, config.hidden)
    activation = torch.relu if c.relu else torch.tanh

    def critic(inputs):
        return mlp(inputs, *c.hidden, 1, activation=activation)

    actor = state_dependent_actor(
        perceiving(env, c.hidden, lambda n: _torso(n, c.hidden, activation, GAIN), activation),
        num_features,
        size,
        initial=c.initial_log_std,
    )
    agent = actor_critic(actor, perceiving(env, c.hidden, critic, activation))
    agent = first_weights(agent, c)
    if c.normalize:
        agent = normalized_parts(agent, env.observation_spec.statistics)
    dist = state_dependent(normal(), num_features)
    policy = gsde(agent.actor, dist, (num_features, size), every=c.resample_every)
    return Exploring(agent, dist, policy)


def exploring_actor_critics(
    env: Env,
    name: str,
    config: Any,
    *,
    critic_hidden: tuple[int, ...],
    num_quantiles: int,
) -> tuple[ActorCritics, Policy]:
    """An actor that explores by a random matrix of its last features, and K critics, with a temperature.

    Args:
        env: whose observations and actions they fit.
        name: of the recipe.
        config: with ``hidden``, ``orthogonal``, ``num_critics``, ``initial_alpha``, ``initial_log_std``,
            ``mean_limit``, ``learn_features`` and ``resample_every``.
        critic_hidden: sizes of the critics' hidden layers.
        num_quantiles: M of each critic.

    Returns:
        The agent, whose actor gives no features and whose critics give quantiles [K, ..., M]; and the
        policy.

    Raises:
        ValueError: if actions are not continuous, or there is no hidden layer.
    """
    c, (num_features, size) = config, _shape(env, name, SOFT_GSDE, config.hidden)
    actor = state_dependent_actor(
        perceiving(env, c.hidden, lambda n: _torso(n, c.hidden)),
        num_features,
        size,
        initial=c.initial_log_std,
        mean_limit=c.mean_limit,
        learn_features=c.learn_features,
    )
    agent = _with_critics(env, actor, critic_hidden, num_quantiles, c.num_critics)
    agent = with_temperature(first_weights(agent, c), c.initial_alpha)
    dist = state_dependent(tanh_normal(), num_features)
    policy = gsde(agent.actor, dist, (num_features, size), every=c.resample_every)
    without_features = agent._replace(
        actor=lambda params, x: agent.actor(params, x)[..., : 2 * size]
    )
    return without_features, policy


def _with_critics(
    env: Env, actor: Network, hidden: tuple[int, ...], num_quantiles: int, num_critics: int
) -> ActorCritics:
    """An agent of an actor of observations, and K critics that see them as rows, or parts by torsos."""
    size = env.action_spec.size

    def critic(first, *rest):
        return mlp(first + size, *rest, num_quantiles, activation=torch.relu)

    if env.observation_spec.kind == "dictionaries":
        torso, sizes = torso_of(env, hidden)
        return quantile_actor_critics_with_torso(actor, torso, critic(*sizes), num_critics)
    network, view = critic(env.observation_spec.size, *hidden), vector_view(env)
    agent = quantile_actor_critics(actor, network, num_critics, view)
    return agent._replace(actor=lambda params, x: actor.apply(params["weights"]["actor"], x))


def _shape(
    env: Env, name: str, compatible: Compatibility, hidden: tuple[int, ...]
) -> tuple[int, int]:
    check_env(name, compatible, env)
    if not hidden:
        raise ValueError(
            f"{name} needs a hidden layer, of whose features it makes noise; hidden is ()"
        )
    return hidden[-1], env.action_spec.size


def _torso(
    inputs: int, hidden: tuple[int, ...], activation: Activation = torch.relu, gain: float = 1.0
) -> Network:
    return sequential(mlp(inputs, *hidden, activation=activation, final_gain=gain), activation)
