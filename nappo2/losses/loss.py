"""What a loss is: deterministic in its batch, as everything random that it needs is in there."""

from collections.abc import Callable, Mapping

from torch import Tensor

Loss = Callable[[Mapping, Mapping], tuple[Tensor, dict[str, Tensor]]]
"""``(params, batch) -> (loss, means)``: a scalar to be lowered, and what else is worth a look."""
