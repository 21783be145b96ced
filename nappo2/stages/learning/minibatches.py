"""Reuse of rollouts, as a transform that steps its source only when it needs more."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.batch import num_samples, take, valid, valid_transitions
from nappo2.params import beside_params, device_of
from nappo2.pipeline import Pipeline, Transform, described, positive, stage
from nappo2.reports import Report, counting, held_back
from nappo2.seeds import fold_in, generator, split


class MinibatchState(NamedTuple):
    """What is left of a rollout."""

    waiting: tuple[tuple[TensorDict, Tensor], ...]  # a batch, and the indices of a minibatch
    report: Report  # of the rollout, handed on with its last minibatch
    seed: int


class Slicing(NamedTuple):
    """Of what a rollout's minibatches are made.

    Attributes:
        name: under which a stage keeps its state.
        of: ``rollout -> batch``, which the pieces are parts of.
        sizes: ``(rollout, num_minibatches) -> sizes``, of a pass's minibatches.
        dim: of the batch, along which it is cut.
    """

    name: str
    of: Callable[[TensorDict], TensorDict]
    sizes: Callable[[TensorDict, int], list[int]]
    dim: int


@stage
def minibatches(num_epochs: int, num_minibatches: int) -> Transform:
    """Passes over each rollout ``num_epochs`` times, in shuffled minibatches [N] without ``next``.

    Raises:
        ValueError: if a count is not at least 1; in a step, if the minibatches do not divide
            the rollout.
    """
    return one_by_one(TRANSITIONS, num_epochs, num_minibatches)


@stage
def sequences(num_epochs: int, num_minibatches: int) -> Transform:
    """``minibatches`` of whole sequences, [T, B / num_minibatches], for agents that remember.

    Each begins with the ``memory`` that was recorded at t=0. What is masked stays, as what comes
    after it does not depend on it, and losses leave it out.

    Raises:
        ValueError: if a count is not at least 1; in a step, if the minibatches do not divide
            the environments.
    """
    return one_by_one(SEQUENCES, num_epochs, num_minibatches)


def one_by_one(slicing: Slicing, num_epochs: int, num_minibatches: int) -> Transform:
    """Passes over each rollout, in shuffled parts, one at a time."""
    positive(num_epochs=num_epochs, num_minibatches=num_minibatches)

    def transform(source):
        def init(params, seed):
            return source.init(params, seed) | {slicing.name: no_minibatches(slicing, seed)}

        def step(params, state):
            waiting, report, seed = state[slicing.name]
            if not waiting:
                state, rollout, report = source.step(params, state)
                seed, key = split(seed)
                batch, sizes = slicing.of(rollout), slicing.sizes(rollout, num_minibatches)
                report = counting(report, batch.numel())
                orders = shuffled(batch, slicing.dim, num_epochs, generator(key))
                orders = repeated(orders, sum(sizes))
                waiting = tuple((batch, part) for order in orders for part in order.split(sizes))
            (batch, part), *waiting = waiting
            now, later = held_back(report) if waiting else (report, Report())
            own = MinibatchState(tuple(waiting), later, seed)
            minibatch = take(batch, part, slicing.dim)
            # what waited in a checkpoint comes back on the CPU
            return state | {slicing.name: own}, beside_params(params, minibatch), now

        return Pipeline(init, step)

    return described(transform, keys=(slicing.name,), batches=slicing.name)


def no_minibatches(slicing: Slicing, seed: int) -> MinibatchState:
    """The state before any rollout."""
    return MinibatchState((), Report(), fold_in(seed, slicing.name))


def flattened(rollout: TensorDict) -> TensorDict:
    """The transitions of a rollout [T, B] as [T * B], without what was reached or is masked."""
    return valid_transitions(rollout.exclude("next"))


def minibatch_sizes(rollout: TensorDict, num_minibatches: int) -> list[int]:
    """The sizes of a pass's minibatches: equal ones, but where a rollout was cut short.

    Of such a one there are as many, though their sizes differ by one: workers that meet at each
    gradient take as many gradients. Where it has fewer transitions than minibatches, some of
    these share one.
    """
    size, all_count = num_samples(rollout), valid(rollout) is None
    least, rest = divmod(size, num_minibatches)
    if not all_count and size == 0:
        raise ValueError(
            f"0 of a rollout's {rollout.numel()} transitions are not masked, too few for "
            f"{num_minibatches} minibatches: what mask masks, as it is not finite, is all of it; "
            "longer rollouts, or clamp(limit), go on"
        )
    if not all_count and least == 0:
        return [1] * num_minibatches
    if least == 0 or (rest and all_count):
        raise ValueError(
            f"{num_minibatches} minibatches do not divide a rollout of {size} transitions"
        )
    return [least + 1] * rest + [least] * (num_minibatches - rest)


def sequence_sizes(rollout: TensorDict, num_minibatches: int) -> list[int]:
    """The sizes of a pass's minibatches of sequences."""
    size = rollout.batch_size[1]
    if size % num_minibatches:
        raise ValueError(
            f"{num_minibatches} minibatches of whole sequences do not divide {size} environments"
        )
    return [size // num_minibatches] * num_minibatches


TRANSITIONS = Slicing("minibatches", flattened, minibatch_sizes, 0)
SEQUENCES = Slicing("sequences", lambda rollout: rollout.exclude("next"), sequence_sizes, 1)


def shuffled(batch: TensorDict, dim: int, num_epochs: int, rng: torch.Generator) -> Tensor:
    """The order of a batch's entries along ``dim`` in each epoch, [num_epochs, size], where the batch is.

    Drawn on the CPU, so that no device changes it.
    """
    size = batch.shape[dim]
    orders = torch.stack([torch.randperm(size, generator=rng) for _ in range(num_epochs)])
    return orders.to(device_of(batch))


def repeated(orders: Tensor, size: int) -> Tensor:
    """Orders [num_epochs, size], which begin again where there are fewer slicing."""
    return orders.repeat(1, -(-size // orders.shape[1]))[:, :size]
