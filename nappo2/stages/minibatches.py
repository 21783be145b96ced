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
                flat, sizes = flattened(rollout), minibatch_sizes(rollout, num_minibatches)
                orders = shuffled(len(flat), num_epochs, generator(key))
                waiting = tuple((flat, part) for order in orders for part in order.split(sizes))
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
    """The transitions of a rollout [T, B] as [T * B], without what was reached or is masked."""
    flat = rollout.exclude("next", "mask").reshape(-1)
    if "mask" not in rollout.keys():
        return flat
    return take(flat, rollout["mask"].flatten().nonzero().squeeze(-1))


def minibatch_sizes(rollout: TensorDict, num_minibatches: int) -> list[int]:
    """The sizes of a pass's minibatches: equal ones, but where a rollout was cut short.

    Of such a one there are as many, though their sizes differ by one: workers that meet at each
    gradient take as many gradients.
    """
    mask = rollout.get("mask", None)
    size = rollout.numel() if mask is None else int(mask.sum())
    least, rest = divmod(size, num_minibatches)
    if least == 0 or (rest and mask is None):
        raise ValueError(
            f"{num_minibatches} minibatches do not divide a rollout of {size} transitions"
        )
    return [least + 1] * rest + [least] * (num_minibatches - rest)


def shuffled(size: int, num_epochs: int, rng: torch.Generator) -> Tensor:
    """The order of the transitions in each epoch, [num_epochs, size]."""
    return torch.stack([torch.randperm(size, generator=rng) for _ in range(num_epochs)])


def take(batch: TensorDict, index: Tensor) -> TensorDict:
    """``batch[index]``, at a fifth of its price."""
    return TensorDict(selected(batch, index), batch_size=index.shape)


def selected(batch, index: Tensor) -> dict:
    """The entries at ``index`` of all leaves, as a plain dictionary."""
    return {
        key: x.index_select(0, index) if isinstance(x, Tensor) else selected(x, index)
        for key, x in batch.items()
    }
