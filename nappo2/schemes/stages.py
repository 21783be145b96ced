"""An algorithm, as what stands in each box of the line."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from nappo2.checks import checked, suggestion
from nappo2.params import Params
from nappo2.pipeline import Pipeline, Transform
from nappo2.policies import Policy
from nappo2.schemes.fit import Fit


@checked
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
        fit: what it goes with.
        share: ``num -> batches`` for one of so many workers, which share the totals of a replay;
            None where there are none.
        pieces: what it was put together of, by name.
        remake: puts it together of other pieces.
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
    fit: Fit = Fit()
    share: Callable[[int], Transform] | None = None
    pieces: Mapping[str, Any] = {}
    remake: Callable[..., Any] | None = None

    def but(self, **pieces: Any) -> "Stages":
        """The same recipe with other pieces, such as ``loss=...`` or ``optimizer=...``.

        Raises:
            ValueError: if the recipe has no piece of that name; says which it has. What depends on
                others, as a loss does on an agent, is an argument of the recipe instead.
        """
        for name in pieces:
            if name not in self.pieces:
                raise ValueError(
                    f"{self.name} has no piece that is called {name!r}; there are "
                    f"{suggestion(name, self.pieces) or 'none'}"
                )
        return self.remake(**{**self.pieces, **pieces})

    def line(self) -> Pipeline:
        """The line before any scheme cuts it; of what only 3cs goes with, that of 3cs."""
        if self.fit.scheme == ("3cs",):
            return self.collect | self.prepare | self.learn
        return self.collect | self.prepare | self.batches | self.gradients | self.update

    def __repr__(self):
        return f"{self.name}: {self.line()!r}"
