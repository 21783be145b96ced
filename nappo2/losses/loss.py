"""The type of losses. A loss is deterministic: all random numbers that it needs are in its batch."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from nappo2 import trees
from nappo2.batch import valid
from nappo2.checks import checked, shown
from nappo2.networks import Agent

Loss = Callable[[Mapping, Mapping], tuple[Tensor, dict[str, Tensor]]]
"""``(params, batch) -> (loss, means)``: a scalar to be minimised, and scalars by name to be logged."""


def unmasked(agent: Agent, params: Mapping, batch: Mapping) -> tuple[Tensor, Tensor, Mapping]:
    """Agent outputs and values for a batch, and the batch, without masked transitions.

    Args:
        agent: which may give those of masked transitions too.
        params: of the agent.
        batch: [N], or of sequences [T, N], with or without a ``mask``, bool.

    Returns:
        Outputs [..., num_outputs], values [...] and the batch; with a mask, those of the M
        transitions where it is True: [M, num_outputs], [M] and the batch's tensors [M, ...].
    """
    outputs, value = agent.outputs_and_values(params, batch)
    mask = valid(batch)
    if mask is None:
        return outputs, value, batch
    if value.shape == mask.shape:
        outputs, value = outputs[mask], value[mask]
    kept = {key: x for key, x in batch.items() if isinstance(x, Tensor) or key == "action"}
    return outputs, value, trees.map(lambda x: x[mask], kept)


def value_and_means(
    loss: Loss, params: Mapping, batch: Mapping
) -> tuple[Tensor, dict[str, Tensor]]:
    """Evaluates a loss, and checks that it returns a scalar and scalars by name.

    Args:
        loss: to be evaluated.
        params: of the loss.
        batch: of the loss.

    Returns:
        The loss [] and its means, each a floating point tensor [].

    Raises:
        ValueError: if the loss returns anything else.
    """
    result = loss(params, batch)
    if not isinstance(result, tuple) or len(result) != 2 or not isinstance(result[1], Mapping):
        raise ValueError(f"a loss gives (a scalar, means by name), not {_described(result)}")
    value, means = result
    if not isinstance(value, Tensor) or value.numel() != 1:
        raise ValueError(
            f"a loss gives (a scalar, means); the first of these was {_described(value)}"
        )
    return value, {name: _mean(name, mean) for name, mean in means.items()}


@checked
def summed(*losses: Loss) -> Loss:
    """The sum of losses of the same params and batch, with the means of all.

    Example:
        >>> def one(params, batch):
        ...     return torch.tensor(1.0), {"first": torch.tensor(1.0)}
        >>> def other(params, batch):
        ...     return torch.tensor(2.0), {"second": torch.tensor(2.0)}
        >>> losses.summed(one, other)({}, {})
        (tensor(3.), {'first': tensor(1.), 'second': tensor(2.)})
    """

    def loss(params, batch):
        values, means = zip(*(each(params, batch) for each in losses), strict=True)
        return sum(values), {name: mean for each in means for name, mean in each.items()}

    return loss


def _mean(name: Any, mean: Any) -> Tensor:
    """A mean as a floating point tensor of one element."""
    if not isinstance(name, str):
        raise ValueError(f"the means of a loss have texts for names, not {shown(name)}")
    if isinstance(mean, Tensor) and mean.numel() == 1:
        return mean if mean.is_floating_point() else mean.float()
    if isinstance(mean, (int, float)):
        return torch.tensor(float(mean))
    raise ValueError(f"the mean {name!r} of a loss is one number, not {_described(mean)}")


def _described(result: Any) -> str:
    if isinstance(result, tuple):
        return f"({', '.join(map(shown, result))})"
    return shown(result)
