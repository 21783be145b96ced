"""Q-functions with a memory, for discrete actions."""

from collections.abc import Mapping
from typing import NamedTuple

from tensordict import TensorDict
from torch import Tensor

from nappo2.checks import checked
from nappo2.networks.cell import Cell, unroll
from nappo2.networks.network import Network
from nappo2.seeds import split


@checked
class RecurrentQ(NamedTuple):
    """Values of all n actions as functions of weights, online or target.

    Attributes:
        cell: of observations, which gives [..., cell.size].
        head: of what the cell gives, to values [..., n].
    """

    cell: Cell
    head: Network

    def init(self, seed: int) -> TensorDict:
        """The first weights, with branches ``cell`` and ``head``."""
        first, second = split(seed)
        return TensorDict(cell=self.cell.init(first), head=self.head.init(second))

    def step(self, weights: Mapping, memory: Tensor, observation: Tensor) -> Tensor:
        """The memory after one more observation.

        Args:
            weights: of cell and head.
            memory: before the step, [..., memory_size].
            observation: ``[..., *shape]``.

        Returns:
            The memory after the step, [..., memory_size].
        """
        return self.cell.apply(weights["cell"], memory, observation)[0]

    def unroll(
        self, weights: Mapping, memory: Tensor, observation: Tensor, is_init: Tensor
    ) -> Tensor:
        """Memories after each observation of a sequence.

        Args:
            weights: of cell and head.
            memory: before the first step, [B, memory_size].
            observation: ``[T, B, *shape]``.
            is_init: whether an episode begins at a step, where the memory becomes 0, [T, B] bool.

        Returns:
            The memories, [T, B, memory_size].
        """
        return unroll(self.cell, weights["cell"], memory, observation, is_init)[0]

    def values(self, weights: Mapping, memory: Tensor) -> Tensor:
        """Values of all n actions, [..., n], of memories [..., memory_size]."""
        return self.head.apply(weights["head"], self.cell.read(memory))
