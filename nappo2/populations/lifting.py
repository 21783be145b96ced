"""Lifting: stages of many members at once, whose tensors have a leading dimension n.

Stages that make batches draw with a seed of each member, and gradient steps run under vmap.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2 import trees
from nappo2.losses import Loss
from nappo2.machine.compiling import with_fallback
from nappo2.maths.moments import absorb_if
from nappo2.optim import GradientTransformation
from nappo2.params import Params, Plain, replaced, unravel_of
from nappo2.pipeline import Transform, stage
from nappo2.seeds import fold_in
from nappo2.stages.learning.learn import fused_stage
from nappo2.stages.learning.loops import Delayed, EarlyStop, Rule, Target, in_segments
from nappo2.stages.learning.scan_loop import (
    Lift,
    averages,
    functional_loop,
    in_one_scan,
    step_by_step,
)
from nappo2.trees import walk


def vectors(weights: Mapping) -> tuple[Tensor, Callable]:
    """Weights [n, ...] as vectors [n, P], and the function that gives one of them its names back."""
    paths, leaves = zip(*walk(weights), strict=True)
    unravel = unravel_of(paths, tuple(leaf.shape[1:] for leaf in leaves))
    return torch.cat([leaf.reshape(len(leaf), -1) for leaf in leaves], 1), unravel


def over_members(params: Params) -> Callable[[Callable], Callable]:
    """Vmap over members, with their params.

    Weights go in as vectors: vmap takes longer to look through a tree than to run a small network.

    Args:
        params: of n members.

    Returns:
        A function that makes of ``(params of one member, ...) -> tree`` a function of the other
        arguments of all members, trees of tensors [n, ...].
    """
    plain = {key: params[key].to_dict() for key in ("weights", "target", "normalizer", "hyper")}
    raveled = {key: vectors(plain[key]) for key in ("weights", "target") if plain[key]}
    stacked = plain | {key: vector for key, (vector, _) in raveled.items()}
    version = {"version": params["version"]}

    def lifted(fn: Callable) -> Callable:
        def one(member, *args):
            named = {key: unravel(member[key]) for key, (_, unravel) in raveled.items()}
            return fn(Plain(member | named | version), *args)

        return lambda *args: torch.vmap(one)(stacked, *args)

    return lifted


def in_one_layout(params: Params) -> Params:
    """Params [n, ...] whose weights lie as they do after an update: views of a vector of each member.

    Programs are compiled for where tensors lie, and the first weights would be compiled for on their own.
    """
    rows = {key: vectors(params[key]) for key in ("weights", "target") if params[key].keys()}
    views = {key: MEMBERS.unravel(unravel, vector) for key, (vector, unravel) in rows.items()}
    return replaced(params, **{key: TensorDict(x) for key, x in views.items()})


MEMBERS = Lift(vectors, lambda unravel, vector: torch.vmap(unravel)(vector))
"""Many members, each with its own weights, data and optimiser."""


@lru_cache(64)
def _vmapped(step: Callable) -> Callable:
    """Cached, as compiled programs are found again by the functions in them."""
    return lambda *args: torch.vmap(step)(*args)


def members_in_one_scan(step: Callable, *args: Any) -> tuple:
    """``in_one_scan`` of many members: each step of the scan is one of all of them."""
    return in_one_scan(_vmapped(step), *args)


def members_step_by_step(step: Callable, *args: Any) -> tuple:
    """``step_by_step`` of many members: all steps under one vmap, as to enter it takes as long as a step."""
    carry, means = torch.vmap(partial(step_by_step, step), (0, 0, 0, 1), (0, 1))(*args)
    return carry, averages(means)


def with_member_seeds(transform: Transform, num_members: int) -> Transform:
    """The transform whose stages have a seed for each of n members, as n runs of it have.

    Member i has the seed ``fold_in(seed, i)``, and ``fold_in(seed, 0)`` is the seed of the source.
    """

    def wrap(source):
        first = source._replace(
            init=lambda params, seeds, previous=None: source.init(params, seeds[0], previous)
        )
        pipeline = first | transform

        def init(params, seed, previous=None):
            seeds = tuple(fold_in(seed, i) for i in range(num_members))
            return pipeline.init(params, seeds, previous)

        return pipeline._replace(init=init)

    return Transform(wrap, transform.stages)


@stage
def learn_members(
    loss: Loss,
    optimizer: GradientTransformation,
    *,
    target: Target | None = None,
    stop_early: EarlyStop | None = None,
    delayed: Delayed | None = None,
    jit: bool = False,
) -> Transform:
    """``learn`` of all members, in one step.

    Args:
        loss: of one member.
        optimizer: of one member.
        target: how the target networks of a member follow its weights, as for ``learn``.
        stop_early: whether a member skips the rest of its batches, as for ``learn``.
        delayed: what is computed while some of the weights of each member stay, as for ``learn``.
        jit: whether the loop is compiled.

    Returns:
        A transform of all batches of all members to params [n, ...].
    """
    rule = Rule(loss, optimizer, target, stop_early)
    runs = members_step_by_step, members_in_one_scan
    eager, scan = (partial(functional_loop, run, MEMBERS) for run in runs)
    loop = with_fallback(scan, eager, "learn_members") if jit else eager
    take = partial(loop if delayed is None else in_segments(loop, delayed), rule)

    def first_state(params: Params) -> Any:
        return trees.stack([optimizer.init(vector) for vector in vectors(params["weights"])[0]])

    return fused_stage(take, first_state, _absorb)


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
