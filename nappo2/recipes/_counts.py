"""Bonuses for states that were visited seldom, for any on-policy recipe."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from gymnasium.spaces import Discrete, MultiBinary, MultiDiscrete, Space
from torch import Tensor

from nappo2.checks import checked
from nappo2.envs.masks import without_mask
from nappo2.recipes.exploration import Exploration, explored, row_network
from nappo2.stages import Recipe, visit_counts

MOST = 1 << 24  # states, of which a table takes 400 MB


@checked
@dataclass(frozen=True)
class Counts(Exploration):
    """Hyper-parameters of bonuses of ``beta / sqrt(N(s))``; beta is that of Bellemare et al. (2016).

    Attributes:
        novelty_share: of no use here, as counts learn from all transitions.
        novelty_hidden: sizes of the hidden layers of the critic of bonuses.
        beta: the bonus of a state that was visited once.
    """

    novelty_rate: float = 1e-3
    extrinsic_coef: float = 1.0
    scale_bonus: bool = False
    beta: float = 0.05


@checked
def with_counts(
    recipe: Recipe,
    config: Counts = Counts(),
    *,
    state_of: Callable[[Any], Tensor] | None = None,
    num_states: int | None = None,
) -> Recipe:
    """The recipe with a bonus of ``beta / sqrt(N(s))`` (Strehl & Littman, 2008; https://arxiv.org/abs/1606.01868).

    Args:
        recipe: on-policy, such as ``ppo(env)``.
        config: the hyper-parameters.
        state_of: ``observation [..., *shape] -> state`` [...] int64, from 0; None where observations
            are choices: Discrete, MultiDiscrete or MultiBinary.
        num_states: number of states, with ``state_of``.

    Returns:
        The recipe.

    Raises:
        ValueError: for a recipe that ``explored`` refuses; if observations are no choices, or too many; for
            one of ``state_of`` and ``num_states`` alone. A rollout whose states are no integers from
            0 to ``num_states - 1`` is refused, too.

    Example:
        >>> recipe = ppo(envs.make("FrozenLake-v1", 4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> curious = with_counts(recipe, Counts(intrinsic_coef=0.5))
        >>> learner = Learner(scheme("3cs", curious), curious.init(0), target_steps=64, progress=False)
        >>> "reward_intrinsic" in learner.step()
        True
    """
    env = without_mask(recipe.env)
    if (state_of is None) != (num_states is None):
        raise ValueError("with_counts takes state_of and num_states, both or neither")
    if state_of is None or num_states is None:
        state_of, num_states = states_of(env.observation_space)
    bonus = visit_counts(state_of, num_states, env.observation_spec.row, config.beta)
    return explored(recipe, bonus, row_network(env, config.novelty_hidden, 1), config)


def states_of(space: Space) -> tuple[Callable[[Tensor], Tensor], int]:
    """``observation [..., *shape] -> state`` [...] int64 of a space of choices, and the number of states.

    Of several choices the last one counts fastest.

    Raises:
        ValueError: if observations are no choices, or there are more than 16,777,216 states.
    """
    if isinstance(space, Discrete):
        sizes: tuple[int, ...] = (int(space.n),)
    elif isinstance(space, MultiDiscrete):
        sizes = tuple(space.nvec.flatten().tolist())
    elif isinstance(space, MultiBinary):
        sizes = (2,) * math.prod(space.shape)
    else:
        raise ValueError(
            f"visits are counted of observations that are choices, not of {space}; "
            "with_counts(recipe, state_of=..., num_states=...) counts what you say"
        )
    num_states, rank = math.prod(sizes), len(space.shape)
    if num_states > MOST:
        raise ValueError(
            f"{space} has {num_states:,} states, and a table has at most {MOST:,}; "
            "with_counts(recipe, state_of=..., num_states=...) counts what you say"
        )
    strides = torch.tensor([math.prod(sizes[i + 1 :]) for i in range(len(sizes))])

    def state_of(observation):
        columns = observation.long().reshape(*observation.shape[: observation.ndim - rank], -1)
        return (columns * strides.to(columns.device)).sum(-1)

    return state_of, num_states
