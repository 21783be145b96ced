"""Prioritised replay: transitions are sampled as often as they surprise."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.optim import Schedule
from nappo2.params import Plain, beside_params
from nappo2.pipeline import Pipeline, Transform, described, stage
from nappo2.seeds import fold_in, generator, split
from nappo2.stages.replaying.replay import (
    ReplayState,
    check_replay,
    empty,
    filled,
    latest_rows,
    read,
    resized,
    spent,
    waiting,
)

Priority = Callable[[Mapping, Mapping], Tensor]
"""``(params, batch) -> [N]``: how much each transition surprises, such as its absolute TD error."""


class Priorities(NamedTuple):
    """Powers of priorities, in blocks, so that sampling looks at two short rows and not at all.

    Attributes:
        values: [blocks, width], written in place.
        sums: [blocks], of the values.
        highest: which new transitions have.
    """

    values: Tensor
    sums: Tensor
    highest: Tensor


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

    Batches have ``importance`` [N], the weights that make up for it, and keep the largest at 1.
    New transitions have the highest priority so far; those that are sampled are given a new one
    then, with the params of the stage, so that nothing has to flow back from a loss.

    Args:
        capacity, batch_size, update_ratio, start_steps: as for ``replay``.
        priority: how much a transition surprises.
        alpha: 0 is uniform, 1 in full proportion.
        beta: how much of the bias the weights make up for, 1 for all of it; a number, or a
            schedule, as ``optim.linear(0.4, 1.0, num_updates)`` is the paper's.

    Raises:
        ValueError: as ``replay`` does, and if ``alpha`` or ``beta`` is not within 0 and 1.
    """
    check_replay(capacity, batch_size, update_ratio)
    beta_at = beta if callable(beta) else lambda version: beta
    for what, value in (("alpha", alpha), ("beta", beta_at(torch.zeros(())))):
        if not 0 <= value <= 1:
            raise ValueError(f"{what} is within 0 and 1, not {value}")

    def transform(source):
        def init(params, seed):
            own = {"replay": empty(fold_in(seed, "replay")), "priorities": None}
            return source.init(params, seed) | own

        @torch.no_grad()
        def step(params, state):
            priorities, own = _resized(state["priorities"], state["replay"], capacity)
            before = own.count
            state, own = filled(source, params, state, own, capacity, update_ratio, start_steps)
            if own.ring is None:
                own, report = waiting(own)
                own = {"replay": own, "priorities": priorities}
                return state | own, TensorDict(batch_size=[0]), report
            if priorities is None:  # as of a ring that was adopted without any
                priorities, before = none(capacity), 0
            new = torch.arange(max(before, own.count - capacity), own.count) % capacity
            priorities = assigned(priorities, new, priorities.highest.expand(len(new)))
            if own.owed < 1:
                own, report = waiting(own)
                own = {"replay": own, "priorities": priorities}
                return state | own, TensorDict(batch_size=[0]), report
            seed, key = split(own.seed)
            index, chance = sampled(priorities, batch_size, generator(key))
            batch = beside_params(params, read(own, index))
            surprise = priority(Plain(params.to_dict()), batch).abs().cpu() + 1e-6
            check_priority(surprise, batch_size)
            priorities = assigned(priorities, index, surprise.double() ** alpha)
            beta_now = beta_at(params["version"].cpu().double())
            weight = importance(chance, min(own.count, capacity), beta_now)
            batch["importance"] = weight.to(params["version"].device)
            own, report = spent(own._replace(seed=seed))
            return state | {"replay": own, "priorities": priorities}, batch, report

        return Pipeline(init, step)

    keys = ("replay", "priorities")
    return described(transform, keys=keys, batches="replay", update_ratio=update_ratio)


def check_priority(surprise: Tensor, batch_size: int) -> None:
    """Refuses priorities by which nothing could be drawn any more.

    Raises:
        ValueError: if they are not [batch_size], or not finite.
    """
    if surprise.shape != (batch_size,):
        raise ValueError(
            f"priority gives a number for each of {batch_size} transitions, [{batch_size}], not "
            f"{list(surprise.shape)}"
        )
    if not surprise.isfinite().all():
        value = surprise[~surprise.isfinite()][0].item()
        raise ValueError(f"priority gives finite numbers, and of one transition it gave {value}")


def none(capacity: int) -> Priorities:
    """Priorities of nothing yet."""
    width = max(1, int(capacity**0.5))
    blocks = -(-capacity // width)
    zeros = torch.zeros(blocks, width, dtype=torch.float64)
    return Priorities(zeros, zeros.sum(1), torch.ones((), dtype=torch.float64))


def _resized(
    priorities: Priorities | None, own: ReplayState, capacity: int
) -> tuple[Priorities | None, ReplayState]:
    """Priorities and ring of this capacity, where they were resumed with another."""
    if priorities is not None and own.ring is not None and len(own.ring) != capacity:
        latest = latest_rows(own, capacity)
        values = priorities.values.view(-1)[latest]
        kept = none(capacity)._replace(highest=priorities.highest)
        priorities = assigned(kept, torch.arange(len(latest)), values)
    return priorities, resized(own, capacity)


def assigned(priorities: Priorities, index: Tensor, values: Tensor) -> Priorities:
    """Priorities with these values at ``index``, in place."""
    table, sums, highest = priorities
    if not len(index):
        return priorities
    table.view(-1)[index] = values.double()
    blocks = (index // table.shape[1]).unique()
    sums[blocks] = table[blocks].sum(1)
    return Priorities(table, sums, torch.maximum(highest, values.max().double()))


def sampled(priorities: Priorities, num: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Indices [num] in proportion to their priorities, one of each of ``num`` equal parts, and chances."""
    table, sums, _ = priorities
    edges = sums.cumsum(0)
    target = (
        (torch.arange(num) + torch.rand(num, generator=rng, dtype=torch.float64)) / num * edges[-1]
    )
    block = torch.searchsorted(edges, target, right=True).clamp(max=len(sums) - 1)
    rows = table[block].cumsum(1)
    inner = (target - (edges[block] - sums[block])).clamp(min=0)
    place = torch.searchsorted(rows, inner[:, None], right=True).squeeze(1)
    last = (table[block] > 0).long().cumsum(1).argmax(1)  # rounding must not lead beyond it
    index = block * table.shape[1] + torch.minimum(place, last)
    return index, table.view(-1)[index] / edges[-1]


def importance(chance: Tensor, size: int, beta: float | Tensor) -> Tensor:
    """``(1 / (size * chance)) ** beta``, relative to the largest (their section 3.4)."""
    weight = (size * chance) ** -beta
    return (weight / weight.max()).float()
