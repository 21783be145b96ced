"""Costs of a recipe's operations on a machine, and of distributing them."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from nappo2.schemes.grammar import Word

Kind = Literal["rollout", "gradients", "params"]
"""The kind of item that a worker delivers."""


def kind_of(word: Word, cut: Literal["collectors", "learners"]) -> Kind:
    """The kind of item that the workers of a cut deliver."""
    if cut == "collectors":
        return "rollout"
    return "params" if word.replicas else "gradients"


class Transfer(NamedTuple):
    """Costs of a call of a worker beside its step, in seconds.

    Attributes:
        call: of a core, in the process that calls.
        take: of a core, in the process that takes the result.
        worker: of a core, in the worker, and in processes that carry what travels.
        latency: in which no core is needed.
    """

    call: float = 0.0
    take: float = 0.0
    worker: float = 0.0
    latency: float = 0.0


class Reduction(NamedTuple):
    """Costs of averaging a gradient among all workers, for each of them, in seconds.

    Attributes:
        cpu: of a core.
        idle: in which no core is needed.
    """

    cpu: float = 0.0
    idle: float = 0.0


class Learning(NamedTuple):
    """Costs of learning from so many rollouts at once, in seconds of a core.

    Attributes:
        prepare: them, such as for advantages.
        batch: of taking one batch.
        gradients: of one batch.
        learn: all batches in one process, with preparing.
    """

    prepare: float
    batch: float
    gradients: float
    learn: float

    def between(self, other: "Learning", share: float) -> "Learning":
        """The costs at a share of the way to those of ``other``."""
        return Learning(*(a + share * (b - a) for a, b in zip(self, other, strict=True)))


class Costs(NamedTuple):
    """Measured costs of a recipe, per rollout where nothing else is said.

    Attributes:
        env_steps: of a rollout.
        num_updates: that it makes due.
        collect: seconds of a core.
        idle: seconds in which the simulator needs no core.
        learning: by the number of rollouts that are learnt from at once.
        update: seconds of a core, of one gradient.
        loop: seconds of a core that a Learner takes per row.
        put: seconds of a core in which params are handed to a backend.
        transfers: by what is delivered.
        reduce: of one gradient, where learners average theirs.
        slowdown: how much longer work takes where all cores work.
    """

    env_steps: int
    num_updates: int
    collect: float
    idle: float
    learning: Mapping[int, Learning]
    update: float
    loop: float = 0.0
    put: float = 0.0
    transfers: Mapping[Kind, Transfer] = {}
    reduce: Reduction = Reduction()
    slowdown: float = 1.0

    def learning_of(self, num_rollouts: int) -> Learning:
        """The costs for so many rollouts, on the line through the fewest and the most that were measured."""
        few, many = min(self.learning), max(self.learning)
        if few == many:
            return self.learning[few]
        share = (num_rollouts - few) / (many - few)
        return self.learning[few].between(self.learning[many], share)
