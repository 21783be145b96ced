"""Gradients that are not applied: those that are not finite, and those that are 0."""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nappo2 import trees
from nappo2.checks import checked
from nappo2.maths.traced import is_traced
from nappo2.optim.transformations import GradientTransformation

ZERO = -0.0  # added to -0.0 it is -0.0; 0.0 would make it 0.0


class FiniteState(NamedTuple):
    refused: Tensor  # [], int64, how many in a row
    inner: Any


@checked
def apply_if_finite(
    transformation: GradientTransformation, patience: int = 3
) -> GradientTransformation:
    """Refuses gradients that are not finite, or lead to such updates, as optax's ``apply_if_finite`` does.

    The weights and the state of ``transformation`` stay as they are, to the last bit. Compiled
    code, and the members of a population, refuse too, but cannot raise.

    Raises:
        ValueError: if ``patience`` is not at least 1.
        FloatingPointError: in ``update``, at the ``patience``-th refusal in a row.

    Example:
        >>> hyper, weights, grads = {"learning_rate": 0.1}, torch.ones(2), torch.tensor([3.0, 4.0])
        >>> grads = torch.tensor([float("nan"), 1.0])
        >>> optimizer = optim.apply_if_finite(optim.sgd())
        >>> updates, state = optimizer.update(grads, optimizer.init(weights), hyper, weights)
        >>> updates
        tensor([-0., -0.])
    """
    if isinstance(patience, bool) or not isinstance(patience, int) or patience < 1:
        raise ValueError(f"patience is an integer of at least 1, not {patience!r}")

    def init(vector):
        refused = torch.zeros((), dtype=torch.int64, device=vector.device)
        return FiniteState(refused, transformation.init(vector))

    def update(grads, state, hyper, weights=None):
        updates, inner = transformation.update(grads, state.inner, hyper, weights)
        total = grads.dot(updates)  # one pass over both; a sum that overflows is no step to take
        if is_traced(grads):
            good = total.isfinite()
            refused = torch.where(good, 0, state.refused + 1)
            updates = torch.where(good, updates, ZERO)
            inner = trees.where(good, inner, state.inner)
            return updates, FiniteState(refused, inner)
        if math.isfinite(total.item()):
            return updates, FiniteState(torch.zeros_like(state.refused), inner)
        refused = state.refused + 1
        if refused >= patience:
            raise FloatingPointError(
                f"{patience} gradients in a row were not finite, and were refused; the weights are "
                "those before them. A smaller learning_rate, or clip_by_global_norm, may help"
            )
        return torch.full_like(grads, ZERO), FiniteState(refused, state.inner)

    return GradientTransformation(init, update)


@checked
def apply_if_any(transformation: GradientTransformation) -> GradientTransformation:
    """Leaves weights and the state of ``transformation`` as they are where a whole gradient is 0.

    Adam would count it, and its first steps afterwards would be several times as large.

    Example:
        >>> hyper, weights, grads = {"learning_rate": 0.1}, torch.ones(2), torch.tensor([3.0, 4.0])
        >>> grads = torch.zeros(2)
        >>> optimizer = optim.apply_if_any(optim.adam())
        >>> updates, state = optimizer.update(grads, optimizer.init(weights), hyper, weights)
        >>> updates
        tensor([-0., -0.])
    """

    def update(grads, state, hyper, weights=None):
        some = grads.any()
        if not is_traced(grads) and not some.item():
            return torch.full_like(grads, ZERO), state
        updates, after = transformation.update(grads, state, hyper, weights)
        if is_traced(grads):
            updates, after = torch.where(some, updates, ZERO), trees.where(some, after, state)
        return updates, after

    return GradientTransformation(transformation.init, update)


def last_accepted(state: Any) -> Tensor:
    """Whether the last gradient was accepted, [] bool, by an optimizer's state."""
    states = trees.leaves(state, is_leaf=lambda part: isinstance(part, FiniteState))
    refused = [part.refused for part in states if isinstance(part, FiniteState)]
    return refused[0] == 0 if refused else torch.tensor(True)
