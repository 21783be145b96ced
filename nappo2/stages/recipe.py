"""A recipe: an algorithm as a record of pieces, each of which can be replaced.

``collect``, ``gradients``, ``update`` and ``learn`` are made of these; a training scheme cuts the line that
they stand in.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from nappo2.checks import checked, suggestion
from nappo2.envs import Env
from nappo2.losses.loss import Loss
from nappo2.optim import GradientTransformation, apply_if_finite
from nappo2.params import Params
from nappo2.pipeline import Pipeline, Transform, compose
from nappo2.policies import Policy
from nappo2.stages.collecting.collect import collect
from nappo2.stages.collecting.non_finite import NonFinite, fail
from nappo2.stages.collecting.scanned_interaction import can_be_scanned
from nappo2.stages.compatibility import Compatibility, check_compatible
from nappo2.stages.learning.gradients import gradients
from nappo2.stages.learning.learn import learn
from nappo2.stages.learning.loops import EarlyStop, Target
from nappo2.stages.learning.polyak import polyak
from nappo2.stages.learning.update import update


@checked
class Recipe(NamedTuple):
    """What ``ppo(env, PPO())`` makes, and a scheme cuts.

    Attributes:
        name: of the recipe.
        init: ``seed -> params``.
        env: where the collectors act.
        policy: how the collectors act.
        greedy: how an evaluation acts.
        num_steps: of each environment per rollout.
        loss: ``(params, batch) -> (loss, means)``.
        optimizer: of the vector of weights; gradients that are not finite never reach it.
        batches: ``num -> transform``: rollouts to batches, one by one, for one of so many workers,
            which share the totals of a replay; or a transform for any number.
        all_batches: rollouts to all of their batches at once, where one process does all; None
            where batches depend on params that move between them.
        rollouts: of rollouts, where they are collected, such as ``hindsight(...)``.
        prepare: of rollouts, where they are learnt from, such as ``gae(agent)``.
        after: of params, after each update, or after those of a rollout.
        target: how targets follow the weights; None for params without.
        stop_early: when the rest of a rollout's batches are left out; None for never.
        non_finite: what becomes of observations and rewards that are not finite.
        jit: whether learning is compiled, and with it rollouts of environments in torch.
        compatible: what it goes with.
    """

    name: str
    init: Callable[[int], Params]
    env: Env
    policy: Policy
    greedy: Policy
    num_steps: int
    loss: Loss
    optimizer: GradientTransformation
    batches: Callable[[int], Transform]
    all_batches: Transform | None = None
    rollouts: Transform = compose()
    prepare: Transform = compose()
    after: Transform = compose()
    target: Target | None = None
    stop_early: EarlyStop | None = None
    non_finite: NonFinite = fail
    jit: bool = False
    compatible: Compatibility = Compatibility()

    def replace(self, **pieces: Any) -> "Recipe":
        """The same recipe with other pieces, such as ``loss=...`` or ``optimizer=...``.

        Other ``batches`` are learnt from one by one, unless there are other ``all_batches``, too.

        Raises:
            ValueError: if there is no piece of that name; says which there are. What depends on
                others, as a loss does on an agent, is an argument of the recipe instead.
        """
        for name in pieces:
            if name not in self._fields:
                raise ValueError(
                    f"{self.name} has no piece that is called {name!r}; there are "
                    f"{suggestion(name, self._fields)}"
                )
        if "batches" in pieces:
            pieces = {"all_batches": None} | pieces
        return fitting(Recipe(**{**self._asdict(), **pieces}))

    @property
    def collect(self) -> Pipeline:
        """The source, as ``collect_of`` makes it."""
        return collect_of(self)

    @property
    def gradients(self) -> Transform:
        """Batches to gradients, as ``gradients_of`` makes them."""
        return gradients_of(self)

    @property
    def update(self) -> Transform:
        """Gradients to params, as ``update_of`` makes them."""
        return update_of(self)

    @property
    def learn(self) -> Transform:
        """Rollouts to params, as ``learn_of`` makes them."""
        return learn_of(self)

    @property
    def line(self) -> Pipeline:
        """The line before any scheme cuts it."""
        return (
            collect_of(self)
            | self.prepare
            | batches_of(self)
            | gradients_of(self)
            | update_of(self)
        )

    @property
    def central(self) -> Pipeline:
        """All of it, in one process."""
        return collect_of(self) | self.prepare | learn_of(self)

    def __repr__(self):
        return f"{self.name}: {self.line!r}"


@checked
def collect_of(recipe: Recipe) -> Pipeline:
    """The source of a recipe's rollouts."""
    jit = recipe.jit and can_be_scanned(recipe.env, recipe.policy)
    source = collect(recipe.env, recipe.policy, recipe.num_steps, recipe.non_finite, jit)
    return source | recipe.rollouts


@checked
def batches_of(recipe: Recipe, num: int = 1) -> Transform:
    """Rollouts to batches, one by one, of one of ``num`` workers."""
    batches = recipe.batches
    return batches if isinstance(batches, Transform) else batches(num)


@checked
def gradients_of(recipe: Recipe) -> Transform:
    """Batches to gradients."""
    return gradients(recipe.loss, recipe.jit)


@checked
def update_of(recipe: Recipe) -> Transform:
    """Gradients to params."""
    stages = [update(finite(recipe.optimizer))]
    if recipe.target is not None:
        stages.append(polyak(recipe.target.step_size, recipe.target.delay - 1))
    return compose(*stages, recipe.after)


@checked
def learn_of(recipe: Recipe) -> Transform:
    """Rollouts to params, in one process: fused, where that is the same."""
    if recipe.all_batches is None:
        return compose(batches_of(recipe), gradients_of(recipe), update_of(recipe))
    learnt = learn(
        recipe.loss,
        finite(recipe.optimizer),
        target=recipe.target,
        stop_early=recipe.stop_early,
        jit=recipe.jit,
    )
    return compose(recipe.all_batches, learnt, recipe.after)


def fitting(recipe: Recipe) -> Recipe:
    """The recipe, if it goes with its batches.

    Raises:
        ValueError: says what goes with it.
    """
    for stage in batches_of(recipe).stages:
        if stage.batches is not None:
            check_compatible(recipe.name, recipe.compatible, storage=stage.batches)
    return recipe


@lru_cache(64)
def finite(optimizer: GradientTransformation) -> GradientTransformation:
    """Cached, as compiled programs are found again by the functions in them."""
    return apply_if_finite(optimizer)
