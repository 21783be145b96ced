"""Reuse of rollouts, as a transform that steps its source only when it needs more."""

from typing import NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.pipeline import Pipeline, Transform, positive, stage
from nappo2.reports import Report
from nappo2.seeds import fold_in, generator, split


class MinibatchState(NamedTuple):
    waiting: tuple[tuple[TensorDict, Tensor], ...]  # a flat rollout, and the indices of a minibatch
    report: Report  # of the rollout, handed on with its last minibatch
    seed: int


@stage
def minibatches(num_epochs: int, num_minibatches: int) -> Transform:
    """Passes over each rollout ``num_epochs`` times, in shuffled minibatches [N] without ``next``.

    Raises:
        ValueError: if a count is not at least 1; in a step, if the minibatches do not divide
            the rollout.
    """
    positive(num_epochs=num_epochs, num_minibatches=num_minibatches)

    def transform(source):
        def init(params, seed):
            return source.init(params, seed) | {"minibatches": no_minibatches(seed)}

        def step(params, state):
            waiting, report, seed = state["minibatches"]
            if not waiting:
                state, rollout, report = source.step(params, state)
                seed, key = split(seed)
                flat = flattened(rollout)
                orders = shuffled(len(flat), num_epochs, num_minibatches, generator(key))
                waiting = tuple((flat, part) for order in orders for part in order)
            (flat, part), *waiting = waiting
            now, later = (Report(), report) if waiting else (report, Report())
            own = MinibatchState(tuple(waiting), later, seed)
            return state | {"minibatches": own}, take(flat, part), now

        return Pipeline(init, step)

    return transform


def no_minibatches(seed: int) -> MinibatchState:
    """The state before any rollout."""
    return MinibatchState((), Report(), fold_in(seed, "minibatches"))


def flattened(rollout: TensorDict) -> TensorDict:
    """The transitions of a rollout [T, B] as [T * B], without what was reached."""
    return rollout.exclude("next").reshape(-1)


def shuffled(size: int, num_epochs: int, num_minibatches: int, rng: torch.Generator) -> Tensor:
    """The indices of each minibatch of each epoch, [epochs, minibatches, size / minibatches]."""
    if size % num_minibatches:
        raise ValueError(f"{num_minibatches} minibatches do not divide a rollout of {size} transitions")
    orders = [torch.randperm(size, generator=rng) for _ in range(num_epochs)]
    return torch.stack(orders).view(num_epochs, num_minibatches, -1)


def take(batch: TensorDict, index: Tensor) -> TensorDict:
    """``batch[index]``, at a fifth of its price."""
    return TensorDict(selected(batch, index), batch_size=index.shape)


def selected(batch, index: Tensor) -> dict:
    """The entries at ``index`` of all leaves, as a plain dictionary."""
    return {
        key: x.index_select(0, index) if isinstance(x, Tensor) else selected(x, index)
        for key, x in batch.items()
    }
