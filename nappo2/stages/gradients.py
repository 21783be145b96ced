"""Batches to gradients."""

from collections.abc import Callable, Mapping
from functools import lru_cache

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.losses.loss import Loss, value_and_means
from nappo2.params import Params, Plain, ravel
from nappo2.pipeline import Pipeline, Transform, is_empty, stage
from nappo2.reports import note, with_loss
from nappo2.stages.compiling import compiled, or_else
from nappo2.stages.dump import dump
from nappo2.stages.stop import broken_off_after


@stage
def gradients(loss: Loss, jit: bool = False) -> Transform:
    """Turns batches into gradients: ``weights``, one vector, of a ``version`` and so many ``samples``.

    Args:
        loss: ``(params, batch) -> (loss, means)``.
        jit: whether loss and gradient are compiled, as for ``learn``.

    Raises:
        ValueError: in a step, if the loss is no scalar, or depends on no weight.
    """

    found = or_else(_at_once, value_and_grad, "gradients") if jit else value_and_grad

    def transform(source):
        def step(params, state):
            state, batch, report = source.step(params, state)
            if is_empty(batch):
                return state, batch, report
            vector, unravel = ravel(params["weights"])
            with broken_off_after(state):
                grad, means = found(loss, params.to_dict(), vector, unravel, batch)
            if not grad.sum().isfinite():
                dump(batch)
            size, lag = counted(batch), mean_age(params, batch)
            report = note(report, size, **means, collection_lag=lag)
            samples = torch.tensor(size)
            return (
                state,
                TensorDict(weights=grad, version=params["version"], samples=samples),
                report,
            )

        return Pipeline(source.init, step)

    return transform


def counted(batch: TensorDict) -> int:
    """How many transitions of a batch are not masked."""
    return int(batch["mask"].sum()) if "mask" in batch.keys() else batch.numel()


def mean_age(params: Params, batch: TensorDict) -> Tensor:
    """By how many versions the params that collected a batch lag behind, on average.

    Raises:
        ValueError: if a batch does not say which these were.
    """
    if "params_version" not in batch.keys():
        raise ValueError(
            "a batch lacks params_version, the version of the params that collected it; a source "
            'adds it to its rollouts: params["version"].expand(T, B)'
        )
    age = (params["version"] - batch["params_version"]).float()
    return (age[batch["mask"]] if "mask" in batch.keys() else age).mean()


@torch.enable_grad()  # whoever pulls may compute without
def value_and_grad(
    loss: Loss, params: Mapping, vector: Tensor, unravel: Callable, batch: Mapping
) -> tuple[Tensor, dict[str, Tensor]]:
    """The gradient of the loss with respect to the vector of weights, and the loss and its means."""
    vector = vector.detach().requires_grad_()
    value, means = value_and_means(loss, Plain({**params, "weights": unravel(vector)}), batch)
    check_loss(value)
    (grad,) = torch.autograd.grad(value, vector)
    return grad, {name: mean.detach() for name, mean in with_loss(value, means).items()}


def _at_once(loss, params, vector, unravel, batch):
    still = {name: x for name, x in params.items() if name not in ("weights", "version")}
    with torch.no_grad():
        return _program(loss, unravel)(still, vector, batch.exclude("params_version").to_dict())


@lru_cache(64)
def _program(loss: Loss, unravel: Callable) -> Callable:
    def run(still, vector, batch):
        def objective(vector):
            value, means = value_and_means(
                loss, Plain({**still, "weights": unravel(vector)}), batch
            )
            return value, with_loss(value, means)

        grad, means = torch.func.grad(objective, has_aux=True)(vector)
        return grad, {name: mean.detach() for name, mean in means.items()}

    return compiled(run)


def check_loss(value: Tensor) -> None:
    """Refuses what cannot be differentiated."""
    if not value.requires_grad:
        raise ValueError('the loss depends on no weight; it reads them from params["weights"]')
