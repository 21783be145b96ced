"""Default agents for an environment: perceptrons for vectors and goals, torsos for images and parts."""

import torch

from nappo2.checks import checked
from nappo2.envs import ActionSpec, Env
from nappo2.envs.masks import without_mask
from nappo2.networks import (
    ActorCritic,
    ActorCritics,
    Agent,
    Network,
    actor_critic,
    actor_critics,
    actor_critics_with_torso,
    discrete_actor_critics,
    mlp,
    normalized_parts,
    sequential,
    shared_actor_critic,
    with_log_std,
    with_reward_scaling,
    with_temperature,
)
from nappo2.recipes.torsos import (
    Activation,
    has_torso,
    perceiving,
    torso_network,
    torso_of,
    vector_view,
)


@checked
def default_agent(
    env: Env,
    hidden: tuple[int, ...] = (64, 64),
    normalize: bool = False,
    *,
    activation: Activation = torch.tanh,
    initial_log_std: float = 0.0,
) -> ActorCritic:
    """``convolutional`` for images and what has parts of images, ``perceptrons`` for all else.

    Args:
        env: whose observations and actions the agent fits.
        hidden: sizes of the hidden layers.
        normalize: whether rewards are scaled, and vectors normalised.
        activation: of the hidden layers of perceptrons.
        initial_log_std: first log standard deviations of continuous actions.

    Returns:
        The agent.

    Raises:
        ValueError: if there is no hidden layer behind convolutions.

    Example:
        >>> from nappo2.recipes import default_agent
        >>> env = envs.catch(2)
        >>> agent = default_agent(env, hidden=(8,))
        >>> params = make_params(agent.init(0), normalizer=agent.normalizer())
        >>> agent.actor(params, env.reset(0)[1]).shape
        torch.Size([2, 3])
    """
    env = without_mask(env)
    sees_images = has_torso(env) and env.observation_spec.has_images
    if sees_images:
        return convolutional(env, hidden, normalize, initial_log_std=initial_log_std)
    spread = {"activation": activation, "initial_log_std": initial_log_std}
    return perceptrons(env, hidden, normalize, **spread)


@checked
def perceptrons(
    env: Env,
    hidden: tuple[int, ...] = (64, 64),
    normalize: bool = False,
    *,
    activation: Activation = torch.tanh,
    initial_log_std: float = 0.0,
) -> ActorCritic:
    """Separate perceptrons for actor and critic, of an environment's sizes.

    For continuous actions the standard deviations are learnt, the same for every observation.

    Args:
        env: whose observations and actions they fit.
        hidden: sizes of the hidden layers.
        normalize: whether observations are normalised and rewards scaled.
        activation: of the hidden layers.
        initial_log_std: first log standard deviations of continuous actions.

    Returns:
        The agent.

    Example:
        >>> from nappo2.recipes import perceptrons
        >>> agent = perceptrons(envs.cartpole(2), hidden=(8,))
        >>> params = make_params(agent.init(0), normalizer=agent.normalizer())
        >>> agent.actor(params, torch.ones(5, 4)).shape, agent.critic(params, torch.ones(5, 4)).shape
        (torch.Size([5, 2]), torch.Size([5]))
    """
    env = without_mask(env)
    observations, actions = env.observation_spec, env.action_spec

    def network(outputs, gain):
        layers = {"activation": activation, "final_gain": gain}
        return perceiving(env, hidden, lambda n: mlp(n, *hidden, outputs, **layers), activation)

    networks = network(actions.size, 0.01), network(1, 1.0)
    agent = with_spread(actor_critic(*networks), actions, initial_log_std)
    return normalized_parts(agent, observations.statistics) if normalize else agent


def with_spread(agent: Agent, actions: ActionSpec, initial: float = 0.0) -> Agent:
    """Adds the log standard deviations that continuous actions need.

    Args:
        agent: whose actor gives means.
        actions: of which it has standard deviations, or not.
        initial: first log standard deviations.

    Returns:
        The agent.
    """
    return with_log_std(agent, actions.log_stds, initial) if actions.log_stds else agent


