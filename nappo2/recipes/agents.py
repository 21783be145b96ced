"""Default agents for an environment: perceptrons for vectors and goals, convolutions for images."""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nappo2.checks import checked
from nappo2.envs import ActionSpec, Env
from nappo2.envs.masks import without_mask
from nappo2.envs.observations import SMALLEST_IMAGE
from nappo2.networks import (
    MNIH,
    YOUNG,
    ActorCritic,
    ActorCritics,
    Agent,
    Network,
    actor_critic,
    actor_critics,
    cnn,
    discrete_actor_critics,
    mlp,
    normalized,
    sequential,
    shared_actor_critic,
    unchanged,
    with_log_std,
    with_reward_scaling,
    with_temperature,
    with_view,
)

CONVOLUTIONS = (
    (36, MNIH),
    (SMALLEST_IMAGE, YOUNG),
)
"""Shortest side of an image that layers are used for, and the layers."""


@checked
def default_agent(
    env: Env, hidden: tuple[int, ...] = (64, 64), normalize: bool = False
) -> ActorCritic:
    """``convolutional`` for images, ``perceptrons`` for vectors and goals.

    Args:
        env: whose observations and actions the agent fits.
        hidden: sizes of the hidden layers.
        normalize: whether rewards are scaled, and vectors normalised.

    Returns:
        The agent.

    Raises:
        ValueError: if there is no hidden layer behind convolutions.
    """
    env = without_mask(env)
    make_agent = convolutional if env.observation_spec.kind == "images" else perceptrons
    return make_agent(env, hidden, normalize)


@checked
def perceptrons(
    env: Env, hidden: tuple[int, ...] = (64, 64), normalize: bool = False
) -> ActorCritic:
    """Separate tanh perceptrons for actor and critic, of an environment's sizes.

    For continuous actions the standard deviations are learnt, the same for every observation.

    Args:
        env: whose observations and actions they fit.
        hidden: sizes of the hidden layers.
        normalize: whether observations are normalised and rewards scaled.

    Returns:
        The agent.
    """
    env = without_mask(env)
    observations, actions = env.observation_spec, env.action_spec
    networks = (
        mlp(observations.size, *hidden, actions.size, final_gain=0.01),
        mlp(observations.size, *hidden, 1),
    )
    agent = with_spread(
        actor_critic(*(with_vector_view(network, env) for network in networks)), actions
    )
    return normalized(agent, observations.shape) if normalize else agent


def vector_view(env: Env) -> Callable[[Any], Tensor]:
    """``observation [..., *shape] -> x [..., n]``: all numbers side by side as floats, bytes in [0, 1].

    Warns where an observation may have been meant as an image.
    """
    spec = env.observation_spec
    if spec.warning:
        warnings.warn(f"{env.name} has observations {spec.warning}", stacklevel=2)
    return spec.row


def with_vector_view(network: Network, env: Env) -> Network:
    """Lets a network of vectors [..., n] take an environment's observations."""
    view = vector_view(env)
    return network if view is unchanged else with_view(network, view)


def with_spread(agent: Agent, actions: ActionSpec) -> Agent:
    """Adds the log standard deviations that continuous actions need."""
    return with_log_std(agent, actions.log_stds) if actions.log_stds else agent


@checked
def convolutional(
    env: Env, hidden: tuple[int, ...] = (512,), normalize: bool = False
) -> ActorCritic:
    """An actor and a critic as heads of one convolutional network, of an environment's sizes.

    Args:
        env: whose observations are images of bytes, [B, C, H, W].
        hidden: sizes of the layers behind the convolutions, of which the first is shared.
        normalize: whether rewards are scaled; images always are.

    Returns:
        The agent.

    Raises:
        ValueError: if there is no hidden layer.
    """
    torso, actions = image_torso(without_mask(env), hidden), env.action_spec
    actor = mlp(*hidden, actions.size, activation=torch.relu, final_gain=0.01)
    critic = mlp(*hidden, 1, activation=torch.relu)
    agent = with_spread(shared_actor_critic(torso, actor, critic), actions)
    return with_reward_scaling(agent) if normalize else agent


