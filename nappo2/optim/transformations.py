"""Gradient transformations, after optax, on the vector of weights [P] float32.

``updates`` are added to the weights, so that those of an optimiser point downhill.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nappo2 import trees
from nappo2.checks import checked
from nappo2.maths.traced import is_traced


@checked
class GradientTransformation(NamedTuple):
    """A pair of pure functions.

    Attributes:
        init: ``vector -> state``.
        update: ``(grads, state, hyper, weights) -> (updates, state)``, where ``hyper`` is
            ``params["hyper"]`` and ``weights`` the vector, to which ``updates`` are added.
    """

    init: Callable[[Tensor], Any]
    update: Callable[[Tensor, Any, Mapping, Tensor], tuple[Tensor, Any]]


@checked
def chain(*transformations: GradientTransformation) -> GradientTransformation:
    """Applies ``transformations`` in order.

    Example:
        >>> hyper, weights, grads = {"learning_rate": 0.1}, torch.ones(2), torch.tensor([3.0, 4.0])
        >>> optimizer = optim.chain(optim.clip_by_global_norm(1.0), optim.sgd())
        >>> updates, state = optimizer.update(grads, optimizer.init(weights), hyper, weights)
        >>> updates
        tensor([-0.0600, -0.0800])
    """

    def init(vector):
        return tuple(t.init(vector) for t in transformations)

    def update(grads, state, hyper, weights=None):
        states = []
        for transformation, inner in zip(transformations, state, strict=True):
            grads, inner = transformation.update(grads, inner, hyper, weights)
            states.append(inner)
        return grads, tuple(states)

    return GradientTransformation(init, update)


@checked
def clip_by_global_norm(max_norm: float) -> GradientTransformation:
    """Scales gradients down to a global norm of at most ``max_norm``.

    Raises:
        ValueError: if ``max_norm`` is not above 0.

    Example:
        >>> hyper, weights, grads = {"learning_rate": 0.1}, torch.ones(2), torch.tensor([3.0, 4.0])
        >>> optimizer = optim.clip_by_global_norm(1.0)
        >>> updates, state = optimizer.update(grads, optimizer.init(weights), hyper, weights)
        >>> updates
        tensor([0.6000, 0.8000])
    """
    if not max_norm > 0:
        raise ValueError(f"max_norm is above 0, not {max_norm}")

    def update(grads, state, hyper, weights=None):
        return grads * (max_norm / grads.norm().clamp(min=max_norm)), state

    return GradientTransformation(lambda vector: (), update)


class AdamState(NamedTuple):
    # [], float32, as torch's kernel takes it; at 2^24, where it stops, 1 - b2^count is 1
    count: Tensor  # type: ignore[assignment]  # tuples have a count, too
    mu: Tensor
    nu: Tensor


def adam_state(vector: Tensor) -> AdamState:
    """The state of Adam before the first gradient of a vector [P]."""
    zeros = torch.zeros_like(vector)
    return AdamState(torch.zeros((), device=vector.device), zeros, zeros.clone())


@checked
def adam(
    b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8, rate: str = "learning_rate"
) -> GradientTransformation:
    """Adam (Kingma & Ba, https://arxiv.org/abs/1412.6980).

    ``-rate * (mu / (1 - b1^t)) / (sqrt(nu / (1 - b2^t)) + eps)``, where mu and nu are running means of
    the gradient and of its square.

    Args:
        b1: decay of the mean gradient.
        b2: decay of the mean squared gradient.
        eps: added to the root of the latter.
        rate: name of the hyper-parameter that is the learning rate.

    Returns:
        A transformation of gradients to updates, which are added to the weights.

    Example:
        >>> hyper, weights, grads = {"learning_rate": 0.1}, torch.ones(2), torch.tensor([3.0, 4.0])
        >>> optimizer = optim.adam()
        >>> updates, state = optimizer.update(grads, optimizer.init(weights), hyper, weights)
        >>> updates
        tensor([-0.1000, -0.1000])
    """

    def update(grads, state, hyper, weights=None):
        if is_traced(grads):  # where a formula is fused with what is around it
            return by_formula(grads, state, hyper)
        # torch's fused kernel moves params of 0 in place, so that they are the updates
        updates, count, mu, nu = torch.zeros_like(grads), *(x.clone() for x in state)
        torch._fused_adam_(
            [updates], [grads], [mu], [nu], [], [count.add_(1)], lr=hyper[rate],
            beta1=b1, beta2=b2, weight_decay=0.0, eps=eps, amsgrad=False, maximize=False,
        )  # fmt: skip
        return updates, AdamState(count, mu, nu)

    def by_formula(grads, state, hyper):
        count = state.count + 1
        mu = state.mu.lerp(grads, 1 - b1)
        nu = torch.addcmul(state.nu * b2, grads, grads, value=1 - b2)
        first, second = (once(correction(b, count)) for b in (b1, b2))
        updates = -hyper[rate] / first * mu / ((nu / second).sqrt() + eps)
        return updates, AdamState(count, mu, nu)

    return GradientTransformation(adam_state, update)


def correction(decay: float, count: Tensor) -> Tensor:
    """``1 - decay^count`` [], by which the mean of ``count`` [] gradients is divided."""
    return -torch.expm1(count * math.log(decay)) if decay else torch.ones_like(count)


def once(x: Tensor) -> Tensor:
    """``x`` [], computed by compiled code before, and not within, the loop that reads it."""
    return x.expand(2).amax()  # a reduction of its own is not fused


@checked
def adamw(
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.01,
    rate: str = "learning_rate",
) -> GradientTransformation:
    """Adam with weight decay beside it (Loshchilov & Hutter, https://arxiv.org/abs/1711.05101).

    Args:
        b1, b2, eps, rate: as for ``adam``.
        weight_decay: share of the weights, per update and unit of the learning rate.

    Returns:
        A transformation of gradients to updates, which are added to the weights.

    Example:
        >>> hyper, weights, grads = {"learning_rate": 0.1}, torch.ones(2), torch.tensor([3.0, 4.0])
        >>> optimizer = optim.adamw(weight_decay=0.1)
        >>> updates, state = optimizer.update(grads, optimizer.init(weights), hyper, weights)
        >>> updates
        tensor([-0.1100, -0.1100])
    """
    return chain(adam(b1, b2, eps, rate), add_decayed_weights(weight_decay, rate))


@checked
def add_decayed_weights(weight_decay: float, rate: str = "learning_rate") -> GradientTransformation:
    """Adds ``-rate * weight_decay * weights`` to updates: right of an optimiser in a ``chain``.

    Args:
        weight_decay: per update and unit of the learning rate.
        rate: name of the hyper-parameter that is the learning rate.

    Example:
        >>> hyper, weights, grads = {"learning_rate": 0.1}, torch.ones(2), torch.tensor([3.0, 4.0])
        >>> optimizer = optim.chain(optim.sgd(), optim.add_decayed_weights(0.5))
        >>> updates, state = optimizer.update(grads, optimizer.init(weights), hyper, weights)
        >>> updates
        tensor([-0.3500, -0.4500])
    """

    def update(updates, state, hyper, weights):
        return updates - hyper[rate] * weight_decay * weights, state

    return GradientTransformation(lambda vector: (), update)


@checked
def sgd(momentum: float = 0.0, rate: str = "learning_rate") -> GradientTransformation:
    """Stochastic gradient descent with momentum, as in torch; ``rate`` is as for ``adam``.

    Example:
        >>> hyper, weights, grads = {"learning_rate": 0.1}, torch.ones(2), torch.tensor([3.0, 4.0])
        >>> optimizer = optim.sgd()
        >>> updates, state = optimizer.update(grads, optimizer.init(weights), hyper, weights)
        >>> updates
        tensor([-0.3000, -0.4000])
    """

    def update(grads, velocity, hyper, weights=None):
        velocity = velocity * momentum + grads
        return -hyper[rate] * velocity, velocity

    return GradientTransformation(torch.zeros_like, update)


@checked
def gradient_descent() -> GradientTransformation:
    """Subtracts gradients as they are, for running statistics whose gradient is their step.

    See ``losses.statistics_step``.

    Example:
        >>> hyper, weights, grads = {"learning_rate": 0.1}, torch.ones(2), torch.tensor([3.0, 4.0])
        >>> optimizer = optim.gradient_descent()
        >>> updates, state = optimizer.update(grads, optimizer.init(weights), hyper, weights)
        >>> updates
        tensor([-3., -4.])
    """

    def update(grads, state, hyper, weights=None):
        return -grads, state

    return GradientTransformation(lambda vector: (), update)


@checked
def rmsprop(
    decay: float = 0.99, eps: float = 1e-8, rate: str = "learning_rate"
) -> GradientTransformation:
    """RMSProp (Hinton, 2012) as in torch.

    Args:
        decay: of the mean squared gradient.
        eps: added to its root.
        rate: name of the hyper-parameter that is the learning rate.

    Returns:
        A transformation of gradients to updates, which are added to the weights.

    Example:
        >>> hyper, weights, grads = {"learning_rate": 0.1}, torch.ones(2), torch.tensor([3.0, 4.0])
        >>> optimizer = optim.rmsprop()
        >>> updates, state = optimizer.update(grads, optimizer.init(weights), hyper, weights)
        >>> updates.round(decimals=4)
        tensor([-1., -1.])
    """

    def update(grads, nu, hyper, weights=None):
        nu = torch.addcmul(nu * decay, grads, grads, value=1 - decay)
        return -hyper[rate] * grads / (nu.sqrt() + eps), nu

    return GradientTransformation(torch.zeros_like, update)


@checked
def set_to_zero() -> GradientTransformation:
    """Moves nothing, whatever the gradient: for weights that stay, in a ``partition``.

    Example:
        >>> hyper, weights, grads = {"learning_rate": 0.1}, torch.ones(2), torch.tensor([3.0, 4.0])
        >>> optimizer = optim.set_to_zero()
        >>> updates, state = optimizer.update(grads, optimizer.init(weights), hyper, weights)
        >>> updates
        tensor([0., 0.])
    """

    def update(grads, state, hyper, weights=None):
        return torch.zeros_like(grads), state

    return GradientTransformation(lambda vector: (), update)


class EveryState(NamedTuple):
    count: Tensor  # type: ignore[assignment]  # []
    inner: Any


@checked
def every(num: int, transformation: GradientTransformation) -> GradientTransformation:
    """Transforms each ``num``-th gradient, and changes nothing in between.

    Raises:
        ValueError: if ``num`` is not at least 1.

    Example:
        >>> hyper, weights, grads = {"learning_rate": 0.1}, torch.ones(2), torch.tensor([3.0, 4.0])
        >>> optimizer = optim.every(2, optim.sgd())
        >>> updates, state = optimizer.update(grads, optimizer.init(weights), hyper, weights)
        >>> updates
        tensor([0., 0.])
    """
    if num < 1:
        raise ValueError(f"num is at least 1, not {num}")

    def init(vector):
        count = torch.zeros((), dtype=torch.int64, device=vector.device)
        return EveryState(count, transformation.init(vector))

    def update(grads, state, hyper, weights=None):
        count = state.count + 1
        if is_traced(grads):  # so that nothing can be left out
            updates, inner = transformation.update(grads, state.inner, hyper, weights)
            inner = trees.where(count % num == 0, inner, state.inner)
            return updates * (count % num == 0), EveryState(count, inner)
        if count % num:
            return torch.zeros_like(grads), EveryState(count, state.inner)
        updates, inner = transformation.update(grads, state.inner, hyper, weights)
        return updates, EveryState(count, inner)

    return GradientTransformation(init, update)


@checked
def until_due(num: int) -> Callable[[Any], int]:
    """``state -> updates`` before the next one that ``every(num, ...)`` in an optimizer's state transforms.

    0 if that is the next update, or there is no such state; of several, and of members, the least.

    Example:
        >>> optimizer = optim.every(20, optim.adam())
        >>> optim.until_due(20)(optimizer.init(torch.ones(2)))
        19
    """

    def wait(state):
        parts = trees.leaves(state, is_leaf=_is_every)
        counts = [part.count for part in parts if _is_every(part)]
        return min((int((num - 1 - count % num).min()) for count in counts), default=0)

    return wait


def _is_every(part: Any) -> bool:
    return isinstance(part, EveryState)
