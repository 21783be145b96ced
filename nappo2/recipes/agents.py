"""Agents that suit an environment: what sees its observations, and decides on its actions."""

import torch

from nappo2.checks import checked
from nappo2.envs import ActionSpec, Env
from nappo2.envs.observations import SMALLEST_IMAGE
from nappo2.networks import (
    MNIH,
    YOUNG,
    ActorCritic,
    Agent,
    Network,
    actor_critic,
    cnn,
    mlp,
    normalized,
    sequential,
    shared_actor_critic,
    with_log_std,
    with_reward_scaling,
)
from nappo2.recipes.views import of_rows

CONVOLUTIONS = (
    (36, MNIH),
    (SMALLEST_IMAGE, YOUNG),
)  # the shortest side of an image for which each is made


@checked
def default_agent(
    env: Env, hidden: tuple[int, ...] = (64, 64), normalize: bool = False
) -> ActorCritic:
    """``convolutional`` for images, ``perceptrons`` for all else; arguments as theirs."""
    makes = convolutional if env.observation_spec.kind == "images" else perceptrons
    return makes(env, hidden, normalize)


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
    observations, actions = env.observation_spec, env.action_spec
    networks = (
        mlp(observations.size, *hidden, actions.size, final_gain=0.01),
        mlp(observations.size, *hidden, 1),
    )
    agent = with_spread(actor_critic(*(of_rows(network, env) for network in networks)), actions)
    return normalized(agent, observations.shape) if normalize else agent


def with_spread(agent: Agent, actions: ActionSpec) -> Agent:
    """An agent, with the log standard deviations that the distribution of actions needs, if any."""
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

    Raises:
        ValueError: if there is no hidden layer.
    """
    torso, actions = image_torso(env, hidden), env.action_spec
    actor = mlp(*hidden, actions.size, activation=torch.relu, final_gain=0.01)
    critic = mlp(*hidden, 1, activation=torch.relu)
    agent = with_spread(shared_actor_critic(torso, actor, critic), actions)
    return with_reward_scaling(agent) if normalize else agent


def image_network(env: Env, hidden: tuple[int, ...], outputs: int, gain: float = 1.0) -> Network:
    """A network of an environment's images by itself, [B, C, H, W] to [B, outputs]."""
    head = mlp(*hidden, outputs, activation=torch.relu, final_gain=gain)
    return sequential(image_torso(env, hidden), head)


def image_torso(env: Env, hidden: tuple[int, ...]) -> Network:
    """The convolutions that suit an environment's images, and the first hidden layer."""
    if not hidden:
        raise ValueError("behind the convolutions stands a hidden layer at least, as in (512,)")
    shape = env.observation_spec.shape
    layers = next(layers for least, layers in CONVOLUTIONS if min(shape[1:]) >= least)
    return cnn(shape, hidden[0], layers)
