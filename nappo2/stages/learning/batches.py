"""All batches of a rollout as one item, from which ``learn`` takes a gradient step each.

A batch is a plain dictionary of tensors here, as making a TensorDict costs more than a small gradient.
Of n members of a population a batch has a leading dimension n.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nappo2 import trees
from nappo2.batch import age, loss_inputs, num_samples
from nappo2.pipeline import Pipeline, Transform, is_empty, is_recorded, stage
from nappo2.reports import Report, join
from nappo2.stages.recording.sampling import AT_ONCE

View = Callable[[Mapping, Any], Mapping]
"""``(data, x) -> batch``, such as the entries of the data at the indices x."""

VIEWS = (trees.index, partial(trees.index, dim=1))
"""By dimension; constants, as compiled programs are found again by the functions in them."""


class Passes(NamedTuple):
    """Shuffled passes over one batch, in minibatches.

    Attributes:
        data: the batch, tensors [N, ...] or [T, B, ...]; of members [n, N, ...] or [n, T, B, ...].
        orders: of the entries in each pass, [num_epochs, N] int64; of members [n, num_epochs, N].
        sizes: of a pass's minibatches.
        dim: dimension along which the data are cut, of one member.
        num_samples: transitions that are learnt from, in all passes, of all members.
        age: versions between the params that learn and those that collected, [] float32.
    """

    data: dict
    orders: Tensor
    sizes: list[int]
    dim: int
    num_samples: int
    age: Tensor

    @property
    def num(self) -> int:
        """The number of batches."""
        return self.orders.shape[-2] * len(self.sizes)

    def lag(self, num_updates: int) -> Tensor:
        """The mean age of the data over updates, each of which adds one version, [] float32."""
        return self.age + (max(num_updates, 1) - 1) / 2

    def one_by_one(self) -> Iterable[dict]:
        """The batches of one run, in order."""
        for order in self.orders:
            yield from trees.split(trees.index(self.data, order, self.dim), self.sizes, self.dim)

    def scannable(self) -> bool:
        """Whether all batches have one size, as a scan over them needs."""
        return len(set(self.sizes)) == 1

    def stacked(self) -> tuple[Mapping, Tensor, View]:
        """The data, the indices [K, N] int64 of each batch, and the view that joins them to batches.

        The indices of members are [K, n, N], and the view is of one member.
        """
        indices = self.orders.unflatten(-1, (-1, self.sizes[0])).flatten(-3, -2)
        return self.data, indices.movedim(-2, 0), VIEWS[self.dim]

    def whole(self) -> Mapping:
        """The data of all batches."""
        return self.data


class Sampled(NamedTuple):
    """Batches that were sampled one by one from a replay.

    Attributes:
        batches: dictionaries of tensors [N, ...]; of members [n, N, ...].
        num_samples: transitions in all of them.
        ages: of each batch, versions between the params that learn and those that collected, [] float32.
    """

    batches: list[dict]
    num_samples: int
    ages: list[Tensor]

    @property
    def num(self) -> int:
        """The number of batches."""
        return len(self.batches)

    def split(self, num: int) -> "tuple[Sampled, Sampled]":
        """The first batches, ``num`` or all that there are, and those after them."""
        share = self.num_samples // self.num
        parts = (self.batches[:num], self.ages[:num]), (self.batches[num:], self.ages[num:])
        first, rest = (Sampled(batches, share * len(batches), ages) for batches, ages in parts)
        return first, rest

    def lag(self, num_updates: int) -> Tensor:
        """The mean age of the data over updates, each of which adds one version, [] float32."""
        ages = self.ages[: max(num_updates, 1)]
        return torch.stack([age + i for i, age in enumerate(ages)]).mean()

    def one_by_one(self) -> Iterable[dict]:
        """The batches, in order."""
        return self.batches

    def scannable(self) -> bool:
        """Whether all batches have one size: always, as a replay samples them."""
        return True

    def stacked(self) -> tuple[Mapping, Any, View]:
        """No data, the batches stacked to tensors [K, ...], and the view that returns each of them."""
        return {}, self.whole(), _unchanged

    def whole(self) -> Mapping:
        """The data of all batches, tensors [K, ...]."""
        return trees.stack(self.batches)


Batches = Passes | Sampled
"""All batches of a rollout, in the order in which they are learnt from."""


def _unchanged(data: Mapping, x: Any) -> Any:
    return x


@stage
def all_due() -> Transform:
    """All batches that a rollout makes due in a replay as one item, for ``learn``.

    Right of a replay and of stages that change its batches. These must not depend on params, which
    change between the batches. Of recorded data there are 100 batches in an item, or the first one
    alone, if the moments of the dataset come with it.

    Example:
        >>> recipe = dqn(envs.cartpole(4), DQN(num_steps=4, batch_size=8, start_steps=0, hidden=(8,)))
        >>> collect_of(recipe) | replay(1_000, batch_size=8, update_ratio=0.5) | all_due()
        collect(num_steps=4) | replay(capacity=1000, batch_size=8, update_ratio=0.5) | all_due
    """

    def transform(source):
        is_last = _is_last_recorded if is_recorded(source) else _is_last_due

        def step(params, state):
            batches, reports = [], []
            while not reports or not is_last(reports):
                state, batch, report = source.step(params, state)
                batches.append(batch)
                reports.append(report)
            if is_empty(batches[0]):
                return state, batches[0], join(reports)
            ages = [age(params, batch) for batch in batches]
            num = sum(map(num_samples, batches))
            return state, Sampled(list(map(loss_inputs, batches)), num, ages), join(reports)

        return Pipeline(source.init, step)

    return transform


def _is_last_due(reports: list[Report]) -> bool:
    """Tests whether a replay has no further batch of a rollout, which tells its env steps then."""
    return "env_steps" in reports[-1].sums


def _is_last_recorded(reports: list[Report]) -> bool:
    """Tests for enough batches; with moments, what follows is normalised in another way."""
    return len(reports) == AT_ONCE or len(reports[-1].moments) > 0
