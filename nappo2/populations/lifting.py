"""Batches and ``learn`` of many members at once: tensors have a leading dimension n, steps run under vmap."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2 import trees
from nappo2.losses import Loss
from nappo2.machine.compiling import with_fallback
from nappo2.maths.moments import absorb_if
from nappo2.optim import GradientTransformation
from nappo2.params import Params, ravel
from nappo2.pipeline import Pipeline, Transform, stage
from nappo2.reports import Report
from nappo2.seeds import fold_in
from nappo2.stages.learning.batches import Passes, View
from nappo2.stages.learning.learn import learning
from nappo2.stages.learning.loops import EarlyStop, LoopResult, Rule
from nappo2.stages.learning.scan_loop import Lift, functional_loop, in_one_scan, step_by_step
from nappo2.trees import walk


def vectors(weights: TensorDict) -> tuple[Tensor, Callable]:
    """Weights [n, ...] as vectors [n, P], and the function that gives one of them its names back."""
    _, unravel = ravel(weights.apply(lambda x: x[0]))
    return torch.cat([leaf.reshape(len(leaf), -1) for _, leaf in walk(weights)], 1), unravel


def _vmapped(step: Callable) -> Callable:
    return lambda *args: torch.vmap(step)(*args)


MEMBERS = Lift(vectors, lambda unravel, vector: torch.vmap(unravel)(vector), _vmapped)
"""Many members, each with its own weights, data and optimiser."""


class MemberBatches(NamedTuple):
    """All batches of a rollout of each member, as many of one size for each."""

    members: tuple[Passes, ...]

    @property
    def num(self) -> int:
        """Number of batches of each member."""
        return self.members[0].num

    @property
    def num_samples(self) -> int:
        """Number of transitions in the batches of all members."""
        return sum(batches.num_samples for batches in self.members)

    def lag(self, num_updates: int) -> Tensor:
        """The mean age of the data, in updates, []."""
        return torch.stack([batches.lag(num_updates) for batches in self.members]).mean()

    def stacked(self) -> tuple[Mapping, Tensor, View]:
        """The data [n, ...], indices [K, n, size] of each batch, and the view that makes a member's batch."""
        _, indices, views = zip(*(batches.stacked() for batches in self.members), strict=True)
        return self.whole(), torch.stack(indices, 1), views[0]

    def whole(self) -> Mapping:
        """The data of all members, [n, ...]."""
        return trees.stack([batches.data for batches in self.members])


@stage
def member_batches(
    all_batches: Transform, num_members: int, name: str = "minibatches"
) -> Transform:
    """Makes all batches of each member of rollouts [n, T, B].

    Args:
        all_batches: makes all batches of a rollout [T, B].
        num_members: number of members, n.
        name: of the stage.

    Returns:
        A transform of rollouts to ``MemberBatches``.
    """

    def transform(source):
        def init(params, seed):
            seeds = [fold_in(seed, i) for i in range(num_members)]
            states = tuple(_alone(None, all_batches).init(params, x) for x in seeds)
            return source.init(params, seed) | {name: states}

        def step(params, state):
            inner, rollouts, report = source.step(params, state)
            lines = [_alone(rollout, all_batches) for rollout in rollouts.unbind(0)]
            steps = [line.step(params, x) for line, x in zip(lines, state[name], strict=True)]
            states, batches, _ = zip(*steps, strict=True)
            return inner | {name: states}, MemberBatches(batches), report

        return Pipeline(init, step)

    return transform


def _alone(rollout: TensorDict | None, all_batches: Transform) -> Pipeline:
    """The pipeline of one member, whose source is its rollout."""
    source = Pipeline(lambda params, seed: {}, lambda params, state: ({}, rollout, Report()))
    return source | all_batches


@stage
def learn_members(
    loss: Loss,
    optimizer: GradientTransformation,
    *,
    stop_early: EarlyStop | None = None,
    jit: bool = False,
) -> Transform:
    """``learn`` of all members, in one step.

    Args:
        loss: of one member.
        optimizer: of one member.
        stop_early: whether a member skips the rest of its batches, as for ``learn``.
        jit: whether the loop is compiled.

    Returns:
        A transform of ``MemberBatches`` to params [n, ...].
    """
    rule = Rule(loss, optimizer, stop_early=stop_early)
    eager, scan = (partial(functional_loop, run, MEMBERS) for run in (step_by_step, in_one_scan))
    loop = with_fallback(scan, eager, "learn_members") if jit else eager

    def take(params: Params, state: Any, batches: MemberBatches) -> LoopResult:
        return loop(rule, params, state, batches)

    def first_state(params: Params) -> Any:
        return trees.stack([optimizer.init(vector) for vector in vectors(params["weights"])[0]])

    return learning(take, first_state, _absorb)


def _absorb(
    accepted: Tensor, normalizer: TensorDict, moments: Mapping[str, Tensor]
) -> tuple[TensorDict, Tensor]:
    """``absorb_if`` of each member's moments, into its normalizer."""

    def absorb_one(accepted, normalizer, moments):
        normalizer, refused = absorb_if(accepted, TensorDict(normalizer), moments)
        return normalizer.to_dict(), refused

    n = len(next(iter(moments.values())))
    normalizer, refused = torch.vmap(absorb_one)(accepted.expand(n), normalizer.to_dict(), moments)
    return TensorDict(normalizer), refused.sum()
