"""Optimizers whose means are as after thousands of updates without a gradient."""

from collections.abc import Callable

import torch
from torch import Tensor

from nappo2 import Params, Pipeline, trees

STUCK = 4 * 2.0**-149
"""Four times the smallest number of float32; 0.9 of it is rounded to it again."""


def flat(loss: Callable) -> Callable:
    """The loss without its slope."""
    return lambda params, batch: (0.0 * loss(params, batch)[0], {})


def check_no_denormals(pipe: Pipeline, params: Params) -> None:
    """Checks that means which are stuck at 5.6e-45 are 0 after the first update."""
    state = pipe.init(params, 0)
    state = state | {"update": trees.map(stuck, state["update"])}
    while params["version"].max() == 0:
        state, params, _ = pipe.step(params, state)
    means = [x for x in trees.leaves(state["update"]) if x.is_floating_point() and x.numel() > 2]
    assert len(means) > 0 and all((x == 0).all() for x in means)
    assert torch.tensor(STUCK) * 1.0 != 0  # elsewhere it is what it was


def stuck(x: Tensor) -> Tensor:
    """A mean gradient that is stuck; other numbers are as they are."""
    return torch.full_like(x, STUCK) if x.is_floating_point() and x.numel() > 2 else x
