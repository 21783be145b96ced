"""Gated cells: GRU (Cho et al., https://arxiv.org/abs/1406.1078) and LSTM (Hochreiter & Schmidhuber, 1997).

Formulas, weights and names of weights are those of torch.nn.
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
    """A gated recurrent unit, as torch.nn.GRU, with orthogonal weights and biases of 0.

    A memory is the hidden state, which is ``y``, [..., size].

    Example:
        >>> cell = networks.gru(4, 8)
        >>> cell.memory_size
        8
    """

    def advance(weights, memory, projected):
        x_gates, x_new = projected.split((2 * size, size), -1)
        hidden = linear(memory, weights["weight_hh"], weights["bias_hh"])
        h_gates, h_new = hidden.split((2 * size, size), -1)
        reset, update = (x_gates + h_gates).sigmoid().chunk(2, -1)
        return torch.lerp(torch.addcmul(x_new, reset, h_new).tanh(), memory, update)

    return Cell(
        _gates(3, inputs, size), _project, advance, lambda memory: memory, 3 * size, size, size
    )


@checked
def lstm(inputs: int, size: int) -> Cell:
    """Long short-term memory, as torch.nn.LSTM, with orthogonal weights and biases of 0.

    A memory is the hidden state, which is ``y``, and then the cell state, [..., 2 * size].

    Example:
        >>> cell = networks.lstm(4, 8)
        >>> cell.memory_size
        16
    """

    def advance(weights, memory, projected):
        hidden, cell = memory.chunk(2, -1)
        gates = projected + linear(hidden, weights["weight_hh"], weights["bias_hh"])
        input_gate, forget, new, output_gate = gates.chunk(4, -1)
        cell = forget.sigmoid() * cell + input_gate.sigmoid() * new.tanh()
        return torch.cat([output_gate.sigmoid() * cell.tanh(), cell], -1)

    def read(memory):
        return memory.chunk(2, -1)[0]

    return Cell(_gates(4, inputs, size), _project, advance, read, 4 * size, 2 * size, size)


def _gates(num: int, inputs: int, size: int) -> Callable[[int], TensorDict]:
    positive(inputs=inputs, size=size)

    def init(seed):
        seeds = split(seed, 2 * num)
        weight_ih, weight_hh = (
            torch.cat([orthogonal((size, width), 1.0, key) for key in keys])
            for width, keys in ((inputs, seeds[:num]), (size, seeds[num:]))
        )
        zeros = torch.zeros(num * size)
        return TensorDict(
            weight_ih=weight_ih, weight_hh=weight_hh, bias_ih=zeros, bias_hh=zeros.clone()
        )

    return init


def _project(weights, x):
    return linear(x, weights["weight_ih"], weights["bias_ih"])
