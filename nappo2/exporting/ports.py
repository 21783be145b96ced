"""The inputs and outputs of a file."""

from typing import NamedTuple

from torch import Tensor

BATCH = "batch"
"""The name of the dimension of a batch in the shapes of inputs and outputs."""


class Port(NamedTuple):
    """An input or an output of a file.

    Attributes:
        name: in the file.
        shape: numbers, and ``batch`` where a size is that of the batch.
        dtype: such as ``float32``.
        about: the law of a noise, or a memory where an episode begins; empty otherwise.
    """

    name: str
    shape: tuple[int | str, ...]
    dtype: str
    about: str = ""

    def __repr__(self):
        about = f" ({self.about})" if self.about else ""
        return f"{self.name} [{', '.join(map(str, self.shape))}] {self.dtype}{about}"


def port(name: str, two: Tensor, three: Tensor, about: str) -> Port:
    """The port of tensors in batches of two and of three.

    Args:
        name: of the port.
        two: the tensor in a batch of two, [2, ...].
        three: the tensor in a batch of three, [3, ...].
        about: of the port.

    Returns:
        The port, whose shape has ``batch`` where the two shapes differ.
    """
    shape = tuple(BATCH if m != n else m for m, n in zip(two.shape, three.shape, strict=True))
    return Port(name, shape, str(two.dtype).removeprefix("torch."), about)
