"""On-policy feeds: shuffled passes over a rollout, one minibatch per step or all of them as one item.

``minibatches`` cuts the transitions of a rollout, ``sequences`` its environments, for agents with a
memory. ``all_minibatches`` and ``all_sequences`` draw the same orders from the same seeds, for ``learn``,
and of members of a population, whose rollouts are [n, T, B], each member's from its own seed.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2 import trees
from nappo2.batch import (
    age,
    flattened,
    loss_inputs,
    num_samples,
    take,
    valid,
    valid_transitions,
    without,
)
from nappo2.checks import shown
from nappo2.networks import Agent
from nappo2.params import beside_params, device_of
from nappo2.pipeline import Pipeline, Transform, described, positive, stage
from nappo2.pipeline.tensor_functions import Part
from nappo2.reports import Report, counting, held_back
from nappo2.seeds import Seeds, draw_each, fold_in_each, num_members, split, split_each
from nappo2.stages.learning.batches import Passes
from nappo2.stages.recording.sampling import check_collected


class MinibatchState(NamedTuple):
    """The minibatches of a rollout that are still to come."""

    waiting: tuple[tuple[TensorDict, Tensor], ...]  # a batch, and the indices of a minibatch
    report: Report  # of the rollout, handed on with its last minibatch
    seed: Seeds


class Slicing(NamedTuple):
    """How a rollout is cut into minibatches.

    Attributes:
        name: of the stages' state.
        batch_of: ``rollout -> batch``, of which minibatches are parts; also of members, [n, ...].
        sizes: ``(rollout, num_minibatches) -> sizes`` of a pass's minibatches.
        dim: dimension of the batch along which it is cut.
    """

    name: str
    batch_of: Callable[[TensorDict], TensorDict]
    sizes: Callable[[TensorDict, int], list[int]]
    dim: int


@stage
def minibatches(num_epochs: int, num_minibatches: int) -> Transform:
    """Passes over each rollout ``num_epochs`` times, in shuffled minibatches [N] without ``next``.

    Raises:
        ValueError: if a count is not at least 1; in a step, if the minibatches do not divide
            the rollout.

    Example:
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8))
        >>> pipe = collect_of(recipe) | recipe.prepare | minibatches(num_epochs=2, num_minibatches=4)
        >>> first(pipe, recipe.init(0)).item.batch_size
        torch.Size([8])
    """
    return _one_by_one(TRANSITIONS, num_epochs, num_minibatches)


@stage
def sequences(num_epochs: int, num_minibatches: int) -> Transform:
    """``minibatches`` of whole sequences, [T, B / num_minibatches], for agents with a memory.

    Each begins with the ``memory`` that was recorded at t=0. Masked steps stay, as what comes after
    them does not depend on them, and losses leave them out.

    Raises:
        ValueError: if a count is not at least 1; in a step, if the minibatches do not divide
            the environments.

    Example:
        >>> config = PPO(num_steps=8, num_minibatches=2, hidden=(8, 8))
        >>> recipe = recurrent_ppo(envs.masked_cartpole(4), config)
        >>> collect_of(recipe) | recipe.prepare | sequences(num_epochs=1, num_minibatches=2)
        collect(num_steps=8) | to_device | gae(lambda_=0.95) | sequences(num_epochs=1, num_minibatches=2)
    """
    return _one_by_one(SEQUENCES, num_epochs, num_minibatches)


@stage
def all_minibatches(num_epochs: int, num_minibatches: int) -> Transform:
    """All ``minibatches(num_epochs, num_minibatches)`` of a rollout as one item, for ``learn``.

    Raises:
        ValueError: as ``minibatches`` does.

    Example:
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8))
        >>> pipe = collect_of(recipe) | recipe.prepare | all_minibatches(num_epochs=2, num_minibatches=4)
        >>> pipe = pipe | learn(recipe.loss, recipe.optimizer)
        >>> Learner(pipe, recipe.init(0), target_steps=32, progress=False).step()["updates"]
        8
    """
    return _at_once(TRANSITIONS, num_epochs, num_minibatches)


@stage
def all_sequences(num_epochs: int, num_minibatches: int) -> Transform:
    """All ``sequences(num_epochs, num_minibatches)`` of a rollout as one item, for ``learn``.

    Raises:
        ValueError: as ``sequences`` does.

    Example:
        >>> config = PPO(num_steps=8, num_minibatches=2, hidden=(8, 8))
        >>> recipe = recurrent_ppo(envs.masked_cartpole(4), config)
        >>> collect_of(recipe) | recipe.prepare | all_sequences(num_epochs=1, num_minibatches=2)
        collect(num_steps=8) | to_device | gae(lambda_=0.95) | all_sequences(num_epochs=1, num_minibatches=2)
    """
    return _at_once(SEQUENCES, num_epochs, num_minibatches)


def _one_by_one(slicing: Slicing, num_epochs: int, num_minibatches: int) -> Transform:
    """Steps its source only when no minibatch is left."""
    positive(num_epochs=num_epochs, num_minibatches=num_minibatches)

    def transform(source):
        check_collected(slicing.name, source)

        def step(params, state):
            waiting, report, seed = state[slicing.name]
            if not waiting:
                state, rollout, report = source.step(params, state)
                seed, key = split(seed)
                batch, orders, sizes = _shuffled(slicing, rollout, num_epochs, num_minibatches, key)
                report = counting(report, batch.numel())
                waiting = tuple((batch, part) for order in orders for part in order.split(sizes))
            (batch, part), *waiting = waiting
            now, later = held_back(report) if waiting else (report, Report())
            feed_state = MinibatchState(tuple(waiting), later, seed)
            minibatch = take(batch, part, slicing.dim)
            # a batch that waited in a checkpoint comes back on the CPU
            return state | {slicing.name: feed_state}, beside_params(params, minibatch), now

        return Pipeline(_first_state(source, slicing), step)

    left = lambda state: len(state[slicing.name].waiting)
    return described(transform, keys=(slicing.name,), batches=slicing.name, batches_left=left)


def _at_once(slicing: Slicing, num_epochs: int, num_minibatches: int) -> Transform:
    """Steps its source once, and makes one item of ``Passes``."""
    positive(num_epochs=num_epochs, num_minibatches=num_minibatches)

    def transform(source):
        check_collected(slicing.name, source)

        def step(params, state):
            inner, rollout, report = source.step(params, state)
            seed, key = split_each(state[slicing.name].seed)
            batch, orders, sizes = _shuffled(slicing, rollout, num_epochs, num_minibatches, key)
            num, versions = num_epochs * num_samples(batch), age(params, batch)
            batches = Passes(loss_inputs(batch), orders, sizes, slicing.dim, num, versions)
            feed_state = state[slicing.name]._replace(seed=seed)
            return inner | {slicing.name: feed_state}, batches, counting(report, batch.numel())

        return Pipeline(_first_state(source, slicing), step)

    def part(_, state, shape):
        seed, key = split_each(state[slicing.name].seed)
        sizes = slicing.sizes(TensorDict(batch_size=shape), num_minibatches)
        orders = _orders(shape[0] * shape[1], num_epochs, key)
        indices = orders.unflatten(-1, (-1, sizes[0])).flatten(0, 1)

        def end(params, state, _, report):
            feed_state = state[slicing.name]._replace(seed=seed)
            return {**state, slicing.name: feed_state}, params, report

        return Part(_flat_and_indices, indices, end, tuple(indices.shape))

    part = part if slicing is TRANSITIONS else None
    return described(transform, keys=(slicing.name,), batches=slicing.name, part=part)


def _flat_and_indices(_: Mapping, rollout: Mapping, indices: Tensor) -> tuple[Any, tuple]:
    """The transitions of a rollout, tensors [N, ...], beside the indices of all minibatches [K, M]."""
    left_out = ("next", "params_version")
    data = {key: x for key, x in rollout.items() if key not in left_out}
    return (trees.map(lambda x: x.flatten(0, 1), data), indices), ()


def _first_state(source: Pipeline, slicing: Slicing) -> Callable:
    """The ``init`` of a stage right of ``source``, before any rollout."""

    def init(params, seed):
        feed_state = MinibatchState((), Report(), fold_in_each(seed, slicing.name))
        return source.init(params, seed) | {slicing.name: feed_state}

    return init


def _shuffled(
    slicing: Slicing, rollout: TensorDict, num_epochs: int, num_minibatches: int, seed: Seeds
) -> tuple[TensorDict, Tensor, list[int]]:
    """The batch of a rollout, the order of its entries in each pass [num_epochs, N], and minibatch sizes.

    Orders are drawn on the CPU, so that they are the same on all devices, and begin again where a
    batch has fewer entries than minibatches. Of n members they are [n, num_epochs, N].
    """
    batch, of_members = slicing.batch_of(rollout), num_members(seed) is not None
    one = TensorDict(batch_size=rollout.shape[1:]) if of_members else rollout
    sizes, size = slicing.sizes(one, num_minibatches), batch.shape[slicing.dim + of_members]

    orders = _orders(size, num_epochs, seed)
    if sum(sizes) != size:
        orders = torch.cat([orders] * -(-sum(sizes) // size), -1)[..., : sum(sizes)]
    return batch, orders.to(device_of(batch)), sizes


def _orders(size: int, num_epochs: int, seed: Seeds) -> Tensor:
    """The order of ``size`` entries in each pass, [num_epochs, size]; of n members [n, ...]."""

    def draw(rng: torch.Generator) -> Tensor:
        return torch.stack([torch.randperm(size, generator=rng) for _ in range(num_epochs)])

    return draw_each(draw, seed)


def transitions_of(rollout: TensorDict) -> TensorDict:
    """The transitions of a rollout [T, B] as [N], without ``next`` and those that are masked.

    Of members, [n, T, B], they are [n, N], and none is masked.
    """
    rest = without(rollout, "next")
    return valid_transitions(rest) if rest.ndim == 2 else flattened(rest)


def minibatch_sizes(rollout: TensorDict, num_minibatches: int) -> list[int]:
    """The sizes of a pass's minibatches: equal ones, except where transitions are masked.

    A rollout with masked transitions, such as one that was cut short, has as many minibatches, of
    sizes that differ by one: workers that meet at each gradient take as many gradients. With fewer
    transitions than minibatches, each has one transition, and some share it.

    Raises:
        ValueError: if the minibatches do not divide a whole rollout, or all of it is masked.
    """
    size = num_samples(rollout)
    check_any_counts(rollout, num_minibatches)
    if valid(rollout) is None and (size < num_minibatches or size % num_minibatches):
        raise ValueError(
            f"{num_minibatches} minibatches do not divide a rollout of {size} transitions"
        )
    return nearly_equal(size, num_minibatches)


def check_any_counts(rollout: TensorDict, num_minibatches: int) -> None:
    """Refuses a rollout [T, B] of which all transitions are masked.

    Raises:
        ValueError: says what masks them.
    """
    if valid(rollout) is not None and not num_samples(rollout):
        raise ValueError(
            f"0 of a rollout's {rollout.numel()} transitions are not masked, too few for "
            f"{num_minibatches} minibatches: what mask masks, as it is not finite, is all of it; "
            "longer rollouts, or clamp(limit), go on"
        )


def nearly_equal(size: int, num: int) -> list[int]:
    """Splits a size into ``num`` parts that differ by one at most; of a smaller size all are 1."""
    least, rest = divmod(size, num)
    return [least + 1] * rest + [least] * (num - rest) if least else [1] * num


def sequences_of(rollout: TensorDict) -> TensorDict:
    """The sequences of a rollout [T, B] without ``next``, and without those that are masked throughout.

    Of members, [n, T, B], none is masked.
    """
    rest, mask = without(rollout, "next"), valid(rollout)
    if mask is None or mask.any(0).all():
        return rest
    return take(rest, mask.any(0).nonzero().squeeze(-1), dim=1)


def sequence_sizes(rollout: TensorDict, num_minibatches: int) -> list[int]:
    """The sizes of a pass's minibatches of sequences, in environments.

    Equal ones, except where all that some environments gave is masked: then they differ by one at most.

    Raises:
        ValueError: if the minibatches do not divide the environments, or all of a rollout is masked.
    """
    size, mask = rollout.batch_size[1], valid(rollout)
    if size % num_minibatches:
        raise ValueError(
            f"{num_minibatches} minibatches of whole sequences do not divide {size} environments"
        )
    check_any_counts(rollout, num_minibatches)
    return nearly_equal(size if mask is None else int(mask.any(0).sum()), num_minibatches)


TRANSITIONS = Slicing("minibatches", transitions_of, minibatch_sizes, 0)
SEQUENCES = Slicing("sequences", sequences_of, sequence_sizes, 1)


class Feed(NamedTuple):
    """The stages that make batches of an agent's rollouts.

    Attributes:
        batches: ``(num_epochs, num_minibatches) -> transform``, one by one.
        all_batches: the same, all batches of a rollout at once.
        sizes: ``(rollout, num_minibatches) -> sizes`` of a pass's minibatches.
    """

    batches: Callable[[int, int], Transform]
    all_batches: Callable[[int, int], Transform]
    sizes: Callable[[TensorDict, int], list[int]]


FEEDS = {
    "transitions": Feed(minibatches, all_minibatches, minibatch_sizes),
    "sequences": Feed(sequences, all_sequences, sequence_sizes),
}
"""By the ``slicing`` of an agent."""


def feed_of(agent: Agent) -> Feed:
    """The stages that make batches of an agent's rollouts, by its ``slicing``.

    Raises:
        ValueError: if there is no such slicing.
    """
    if agent.slicing not in FEEDS:
        raise ValueError(
            f"the slicing of an agent is {' or '.join(FEEDS)}, not {shown(agent.slicing)}"
        )
    return FEEDS[agent.slicing]
