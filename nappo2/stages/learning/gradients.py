"""Batches to gradients."""

from collections.abc import Callable, Mapping
from functools import lru_cache

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.batch import age, loss_inputs, num_samples
from nappo2.losses.loss import Loss
from nappo2.machine.compiling import compiled, with_fallback
from nappo2.machine.stop import broken_off_after
from nappo2.params import Params, Plain, ravel
from nappo2.pipeline import Pipeline, Transform, is_empty, stage
from nappo2.reports import note
from nappo2.stages.learning.loops import functional_gradient, gradient, leaves_of
from nappo2.stages.learning.refused_batches import write_refused
from nappo2.trees import nested


@stage
def gradients(loss: Loss, jit: bool = False) -> Transform:
    """Turns batches into gradients: ``weights``, one vector, of a ``version`` and so many ``samples``.

    Args:
        loss: ``(params, batch) -> (loss, means)``.
        jit: whether loss and gradient are compiled, as for ``learn``.

    Raises:
        ValueError: in a step, if the loss is no scalar, or depends on no weight.
    """

    gradient_of = with_fallback(_compiled, _eager, "gradients") if jit else _eager

    def transform(source):
        def step(params, state):
            state, batch, report = source.step(params, state)
            if is_empty(batch):
                return state, batch, report
            with broken_off_after(state):
                grad, means = gradient_of(loss, params, batch)
            if not grad.sum().isfinite():
                write_refused(batch)
            size, lag = num_samples(batch), age(params, batch)
            report = note(report, size, **means, collection_lag=lag)
            samples = torch.tensor(size)
            grads = TensorDict(weights=grad, version=params["version"], samples=samples)
            return state, grads, report

        return Pipeline(source.init, step)

    return transform


def _eager(loss: Loss, params: Params, batch: Mapping) -> tuple[Tensor, dict[str, Tensor]]:
    _, paths, leaves = leaves_of(params["weights"])
    plain = Plain(params.to_dict() | {"weights": nested(paths, leaves)})
    return gradient(loss, plain, leaves, batch)


def _compiled(loss: Loss, params: Params, batch: TensorDict) -> tuple[Tensor, dict[str, Tensor]]:
    vector, unravel = ravel(params["weights"])
    still = params.exclude("weights", "version").to_dict()
    with torch.no_grad():
        return _program(loss, unravel)(still, vector, loss_inputs(batch))


@lru_cache(64)
def _program(loss: Loss, unravel: Callable) -> Callable:
    return compiled(
        lambda still, vector, batch: functional_gradient(loss, still, unravel, vector, batch)
    )
