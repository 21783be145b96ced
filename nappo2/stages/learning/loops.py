"""Gradient steps over the batches of a rollout, in one of two loops.

``eager_loop`` is the reference: it takes one batch after the other, with ``torch.autograd`` and leaves
that look at one vector. ``functional_loop`` runs a pure step, whose gradient is ``torch.func``'s: as one
compiled scan, and lifted to many members at once.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from nappo2 import trees
from nappo2.losses.loss import Loss, value_and_means
from nappo2.machine.compiling import compiled, mark_dynamic_length
from nappo2.machine.stop import check_interrupt
from nappo2.optim import GradientTransformation
from nappo2.params import Params, Plain, ravel
from nappo2.reports import with_loss
from nappo2.stages.learning.batches import Batches, View
from nappo2.trees import nested, walk

EarlyStop = Callable[[Mapping, Mapping], Tensor]
"""``(hyper, means) -> [] bool``: whether a batch, and those of the rollout after it, are left out."""


class Target(NamedTuple):
    """How targets follow the weights, as ``polyak`` moves them.

    Attributes:
        step_size: towards the weights.
        delay: updates per movement.
    """

    step_size: float
    delay: int = 1


class Rule(NamedTuple):
    """What one gradient step does.

    Attributes:
        loss: ``(params, batch) -> (loss, means)``.
        optimizer: of the vector of weights.
        target: how ``params["target"]`` follows the weights; None for params without.
        stop_early: when the rest of a rollout's batches are left out; None for never.
    """

    loss: Loss
    optimizer: GradientTransformation
    target: Target | None = None
    stop_early: EarlyStop | None = None


class LoopResult(NamedTuple):
    """Where the gradient steps of a rollout led to.

    Attributes:
        weights: after the last of them.
        target: after the last of them.
        state: the optimizer's.
        means: of the loss, of what it tells, and of the gradients' norms, over the steps.
        num_updates: how many were taken; of many members the most that one took.
    """

    weights: TensorDict
    target: TensorDict
    state: Any
    means: dict[str, Tensor]
    num_updates: int


def eager_loop(rule: Rule, params: Params, state: Any, batches: Batches) -> LoopResult:
    """Batch after batch.

    The weights are leaves that look at one vector, which is moved in place, so that nothing is
    taken apart or put together from batch to batch but the gradient.
    """
    vector, paths, leaves = leaves_of(params["weights"])
    plain = Plain(params.to_dict() | {"weights": nested(paths, leaves)})
    target, rows, num_updates = None, [], 0
    if rule.target:
        target, unravel = ravel(params["target"])
        plain["target"] = unravel(target)
    for version, batch in enumerate(batches.one_by_one(), int(params["version"]) + 1):
        check_interrupt()
        grad, means = gradient(rule.loss, plain, leaves, batch)
        rows.append(means | {"grad_norm": grad.norm()})
        if rule.stop_early is not None and rule.stop_early(plain["hyper"], means):
            break
        updates, state = rule.optimizer.update(grad, state, plain["hyper"], vector)
        vector.add_(updates)
        if rule.target and version % rule.target.delay == 0:
            target.lerp_(target_source(plain), rule.target.step_size)
        num_updates += 1
    weights = TensorDict(nested(paths, [leaf.detach() for leaf in leaves]))
    means = {name: torch.stack([row[name] for row in rows]).mean() for name in rows[0]}
    return LoopResult(weights, TensorDict(plain["target"]), state, means, num_updates)


def target_source(params: Mapping) -> Tensor:
    """The weights that have targets, as a vector."""
    online = walk({name: params["weights"][name] for name in params["target"].keys()})
    return torch.cat([leaf.detach().reshape(-1) for _, leaf in online])


def leaves_of(weights: Mapping) -> tuple[Tensor, tuple, list[Tensor]]:
    """A vector of its own, the paths of the weights, and leaves that are views of the vector."""
    paths, _ = zip(*walk(weights), strict=True)
    vector, unravel = ravel(weights)
    return vector, paths, [view.detach().requires_grad_() for _, view in walk(unravel(vector))]


@torch.enable_grad()  # whoever asks may compute without
def gradient(
    loss: Loss, params: Mapping, leaves: list[Tensor], batch: Mapping
) -> tuple[Tensor, dict[str, Tensor]]:
    """The gradient with respect to the leaves, as a vector, and the loss and its means.

    Raises:
        ValueError: if the loss depends on none of them.
    """
    value, means = value_and_means(loss, params, batch)
    if not value.requires_grad:
        raise ValueError('the loss depends on no weight; it reads them from params["weights"]')
    grads = torch.autograd.grad(value, leaves, materialize_grads=True)
    vector = torch.cat([grad.reshape(-1) for grad in grads])
    return vector, {name: mean.detach() for name, mean in with_loss(value, means).items()}


def functional_gradient(
    loss: Loss, params: Mapping, unravel: Callable, vector: Tensor, batch: Mapping
) -> tuple[Tensor, dict[str, Tensor]]:
    """``gradient`` for compiled code and vmap: with respect to the vector itself."""

    def objective(vector):
        value, means = value_and_means(loss, Plain({**params, "weights": unravel(vector)}), batch)
        return value, with_loss(value, means)

    grad, means = torch.func.grad(objective, has_aux=True)(vector)
    return grad, {name: mean.detach() for name, mean in means.items()}


class Lift(NamedTuple):
    """How one run's step becomes that of many members at once.

    Attributes:
        ravel: ``tree -> (vector, unravel)``; of many, vectors [n, P], and what takes one of them apart.
        unravel: ``(unravel, vector) -> tree``.
        step: ``step -> step``.
    """

    ravel: Callable[[Mapping], tuple[Tensor, Callable]]
    unravel: Callable[[Callable, Tensor], Mapping]
    step: Callable[[Callable], Callable]


ALONE = Lift(ravel, lambda unravel, vector: unravel(vector), lambda step: step)
"""One run, as it is."""

Run = Callable[[Callable, Mapping, Any, Mapping, Any], tuple[Any, dict[str, Tensor]]]
"""``(step, constants, carry, data, xs) -> (carry, means [K, ...])``: a step for each x of xs [K, ...]."""


def scan_loop(rule: Rule, params: Params, state: Any, batches: Batches) -> LoopResult:
    """``eager_loop`` as one compiled call."""
    return functional_loop(in_one_scan, ALONE, rule, params, state, batches)


def functional_loop(
    run: Run, lift: Lift, rule: Rule, params: Params, state: Any, batches: Batches
) -> LoopResult:
    """The steps of ``run``, lifted."""
    data, xs, view = batches.stacked()
    vector, unravel = lift.ravel(params["weights"])
    target, unravel_target = vector.new_empty((*vector.shape[:-1], 0)), dict
    if rule.target:
        target, unravel_target = lift.ravel(params["target"])
    if delayed(rule):
        versions = params["version"] + torch.arange(1, batches.num + 1, device=vector.device)
        xs = {"x": xs, "due": versions % rule.target.delay == 0}
    carry = (vector, target, state)
    if rule.stop_early is not None:
        carry = (carry, torch.zeros(vector.shape[:-1], dtype=torch.bool, device=vector.device))
    step = functional_step(rule, unravel, unravel_target, view, lift)
    still = params.exclude("weights", "target", "version").to_dict()
    carry, means = run(step, still, carry, data, mark_dynamic_length(xs))
    num_updates, counted = batches.num, 1.0
    if rule.stop_early is not None:
        carry, _ = carry
        counted, taken = means.pop("counted"), means.pop("taken")
        num_updates = int(taken.sum(0).max())
    vector, target, state = carry
    follows = rule.target is not None
    target = TensorDict(lift.unravel(unravel_target, target)) if follows else params["target"]
    means = {name: mean_of(x, counted) for name, x in means.items()}
    weights = TensorDict(lift.unravel(unravel, vector))
    return LoopResult(weights, target, state, means, num_updates)


def delayed(rule: Rule) -> bool:
    """Whether the target does not move after each update."""
    return rule.target is not None and rule.target.delay > 1


def mean_of(x: Tensor, counted: Tensor | float) -> Tensor:
    """The mean of those that are counted."""
    if not isinstance(counted, Tensor):
        return x.mean()
    return torch.where(counted, x, 0.0).sum() / counted.sum()


@lru_cache(64)
def functional_step(
    rule: Rule, unravel: Callable, unravel_target: Callable, view: View, lift: Lift = ALONE
) -> Callable:
    """``(constants, (vector, target, state), data, x) -> ((vector, target, state), means)``.

    Cached, so that compiled code meets the same function again.
    """

    def step(still, carry, data, x):
        vector, target, state = carry
        x, due = (x["x"], x["due"]) if delayed(rule) else (x, None)
        params = {**still, "target": unravel_target(target) if rule.target else {}}
        grad, means = functional_gradient(rule.loss, params, unravel, vector, view(data, x))
        updates, state = rule.optimizer.update(grad, state, still["hyper"], vector)
        vector = vector + updates
        if rule.target:
            online = target_source({**params, "weights": unravel(vector)})
            nearer = target.lerp(online, rule.target.step_size)
            target = nearer if due is None else torch.where(due, nearer, target)
        means = {name: mean.clone() for name, mean in means.items()}
        return (vector, target, state), {**means, "grad_norm": grad.norm()}

    return lift.step(step if rule.stop_early is None else stoppable(step, rule.stop_early))


def stoppable(step: Callable, stop_early: EarlyStop) -> Callable:
    """A step that leaves its carry as it is, once it is to stop: what a scan has for a break."""

    def masked(still, carry, data, x):
        before, stopped = carry
        after, means = step(still, before, data, x)
        stops = stopped | stop_early(still["hyper"], means)
        after = trees.where(stops, before, after)
        return (after, stops), {**means, "counted": ~stopped, "taken": ~stops}

    return masked


def step_by_step(step: Callable, still: Mapping, carry: Any, data: Mapping, xs: Any) -> tuple:
    """The steps as they are, for ``functional_loop``."""
    rows = []
    leaves, spec = tree_flatten(xs)
    for x in zip(*leaves, strict=True):
        check_interrupt()
        carry, means = step(still, carry, data, tree_unflatten(list(x), spec))
        rows.append(means)
    return carry, {name: torch.stack([row[name] for row in rows]) for name in rows[0]}


def in_one_scan(step: Callable, still: Mapping, carry: Any, data: Mapping, xs: Any) -> tuple:
    """The steps as one compiled scan, for ``functional_loop``."""
    leaves, spec = tree_flatten(carry)
    leaves, means = scan_program(step, spec)(still, tuple(leaves), data, xs)
    return tree_unflatten(list(leaves), spec), means


@lru_cache(64)
def scan_program(step: Callable, spec: TreeSpec) -> Callable:
    """A scan of ``step`` over xs, whose carry are the leaves of a tree; compiled when called."""
    from torch._higher_order_ops.scan import scan

    def run(still, carry, data, xs):
        def body(carry, x):
            carry, means = step(still, tree_unflatten(list(carry), spec), data, x)
            leaves, _ = tree_flatten(carry)
            return tuple(leaf.clone() if leaf.numel() == 0 else leaf for leaf in leaves), means

        return scan(body, carry, xs)

    return compiled(run)
