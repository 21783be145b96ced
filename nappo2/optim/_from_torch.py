"""Any optimiser of ``torch.optim`` as a gradient transformation, for eager code."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from nappo2.checks import checked
from nappo2.maths.traced import is_traced
from nappo2.optim.transformations import GradientTransformation


@checked
def from_torch(
    optimizer: Callable[..., torch.optim.Optimizer], rate: str = "learning_rate", **options: Any
) -> GradientTransformation:
    """``optimizer([weights], lr=hyper[rate], **options)``, as a pure function.

    Its state is what torch keeps for the vector of weights. Compiled code and populations cannot run it:
    with ``jit`` a warning says so, and learning goes on without.

    Args:
        optimizer: a class of ``torch.optim``, such as ``torch.optim.NAdam``.
        rate: name of the hyper-parameter that is the learning rate.
        **options: further arguments of the class.

    Returns:
        A transformation of gradients to updates.

    Raises:
        ValueError: if the class does not take these options, or its steps take more than gradients.
        NotImplementedError: in ``update``, in compiled code or a population.

    Example:
        >>> hyper, weights, grads = {"learning_rate": 0.1}, torch.ones(2), torch.tensor([3.0, 4.0])
        >>> optimizer = optim.from_torch(torch.optim.SGD)
        >>> updates, state = optimizer.update(grads, optimizer.init(weights), hyper, weights)
        >>> updates
        tensor([-0.3000, -0.4000])
    """
    weight = torch.zeros(1, requires_grad=True)
    weight.grad = torch.ones(1)
    try:  # one step, as some take more than gradients
        optimizer([weight], lr=0.1, **options).step()
    except Exception as error:
        name = getattr(optimizer, "__name__", repr(optimizer))
        raise ValueError(f"from_torch cannot use {name}: {error}") from error

    def init(vector):
        return {}

    def update(grads: Tensor, state: Mapping, hyper: Mapping, weights: Tensor):
        if is_traced(grads):
            raise NotImplementedError(
                "an optimiser of torch.optim cannot be compiled, nor run by a population"
            )
        moved = weights.clone().requires_grad_()
        moved.grad = grads.clone()
        inner = optimizer([moved], lr=float(hyper[rate]), **options)
        inner.state[moved] = {name: _beside(weights, x) for name, x in state.items()}
        inner.step()
        return moved.detach() - weights, dict(inner.state[moved])

    return GradientTransformation(init, update)


def _beside(weights: Tensor, x: Any) -> Any:
    """A copy of what torch keeps, where the weights are; its counts [] stay where they are."""
    if not isinstance(x, Tensor):
        return x
    return x.clone().to(weights.device) if x.ndim else x.clone()
