"""Soft actor-critic with a memory, for continuous actions where a single observation does not tell all."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch

from nappo2 import losses
from nappo2.checks import checked
from nappo2.envs import Env
from nappo2.maths.distributions import tanh_normal
from nappo2.networks import Cell, RecurrentActorCritics, lstm, mlp, with_temperature
from nappo2.policies import greedy, stochastic
from nappo2.recipes.configs import Sequences, Soft
from nappo2.recipes.first_weights import first_weights
from nappo2.recipes.fit import check_env
from nappo2.recipes.off_policy import Replay
from nappo2.recipes.presets import Preset
from nappo2.recipes.recipe import recipe
from nappo2.recipes.recurrent_critics import COMPATIBLE, of_sequences, recurrent_critics
from nappo2.recipes.soft_agents import check_temperature, soft_optimizer
from nappo2.stages import Recipe, replay


@checked
@dataclass(frozen=True)
class RecurrentSAC(Sequences, Soft):
    """Hyper-parameters of SAC with a memory: those of ``Soft`` and ``Sequences``, for small problems."""


PRESETS = {"default": Preset("*", 1, 60_000, RecurrentSAC(), "chosen here")}


@recipe(COMPATIBLE, PRESETS)
def recurrent_sac(
    env: Env,
    config: RecurrentSAC = RecurrentSAC(),
    *,
    cell: Callable[[int, int], Cell] = lstm,
    agent: RecurrentActorCritics | None = None,
    replay: Replay = replay,
) -> Recipe:
    """``sac`` with a cell for the actor and one for the critics (Ni et al., https://arxiv.org/abs/2110.05038).

    Replay is of sequences with the memory that was recorded at their beginning, and a burn-in, as in
    R2D2 (https://openreview.net/forum?id=r1lyTjAqYX).

    Args:
        env: where the collectors act, with continuous actions.
        config: the hyper-parameters.
        cell: ``lstm``, ``gru``, or another ``(inputs, size) -> Cell``.
        agent: with a temperature (see ``networks.with_temperature``); None for ReLU layers and cells.
        replay: ``replay``, or prioritised.

    Returns:
        The recipe.

    Raises:
        ValueError: if the actions are not continuous, the agent does not fit the environment or has no
            temperature, or ``hidden`` has fewer than two sizes.

    Example:
        >>> config = RecurrentSAC(num_steps=8, batch_size=4, start_steps=16, hidden=(8, 8), capacity=100)
        >>> recipe = recurrent_sac(envs.masked_pendulum(4), config)
        >>> Learner(scheme("3cs", recipe), recipe.init(0), target_steps=64, progress=False).run().env_steps
        64
    """
    check_env("recurrent_sac", COMPATIBLE, env)
    c, size, dist = config, env.action_spec.size, tanh_normal()
    agent = agent or first_weights(_soft_agent(env, c, cell), c)
    check_temperature("recurrent_sac", agent)
    return of_sequences(
        "recurrent_sac",
        env,
        c,
        agent,
        num_outputs=dist.num_outputs(size),
        policy=lambda heads: stochastic(heads.actor, dist),
        greedy=lambda heads: greedy(heads.actor, dist),
        loss=partial(losses.sac, target_entropy=-c.target_entropy_share * size),
        optimizer=soft_optimizer(agent, c.learn_alpha),
        targets=("critics",),
        noises=("noise", "next_noise"),
        replay=replay,
    )


def _soft_agent(
    env: Env, c: RecurrentSAC, cell: Callable[[int, int], Cell]
) -> RecurrentActorCritics:
    """``recurrent_critics`` whose actor gives tanh-normal outputs, with a temperature."""
    size = env.action_spec.size

    def actor(*sizes):
        return mlp(*sizes, 2 * size, activation=torch.relu, final_gain=0.01)

    agent = recurrent_critics(env, cell, c.hidden, actor, c.num_critics)
    return with_temperature(agent, c.initial_alpha)
