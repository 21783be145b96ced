"""GTrXL: a gated Transformer-XL, as a recurrent cell.

Its memory is a window of the past inputs of each layer, so that it is recorded, reset, sent and resumed
as the memory of a GRU is. Each step attends to this window and to itself.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor
from torch.nn import functional

from nappo2.checks import checked
from nappo2.networks._mlp import linear, orthogonal
from nappo2.networks.cell import Cell
from nappo2.networks.network import layer_norm, sequential
from nappo2.pipeline import positive
from nappo2.seeds import split

EXPANSION = 4  # of the hidden layer of a layer's perceptron
GATE_BIAS = 2.0  # of new weights: a layer begins close to the identity


@checked
def gtrxl(
    inputs: int, size: int, *, num_layers: int = 2, num_heads: int = 4, window: int = 16
) -> Cell:
    """A gated Transformer-XL (Parisotto et al., https://arxiv.org/abs/1910.06764).

    Layer l attends to the last ``window`` of its own inputs and to the present one x, with relative
    positions as in Transformer-XL (https://arxiv.org/abs/1901.02860); gates stand where others add::

        y = gate(x, relu(attention(layer_norm([past, x]))))
        x' = gate(y, relu(perceptron(layer_norm(y))))

    A memory is the last layer's output, which is ``y`` of the cell, [..., size], the number of steps in
    the window, and the window of each layer, [..., num_layers * window * size]. So a window has all that
    L layers see of ``L * window`` steps. A rollout has the memory of each step, and a replay of sequences
    two of each sequence.

    Args:
        inputs: size of the input.
        size: of the layers.
        num_layers: number of layers.
        num_heads: of each attention; divides ``size``.
        window: past inputs of a layer to which it attends.

    Returns:
        The cell; ``partial(gtrxl, window=64)`` is one of recipes' ``cell``.

    Raises:
        ValueError: if a number is not at least 1, or the heads do not divide the size.

    Example:
        >>> cell = networks.gtrxl(4, 8, num_layers=1, num_heads=2, window=4)
        >>> cell.memory_size
        41
    """
    positive(inputs=inputs, size=size, num_layers=num_layers, num_heads=num_heads, window=window)
    if size % num_heads:
        raise ValueError(f"num_heads divides the size of the layers, {size}; {num_heads} does not")
    embed, layer = linear(inputs, size), _layer(size, num_heads, sinusoids(window, size))
    shape = (num_layers, window, size)

    def init(seed):
        first, *seeds = split(seed, num_layers + 1)
        layers = {f"layer{i}": layer.init(key) for i, key in enumerate(seeds)}
        return TensorDict({"embed": embed.init(first)} | layers)

    def project(weights, x):
        return embed.apply(weights["embed"], x)

    def advance(weights, memory, projected):
        _, num_past, past = memory.split((size, 1, math.prod(shape)), -1)
        x, past, windows = projected, past.unflatten(-1, shape), []
        for i in range(num_layers):
            steps = torch.cat([past[..., i, :, :], x.unsqueeze(-2)], -2)
            windows.append(steps[..., 1:, :])
            x = layer.apply(weights[f"layer{i}"], steps, visible(num_past, window))
        past = torch.stack(windows, -3).flatten(-3)
        return torch.cat([x, (num_past + 1).clamp(max=window), past], -1)

    def read(memory):
        return memory[..., :size]

    return Cell(init, project, advance, read, size, size + 1 + math.prod(shape), size)


def sinusoids(window: int, size: int) -> Tensor:
    """The encodings of distances ``window``, ..., 1, 0 (Vaswani et al., https://arxiv.org/abs/1706.03762).

    Args:
        window: the largest distance.
        size: of an encoding; the first half are sines, the second cosines of the same angles.

    Returns:
        Encodings [window + 1, size] float32.
    """
    distance = torch.arange(window, -1, -1.0)
    frequency = 10_000 ** (-torch.arange(0, size, 2.0) / size)
    angle = distance[:, None] * frequency
    return torch.cat([angle.sin(), angle.cos()], -1)[:, :size]


def visible(num_past: Tensor, window: int) -> Tensor:
    """Tests which steps there are: of the window the last ``num_past`` [..., 1], and the present one.

    Returns:
        Flags [..., window + 1] bool.
    """
    distance = torch.arange(window, -1, -1, device=num_past.device)
    return distance <= num_past.clamp(min=0)


class _Layer(NamedTuple):
    """A layer of steps [..., window + 1, size], the last of which is the present one."""

    init: Callable[[int], TensorDict]
    apply: Callable[[Any, Tensor, Tensor], Tensor]


def _layer(size: int, num_heads: int, encodings: Tensor) -> _Layer:
    norm, hidden = layer_norm(size), EXPANSION * size
    perceptron = sequential(linear(size, hidden, 2**0.5), torch.relu, linear(hidden, size))

    def init(seed):
        seeds = split(seed, 4)
        return TensorDict(
            norm=norm.init(0),
            attention=_attention_weights(size, num_heads, seeds[0]),
            gate=_gate_weights(size, seeds[1]),
            perceptron_norm=norm.init(0),
            perceptron=perceptron.init(seeds[2]),
            perceptron_gate=_gate_weights(size, seeds[3]),
        )

    def apply(weights, steps, is_visible):
        x, normed = steps[..., -1, :], norm.apply(weights["norm"], steps)
        attended = attention(weights["attention"], normed, is_visible, encodings)
        y = gate(weights["gate"], x, attended.relu())
        normed = norm.apply(weights["perceptron_norm"], y)
        return gate(
            weights["perceptron_gate"], y, perceptron.apply(weights["perceptron"], normed).relu()
        )

    return _Layer(init, apply)


def attention(weights: Mapping, steps: Tensor, is_visible: Tensor, encodings: Tensor) -> Tensor:
    """Attention of the last step to all, by content and distance (Dai et al., 2019, section 3.3).

    Of a head, with D its size, the step at distance i has the score
    ``((q + u) k[i] + (q + v) W r[i]) / sqrt(D)``.

    Args:
        weights: ``query``, ``key``, ``value``, ``position`` and ``output`` [size, size], and the biases
            of all heads, ``content_bias`` u and ``position_bias`` v, [heads, D].
        steps: [..., T, size].
        is_visible: which of them count, [..., T] bool.
        encodings: r of their distances, [T, size].

    Returns:
        What the last step attends to, [..., size].
    """
    heads = weights["content_bias"].shape

    def of_heads(name: str, x: Tensor) -> Tensor:
        return functional.linear(x, weights[name]).unflatten(-1, heads)

    query = of_heads("query", steps[..., -1:, :])
    by_content = (query + weights["content_bias"]) * of_heads("key", steps)
    by_distance = (query + weights["position_bias"]) * of_heads(
        "position", encodings.to(steps.device)
    )
    scores = (by_content + by_distance).sum(-1) / heads[-1] ** 0.5
    shares = scores.masked_fill(~is_visible.unsqueeze(-1), -torch.inf).softmax(-2)
    mixed = (shares.unsqueeze(-1) * of_heads("value", steps)).sum(-3)
    return functional.linear(mixed.flatten(-2), weights["output"])


def gate(weights: Mapping, x: Tensor, y: Tensor) -> Tensor:
    """The gate of GRU type, in place of ``x + y`` (Parisotto et al., section 3.2)::

        r = sigmoid(W_r y + U_r x),  z = sigmoid(W_z y + U_z x - b)
        gate = (1 - z) x + z tanh(W_g y + U_g (r x))

    Args:
        weights: ``of_y`` [3 size, size], W of r, z and g; ``of_x`` [2 size, size], U of r and z;
            ``candidate`` U_g, [size, size]; ``bias`` b, [size].
        x: what goes on, [..., size].
        y: what a layer made of it, [..., size].

    Returns:
        Both, [..., size].
    """
    size = x.shape[-1]
    y_gates, y_new = functional.linear(y, weights["of_y"]).split((2 * size, size), -1)
    reset, update = (y_gates + functional.linear(x, weights["of_x"])).chunk(2, -1)
    new = (y_new + functional.linear(reset.sigmoid() * x, weights["candidate"])).tanh()
    return torch.lerp(x, new, (update - weights["bias"]).sigmoid())


def _attention_weights(size: int, num_heads: int, seed: int) -> TensorDict:
    names = ("query", "key", "value", "position", "output")
    seeds = zip(names, split(seed, len(names)), strict=True)
    zeros = torch.zeros(num_heads, size // num_heads)
    biases = {"content_bias": zeros, "position_bias": zeros.clone()}
    return TensorDict({name: orthogonal((size, size), 1.0, key) for name, key in seeds} | biases)


def _gate_weights(size: int, seed: int) -> TensorDict:
    *seeds, last = (orthogonal((size, size), 1.0, key) for key in split(seed, 6))
    return TensorDict(
        of_y=torch.cat(seeds[:3]),
        of_x=torch.cat(seeds[3:]),
        candidate=last,
        bias=torch.full((size,), GATE_BIAS),
    )
