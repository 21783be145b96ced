"""Cells that decide by gates what they keep.

GRU (Cho et al., https://arxiv.org/abs/1406.1078) and LSTM (Hochreiter & Schmidhuber, 1997), with
the weights, their names and the formulas of torch.nn's.
"""

from collections.abc import Callable

import torch
from tensordict import TensorDict
from torch.nn.functional import linear

from nappo2.checks import checked
from nappo2.networks._mlp import orthogonal
from nappo2.networks.cell import Cell
from nappo2.pipeline import positive
from nappo2.seeds import split


@checked
def gru(inputs: int, size: int) -> Cell:
    """A gated recurrent unit, as torch.nn.GRU, with orthogonal weights and biases of 0."""

    def advance(weights, memory, seen):
        gates, new = seen.split((2 * size, size), -1)
        kept = linear(memory, weights["weight_hh"], weights["bias_hh"])
        kept_gates, kept_new = kept.split((2 * size, size), -1)
        reset, update = (gates + kept_gates).sigmoid().chunk(2, -1)
        return torch.lerp(torch.addcmul(new, reset, kept_new).tanh(), memory, update)

    return Cell(
        _gates(3, inputs, size), _project, advance, lambda memory: memory, 3 * size, size, size
    )


@checked
def lstm(inputs: int, size: int) -> Cell:
    """Long short-term memory, as torch.nn.LSTM, with orthogonal weights and biases of 0.

    A memory is the hidden state, which is ``y``, and beside it the cell's, [..., 2 * size].
    """

    def advance(weights, memory, seen):
        hidden, cell = memory.chunk(2, -1)
        gates = seen + linear(hidden, weights["weight_hh"], weights["bias_hh"])
        let_in, forget, new, let_out = gates.chunk(4, -1)
        cell = forget.sigmoid() * cell + let_in.sigmoid() * new.tanh()
        return torch.cat([let_out.sigmoid() * cell.tanh(), cell], -1)

    def read(memory):
        return memory.chunk(2, -1)[0]

    return Cell(_gates(4, inputs, size), _project, advance, read, 4 * size, 2 * size, size)


def _gates(num: int, inputs: int, size: int) -> Callable[[int], TensorDict]:
    positive(inputs=inputs, size=size)

    def init(seed):
        seeds = split(seed, 2 * num)
        of_input, of_memory = (
            torch.cat([orthogonal((size, width), 1.0, key) for key in keys])
            for width, keys in ((inputs, seeds[:num]), (size, seeds[num:]))
        )
        zeros = torch.zeros(num * size)
        return TensorDict(
            weight_ih=of_input, weight_hh=of_memory, bias_ih=zeros, bias_hh=zeros.clone()
        )

    return init


def _project(weights, x):
    return linear(x, weights["weight_ih"], weights["bias_ih"])
