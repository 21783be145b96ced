"""A recipe: an algorithm as a record of pieces, each of which can be replaced.

The pieces make the pipeline ``collect | prepare | batches | gradients | update``, the recipe's line. A
training scheme runs parts of this line on workers; in one process, batches, gradients and updates can
be one fused stage, ``learn``.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nappo2.checks import check_hyper, checked, suggestion
from nappo2.envs import Env
from nappo2.losses.loss import Loss
from nappo2.optim import GradientTransformation, apply_if_finite
from nappo2.params import Params, replaced
from nappo2.pipeline import Pipeline, Transform, compose
from nappo2.policies import Policy
from nappo2.saving.calls import Call, remembering
from nappo2.stages.collecting.collect import collect
from nappo2.stages.collecting.non_finite import NonFinite, fail
from nappo2.stages.collecting.scanned_interaction import can_be_scanned
from nappo2.stages.compatibility import Compatibility, check_compatible
from nappo2.stages.learning.gradients import gradients
from nappo2.stages.learning.learn import learn
from nappo2.stages.learning.loops import Delayed, EarlyStop, Target
from nappo2.stages.learning.update import polyak, update
from nappo2.stages.recording.checking import check_beside, check_spaces


@checked
class Recipe(NamedTuple):
    """An algorithm with its environment, as ``ppo(env, PPO())`` makes it.

    Attributes:
        name: of the recipe.
        init: ``seed -> params``.
        env: environments in which the collectors act.
        policy: how the collectors act.
        greedy: how an evaluation acts.
        num_steps: steps of each environment per rollout.
        loss: ``(params, batch) -> (loss, means)``.
        optimizer: of the vector of weights; gradients that are not finite never reach it.
        batches: ``num_workers -> transform`` from rollouts to batches, one by one, on one of these
            workers, which share the capacity of a replay; or a transform for any number of workers.
        all_batches: the transform from a rollout to all its batches at once, for ``learn``; None
            where batches depend on params that change between them.
        rollouts: transform of rollouts where they are collected, such as ``hindsight(...)``.
        prepare: transform of rollouts where they are learnt from, such as ``gae(agent)``.
        after: transform of params after each update, or after all updates of a rollout.
        target: how target networks follow the weights; None for params without.
        stop_early: ``(hyper, means) -> [] bool``: skips the rest of a rollout's batches; None for never.
        delayed: a cheaper loss for updates of one process at which the optimizer leaves some of the
            weights where they are; None for the whole loss at each.
        non_finite: ``fail``, ``mask`` or ``clamp(limit)`` observations and rewards that are not finite.
        jit: whether learning is compiled, and collecting in environments in torch.
        compatible: the action spaces, observations, agents, storages and schemes that fit.
        source: of items in place of ``collect``, such as ``recorded(dataset)``; None to collect.
        value: ``(params, observation [B, ...], memory) -> [B]``, the expected return as the critics
            see it, for who looks; None if nothing in the recipe knows it.
        made: the call that made it; None if no decorated function did.
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
    delayed: Delayed | None = None
    non_finite: NonFinite = fail
    jit: bool = False
    compatible: Compatibility = Compatibility()
    value: Callable[[Mapping, Any, Any], Tensor] | None = None
    source: Pipeline | None = None
    made: Call | None = None

    def replace(self, **pieces: Any) -> "Recipe":
        """The same recipe with other pieces, such as ``loss=...`` or ``optimizer=...``.

        No other piece is adapted: a piece on which others depend, as a loss does on an agent, is an
        argument of the function that makes the recipe. With other ``batches`` alone, ``all_batches``
        is None, so that these are learnt from one by one; with another loss or optimizer ``delayed`` is.

        Raises:
            ValueError: if there is no piece of that name (names those there are), or batches or recorded
                data that do not fit the recipe.
        """
        for name in pieces:
            if name not in self._fields:
                raise ValueError(
                    f"{self.name} has no piece that is called {name!r}; there are "
                    f"{suggestion(name, self._fields)}"
                )
        if "batches" in pieces:
            pieces = {"all_batches": None} | pieces
        if "loss" in pieces or "optimizer" in pieces:
            pieces = {"delayed": None} | pieces
        return fitting(Recipe(**{**self._asdict(), **pieces}))

    @checked
    def with_hyper(self, **values: float) -> "Recipe":
        """The same recipe, whose first params have these numbers in ``hyper``, where a loss reads them.

        ``Learner.set`` changes them during a run, and members of a population may differ in them.

        Raises:
            ValueError: if a number is out of its range.
        """
        check_hyper(**values)
        init = self.init

        def with_values(seed):
            params = init(seed)
            numbers = {name: torch.tensor(float(value)) for name, value in values.items()}
            return replaced(params, hyper=params["hyper"].copy().update(numbers))

        return self.replace(init=with_values)

    @property
    def line(self) -> Pipeline:
        """The whole pipeline, one stage for each step, as schemes cut it."""
        return (
            collect_of(self)
            | self.prepare
            | batches_of(self)
            | gradients_of(self)
            | update_of(self)
        )

    @property
    def central(self) -> Pipeline:
        """The whole pipeline for one process, with ``learn`` fused."""
        return collect_of(self) | self.prepare | learn_of(self)

    def __repr__(self):
        return f"{self.name}: {self.line!r}"


