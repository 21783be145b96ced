"""Prioritised replay: transitions with a large error are sampled more often."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from math import ceil
from typing import NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.optim import Schedule
from nappo2.params import Plain, beside_params
from nappo2.pipeline import Pipeline, Transform, described, stage
from nappo2.seeds import fold_in, generator, split
from nappo2.stages.recording.sampling import check_collected
from nappo2.stages.replaying.replay import check_replay, filled, num_due, spent, waiting
from nappo2.stages.replaying.ring import ReplayState, empty, latest_rows, read, resized

Priority = Callable[[Mapping, Mapping], Tensor]
"""``(params, batch) -> [N]``: the priority of each transition, such as its absolute TD error."""


class Priorities(NamedTuple):
    """``priority ** alpha`` of the rows of a ring, and sums, so that sampling searches three short rows.

    Attributes:
        values: [w * w, w] float64, written in place.
        sums: [w * w + w] float64: of the rows of values, then of each w of these sums.
        highest: [] float64, the highest so far, which new transitions get.
    """

    values: Tensor
    sums: Tensor
    highest: Tensor

    def levels(self) -> tuple[Tensor, Tensor, Tensor]:
        """Values and sums as views [w * w, w], [w, w] and [1, w], each of the sums of the one before."""
        width = self.values.shape[1]
        inner, outer = self.sums.split([width**2, width])
        return self.values, inner.view(width, width), outer.view(1, width)


@stage
def prioritized_replay(
    capacity: int,
    batch_size: int,
    priority: Priority,
    update_ratio: float = 1.0,
    start_steps: int = 0,
    alpha: float = 0.6,
    beta: float | Schedule = 0.4,
) -> Transform:
    """Replay in proportion to ``priority ** alpha`` (Schaul et al., https://arxiv.org/abs/1511.05952).

    Batches have ``importance`` [N] float32, the weights that correct for it, of which the largest is 1.
    New transitions get the highest priority so far; transitions that are sampled get a new one at
    once, with the params of the stage, so that nothing has to flow back from a loss.

    Args:
        capacity: transitions in the ring; older ones are overwritten.
        batch_size: transitions in a batch, drawn with replacement.
        priority: ``(params, batch) -> [N]``, such as absolute TD errors.
        update_ratio: batches per env step; fractions are carried over.
        start_steps: env steps before the first batch.
        alpha: 0 samples uniformly, 1 in proportion to priorities.
        beta: how much of the bias the weights correct, 1 for all of it; a number, or a schedule: the
            paper's is ``optim.linear(0.4, 1.0, num_updates)``.

    Returns:
        A transform from rollouts to batches.

    Raises:
        ValueError: as ``replay`` does, and if ``alpha`` or ``beta`` is not within 0 and 1.

    Example:
        >>> def by_reward(params, batch):
        ...     return batch["next", "reward"].abs()
        >>> recipe = dqn(envs.cartpole(4), DQN(num_steps=4, hidden=(8,)))
        >>> pipe = collect_of(recipe) | prioritized_replay(1_000, 32, by_reward)
        >>> first(pipe, recipe.init(0)).item["importance"].shape
        torch.Size([32])
    """
    check_replay(capacity, batch_size, update_ratio)
    beta_at = beta if callable(beta) else lambda version: beta
    for what, value in (("alpha", alpha), ("beta", beta_at(torch.zeros(())))):
        if not 0 <= value <= 1:
            raise ValueError(f"{what} is within 0 and 1, not {value}")

    def transform(source):
        check_collected("prioritized_replay", source)

        def init(params, seed):
            first = {"replay": empty(fold_in(seed, "replay")), "priorities": None}
            return source.init(params, seed) | first

        def nothing_due(state, replay_state, priorities):
            replay_state, report = waiting(replay_state)
            state = state | {"replay": replay_state, "priorities": priorities}
            return state, TensorDict(batch_size=[0]), report

        @torch.no_grad()
        def step(params, state):
            priorities, replay_state = _resized(state["priorities"], state["replay"], capacity)
            before = replay_state.count
            state, replay_state = filled(
                source, params, state, replay_state, capacity, update_ratio, start_steps
            )
            if replay_state.ring is None:
                return nothing_due(state, replay_state, priorities)
            if priorities is None:  # as of a ring that was adopted without any
                priorities, before = none(capacity), 0
            count = replay_state.count
            new = torch.arange(max(before, count - capacity), count) % capacity
            priorities = assigned(priorities, new, priorities.highest.expand(len(new)))
            if replay_state.owed < 1:
                return nothing_due(state, replay_state, priorities)
            seed, key = split(replay_state.seed)
            index, chance = sampled(priorities, batch_size, generator(key))
            batch = beside_params(params, read(replay_state, index))
            values = priority(Plain(params.to_dict()), batch).abs().cpu() + 1e-6
            check_priority(values, batch_size)
            priorities = assigned(priorities, index, values.double() ** alpha)
            beta_now = beta_at(params["version"].cpu().double())
            weight = importance(chance, min(count, capacity), beta_now)
            batch["importance"] = weight.to(params["version"].device)
            replay_state, report = spent(replay_state._replace(seed=seed))
            return state | {"replay": replay_state, "priorities": priorities}, batch, report

        return Pipeline(init, step)

    facts = {"batches": "replay", "update_ratio": update_ratio, "batches_left": num_due}
    return described(transform, keys=("replay", "priorities"), **facts)


def check_priority(values: Tensor, batch_size: int) -> None:
    """Refuses priorities by which nothing can be sampled.

    Raises:
        ValueError: if they are not [batch_size], or not finite.
    """
    if values.shape != (batch_size,):
        raise ValueError(
            f"priority gives a number for each of {batch_size} transitions, [{batch_size}], not "
            f"{list(values.shape)}"
        )
    if not values.isfinite().all():
        value = values[~values.isfinite()][0].item()
        raise ValueError(f"priority gives finite numbers, and of one transition it gave {value}")


def none(capacity: int) -> Priorities:
    """Priorities of a ring in which nothing is stored."""
    width, num_sums = _sizes(capacity)
    values = torch.zeros(width**2, width, dtype=torch.float64)
    sums = torch.zeros(num_sums, dtype=torch.float64)
    return Priorities(values, sums, torch.ones((), dtype=torch.float64))


def _sizes(capacity: int) -> tuple[int, int]:
    """The width of the rows, and the number of all sums."""
    width = ceil(capacity ** (1 / 3))
    return width, width**2 + width


def _resized(
    priorities: Priorities | None, replay_state: ReplayState, capacity: int
) -> tuple[Priorities | None, ReplayState]:
    """Priorities and ring of this capacity, where they were resumed with another."""
    ring = replay_state.ring
    if priorities is not None and ring is not None:
        same = len(ring) == capacity
        if not same or len(priorities.sums) != _sizes(capacity)[1]:  # as of an earlier version
            first = none(capacity)._replace(highest=priorities.highest)
            rows = torch.arange(capacity) if same else latest_rows(replay_state, capacity)
            values = priorities.values.view(-1)[rows]
            priorities = assigned(first, torch.arange(len(rows)), values)
    return priorities, resized(replay_state, capacity)


def assigned(priorities: Priorities, index: Tensor, values: Tensor) -> Priorities:
    """Sets priorities, in place.

    Args:
        priorities: written to.
        index: rows of the ring, [N] int64.
        values: ``priority ** alpha``, [N].

    Returns:
        The priorities with new sums.
    """
    if not len(index):
        return priorities
    priorities.values.view(-1)[index] = values.double()
    rows = index
    for level, sums in pairwise(priorities.levels()):
        rows = torch.unique_consecutive(rows // level.shape[1])
        sums.view(-1)[rows] = level[rows].sum(1)
    highest = torch.maximum(priorities.highest, values.max().double())
    return priorities._replace(highest=highest)


def sampled(priorities: Priorities, num: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Samples rows of the ring in proportion to their priorities, one from each of ``num`` equal strata.

    Args:
        priorities: of the ring.
        num: of rows.
        rng: with which they are drawn.

    Returns:
        Rows [num] int64, and the probability of each, [num] float64.
    """
    levels = priorities.levels()
    total = levels[-1].sum()
    strata = torch.arange(num) + torch.rand(num, generator=rng, dtype=torch.float64)
    target, index = strata / num * total, torch.zeros(num, dtype=torch.int64)
    for level in reversed(levels):
        place, target = _place(level[index], target)
        index = index * level.shape[1] + place
    return index, priorities.values.view(-1)[index] / total


def _place(rows: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Searches each row for the first place up to which its sum exceeds a target.

    Args:
        rows: [N, w], none of which is 0 throughout.
        target: from 0 to the sum of the row, [N].

    Returns:
        Places [N] int64, at which rows are not 0, and what is left of the targets there, [N].
    """
    edges = rows.cumsum(1)
    highest = edges[:, -1].nextafter(torch.zeros_like(target))  # rounding must not lead beyond it
    target = torch.minimum(target, highest)[:, None]
    place = torch.searchsorted(edges, target, right=True)
    before = edges.gather(1, place) - rows.gather(1, place)
    return place.squeeze(1), (target - before).clamp(min=0).squeeze(1)


def importance(chance: Tensor, size: int, beta: float | Tensor) -> Tensor:
    """Importance weights ``(1 / (size * chance)) ** beta``, divided by the largest (section 3.4).

    Args:
        chance: with which each transition was sampled, [N].
        size: transitions in the ring.
        beta: how much of the bias is corrected.

    Returns:
        Weights [N] float32, of which the largest is 1.
    """
    weight = (size * chance) ** -beta
    return (weight / weight.max()).float()
