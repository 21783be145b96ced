"""An algorithm, as what stands in each box of the line."""

from collections.abc import Callable
from typing import NamedTuple

from nappo2.params import Params
from nappo2.pipeline import Pipeline, Transform
from nappo2.policies import Policy


class Stages(NamedTuple):
    """What a recipe makes, and a scheme cuts.

    Attributes:
        init: ``seed -> params``.
        collect: the source of rollouts.
        prepare: of rollouts, such as advantages.
        batches: rollouts to batches.
        gradients: batches to gradients.
        update: gradients to params.
        learn: ``batches | gradients | update``, or as many of these as a rollout feeds in one
            step; for the schemes that cut nothing between them.
        policy: how the collectors act.
        greedy: how an evaluation acts.
        name: of the recipe.
        takes_stale: whether its rollouts may come of older params than those that learn.
        share: ``num -> batches`` for one of so many workers, which share the totals of a replay;
            None where there are none.
    """

    init: Callable[[int], Params]
    collect: Pipeline
    prepare: Transform
    batches: Transform
    gradients: Transform
    update: Transform
    learn: Transform
    policy: Policy
    greedy: Policy
    name: str = "recipe"
    takes_stale: bool = True
    share: Callable[[int], Transform] | None = None

    def __repr__(self):
        line = self.collect | self.prepare | self.batches | self.gradients | self.update
        return f"{self.name}: {line!r}"

    def _repr_html_(self):
        from nappo2.show import look  # a picture of it, for whoever looks at it in a notebook

        return look(self)._repr_html_()
