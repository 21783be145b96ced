"""One gradient after the other, each of the weights that the one before it led to."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.losses.loss import Loss, value_and_means
from nappo2.optim import GradientTransformation
from nappo2.params import Plain, nested, ravel, walk
from nappo2.reports import with_loss
from nappo2.stages.gradients import check_loss
from nappo2.stages.stop import check_interrupt


class Descent(NamedTuple):
    """Where gradients led to.

    Attributes:
        weights: after the last of them.
        target: the target, which followed.
        state: the optimiser's.
        means: of the loss, of what it tells, and of the gradients' norms.
    """

    weights: TensorDict
    target: TensorDict
    state: Any
    means: dict[str, Tensor]


def descend(
    loss: Loss,
    optimizer: GradientTransformation,
    params: TensorDict,
    state: Any,
    batches: Iterable[Mapping],
    step_size: float | None = None,
    skip: int = 0,
) -> Descent:
    """Batch after batch; the target moves by ``step_size`` after each but ``skip``, as ``polyak`` does.

    The weights are leaves that look at one vector, which is moved in place, so that nothing is
    taken apart or put together from batch to batch but the gradient.
    """
    vector, paths, leaves = _leaves(params["weights"])
    plain = Plain(params.to_dict() | {"weights": nested(paths, leaves)})
    target, seen = None, []
    if step_size:
        target, unravel = ravel(params["target"])
        plain["target"] = unravel(target)
    for version, batch in enumerate(batches, int(params["version"]) + 1):
        check_interrupt()
        grad, means = _gradient(loss, plain, leaves, batch)
        updates, state = optimizer.update(grad, state, plain["hyper"])
        vector.add_(updates)
        if step_size and version % (skip + 1) == 0:
            target.lerp_(followed(plain), step_size)
        seen.append(means | {"grad_norm": grad.norm()})
    weights = TensorDict(nested(paths, [leaf.detach() for leaf in leaves]))
    means = {name: torch.stack([m[name] for m in seen]).mean() for name in seen[0]}
    return Descent(weights, TensorDict(plain["target"]), state, means)


def followed(params: Mapping) -> Tensor:
    """The weights that have targets, as a vector."""
    online = walk({name: params["weights"][name] for name in params["target"].keys()})
    return torch.cat([leaf.detach().reshape(-1) for _, leaf in online])


def _leaves(weights: TensorDict) -> tuple[Tensor, tuple, list[Tensor]]:
    """A vector of its own, the paths of the weights, and leaves that are views of the vector."""
    paths, _ = zip(*walk(weights), strict=True)
    vector, unravel = ravel(weights)
    return vector, paths, [view.detach().requires_grad_() for _, view in walk(unravel(vector))]


@torch.enable_grad()
def _gradient(
    loss: Loss, params: Mapping, leaves: list[Tensor], batch: Mapping
) -> tuple[Tensor, dict[str, Tensor]]:
    value, means = value_and_means(loss, params, batch)
    check_loss(value)
    grads = torch.autograd.grad(value, leaves, materialize_grads=True)
    vector = torch.cat([grad.reshape(-1) for grad in grads])
    return vector, {name: mean.detach() for name, mean in with_loss(value, means).items()}
