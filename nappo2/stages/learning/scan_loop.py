"""The loop of gradient steps as a pure function, for compiled code and for many members at once.

``functional_loop`` does what ``eager_loop`` does, with gradients of ``torch.func`` and a step that writes
to nothing: ``scan_loop`` runs it as one compiled scan, and a population runs it under vmap.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from nappo2 import trees
from nappo2.batch import without
from nappo2.machine.compiling import compiled, mark_dynamic_length
from nappo2.machine.stop import check_interrupt
from nappo2.params import Params, ravel
from nappo2.stages.learning.batches import VIEWS, Batches, View
from nappo2.stages.learning.gradients import functional_gradient
from nappo2.stages.learning.loops import EarlyStop, LoopResult, Rule, target_source
from nappo2.trees import as_tensordict


class Lift(NamedTuple):
    """How weights become vectors, of one run or of many members at once.

    Attributes:
        ravel: ``tree -> (vector [P], unravel)``; of many members ``(vectors [n, P], unravel of one)``.
        unravel: ``(unravel, vector) -> tree``.
    """

    ravel: Callable[[Mapping], tuple[Tensor, Callable]]
    unravel: Callable[[Callable, Tensor], Mapping]


ALONE = Lift(ravel, lambda unravel, vector: unravel(vector))
"""The lift of one run."""

Run = Callable[[Callable, Mapping, Any, Mapping, Any], tuple[Any, dict[str, Tensor]]]
"""``(step, constants, carry, data, xs) -> (carry, averages)``: a step for each x of xs [K, ...].

