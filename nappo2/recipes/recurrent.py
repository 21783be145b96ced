"""The on-policy recipes with memory, for what cannot be seen in one observation."""

from collections.abc import Callable

from nappo2.checks import checked
from nappo2.envs import Env
from nappo2.maths.distributions import Distribution
from nappo2.networks import (
    Cell,
    RecurrentActorCritic,
    gru,
    mlp,
    normalized,
    recurrent_actor_critic,
    sequential,
    with_torso,
)
from nappo2.networks.network import tanh
from nappo2.recipes._impala import Impala, impala
from nappo2.recipes._ppo import PPO, ppo
from nappo2.recipes.agents import with_spread
from nappo2.recipes.fit import check_env
from nappo2.recipes.recipe import recipe
from nappo2.recipes.views import of_rows
from nappo2.stages import Recipe

MakeCell = Callable[[int, int], Cell]


@recipe
def recurrent_ppo(
    env: Env,
    config: PPO = PPO(num_steps=128, num_minibatches=4),
    *,
    cell: MakeCell = gru,
    dist: Distribution | None = None,
) -> Recipe:
    """``ppo`` with ``recurrent_perceptrons``; minibatches are of whole sequences.

    Args:
        env: where the collectors act.
        config: the hyper-parameters; ``num_minibatches`` divides the environments.
        cell: ``gru``, ``lstm``, or another ``(inputs, size) -> Cell``.
        dist: None for the one that suits the environment's actions.

    Raises:
        ValueError: as ``ppo`` does.
    """
    check_env("recurrent_ppo", env)
    agent = recurrent_perceptrons(env, cell, config.hidden, config.normalize)
    return ppo(env, config, agent=agent, dist=dist).replace(name="recurrent_ppo")


@recipe
def recurrent_impala(
    env: Env,
    config: Impala = Impala(),
    *,
    cell: MakeCell = gru,
    dist: Distribution | None = None,
) -> Recipe:
    """``impala`` with ``recurrent_perceptrons``, as in the paper; arguments and errors as above."""
    check_env("recurrent_impala", env)
    agent = recurrent_perceptrons(env, cell, config.hidden, config.normalize)
    return impala(env, config, agent=agent, dist=dist).replace(name="recurrent_impala")


@checked
def recurrent_perceptrons(
    env: Env, cell: MakeCell = gru, hidden: tuple[int, ...] = (64, 64), normalize: bool = False
) -> RecurrentActorCritic:
    """Tanh layers, a cell, and an actor and a critic as linear heads of it.

    For continuous actions with standard deviations that no observation changes.

    Args:
        env: whose spaces they fit.
        cell: which makes the last of the hidden layers.
        hidden: sizes of the layers between, two at least.
        normalize: whether they see normalised observations, and rewards are scaled.

    Raises:
        ValueError: if there are fewer than two sizes.
    """
    observations, actions = env.observation_spec, env.action_spec
    if len(hidden) < 2:
        raise ValueError(f"hidden has a layer and a cell's size at least, not {hidden}")
    torso = sequential(mlp(observations.size, *hidden[:-1]), tanh)
    core = with_torso(of_rows(torso, env), cell(*hidden[-2:]))
    heads = mlp(hidden[-1], actions.size, final_gain=0.01), mlp(hidden[-1], 1)
    agent = with_spread(recurrent_actor_critic(core, *heads), actions)
    return normalized(agent, observations.shape) if normalize else agent