@checked
def convolutional(
    env: Env,
    hidden: tuple[int, ...] = (512,),
    normalize: bool = False,
    *,
    initial_log_std: float = 0.0,
) -> ActorCritic:
    """An actor and a critic as heads of one torso of convolutions, of an environment's sizes.

    Args:
        env: whose observations are images of bytes, [B, C, H, W], or dictionaries.
        hidden: sizes of the layers behind the convolutions, of which the first is shared.
        normalize: whether rewards are scaled, and parts of numbers normalised; images always are.
        initial_log_std: first log standard deviations of continuous actions.

    Returns:
        The agent.

    Raises:
        ValueError: if there is no hidden layer.

    Example:
        >>> from nappo2.recipes import convolutional
        >>> agent = convolutional(envs.catch(4), hidden=(32,))  # three actions
        >>> recipe = ppo(envs.catch(4), PPO(num_steps=8, num_minibatches=2), agent=agent)
        >>> agent.actor(recipe.init(0), envs.catch(4).reset(0)[1]).shape
        torch.Size([4, 3])
    """
    env = without_mask(env)
    (torso, sizes), spec, actions = torso_of(env, hidden), env.observation_spec, env.action_spec
    actor = mlp(*sizes, actions.size, activation=torch.relu, final_gain=0.01)
    critic = mlp(*sizes, 1, activation=torch.relu)
    agent = with_spread(shared_actor_critic(torso, actor, critic), actions, initial_log_std)
    if spec.kind == "dictionaries" and normalize:
        return normalized_parts(agent, spec.statistics)
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


def soft_torsos(
    env: Env, hidden: tuple[int, ...], alpha: float = 1.0, num_critics: int = 2
) -> ActorCritics:
    """Networks behind torsos of images or parts, for an actor and K critics, with a temperature.

    Args:
        env: whose observations are images or dictionaries.
        hidden: sizes of the hidden layers.
        alpha: first temperature.
        num_critics: K.

    Returns:
        The agent.

    Raises:
        ValueError: if there is no hidden layer behind convolutions.
    """
    size = env.action_spec.size
    if env.action_spec.kind == "discrete":
        actor = torso_network(env, hidden, size, gain=0.01)
        agent = discrete_actor_critics(actor, torso_network(env, hidden, size), num_critics)
        return with_temperature(agent, alpha)
    torso, sizes = torso_of(env, hidden)
    actor, critic = torso_network(env, hidden, 2 * size, gain=0.01), critic_of(sizes, size)
    return with_temperature(actor_critics_with_torso(actor, torso, critic, num_critics), alpha)


def critic_of(sizes: tuple[int, ...], action_size: int) -> Network:
    """ReLU layers of [..., sizes[0] + action_size] to [..., 1]."""
    first, *hidden = sizes
    return mlp(first + action_size, *hidden, 1, activation=torch.relu)


def deterministic_perceptrons(
    env: Env, hidden: tuple[int, ...], num_critics: int = 2
) -> ActorCritics:
    """ReLU perceptrons for an actor in [-1, 1] and K critics, behind torsos of images or parts.

    Args:
        env: whose observations and actions they fit.
        hidden: sizes of the hidden layers.
        num_critics: K.

    Returns:
        The agent.

    Raises:
        ValueError: if there is no hidden layer behind convolutions.
    """
    size = env.action_spec.size
    if has_torso(env):
        torso, sizes = torso_of(env, hidden)
        actor = sequential(torso, squashed(*sizes, action_size=size))
        return actor_critics_with_torso(actor, torso, critic_of(sizes, size), num_critics)
    sizes = (env.observation_spec.size, *hidden)
    actor, critic = squashed(*sizes, action_size=size), critic_of(sizes, size)
    return actor_critics(actor, critic, num_critics, vector_view(env))


def squashed(*sizes: int, action_size: int) -> Network:
    """ReLU layers of [..., sizes[0]] to actions [..., action_size] within [-1, 1]."""
    layers = mlp(*sizes, action_size, activation=torch.relu, final_gain=0.01)
    return Network(layers.init, lambda weights, x: layers.apply(weights, x).tanh())
