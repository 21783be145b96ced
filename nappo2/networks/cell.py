"""Cells: networks that remember. A memory is one tensor [..., memory_size], of 0 at first."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.checks import checked, explained
from nappo2.networks.network import Network
from nappo2.seeds import split


@checked
class Cell(NamedTuple):
    """Functions of weights and a memory; what no memory is needed for is apart, for whole sequences.

    Attributes:
        init: ``seed -> weights``.
        project: ``(weights, x) -> seen``, of any leading dimensions.
        advance: ``(weights, memory, seen) -> memory``, a step.
        read: ``memory -> y``.
        seen_size: of what is projected, [..., seen_size].
        memory_size: of a memory, [..., memory_size].
        size: of ``y``, [..., size].
    """

    init: Callable[[int], TensorDict]
    project: Callable[[Any, Tensor], Tensor]
    advance: Callable[[Any, Tensor, Tensor], Tensor]
    read: Callable[[Tensor], Tensor]
    seen_size: int
    memory_size: int
    size: int

    def apply(self, weights: Mapping, memory: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """A step: ``(memory, y)``."""
        memory = self.advance(weights, memory, self.project(weights, x))
        return memory, self.read(memory)


@checked
def seeing(torso: Network, cell: Cell) -> Cell:
    """A cell that sees what a network makes of its input."""

    def init(seed):
        first, second = split(seed)
        return TensorDict(torso=torso.init(first), cell=cell.init(second))

    def project(weights, x):
        return cell.project(weights["cell"], torso.apply(weights["torso"], x))

    def advance(weights, memory, seen):
        return cell.advance(weights["cell"], memory, seen)

    return cell._replace(init=init, project=project, advance=advance)


@checked
def beside(first: Cell, second: Cell) -> Cell:
    """Two cells of one input that share nothing; memories and ``y`` stand side by side."""
    cells = (first, second)

    def joined(fn: Callable, *parted: Tensor):
        return torch.cat([fn(cell, *xs) for cell, *xs in zip(cells, *parted, strict=True)], -1)

    def init(seed):
        a, b = split(seed)
        return TensorDict(first=first.init(a), second=second.init(b))

    def project(weights, x):
        own = (weights["first"], weights["second"])
        return joined(lambda cell, w: cell.project(w, x), own)

    def advance(weights, memory, seen):
        own = (weights["first"], weights["second"])
        memory = memory.split([cell.memory_size for cell in cells], -1)
        seen = seen.split([cell.seen_size for cell in cells], -1)
        return joined(lambda cell, w, m, s: cell.advance(w, m, s), own, memory, seen)

    def read(memory):
        memory = memory.split([cell.memory_size for cell in cells], -1)
        return joined(lambda cell, m: cell.read(m), memory)

    sizes = (sum(numbers) for numbers in zip(*(cell[4:] for cell in cells), strict=True))
    return Cell(init, project, advance, read, *sizes)


@explained
def unroll(
    cell: Cell, weights: Mapping, memory: Tensor, x: Tensor, is_init: Tensor
) -> tuple[Tensor, Tensor]:
    """Steps over a sequence ``x`` [T, B, ...]: the memories after each, and ``y``, [T, B, ...].

    Args:
        memory: with which the first begins, [B, memory_size].
        is_init: where an episode begins, so that what was before is forgotten, [T, B] bool.
    """
    memories = advanced(
        lambda memory, seen: cell.advance(weights, memory, seen),
        memory,
        cell.project(weights, x),
        is_init,
    )
    return memories, cell.read(memories)


def advanced(
    advance: Callable[[Tensor, Tensor], Tensor], memory: Tensor, seen: Tensor, is_init: Tensor
) -> Tensor:
    """The memories after each of T steps, [T, B, memory_size], forgetting where an episode begins."""
    found, kept = [], (~is_init).unsqueeze(-1).to(memory.dtype)
    for x, keeps in zip(seen.unbind(), kept.unbind(), strict=True):
        memory = advance(memory * keeps, x)
        found.append(memory)
    return torch.stack(found)
