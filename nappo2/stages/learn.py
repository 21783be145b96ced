"""A whole rollout's minibatches in one step: ``minibatches | gradients | update | unroll``, fused."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.losses import Loss
from nappo2.optim import GradientTransformation
from nappo2.params import nested, ravel, replaced, walk
from nappo2.pipeline import Pipeline, Transform, positive, stage
from nappo2.reports import note
from nappo2.seeds import generator, split
from nappo2.stages.gradients import check_loss, counted, mean_age
from nappo2.stages.minibatches import (
    SEQUENCES,
    TRANSITIONS,
    Pieces,
    no_minibatches,
    selected,
    shuffled,
)
from nappo2.stages.update import moved


@stage
def learn(
    loss: Loss, optimizer: GradientTransformation, num_epochs: int, num_minibatches: int
) -> Transform:
    """The parts it is the sum of, in one step: the same numbers, names, seeds and states.

    Raises:
        ValueError: as ``minibatches`` and ``gradients`` do.
    """
    return learning(TRANSITIONS, loss, optimizer, num_epochs, num_minibatches)


@stage
def learn_sequences(
    loss: Loss, optimizer: GradientTransformation, num_epochs: int, num_minibatches: int
) -> Transform:
    """``sequences | gradients | update | unroll``, fused, as ``learn`` is.

    Raises:
        ValueError: as ``sequences`` and ``gradients`` do.
    """
    return learning(SEQUENCES, loss, optimizer, num_epochs, num_minibatches)


def learning(
    pieces: Pieces,
    loss: Loss,
    optimizer: GradientTransformation,
    num_epochs: int,
    num_minibatches: int,
) -> Transform:
    """Gradients and updates of all pieces of a rollout; the bare transform."""
    positive(num_epochs=num_epochs, num_minibatches=num_minibatches)

    def transform(source):
        def init(params, seed):
            own = {
                pieces.name: no_minibatches(pieces, seed),
                "update": optimizer.init(ravel(params["weights"])[0]),
            }
            return source.init(params, seed) | own

        @torch.no_grad()
        def step(params, state):
            inner, rollout, report = source.step(params, state)
            seed, key = split(state[pieces.name].seed)
            batch, sizes = pieces.of(rollout), pieces.sizes(rollout, num_minibatches)
            orders = shuffled(batch.shape[pieces.dim], num_epochs, generator(key))
            age = mean_age(params, batch)
            size, batch = counted(batch), batch.exclude("params_version").to_dict()
            passes = (
                parts(selected(batch, order, pieces.dim), sizes, pieces.dim) for order in orders
            )
            weights, own, means = epochs(loss, optimizer, params, state["update"], passes)
            normalizer, report = moved(params["normalizer"], report)
            num_updates = num_epochs * num_minibatches
            version = params["version"] + num_updates
            params = replaced(params, weights=weights, normalizer=normalizer, version=version)
            means |= {"collection_lag": age + (num_updates - 1) / 2, "gradient_lag": 0 * age}
            own = {"update": own, pieces.name: state[pieces.name]._replace(seed=seed)}
            return inner | own, params, note(report, num_epochs * size, **means)

        return Pipeline(init, step)

    return transform


def epochs(
    loss: Loss,
    optimizer: GradientTransformation,
    params: TensorDict,
    state: Any,
    passes: Iterable[Sequence[Mapping]],
) -> tuple[TensorDict, Any, dict[str, Tensor]]:
    """Pass after pass, minibatch after minibatch: the weights, the optimizer's state, and all means.

    The weights are leaves that look at one vector, which is moved in place, so that nothing is
    taken apart or put together from minibatch to minibatch but the gradient.
    """
    vector, paths, leaves = _leaves(params["weights"])
    plain = params.to_dict() | {"weights": nested(paths, leaves)}
    seen = []
    for minibatches in passes:
        for minibatch in minibatches:
            grad, means = _gradient(loss, plain, leaves, minibatch)
            updates, state = optimizer.update(grad, state, plain["hyper"])
            vector.add_(updates)
            seen.append(means | {"grad_norm": grad.norm()})
    weights = TensorDict(nested(paths, [leaf.detach() for leaf in leaves]))
    return weights, state, {name: torch.stack([m[name] for m in seen]).mean() for name in seen[0]}


def _leaves(weights: TensorDict) -> tuple[Tensor, tuple, list[Tensor]]:
    """A vector of its own, the paths of the weights, and leaves that are views of the vector."""
    paths, _ = zip(*walk(weights), strict=True)
    vector, unravel = ravel(weights)
    return vector, paths, [view.detach().requires_grad_() for _, view in walk(unravel(vector))]


@torch.enable_grad()
def _gradient(
    loss: Loss, params: Mapping, leaves: list[Tensor], batch: Mapping
) -> tuple[Tensor, dict[str, Tensor]]:
    value, means = loss(params, batch)
    check_loss(value)
    grads = torch.autograd.grad(value, leaves, materialize_grads=True)
    vector = torch.cat([grad.reshape(-1) for grad in grads])
    return vector, {"loss": value.detach()} | {name: mean.detach() for name, mean in means.items()}


def parts(batch: Mapping, sizes: Sequence[int], dim: int = 0) -> list[dict]:
    """A batch in parts of these sizes, as views: gathered once per pass, not once per minibatch."""
    found = {
        key: _cut(x, sizes, dim) if isinstance(x, Tensor) else parts(x, sizes, dim)
        for key, x in batch.items()
    }
    return [{key: x[i] for key, x in found.items()} for i in range(len(sizes))]


def _cut(x: Tensor, sizes: Sequence[int], dim: int) -> list[Tensor]:
    """Contiguous, as strides may change the order of a sum."""
    return [part.contiguous() for part in x.split(sizes, dim)]
