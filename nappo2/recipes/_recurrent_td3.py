"""TD3 with a memory, for continuous actions where a single observation does not tell all."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from nappo2 import losses
from nappo2.checks import checked
from nappo2.envs import Env
from nappo2.networks import Cell, RecurrentActorCritics, lstm
from nappo2.policies import deterministic, with_noise
from nappo2.recipes._td3 import TD3
from nappo2.recipes.agents import squashed
from nappo2.recipes.configs import Sequences
from nappo2.recipes.first_weights import first_weights
from nappo2.recipes.fit import check_env
from nappo2.recipes.off_policy import Replay, delayed_adam
from nappo2.recipes.presets import Preset
from nappo2.recipes.recipe import recipe
from nappo2.recipes.recurrent_critics import COMPATIBLE, of_sequences, recurrent_critics
from nappo2.stages import Recipe, replay


@checked
@dataclass(frozen=True)
class RecurrentTD3(Sequences, TD3):
    """Hyper-parameters of TD3 with a memory: those of ``TD3`` and ``Sequences``, for small problems."""


PRESETS = {"default": Preset("*", 1, 60_000, RecurrentTD3(), "chosen here")}


@recipe(COMPATIBLE, PRESETS)
def recurrent_td3(
    env: Env,
    config: RecurrentTD3 = RecurrentTD3(),
    *,
    cell: Callable[[int, int], Cell] = lstm,
    agent: RecurrentActorCritics | None = None,
    replay: Replay = replay,
) -> Recipe:
    """``td3`` with a cell for the actor and one for the critics (Ni et al., https://arxiv.org/abs/2110.05038).

    Replay is of sequences with the memory that was recorded at their beginning, and a burn-in, as in
    R2D2 (https://openreview.net/forum?id=r1lyTjAqYX).

    Args:
        env: where the collectors act, with continuous actions.
        config: the hyper-parameters.
        cell: ``lstm``, ``gru``, or another ``(inputs, size) -> Cell``.
        agent: whose actor gives actions in [-1, 1]; None for ReLU layers and cells.
        replay: ``replay``, or prioritised.

    Returns:
        The recipe.

    Raises:
        ValueError: if the actions are not continuous, the agent does not fit the environment, or
            ``hidden`` has fewer than two sizes.

    Example:
        >>> config = RecurrentTD3(num_steps=8, batch_size=4, start_steps=16, hidden=(8, 8), capacity=100)
        >>> recipe = recurrent_td3(envs.masked_pendulum(4), config)
        >>> Learner(scheme("3cs", recipe), recipe.init(0), target_steps=64, progress=False).run().env_steps
        64
    """
    check_env("recurrent_td3", COMPATIBLE, env)
    c, size = config, env.action_spec.size
    if agent is None:
        actor = partial(squashed, action_size=size)
        agent = first_weights(recurrent_critics(env, cell, c.hidden, actor, c.num_critics), c)
    return of_sequences(
        "recurrent_td3",
        env,
        c,
        agent,
        num_outputs=size,
        policy=lambda heads: with_noise(heads.actor, c.exploration_std),
        greedy=lambda heads: deterministic(heads.actor),
        loss=partial(losses.td3, noise_std=c.noise_std, noise_limit=c.noise_limit),
        optimizer=delayed_adam(agent, c.policy_delay),
        targets=("actor", "critics"),
        noises=("next_noise",),
        replay=replay,
        target_delay=c.target_delay,
    )
