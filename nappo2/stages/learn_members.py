"""``learn`` of many members at once: their tensors have a leading dimension n."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import torch
from tensordict import TensorDict
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

from nappo2.losses import Loss
from nappo2.maths.moments import absorb_if
from nappo2.optim import GradientTransformation
from nappo2.params import Params, ravel, replaced
from nappo2.pipeline import Pipeline, Transform, stage
from nappo2.reports import note
from nappo2.seeds import fold_in, generator, split
from nappo2.stages.compiling import any_number, or_else
from nappo2.stages.minibatches import (
    TRANSITIONS,
    flattened,
    minibatch_sizes,
    no_minibatches,
    selected,
    shuffled,
)
from nappo2.stages.scanned import one_step, scan_program
from nappo2.stages.stop import broken_off_after
from nappo2.stages.update import moved


def tree_stack(trees: Sequence[Any]) -> Any:
    """One tree of tensors [n, ...] of n trees."""
    return tree_map(lambda *leaves: torch.stack(leaves), *trees)


@stage
def learn_members(
    loss: Loss,
    optimizer: GradientTransformation,
    num_epochs: int,
    num_minibatches: int,
    jit: bool = False,
) -> Transform:
    """``learn`` of each member, all in one step; arguments and states are those of ``learn``."""
    one_by_one, at_once = (partial(f, loss, optimizer) for f in (_one_by_one, _at_once))
    learnt = or_else(at_once, one_by_one, "learn_members") if jit else one_by_one

    def transform(source):
        def init(params, seed):
            n = len(_vectors(params)[0])
            inits = [optimizer.init(vector) for vector in _vectors(params)[0]]
            own = tuple(no_minibatches(TRANSITIONS, fold_in(seed, i)) for i in range(n))
            return source.init(params, seed) | {"minibatches": own, "update": tree_stack(inits)}

        @torch.no_grad()
        def step(params, state):
            inner, rollouts, report = source.step(params, state)
            flat = [flattened(rollout) for rollout in rollouts.unbind(0)]
            (size, *_) = minibatch_sizes(rollouts[0], num_minibatches)
            pairs = [split(own.seed) for own in state["minibatches"]]
            orders = [shuffled(len(flat[0]), num_epochs, generator(key)) for _, key in pairs]
            batch = tree_stack([x.exclude("params_version").to_dict() for x in flat])
            orders = torch.stack(orders, 1).unflatten(-1, (num_minibatches, size))
            orders = orders.transpose(1, 2).flatten(0, 1)  # [K, n, size]
            with broken_off_after(inner):
                vector, own, means = learnt(params, state["update"], batch, orders)
            weights = TensorDict(torch.vmap(_vectors(params)[1])(vector))
            normalizer, report = moved(params["normalizer"], report, own, _absorb)
            version = params["version"] + len(orders)
            params = replaced(params, weights=weights, normalizer=normalizer, version=version)
            seeds = [
                s._replace(seed=seed)
                for s, (seed, _) in zip(state["minibatches"], pairs, strict=True)
            ]
            own = {"update": own, "minibatches": tuple(seeds)}
            return inner | own, params, note(report, orders.numel(), **means)

        return Pipeline(init, step)

    return transform


def _vectors(params: Params) -> tuple[Tensor, Callable]:
    """The weights as vectors [n, P], and what takes one of them apart."""
    first = params["weights"].apply(lambda x: x[0])
    _, unravel = ravel(first)
    leaves, _ = tree_flatten(params["weights"].to_dict())
    return torch.cat([leaf.reshape(len(leaf), -1) for leaf in leaves], 1), unravel


def _absorb(
    accepted: Tensor, normalizer: TensorDict, found: Mapping[str, Tensor]
) -> tuple[TensorDict, Tensor]:
    """``absorb_if`` of each member's moments, into its own normalizer."""

    def one(accepted, normalizer, found):
        normalizer, refused = absorb_if(accepted, TensorDict(normalizer), found)
        return normalizer.to_dict(), refused

    n = len(next(iter(found.values())))
    normalizer, refused = torch.vmap(one)(accepted.expand(n), normalizer.to_dict(), found)
    return TensorDict(normalizer), refused.sum()


def _one_by_one(loss, optimizer, params, state, batch, orders):
    lifted, still, carry = _lifted(loss, optimizer, params, state)
    seen = []
    for order in orders:
        carry, means = lifted(still, carry, batch, order)
        seen.append(means)
    vector, _, state = carry
    return vector, state, {name: torch.stack([m[name] for m in seen]).mean() for name in seen[0]}


def _at_once(loss, optimizer, params, state, batch, orders):
    lifted, still, carry = _lifted(loss, optimizer, params, state)
    leaves, spec = tree_flatten(carry)
    leaves, means = scan_program(lifted, spec)(still, tuple(leaves), batch, any_number(orders))
    vector, _, state = tree_unflatten(list(leaves), spec)
    return vector, state, {name: x.mean() for name, x in means.items()}


def _lifted(loss, optimizer, params, state):
    """A step of all members, what stands still in it, and what it carries on."""
    vector, unravel = _vectors(params)
    still = params.exclude("weights", "target", "version").to_dict()
    return _all(loss, optimizer, unravel), still, (vector, vector.new_empty(len(vector), 0), state)


@lru_cache(64)
def _all(loss: Loss, optimizer: GradientTransformation, unravel: Callable) -> Callable:
    step = one_step(loss, optimizer, unravel, dict, selected)

    def lifted(still: Mapping, carry: tuple, batch: Mapping, x: Tensor):
        return torch.vmap(step)(still, carry, batch, x)

    return lifted
