"""The types of tensors: with their shapes where jaxtyping is installed, as in the tests."""

from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    Real = Tensor
    Flag = Tensor
else:
    try:
        from jaxtyping import Bool, Float
    except ImportError:
        Real = Flag = Tensor
    else:
        Real = Float[Tensor, "T B"]
        Flag = Bool[Tensor, "T B"]
