"""Counts of visits: what was reached less often is newer."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nappo2.batch import valid
from nappo2.checks import checked
from nappo2.maths.masks import unmasked
from nappo2.maths.novelty import count_bonus
from nappo2.stages.exploring.bonus import Bonus

VISITS = "exploration.visits"
"""The name of the statistics that count the visits of each state."""


@checked
def visit_counts(
    state_of: Callable[[Any], Tensor], num_states: int, row: Callable[[Any], Tensor], beta: float
) -> Bonus:
    """The bonus ``beta / sqrt(N(s))`` of the state s that a step led to (Strehl & Littman, 2008).

    N counts the visits of all rollouts so far, with all of the one that is rewarded. It is in the
    params, so that the workers of every scheme count together.

    Args:
        state_of: ``observation [..., *shape] -> state`` [...] int64, from 0.
        num_states: S, the number of states.
        row: ``observation -> x`` [..., n] float32, as a critic sees it.
        beta: the bonus of what was reached once.

    Returns:
        The bonus, which has no networks, and the statistics ``exploration.visits``, whose moments
        [3, S] have N in their second row. A rollout with other states is a ValueError.

    Example:
        >>> from nappo2.stages import visit_counts
        >>> bonus = visit_counts(lambda x: x[..., 0].long(), num_states=2, row=lambda x: x, beta=1.0)
        >>> visited = {"exploration.visits": {"moments": torch.tensor([[5.0, 5.0], [1.0, 4.0], [1.0, 4.0]])}}
        >>> after = {"observation": torch.tensor([[[0.0], [1.0]]]), "reward": torch.zeros(1, 2)}
        >>> bonus.reward({"normalizer": visited}, {"next": after})  # 1 / sqrt(1) and 1 / sqrt(4)
        tensor([[1.0000, 0.5000]])
    """

    def reached(rollout):
        state = state_of(unmasked(rollout["next"]["observation"]))
        check_states(state, rollout["next"]["reward"].shape, num_states)
        return state

    def count(rollout):
        state, mask = reached(rollout), valid(rollout)
        state = state.flatten() if mask is None else state[mask]
        visits = torch.zeros(num_states, dtype=torch.float64, device=state.device)
        visits = visits.index_add(0, state, torch.ones_like(state, dtype=torch.float64))
        return {VISITS: torch.stack([visits.sum().expand(num_states), visits, visits])}

    def reward(params, rollout):
        visits = params["normalizer"][VISITS]["moments"][1]
        return count_bonus(visits[reached(rollout)], beta).float()

    def view(params, observation):
        return row(unmasked(observation))

    return Bonus(view, reward, count, {VISITS: (num_states,)})


def check_states(state: Tensor, shape: torch.Size, num_states: int) -> None:
    """Refuses what is no state of each transition.

    Args:
        state: what ``state_of`` gave, of which int64 of this shape, ``[*shape]``, is right.
        shape: of the transitions.
        num_states: of which there are so many.

    Raises:
        ValueError: if it has another shape, is no int64, or is outside of 0 to ``num_states - 1``.
    """
    if state.dtype != torch.int64 or state.shape != shape:
        raise ValueError(
            f"state_of gives an int64 for each transition, {list(shape)}, not {str(state.dtype)[6:]} "
            f"{list(state.shape)}"
        )
    if state.numel() and not 0 <= int(state.min()) <= int(state.max()) < num_states:
        raise ValueError(
            f"state_of gives states from 0 to {num_states - 1}, as num_states is {num_states}, and gave "
            f"{int(state.min())} to {int(state.max())}"
        )
