"""Agents that suit an environment: what sees its observations, and decides on its actions."""

import torch
from gymnasium.spaces import Discrete

from nappo2.checks import checked
from nappo2.envs import Env, action_size, check_spaces, observation_size
from nappo2.networks import (
    MNIH,
    YOUNG,
    ActorCritic,
    Network,
    actor_critic,
    cnn,
    mlp,
    normalized,
    scaling_rewards,
    sequential,
    shared_actor_critic,
    with_log_std,
)
from nappo2.recipes.fit import SMALLEST_IMAGE, sees_images
from nappo2.recipes.views import of_rows

CONVOLUTIONS = (
    (36, MNIH),
    (SMALLEST_IMAGE, YOUNG),
)  # the shortest side of an image for which each is made


@checked
def suited_agent(
    env: Env, hidden: tuple[int, ...] = (64, 64), normalize: bool = False
) -> ActorCritic:
    """``convolutional`` for images, ``perceptrons`` for all else; arguments as theirs."""
    return (convolutional if sees_images(env) else perceptrons)(env, hidden, normalize)


@checked
def perceptrons(
    env: Env, hidden: tuple[int, ...] = (64, 64), normalize: bool = False
) -> ActorCritic:
    """Separate tanh perceptrons for actor and critic, of an environment's sizes.

    For continuous actions with standard deviations that no observation changes.

    Args:
        env: whose spaces they fit.
        hidden: sizes of the layers between.
        normalize: whether they see normalised observations, and rewards are scaled.
    """
    check_spaces(env.name, env.observation_space, env.action_space)
    inputs, outputs = observation_size(env.observation_space), action_size(env.action_space)
    networks = mlp(inputs, *hidden, outputs, final_gain=0.01), mlp(inputs, *hidden, 1)
    agent = actor_critic(*(of_rows(network, env) for network in networks))
    if not isinstance(env.action_space, Discrete):
        agent = with_log_std(agent, outputs)
    return normalized(agent, env.observation_space.shape) if normalize else agent


@checked
def convolutional(
    env: Env, hidden: tuple[int, ...] = (512,), normalize: bool = False
) -> ActorCritic:
    """An actor and a critic as heads of one convolutional network, of an environment's sizes.

    Args:
        env: whose observations are images of bytes, [B, C, H, W].
        hidden: sizes of the layers behind the convolutions, of which the first is shared.
        normalize: whether rewards are scaled; images always are.

    Raises:
        ValueError: if there is no hidden layer.
    """
    check_spaces(env.name, env.observation_space, env.action_space)
    outputs = action_size(env.action_space)
    torso, heads = image_torso(env, hidden), [*hidden, outputs]
    actor = mlp(*heads, activation=torch.relu, final_gain=0.01)
    critic = mlp(*hidden, 1, activation=torch.relu)
    agent = shared_actor_critic(torso, actor, critic)
    if not isinstance(env.action_space, Discrete):
        agent = with_log_std(agent, outputs)
    return scaling_rewards(agent) if normalize else agent


def image_network(env: Env, hidden: tuple[int, ...], outputs: int, gain: float = 1.0) -> Network:
    """A network of an environment's images by itself, [B, C, H, W] to [B, outputs]."""
    head = mlp(*hidden, outputs, activation=torch.relu, final_gain=gain)
    return sequential(image_torso(env, hidden), head)


def image_torso(env: Env, hidden: tuple[int, ...]) -> Network:
    """The convolutions that suit an environment's images, and the first hidden layer."""
    if not hidden:
        raise ValueError("behind the convolutions stands a hidden layer at least, as in (512,)")
    shape = env.observation_space.shape
    layers = next(layers for least, layers in CONVOLUTIONS if min(shape[1:]) >= least)
    return cnn(shape, hidden[0], layers)