@remembering
@checked
def collect_of(recipe: Recipe) -> Pipeline:
    """The pipeline that collects a recipe's rollouts [T, B], or its ``source``.

    Example:
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> collect_of(recipe)
        collect(num_steps=8)
    """
    if recipe.source is not None:
        return recipe.source | recipe.rollouts
    jit = recipe.jit and can_be_scanned(recipe.env, recipe.policy)
    source = collect(recipe.env, recipe.policy, recipe.num_steps, recipe.non_finite, jit)
    return source | recipe.rollouts


@checked
def batches_of(recipe: Recipe, num: int = 1) -> Transform:
    """The transform from rollouts to batches, one by one, on one of ``num`` workers.

    Example:
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> batches_of(recipe)
        minibatches(num_epochs=10, num_minibatches=2)
    """
    batches = recipe.batches
    return batches if isinstance(batches, Transform) else batches(num)


@checked
def gradients_of(recipe: Recipe) -> Transform:
    """The transform from batches to gradients of the recipe's loss.

    Example:
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> gradients_of(recipe)
        gradients
    """
    return gradients(recipe.loss, recipe.jit)


@checked
def update_of(recipe: Recipe) -> Transform:
    """The transform from gradients to params: optimizer, target networks, and ``after``.

    Example:
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> collect_of(recipe) | gradients_of(recipe) | update_of(recipe)
        collect(num_steps=8) | gradients | update
    """
    stages = [update(finite(recipe.optimizer))]
    if recipe.target is not None:
        stages.append(polyak(recipe.target.step_size, recipe.target.delay - 1))
    return compose(*stages, recipe.after)


@checked
def learn_of(recipe: Recipe) -> Transform:
    """The transform from rollouts to params in one process: fused, if the recipe has ``all_batches``.

    Example:
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> collect_of(recipe) | learn_of(recipe)
        collect(num_steps=8) | all_minibatches(num_epochs=10, num_minibatches=2) | learn
    """
    if recipe.all_batches is None:
        return compose(batches_of(recipe), gradients_of(recipe), update_of(recipe))
    fused = learn(
        recipe.loss,
        finite(recipe.optimizer),
        target=recipe.target,
        stop_early=recipe.stop_early,
        delayed=recipe.delayed,
        jit=recipe.jit,
    )
    return compose(recipe.all_batches, fused, recipe.after)


def fitting(recipe: Recipe) -> Recipe:
    """Returns the recipe unchanged, if its batches fit it, and recorded data its environment.

    Raises:
        ValueError: names the storages that fit, the spaces that differ, or what makes sequences of
            transitions or sums their rewards.
    """
    batches = batches_of(recipe).stages
    for stage in (*(recipe.source.stages if recipe.source else ()), *batches):
        if stage.dataset is not None:
            check_spaces(stage.dataset, recipe.env)
    for i, stage in enumerate(batches):
        if stage.dataset is not None:
            check_beside(recipe.name, (*recipe.rollouts.stages, *batches[:i]), stage.dataset)
        if stage.batches is not None:
            check_compatible(recipe.name, recipe.compatible, storage=stage.batches)
    return recipe


@lru_cache(64)
def finite(optimizer: GradientTransformation) -> GradientTransformation:
    """The optimizer that skips gradients which are not finite.

    Cached, as compiled programs are found again by the functions in them.
    """
    return apply_if_finite(optimizer)
