"""Recurrent cells. A memory is one tensor [..., memory_size], 0 where an episode begins."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2 import trees
from nappo2.checks import checked, explained
from nappo2.networks.network import Network
from nappo2.seeds import split


@checked
class Cell(NamedTuple):
    """A recurrent network, as functions of weights; ``project`` runs on whole sequences at once.

    Attributes:
        init: ``seed -> weights``.
        project: ``(weights, x) -> projected`` [..., projected_size], which needs no memory.
        advance: ``(weights, memory, projected) -> memory`` [..., memory_size], a step.
        read: ``memory -> y`` [..., size].
        projected_size: size of the projected input.
        memory_size: size of a memory.
        size: of ``y``.
    """

    init: Callable[[int], TensorDict]
    project: Callable[[Any, Tensor], Tensor]
    advance: Callable[[Any, Tensor, Tensor], Tensor]
    read: Callable[[Tensor], Tensor]
    projected_size: int
    memory_size: int
    size: int

    def apply(self, weights: Mapping, memory: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """A step of the cell.

        Args:
            weights: of the cell.
            memory: before the step, [..., memory_size].
            x: the input, [..., inputs].

        Returns:
            The memory after the step [..., memory_size] and ``y`` [..., size].
        """
        memory = self.advance(weights, memory, self.project(weights, x))
        return memory, self.read(memory)


@checked
def with_torso(torso: Network, cell: Cell) -> Cell:
    """A cell whose input goes through a network first.

    Example:
        >>> cell = networks.with_torso(mlp(4, 6), networks.gru(6, 8))
        >>> memory, y = cell.apply(cell.init(0), torch.zeros(5, 8), torch.ones(5, 4))
        >>> y.shape
        torch.Size([5, 8])
    """

    def init(seed):
        first, second = split(seed)
        return TensorDict(torso=torso.init(first), cell=cell.init(second))

    def project(weights, x):
        return cell.project(weights["cell"], torso.apply(weights["torso"], x))

    def advance(weights, memory, projected):
        return cell.advance(weights["cell"], memory, projected)

    return cell._replace(init=init, project=project, advance=advance)


@checked
def side_by_side(first: Cell, second: Cell) -> Cell:
    """Two cells of one input without shared weights; their memories, and their ``y``, are concatenated.

    Example:
        >>> cell = networks.side_by_side(networks.gru(4, 8), networks.lstm(4, 8))
        >>> cell.size, cell.memory_size  # 8 + 8, and 8 + 16
        (16, 24)
        >>> memory, y = cell.apply(cell.init(0), torch.zeros(5, 24), torch.ones(5, 4))
        >>> memory.shape, y.shape
        (torch.Size([5, 24]), torch.Size([5, 16]))
    """
    cells = (first, second)

    def concatenated(fn: Callable, *halves: Any):
        return torch.cat([fn(cell, *xs) for cell, *xs in zip(cells, *halves, strict=True)], -1)

    def both(weights):
        return weights["first"], weights["second"]

    def memories(memory):
        return memory.split([cell.memory_size for cell in cells], -1)

    def init(seed):
        a, b = split(seed)
        return TensorDict(first=first.init(a), second=second.init(b))

    def project(weights, x):
        return concatenated(lambda cell, w: cell.project(w, x), both(weights))

    def advance(weights, memory, projected):
        inputs = projected.split([cell.projected_size for cell in cells], -1)
        halves = both(weights), memories(memory), inputs
        return concatenated(lambda cell, w, m, x: cell.advance(w, m, x), *halves)

    def read(memory):
        return concatenated(lambda cell, m: cell.read(m), memories(memory))

    sizes = (sum(numbers) for numbers in zip(*(cell[4:] for cell in cells), strict=True))
    return Cell(init, project, advance, read, *sizes)


@explained
def unroll(
    cell: Cell, weights: Mapping, memory: Tensor, x: Tensor, is_init: Tensor
) -> tuple[Tensor, Tensor]:
    """Runs a cell over a sequence.

    Args:
        cell: to be run.
        weights: of the cell.
        memory: before the first step, [B, memory_size].
        x: the inputs, [T, B, inputs].
        is_init: whether an episode begins at a step, where the memory becomes 0, [T, B] bool.

    Returns:
        The memories after each step [T, B, memory_size] and ``y`` [T, B, size].

    Example:
        >>> cell = networks.gru(4, 8)
        >>> x, is_init = torch.ones(3, 5, 4), torch.zeros(3, 5, dtype=torch.bool)
        >>> memories, y = networks.unroll(cell, cell.init(0), torch.zeros(5, 8), x, is_init)
        >>> memories.shape, torch.equal(memories, y)  # a GRU gives its memory
        (torch.Size([3, 5, 8]), True)
    """
    memories = advanced(
        lambda memory, projected: cell.advance(weights, memory, projected),
        memory,
        cell.project(weights, x),
        is_init,
    )
    return memories, cell.read(memories)


def advanced(
    advance: Callable[[Tensor, Tensor], Tensor], memory: Tensor, projected: Tensor, is_init: Tensor
) -> Tensor:
    """Memories after each of T steps, starting from 0 where an episode begins.

    Args:
        advance: ``(memory, projected) -> memory``, a step.
        memory: before the first step, [B, memory_size].
        projected: inputs, [T, B, projected_size].
        is_init: whether an episode begins at a step, [T, B] bool.

    Returns:
        The memories [T, B, memory_size].
    """
    memories, keeps = [], (~is_init).unsqueeze(-1).to(memory.dtype)
    for x, keep in zip(projected.unbind(), keeps.unbind(), strict=True):
        memory = advance(memory * keep, x)
        memories.append(memory)
    return torch.stack(memories)


def after_burn_in(
    run: Callable[[Tensor, Any, Tensor], Tensor], sequence: Mapping, burn_in: int
) -> Tensor:
    """Memories after each step of recorded sequences that follows the burn-in.

    Where the burn-in is padding, the rest begins with the memory that was recorded behind it.

    Args:
        run: ``(memory, observation, is_init) -> memories`` [T, N, memory_size] after T steps.
        sequence: with ``observation`` [L, N, ...], ``memory`` [1 or 2, N, memory_size] of the first step
            and of the one behind the burn-in, ``is_init`` [L, N] and ``padding`` [L, N], which may be
            missing.
        burn_in: first steps, which are run without gradient.

    Returns:
        The memories [L - burn_in, N, memory_size].
    """
    memory, is_init = sequence["memory"][0], sequence["is_init"]
    first = trees.map(lambda x: x[:burn_in], sequence["observation"])
    rest = trees.map(lambda x: x[burn_in:], sequence["observation"])
    if burn_in:
        with torch.no_grad():
            memory = run(memory, first, is_init[:burn_in])[-1]
        if "padding" in sequence:
            padded = sequence["padding"][0].unsqueeze(-1)
            memory = torch.where(padded, sequence["memory"][-1], memory)
    return run(memory, rest, is_init[burn_in:])
