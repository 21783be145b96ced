"""Values of all actions, of what is remembered."""

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
    """Functions of weights, which may be a target's.

    Attributes:
        cell: of observations.
        head: of what the cell gives, to the values of all n actions.
    """

    cell: Cell
    head: Network

    def init(self, seed: int) -> TensorDict:
        """The weights."""
        first, second = split(seed)
        return TensorDict(cell=self.cell.init(first), head=self.head.init(second))

    def step(self, weights: Mapping, memory: Tensor, observation: Tensor) -> Tensor:
        """The memory after one observation more, of any leading dimensions."""
        return self.cell.apply(weights["cell"], memory, observation)[0]

    def unroll(
        self, weights: Mapping, memory: Tensor, observation: Tensor, is_init: Tensor
    ) -> Tensor:
        """The memories after each observation [T, B, ...], forgetting where an episode begins."""
        return unroll(self.cell, weights["cell"], memory, observation, is_init)[0]

    def values(self, weights: Mapping, memory: Tensor) -> Tensor:
        """The values of all actions, [..., n]."""
        return self.head.apply(weights["head"], self.cell.read(memory))