def soft_perceptrons(
    env: Env, hidden: tuple[int, ...], alpha: float = 1.0, num_critics: int = 2
) -> ActorCritics:
    """ReLU perceptrons for an actor and K critics, with a temperature.

    Args:
        env: whose observations and actions they fit.
        hidden: sizes of the hidden layers.
        alpha: first temperature.
        num_critics: K.

    Returns:
        The agent.
    """
    inputs, size, view = env.observation_spec.size, env.action_spec.size, vector_view(env)
    if env.action_spec.kind == "discrete":
        network = mlp(inputs, *hidden, size, activation=torch.relu)
        agent = discrete_actor_critics(network, network, num_critics, view)
        return with_temperature(agent, alpha)
    actor = mlp(inputs, *hidden, 2 * size, activation=torch.relu, final_gain=0.01)
    critic = mlp(inputs + size, *hidden, 1, activation=torch.relu)
    return with_temperature(actor_critics(actor, critic, num_critics, view), alpha)


def soft_convolutions(
    env: Env, hidden: tuple[int, ...], alpha: float = 1.0, num_critics: int = 2
) -> ActorCritics:
    """Convolutional networks of images for an actor and K critics, with a temperature.

    Args:
        env: with images and discrete actions.
        hidden: sizes of the layers behind the convolutions.
        alpha: first temperature.
        num_critics: K.

    Returns:
        The agent.

    Raises:
        NotImplementedError: if actions are continuous.
    """
    if env.action_spec.kind != "discrete":
        raise NotImplementedError(
            f"sac sees images where actions are discrete, and {env.name} has images "
            f"{env.observation_spec.shape} and actions in {env.action_space}; ppo takes both"
        )
    size = env.action_spec.size
    actor = image_network(env, hidden, size, gain=0.01)
    critic = image_network(env, hidden, size)
    return with_temperature(discrete_actor_critics(actor, critic, num_critics), alpha)


def deterministic_perceptrons(
    env: Env, hidden: tuple[int, ...], num_critics: int = 2
) -> ActorCritics:
    """ReLU perceptrons for an actor in [-1, 1] and K critics.

    Args:
        env: whose observations and actions they fit.
        hidden: sizes of the hidden layers.
        num_critics: K.

    Returns:
        The agent.

    Raises:
        ValueError: if observations are images.
    """
    if env.observation_spec.kind == "images":
        raise ValueError(
            f"td3 has no network of its own for images {env.observation_spec.shape} of {env.name}; "
            "td3(env, agent=...) takes one, and ppo sees them"
        )
    inputs, size, view = env.observation_spec.size, env.action_spec.size, vector_view(env)
    layers = mlp(inputs, *hidden, size, activation=torch.relu, final_gain=0.01)
    actor = Network(layers.init, lambda weights, x: layers.apply(weights, x).tanh())
    critic = mlp(inputs + size, *hidden, 1, activation=torch.relu)
    return actor_critics(actor, critic, num_critics, view)


def image_network(env: Env, hidden: tuple[int, ...], outputs: int, gain: float = 1.0) -> Network:
    """Convolutions and ReLU layers for an environment's images.

    Args:
        env: whose observations are images.
        hidden: sizes of the layers behind the convolutions.
        outputs: size of the output.
        gain: of the last layer's weights.

    Returns:
        A network of images [..., C, H, W] to [..., outputs] float32.

    Raises:
        ValueError: if there is no hidden layer.
    """
    head = mlp(*hidden, outputs, activation=torch.relu, final_gain=gain)
    return sequential(image_torso(env, hidden), head)


def image_torso(env: Env, hidden: tuple[int, ...]) -> Network:
    """Convolutions for an environment's images, and the first hidden layer, of size ``hidden[0]``.

    Raises:
        ValueError: if there is no hidden layer.
    """
    if not hidden:
        raise ValueError(
            "convolutions need a hidden layer behind them, such as (512,); hidden is ()"
        )
    shape = env.observation_spec.shape
    layers = next(layers for side, layers in CONVOLUTIONS if min(shape[1:]) >= side)
    return cnn(shape, hidden[0], layers)
