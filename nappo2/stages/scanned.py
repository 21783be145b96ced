"""Many gradients in one compiled call: ``descend``, as a scan."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import torch
from tensordict import TensorDict
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from nappo2.losses.loss import Loss, value_and_means
from nappo2.optim import GradientTransformation
from nappo2.params import Plain, ravel
from nappo2.reports import with_loss
from nappo2.stages.compiling import compiled
from nappo2.stages.descent import Descent, followed

View = Callable[[Mapping, Any], Mapping]
"""``(batch, x) -> minibatch``, such as those entries of a batch whose indices are x."""


def scan_descend(
    loss: Loss,
    optimizer: GradientTransformation,
    params: TensorDict,
    state: Any,
    batch: Mapping,
    xs: Any,
    view: View,
    step_size: float | None = None,
    delayed: bool = False,
) -> Descent:
    """``descend`` over ``view(batch, x)`` of each x of ``xs``, tensors [K, ...].

    If the target is ``delayed``, ``xs`` have ``x`` and ``due``, whether it moves, [K] bool.
    """
    vector, unravel = ravel(params["weights"])
    target, unravel_target = ravel(params["target"]) if step_size else (vector.new_empty(0), dict)
    one = one_step(loss, optimizer, unravel, unravel_target, view, step_size, delayed)
    carry, spec = tree_flatten((vector, target, state))
    still = params.exclude("weights", "target", "version").to_dict()
    carry, means = scan_program(one, spec)(still, tuple(carry), batch, xs)
    vector, target, state = tree_unflatten(list(carry), spec)
    target = TensorDict(unravel_target(target)) if step_size else params["target"]
    means = {name: x.mean() for name, x in means.items()}
    return Descent(TensorDict(unravel(vector)), target, state, means)


@lru_cache(64)
def one_step(
    loss: Loss,
    optimizer: GradientTransformation,
    unravel: Callable,
    unravel_target: Callable,
    view: View,
    step_size: float | None = None,
    delayed: bool = False,
) -> Callable:
    """``(still params, (vector, target, state), batch, x) -> ((vector, target, state), means)``.

    If the target is ``delayed``, each x has an ``x``, and ``due`` says whether the target moves.
    """

    def step(still, carry, batch, x):
        vector, target, state = carry
        x, due = (x["x"], x["due"]) if delayed else (x, None)
        minibatch = view(batch, x)
        params = {**still, "target": unravel_target(target) if step_size else {}}

        def objective(vector):
            value, means = value_and_means(
                loss, Plain({**params, "weights": unravel(vector)}), minibatch
            )
            return value, with_loss(value, means)

        grad, means = torch.func.grad(objective, has_aux=True)(vector)
        updates, state = optimizer.update(grad, state, still["hyper"])
        vector = vector + updates
        if step_size:
            moved = target.lerp(followed({**params, "weights": unravel(vector)}), step_size)
            target = torch.where(due, moved, target) if delayed else moved
        means = {name: mean.detach().clone() for name, mean in means.items()}
        return (vector, target, state), {**means, "grad_norm": grad.norm()}

    return step


@lru_cache(64)
def scan_program(step: Callable, spec: TreeSpec) -> Callable:
    """A scan of ``step`` over xs, whose carry are the leaves of a tree; compiled when called."""
    from torch._higher_order_ops.scan import scan

    def run(still, carry, batch, xs):
        def body(carry, x):
            carry, seen = step(still, tree_unflatten(list(carry), spec), batch, x)
            leaves, _ = tree_flatten(carry)
            return tuple(leaf.clone() if leaf.numel() == 0 else leaf for leaf in leaves), seen

        return scan(body, carry, xs)

    return compiled(run)
