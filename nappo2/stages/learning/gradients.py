"""Batches to gradients: the stage, and the gradient of a loss in eager and in functional code."""

from collections.abc import Callable, Mapping
from functools import lru_cache

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.batch import age, loss_inputs, num_samples
from nappo2.losses.loss import Loss, value_and_means
from nappo2.machine.compiling import compiled, with_fallback
from nappo2.machine.stop import broken_off_after
from nappo2.machine.threads import without_denormals
from nappo2.params import Params, Plain, ravel
from nappo2.pipeline import Pipeline, Transform, is_empty, stage
from nappo2.reports import note, with_loss
from nappo2.stages.learning.refused_batches import write_refused
from nappo2.trees import nested, walk


@stage
def gradients(loss: Loss, jit: bool = False) -> Transform:
    """Turns batches into gradients.

    An item has ``weights``, the gradient as one vector [P] float32, the ``version`` [] int64 of the
    params, and the number of ``samples`` [] int64.

    Args:
        loss: ``(params, batch) -> (loss, means)``.
        jit: whether loss and gradient are compiled, as for ``learn``.

    Raises:
        ValueError: in a step, if the loss is no scalar, or depends on no weight.

    Example:
        >>> agent, dist = actor_critic(mlp(4, 8, 2), mlp(4, 8, 1)), distributions.categorical()
        >>> params = make_params(agent.init(0), gamma=0.99, entropy_coef=0.0, learning_rate=1e-3)
        >>> pipe = collect(envs.cartpole(4), agent.policy(dist), num_steps=8) | gae(agent)
        >>> pipe = pipe | minibatches(num_epochs=1, num_minibatches=1) | gradients(losses.a2c(agent, dist))
        >>> state, grads, report = pipe.step(params, pipe.init(params, 0))
        >>> sorted(report.means)
        ['collection_lag', 'entropy', 'explained_variance', 'loss', 'policy_loss', 'value_loss']
    """

    gradient_of = with_fallback(_compiled, _eager, "gradients") if jit else _eager

    def transform(source):
        def step(params, state):
            state, batch, report = source.step(params, state)
            if is_empty(batch):
                return state, batch, report
            with broken_off_after(state), without_denormals():
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
    constants = params.exclude("weights", "version").to_dict()
    with torch.no_grad():
        return _program(loss, unravel)(constants, vector, loss_inputs(batch))


@lru_cache(64)
def _program(loss: Loss, unravel: Callable) -> Callable:
    return compiled(
        lambda constants, vector, batch: functional_gradient(
            loss, constants, unravel, vector, batch
        )
    )


def leaves_of(weights: Mapping) -> tuple[Tensor, tuple, list[Tensor]]:
    """A new vector [P] of the weights, their paths, and leaves of autograd that are views of the vector."""
    paths, _ = zip(*walk(weights), strict=True)
    vector, unravel = ravel(weights)
    return vector, paths, [view.detach().requires_grad_() for _, view in walk(unravel(vector))]


@torch.enable_grad()  # whoever asks may compute without
def gradient(
    loss: Loss, params: Mapping, leaves: list[Tensor], batch: Mapping
) -> tuple[Tensor, dict[str, Tensor]]:
    """The gradient of a loss by ``torch.autograd``.

    Args:
        loss: ``(params, batch) -> (loss, means)``.
        params: whose ``weights`` are made of the leaves.
        leaves: tensors that require gradients, with P numbers in all.
        batch: what the loss reads.

    Returns:
        The gradient with respect to the leaves, [P], and the loss with its means, each [].

    Raises:
        ValueError: if the loss depends on no leaf.
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
    """The gradient of a loss by ``torch.func``, for compiled code and vmap.

    Args:
        loss: ``(params, batch) -> (loss, means)``.
        params: all but ``weights``.
        unravel: ``vector -> weights``.
        vector: the weights, [P].
        batch: what the loss reads.

    Returns:
        The gradient with respect to the vector, [P], and the loss with its means, each [].
    """

    def objective(vector):
        value, means = value_and_means(loss, Plain({**params, "weights": unravel(vector)}), batch)
        return value, with_loss(value, means)

    grad, means = torch.func.grad(objective, has_aux=True)(vector)
    return grad, {name: mean.detach() for name, mean in means.items()}
