"""Gradient transformations, after optax, on the vector of weights."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from nappo2.checks import checked
from nappo2.maths.traced import is_traced


@checked
class GradientTransformation(NamedTuple):
    """A pair of pure functions.

    Attributes:
        init: ``vector -> state``.
        update: ``(grads, state, hyper) -> (updates, state)``, where ``hyper`` is
            ``params["hyper"]``; ``updates`` are added to the vector.
    """

    init: Callable[[Tensor], Any]
    update: Callable[[Tensor, Any, Mapping], tuple[Tensor, Any]]


@checked
def chain(*transformations: GradientTransformation) -> GradientTransformation:
    """Applies ``transformations`` in order."""

    def init(vector):
        return tuple(t.init(vector) for t in transformations)

    def update(grads, state, hyper):
        states = []
        for transformation, inner in zip(transformations, state, strict=True):
            grads, inner = transformation.update(grads, inner, hyper)
            states.append(inner)
        return grads, tuple(states)

    return GradientTransformation(init, update)


@checked
def clip_by_global_norm(max_norm: float) -> GradientTransformation:
    """Scales gradients down to a global norm of at most ``max_norm``.

    Raises:
        ValueError: if ``max_norm`` is not above 0.
    """
    if not max_norm > 0:
        raise ValueError(f"max_norm is above 0, not {max_norm}")

    def update(grads, state, hyper):
        return grads * (max_norm / grads.norm().clamp(min=max_norm)), state

    return GradientTransformation(lambda vector: (), update)


class AdamState(NamedTuple):
    count: Tensor  # [], float32, as torch's kernel takes it; at 2^24, where it stops, 1 - b2^count is 1
    mu: Tensor
    nu: Tensor


@checked
def adam(b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8) -> GradientTransformation:
    """Adam (Kingma & Ba, https://arxiv.org/abs/1412.6980), with ``hyper["learning_rate"]``."""

    def init(vector):
        zeros = torch.zeros_like(vector)
        return AdamState(torch.zeros((), device=vector.device), zeros, zeros.clone())

    def update(grads, state, hyper):
        if is_traced(grads):  # where a formula is fused with what is around it
            return by_formula(grads, state, hyper)
        # torch's fused kernel moves params of 0 in place, so that they are the updates
        updates, count, mu, nu = torch.zeros_like(grads), *(x.clone() for x in state)
        torch._fused_adam_(
            [updates], [grads], [mu], [nu], [], [count.add_(1)], lr=hyper["learning_rate"],
            beta1=b1, beta2=b2, weight_decay=0.0, eps=eps, amsgrad=False, maximize=False,
        )  # fmt: skip
        return updates, AdamState(count, mu, nu)

    def by_formula(grads, state, hyper):
        count = state.count + 1
        mu = state.mu.lerp(grads, 1 - b1)
        nu = torch.addcmul(state.nu * b2, grads, grads, value=1 - b2)
        first, second = (once(-torch.expm1(count * math.log(b))) for b in (b1, b2))  # 1 - b^count
        updates = -hyper["learning_rate"] / first * mu / ((nu / second).sqrt() + eps)
        return updates, AdamState(count, mu, nu)

    return GradientTransformation(init, update)


def once(x: Tensor) -> Tensor:
    """``x``, [], which compiled code works out before, and not within, the loop that reads it."""
    return x.expand(2).amax()  # a reduction of its own is not fused


@checked
def sgd(momentum: float = 0.0) -> GradientTransformation:
    """Stochastic gradient descent with momentum, as in torch, with ``hyper["learning_rate"]``."""

    def update(grads, velocity, hyper):
        velocity = velocity * momentum + grads
        return -hyper["learning_rate"] * velocity, velocity

    return GradientTransformation(torch.zeros_like, update)


@checked
def rmsprop(decay: float = 0.99, eps: float = 1e-8) -> GradientTransformation:
    """RMSProp (Hinton, 2012) as in torch, ``eps`` outside the root, with ``hyper["learning_rate"]``."""

    def update(grads, nu, hyper):
        nu = torch.addcmul(nu * decay, grads, grads, value=1 - decay)
        return -hyper["learning_rate"] * grads / (nu.sqrt() + eps), nu

    return GradientTransformation(torch.zeros_like, update)


class EveryState(NamedTuple):
    count: Tensor  # []
    inner: Any


@checked
def every(num: int, transformation: GradientTransformation) -> GradientTransformation:
    """Transforms each ``num``-th gradient, and changes nothing in between.

    Raises:
        ValueError: if ``num`` is not at least 1.
    """
    if num < 1:
        raise ValueError(f"num is at least 1, not {num}")

    def init(vector):
        return EveryState(torch.zeros((), dtype=torch.int64), transformation.init(vector))

    def update(grads, state, hyper):
        count = state.count + 1
        if is_traced(grads):  # so that nothing can be left out
            updates, inner = transformation.update(grads, state.inner, hyper)
            kept = tree_map(
                lambda new, old: torch.where(count % num == 0, new, old), inner, state.inner
            )
            return updates * (count % num == 0), EveryState(count, kept)
        if count % num:
            return torch.zeros_like(grads), EveryState(count, state.inner)
        updates, inner = transformation.update(grads, state.inner, hyper)
        return updates, EveryState(count, inner)

    return GradientTransformation(init, update)


@checked
def partition(
    *parts: tuple[tuple[int, int], GradientTransformation],
) -> GradientTransformation:
    """Transforms each part (from, to) of the vector by its own; together they are all of it.

    Raises:
        ValueError: in ``init``, if a weight is in no part, or in two.
    """

    def init(vector):
        spans = sorted(span for span, _ in parts)
        if [0, *(end for _, end in spans)] != [*(start for start, _ in spans), len(vector)]:
            raise ValueError(f"the parts {spans} are not all of {len(vector)} weights, each once")
        return tuple(t.init(vector[start:end]) for (start, end), t in parts)

    def update(grads, state, hyper):
        found, states = {}, []
        for ((start, end), t), inner in zip(parts, state, strict=True):
            found[start], inner = t.update(grads[start:end], inner, hyper)
            states.append(inner)
        return torch.cat([found[start] for start in sorted(found)]), tuple(states)

    return GradientTransformation(init, update)