The step is that of one run; of many members, constants, carry and data are [n, ...], xs [K, n, ...].
"""


def scan_loop(rule: Rule, params: Params, state: Any, batches: Batches) -> LoopResult:
    """``eager_loop`` as one compiled scan.

    Args:
        rule: what a step does.
        params: before the first step.
        state: of the optimizer.
        batches: of a rollout, all of one size.

    Returns:
        As ``eager_loop``, within rounding.
    """
    return functional_loop(in_one_scan, ALONE, rule, params, state, batches)


def functional_loop(
    run: Run, lift: Lift, rule: Rule, params: Params, state: Any, batches: Batches
) -> LoopResult:
    """``eager_loop`` of pure steps.

    Args:
        run: takes the steps, as ``in_one_scan`` or ``step_by_step`` do, or of many members.
        lift: ``ALONE``, or that of many members.
        rule: what a step does.
        params: before the first step; of many members with a leading dimension n.
        state: of the optimizer.
        batches: of a rollout, all of one size.

    Returns:
        As ``eager_loop``; weights, target and state of many members have a leading dimension n.
    """
    data, xs, view = batches.stacked()
    vector, unravel = lift.ravel(params["weights"])
    target, unravel_target = vector.new_empty((*vector.shape[:-1], 0)), dict
    if rule.target:
        target, unravel_target = lift.ravel(params["target"])
    if delayed(rule):
        versions = params["version"] + torch.arange(1, batches.num + 1, device=vector.device)
        due = versions % rule.target.delay == 0
        xs = {"x": xs, "due": due.view(-1, *[1] * (vector.ndim - 1)).expand(-1, *vector.shape[:-1])}
    carry = (vector, target, state)
    if rule.stop_early is not None:
        carry = (carry, torch.zeros(vector.shape[:-1], dtype=torch.bool, device=vector.device))
    step = functional_step(rule, unravel, unravel_target, view)
    constants = without(params, "weights", "target", "version").to_dict()
    carry, means = run(step, constants, carry, data, mark_dynamic_length(xs))
    num_updates = batches.num
    if rule.stop_early is not None:
        carry, _ = carry
        num_updates = int(means.pop("taken"))
    vector, target, state = carry
    follows = rule.target is not None
    target = as_tensordict(lift.unravel(unravel_target, target)) if follows else params["target"]
    weights = as_tensordict(lift.unravel(unravel, vector))
    return LoopResult(weights, target, state, means, num_updates)


def tensors_of(
    rule: Rule, params: Params, state: Any, num: int
) -> tuple[Callable, tuple, Callable[[tuple, dict[str, Tensor]], LoopResult]]:
    """The steps of ``scan_loop`` as a function of tensors, for a program that has more than them.

    Args:
        rule: what a step does; without a target.
        params: before the first step.
        state: of the optimizer.
        num: K, of the steps.

    Returns:
        ``(params, (data, xs [K, ...]), inputs) -> (None, (leaves, averages))``, which is found again by
        equal arguments; its inputs; and ``(leaves, averages) -> result``.
    """
    vector, unravel = ravel(params["weights"])
    carry = (vector, vector.new_empty(0), state)
    if rule.stop_early is not None:
        carry = (carry, torch.zeros((), dtype=torch.bool))
    leaves, spec = tree_flatten(carry)

    def result_of(leaves, means):
        carry, num_updates = tree_unflatten(list(leaves), spec), num
        if rule.stop_early is not None:
            carry, _ = carry
            num_updates = int(means.pop("taken"))
        vector, _, state = carry
        weights = as_tensordict(unravel(vector))
        return LoopResult(weights, params["target"], state, means, num_updates)

    return steps_of(functional_step(rule, unravel, dict, VIEWS[0]), spec), tuple(leaves), result_of


@lru_cache(64)
def steps_of(step: Callable, spec: TreeSpec) -> Callable:
    """The function of ``tensors_of``; cached, as compiled programs are found again by it."""

    def run(params, item, leaves):
        data, xs = item
        constants = {key: x for key, x in params.items() if key != "weights"}
        steps = scanned if len(xs) > 1 else single
        return None, steps(step, spec)(constants, leaves, data, xs)

    return run


def delayed(rule: Rule) -> bool:
    """Tests whether the target network moves only after some of the updates."""
    return rule.target is not None and rule.target.delay > 1


def averages(means: dict[str, Tensor]) -> dict[str, Tensor]:
    """The averages, [], of means [K, ...] of K steps, or of those that a ``stoppable`` step counted.

    ``taken`` is then the number of steps that were taken; of many members the most that any took.
    """
    if "counted" not in means:
        return {name: x.mean() for name, x in means.items()}
    counted, taken = means["counted"], means["taken"].sum(0).max()
    rest = {name: x for name, x in means.items() if name not in ("counted", "taken")}
    sums = {name: torch.where(counted, x, 0.0).sum() for name, x in rest.items()}
    return {**{name: x / counted.sum() for name, x in sums.items()}, "taken": taken}


@lru_cache(64)
def functional_step(
    rule: Rule, unravel: Callable, unravel_target: Callable, view: View
) -> Callable:
    """One gradient step as a pure function.

    Cached, as compiled programs are found again by the functions in them.

    Args:
        rule: what the step does.
        unravel: ``vector -> weights``.
        unravel_target: ``vector -> target``.
        view: ``(data, x) -> batch``.

    Returns:
        ``(constants, (vector, target, state), data, x) -> ((vector, target, state), means)``.
    """

    def step(constants, carry, data, x):
        vector, target, state = carry
        x, due = (x["x"], x["due"]) if delayed(rule) else (x, None)
        params = {**constants, "target": unravel_target(target) if rule.target else {}}
        grad, means = functional_gradient(rule.loss, params, unravel, vector, view(data, x))
        updates, state = rule.optimizer.update(grad, state, constants["hyper"], vector)
        vector = vector + updates
        if rule.target:
            online = target_source({**params, "weights": unravel(vector)})
            nearer = target.lerp(online, rule.target.step_size)
            target = nearer if due is None else torch.where(due, nearer, target)
        means = {name: mean.clone() for name, mean in means.items()}
        return (vector, target, state), {**means, "grad_norm": grad.norm()}

    return step if rule.stop_early is None else stoppable(step, rule.stop_early)


def stoppable(step: Callable, stop_early: EarlyStop) -> Callable:
    """A step that returns its carry unchanged once ``stop_early`` is true, as a scan has no break."""

    def masked(constants, carry, data, x):
        before, stopped = carry
        after, means = step(constants, before, data, x)
        stops = stopped | stop_early(constants["hyper"], means)
        after = trees.where(stops, before, after)
        return (after, stops), {**means, "counted": ~stopped, "taken": ~stops}

    return masked


def step_by_step(step: Callable, constants: Mapping, carry: Any, data: Mapping, xs: Any) -> tuple:
    """Takes the steps of ``functional_loop`` in eager code.

    Args:
        step: ``(constants, carry, data, x) -> (carry, means)``.
        constants: params that no step changes.
        carry: before the first step.
        data: of all batches.
        xs: trees of tensors [K, ...], an x for each step.

    Returns:
        The carry after the last step, and means [K, ...].
    """
    rows = []
    leaves, spec = tree_flatten(xs)
    for x in zip(*leaves, strict=True):
        check_interrupt()
        carry, means = step(constants, carry, data, tree_unflatten(list(x), spec))
        rows.append(means)
    return carry, {name: torch.stack([row[name] for row in rows]) for name in rows[0]}


def in_one_scan(step: Callable, constants: Mapping, carry: Any, data: Mapping, xs: Any) -> tuple:
    """Takes the steps of ``functional_loop`` as one compiled scan.

    Args:
        step: ``(constants, carry, data, x) -> (carry, means)``.
        constants: params that no step changes.
        carry: before the first step.
        data: of all batches.
        xs: trees of tensors [K, ...], an x for each step.

    Returns:
        The carry after the last step, and the averages of the means.
    """
    leaves, spec = tree_flatten(carry)
    program = scan_program if len(tree_flatten(xs)[0][0]) > 1 else single_program
    leaves, means = program(step, spec)(constants, tuple(leaves), data, xs)
    return tree_unflatten(list(leaves), spec), means


@lru_cache(64)
def scan_program(step: Callable, spec: TreeSpec) -> Callable:
    """``scanned(step, spec)``, compiled when called."""
    return compiled(scanned(step, spec))


def scanned(step: Callable, spec: TreeSpec) -> Callable:
    """A scan of ``step`` over xs, with the leaves of a tree as carry, and averages."""
    from torch._higher_order_ops.scan import scan

    def run(constants, carry, data, xs):
        def body(carry, x):
            carry, means = step(constants, tree_unflatten(list(carry), spec), data, x)
            leaves, _ = tree_flatten(carry)
            return tuple(leaf.clone() if leaf.numel() == 0 else leaf for leaf in leaves), means

        carry, means = scan(body, carry, xs)
        return carry, averages(means)

    return run


@lru_cache(64)
def single_program(step: Callable, spec: TreeSpec) -> Callable:
    """``single(step, spec)``, compiled when called."""
    return compiled(single(step, spec))


def single(step: Callable, spec: TreeSpec) -> Callable:
    """``scanned`` of xs [1, ...], as a scan of length 1 is not C++ that can be compiled."""

    def run(constants, carry, data, xs):
        x = trees.map(lambda x: x[0], xs)
        carry, means = step(constants, tree_unflatten(list(carry), spec), data, x)
        leaves, _ = tree_flatten(carry)
        return tuple(leaves), averages({name: mean.unsqueeze(0) for name, mean in means.items()})

    return run
