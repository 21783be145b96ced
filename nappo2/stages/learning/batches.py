"""All batches that a rollout feeds, as one item: what ``learn`` takes in a step.

A batch is a plain dictionary of tensors here: to make a TensorDict of each costs more than to learn from it.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2 import trees
from nappo2.batch import age, loss_inputs, num_samples
from nappo2.checks import shown
from nappo2.networks import Agent
from nappo2.pipeline import Pipeline, Transform, described, is_empty, positive, stage
from nappo2.reports import counting, join
from nappo2.seeds import generator, split
from nappo2.stages.learning.minibatches import (
    SEQUENCES,
    TRANSITIONS,
    Slicing,
    minibatches,
    no_minibatches,
    repeated,
    sequences,
    shuffled,
)

View = Callable[[Mapping, Any], Mapping]
"""``(data, x) -> batch``, such as those entries of the data whose indices are x."""

VIEWS = (
    trees.index,
    partial(trees.index, dim=1),
)  # one function each, by which programs are found again


class Passes(NamedTuple):
    """Shuffled parts of one batch, in passes over all of it.

    Attributes:
        data: the batch, [N, ...] or [T, B, ...].
        orders: of the parts' entries in each pass, [num_epochs, N].
        sizes: of the parts of a pass.
        dim: along which the data are cut.
        num_samples: transitions that are learnt from, in all passes.
        age: by how many versions params were older when the data were collected.
    """

    data: dict
    orders: Tensor
    sizes: list[int]
    dim: int
    num_samples: int
    age: Tensor

    @property
    def num(self) -> int:
        """How many batches these are."""
        return len(self.orders) * len(self.sizes)

    def lag(self, num_updates: int) -> Tensor:
        """The age of the data, on average over updates, each of which makes it one more."""
        return self.age + (max(num_updates, 1) - 1) / 2

    def one_by_one(self) -> Iterable[dict]:
        """The batches."""
        for order in self.orders:
            yield from trees.split(trees.index(self.data, order, self.dim), self.sizes, self.dim)

    def scannable(self) -> bool:
        """Whether a scan can go over them, as all are of one size."""
        return len(set(self.sizes)) == 1

    def stacked(self) -> tuple[Mapping, Tensor, View]:
        """The data, indices [K, n] of each batch, and how one is made of these."""
        return self.data, self.orders.reshape(-1, self.sizes[0]), VIEWS[self.dim]

    def whole(self) -> Mapping:
        """All of the data."""
        return self.data


class Sampled(NamedTuple):
    """Batches that were drawn one by one.

    Attributes:
        batches: of tensors [N, ...].
        num_samples: transitions in them.
        ages: by how many versions params were older when each was collected.
    """

    batches: list[dict]
    num_samples: int
    ages: list[Tensor]

    @property
    def num(self) -> int:
        """How many batches these are."""
        return len(self.batches)

    def lag(self, num_updates: int) -> Tensor:
        """The age of the data, on average over updates, each of which makes it one more."""
        ages = self.ages[: max(num_updates, 1)]
        return torch.stack([older + i for i, older in enumerate(ages)]).mean()

    def one_by_one(self) -> Iterable[dict]:
        """The batches."""
        return self.batches

    def scannable(self) -> bool:
        """Whether a scan can go over them."""
        return True

    def stacked(self) -> tuple[Mapping, Any, View]:
        """Nothing, the batches as one of tensors [K, N, ...], and how each is made of these."""
        return {}, self.whole(), _itself

    def whole(self) -> Mapping:
        """All of the data."""
        return trees.stack(self.batches)


Batches = Passes | Sampled
"""All batches of a rollout, in the order in which they are learnt from."""


def _itself(data: Mapping, x: Any) -> Any:
    return x


@stage
def all_minibatches(num_epochs: int, num_minibatches: int) -> Transform:
    """All ``minibatches(num_epochs, num_minibatches)`` of a rollout as one item, for ``learn``.

    Raises:
        ValueError: as ``minibatches`` does.
    """
    return at_once(TRANSITIONS, num_epochs, num_minibatches)


@stage
def all_sequences(num_epochs: int, num_minibatches: int) -> Transform:
    """All ``sequences(num_epochs, num_minibatches)`` of a rollout as one item, for ``learn``.

    Raises:
        ValueError: as ``sequences`` does.
    """
    return at_once(SEQUENCES, num_epochs, num_minibatches)


class Feed(NamedTuple):
    """How the rollouts of an agent become batches.

    Attributes:
        batches: ``(num_epochs, num_minibatches) -> transform``, one by one.
        all_batches: the same, all of a rollout at once.
        sizes: ``(rollout, num_minibatches) -> sizes`` of a pass's minibatches.
    """

    batches: Callable[[int, int], Transform]
    all_batches: Callable[[int, int], Transform]
    sizes: Callable[[TensorDict, int], list[int]]


FEEDS = {
    "transitions": Feed(minibatches, all_minibatches, TRANSITIONS.sizes),
    "sequences": Feed(sequences, all_sequences, SEQUENCES.sizes),
}
"""By the ``slicing`` of an agent."""


def feed_of(agent: Agent) -> Feed:
    """How the rollouts of an agent become batches.

    Raises:
        ValueError: if there is no such slicing.
    """
    if agent.slicing not in FEEDS:
        raise ValueError(
            f"the slicing of an agent is {' or '.join(FEEDS)}, not {shown(agent.slicing)}"
        )
    return FEEDS[agent.slicing]


def at_once(slicing: Slicing, num_epochs: int, num_minibatches: int) -> Transform:
    """Passes over each rollout, as one item."""
    positive(num_epochs=num_epochs, num_minibatches=num_minibatches)

    def transform(source):
        def init(params, seed):
            return source.init(params, seed) | {slicing.name: no_minibatches(slicing, seed)}

        def step(params, state):
            inner, rollout, report = source.step(params, state)
            own, (seed, key) = state[slicing.name], split(state[slicing.name].seed)
            batch, sizes = slicing.of(rollout), slicing.sizes(rollout, num_minibatches)
            orders = shuffled(batch, slicing.dim, num_epochs, generator(key))
            batches = Passes(
                loss_inputs(batch),
                repeated(orders, sum(sizes)),
                sizes,
                slicing.dim,
                num_epochs * num_samples(batch),
                age(params, batch),
            )
            report = counting(report, batch.numel())
            return inner | {slicing.name: own._replace(seed=seed)}, batches, report

        return Pipeline(init, step)

    return described(transform, keys=(slicing.name,), batches=slicing.name)


@stage
def all_due() -> Transform:
    """All batches that a rollout makes due in a replay as one item, for ``learn``.

    Right of a replay, and of what changes its batches. They must not depend on params, which move
    between them.
    """

    def transform(source):
        def step(params, state):
            batches, reports = [], []
            while not reports or "env_steps" not in reports[-1].sums:
                state, batch, report = source.step(params, state)
                batches.append(batch)
                reports.append(report)
            if is_empty(batches[0]):
                return state, batches[0], join(reports)
            sampled = Sampled(
                list(map(loss_inputs, batches)),
                sum(map(num_samples, batches)),
                [age(params, batch) for batch in batches],
            )
            return state, sampled, join(reports)

        return Pipeline(source.init, step)

    return transform
