"""On-policy recipes with a memory, for partially observable environments."""

from collections.abc import Callable

import torch

from nappo2.checks import checked
from nappo2.envs import Env
from nappo2.envs.masks import without_mask
from nappo2.maths.distributions import Distribution
from nappo2.networks import (
    Cell,
    RecurrentActorCritic,
    gru,
    mlp,
    normalized_parts,
    recurrent_actor_critic,
    sequential,
    with_torso,
)
from nappo2.recipes._impala import Impala, impala
from nappo2.recipes._ppo import PPO, ppo
from nappo2.recipes.agents import with_spread
from nappo2.recipes.fit import ON_POLICY, check_env
from nappo2.recipes.presets import Preset
from nappo2.recipes.recipe import recipe
from nappo2.recipes.torsos import perceiving
from nappo2.stages import Recipe

MakeCell = Callable[[int, int], Cell]
"""``(inputs, size) -> Cell``, such as ``gru`` and ``lstm``."""

COMPATIBLE = ON_POLICY._replace(agent=("RecurrentActorCritic",), storage=("sequences",))


PPO_PRESETS = {
    "cartpole": Preset(
        "*CartPole-v1",
        8,
        300_000,
        PPO(
            num_steps=64,
            num_epochs=10,
            num_minibatches=1,
            learning_rate=1e-3,
            gamma=0.98,
            lambda_=0.9,
        ),
        "chosen here, without velocities",
    ),
    "default": Preset("*", 8, 1_000_000, PPO(num_steps=128, num_minibatches=4), "chosen here"),
}


@recipe(COMPATIBLE, PPO_PRESETS)
def recurrent_ppo(
    env: Env,
    config: PPO = PPO(num_steps=128, num_minibatches=4),
    *,
    cell: MakeCell = gru,
    dist: Distribution | None = None,
) -> Recipe:
    """``ppo`` with ``recurrent_perceptrons`` and minibatches of whole sequences.

    Args:
        env: where the collectors act.
        config: the hyper-parameters; ``num_minibatches`` divides the number of environments.
        cell: ``gru``, ``lstm``, or another ``(inputs, size) -> Cell``.
        dist: None for ``default_distribution``.

    Returns:
        The recipe.

    Raises:
        ValueError: if the minibatches do not divide the environments, ``hidden`` has fewer than two
            sizes, or the layers are to be others than orthogonal ones with tanh.

    Example:
        >>> config = PPO(num_steps=8, num_minibatches=2, hidden=(8, 8))
        >>> recipe = recurrent_ppo(envs.masked_cartpole(4), config)
        >>> Learner(scheme("3cs", recipe), recipe.init(0), target_steps=64, progress=False).run().env_steps
        64
    """
    check_env("recurrent_ppo", COMPATIBLE, env)
    _check_layers(config)
    agent = recurrent_perceptrons(env, cell, config.hidden, config.normalize)
    return ppo(env, config, agent=agent, dist=dist).replace(name="recurrent_ppo")


def _check_layers(c: PPO) -> None:
    others = {"relu": c.relu, "orthogonal": not c.orthogonal, "initial_log_std": c.initial_log_std}
    for name in (name for name, is_other in others.items() if is_other):
        raise ValueError(
            f"recurrent_ppo has orthogonal layers with tanh and a first log_std of 0, so {name} is "
            f"{getattr(PPO(), name)}, not {getattr(c, name)}"
        )


IMPALA_PRESETS = {
    "cartpole": Preset(
        "*CartPole-v1", 8, 300_000, Impala(normalize=True), "chosen here, without velocities"
    ),
    "default": Preset("*", 8, 1_000_000, Impala(normalize=True), "chosen here"),
}


@recipe(COMPATIBLE, IMPALA_PRESETS)
def recurrent_impala(
    env: Env,
    config: Impala = Impala(),
    *,
    cell: MakeCell = gru,
    dist: Distribution | None = None,
) -> Recipe:
    """``impala`` with ``recurrent_perceptrons``, as in the paper.

    Args:
        env: where the collectors act.
        config: the hyper-parameters.
        cell: ``gru``, ``lstm``, or another ``(inputs, size) -> Cell``.
        dist: None for ``default_distribution``.

    Returns:
        The recipe.

    Raises:
        ValueError: if ``hidden`` has fewer than two sizes.

    Example:
        >>> recipe = recurrent_impala(envs.masked_cartpole(4), Impala(num_steps=8, hidden=(8, 8)))
        >>> Learner(scheme("3cs", recipe), recipe.init(0), target_steps=64, progress=False).run().env_steps
        64
    """
    check_env("recurrent_impala", COMPATIBLE, env)
    agent = recurrent_perceptrons(env, cell, config.hidden, config.normalize)
    return impala(env, config, agent=agent, dist=dist).replace(name="recurrent_impala")


@checked
def recurrent_perceptrons(
    env: Env, cell: MakeCell = gru, hidden: tuple[int, ...] = (64, 64), normalize: bool = False
) -> RecurrentActorCritic:
    """Tanh layers, a cell, and an actor and a critic as linear heads of the cell.

    For continuous actions the standard deviations are learnt, the same for every observation.

    Args:
        env: whose observations and actions they fit.
        cell: makes the last hidden layer.
        hidden: sizes of the hidden layers, at least two.
        normalize: whether observations are normalised and rewards scaled.

    Returns:
        The agent.

    Raises:
        ValueError: if there are fewer than two sizes.

    Example:
        >>> from nappo2.recipes import recurrent_perceptrons
        >>> agent = recurrent_perceptrons(envs.masked_cartpole(4), cell=networks.gru, hidden=(16, 8))
        >>> agent.memory_size  # that of the cell
        8
    """
    env = without_mask(env)
    observations, actions = env.observation_spec, env.action_spec
    if len(hidden) < 2:
        raise ValueError(
            f"hidden needs at least two sizes, of a layer and of the cell, not {hidden}"
        )
    torso = perceiving(
        env, hidden, lambda n: sequential(mlp(n, *hidden[:-1]), torch.tanh), torch.tanh
    )
    core = with_torso(torso, cell(*hidden[-2:]))
    heads = mlp(hidden[-1], actions.size, final_gain=0.01), mlp(hidden[-1], 1)
    agent = with_spread(recurrent_actor_critic(core, *heads), actions)
    return normalized_parts(agent, observations.statistics) if normalize else agent
