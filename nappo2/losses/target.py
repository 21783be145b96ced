"""What the values of off-policy losses are moved towards, from the keys of a batch."""

from collections.abc import Mapping

from torch import Tensor

from nappo2.maths.values import td_target


def target(params: Mapping, reached: Mapping, next_value: Tensor) -> Tensor:
    """The TD target of a batch's ``next``; with ``n_step``, ``gamma`` counts once per step."""
    gamma, steps = params["hyper"]["gamma"], reached.get("steps", None)
    discount = gamma if steps is None else gamma**steps
    return td_target(reached["reward"], next_value, reached["terminated"], discount)
