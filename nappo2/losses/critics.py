"""What losses of critics share: their targets, and what K critics are taken to say."""

from collections.abc import Callable, Mapping

from torch import Tensor

from nappo2.checks import explained
from nappo2.maths.surrogates import squared_error
from nappo2.maths.values import td_target

OfCritics = Callable[[Tensor, Mapping], Tensor]
"""``(values [K, N, ...], batch) -> value [N, ...]``: what K critics are taken to say of a batch."""


@explained
def least(values: Tensor, batch: Mapping) -> Tensor:
    """The least of K values, [K, N, ...] to [N, ...] (Fujimoto et al., https://arxiv.org/abs/1802.09477)."""
    return values.amin(0)


def target(params: Mapping, reached: Mapping, next_value: Tensor) -> Tensor:
    """The TD target of a batch's ``next``; with ``n_step``, ``gamma`` counts once per step."""
    gamma, steps = params["hyper"]["gamma"], reached.get("steps", None)
    discount = gamma if steps is None else gamma**steps
    return td_target(reached["reward"], next_value, reached["terminated"], discount)


def critic_loss(values: Tensor, target: Tensor, batch: Mapping) -> Tensor:
    """The squared errors of K critics' values [K, N], halved and averaged, as a sum over critics."""
    weight = batch.get("importance", None)
    first, *others = (squared_error(value, target, weight) for value in values)
    return sum(others, first)
