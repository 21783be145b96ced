"""What networks see of an environment's observations: rows of numbers, convolutions, or torsos of parts.

Vectors and goals are seen as one row. Of a dictionary each part has a torso: convolutions for images, a
layer for vectors; goals stay as they are. The features of all parts are joined to one row.
"""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nappo2.envs import Env, ObservationSpec
from nappo2.envs.observations import SMALLEST_IMAGE
from nappo2.networks import (
    MNIH,
    YOUNG,
    Network,
    cnn,
    joined,
    linear,
    mlp,
    sequential,
    unchanged,
    with_view,
)

CONVOLUTIONS = (
    (36, MNIH),
    (SMALLEST_IMAGE, YOUNG),
)
"""Shortest side of an image that layers are used for, and the layers."""
GOALS = ("achieved_goal", "desired_goal")
WIDTH = 64  # of a torso where there is no hidden layer
GAIN = 2**0.5

Activation = Callable[[Tensor], Tensor]


def vector_view(env: Env) -> Callable[[Any], Tensor]:
    """``observation [..., *shape] -> x [..., n]``: all numbers side by side as floats, bytes in [0, 1].

    Warns where an observation may have been meant as an image.
    """
    spec = env.observation_spec
    if spec.warning:
        warnings.warn(f"{env.name} has observations {spec.warning}", stacklevel=2)
    return spec.row


def with_vector_view(network: Network, env: Env) -> Network:
    """Lets a network of vectors [..., n] take an environment's observations."""
    view = vector_view(env)
    return network if view is unchanged else with_view(network, view)


def perceiving(
    env: Env,
    hidden: tuple[int, ...],
    make_network: Callable[[int], Network],
    activation: Activation = torch.relu,
) -> Network:
    """A network of an environment's observations; images are seen as rows, parts by torsos.

    Args:
        env: whose observations it takes.
        hidden: sizes of the hidden layers; torsos of parts have the first one.
        make_network: ``n -> network`` of vectors [..., n].
        activation: of the torsos.

    Returns:
        The network.
    """
    if env.observation_spec.kind != "dictionaries":
        return with_vector_view(make_network(env.observation_spec.size), env)
    torso, size = parts_torso(env, hidden, activation)
    return sequential(torso, make_network(size))


def has_torso(env: Env) -> bool:
    """Whether a torso sees the observations of an environment: images and parts, not rows of numbers."""
    return env.observation_spec.kind in ("images", "dictionaries")


def torso_of(env: Env, hidden: tuple[int, ...]) -> tuple[Network, tuple[int, ...]]:
    """The torso for an environment's images or parts, and the sizes of the layers behind it.

    Args:
        env: whose observations are images or dictionaries.
        hidden: sizes of the hidden layers; of images the torso has the first one.

    Returns:
        A network of observations to features [..., F], and F with the sizes of the hidden layers
        that follow.

    Raises:
        ValueError: if there is no hidden layer behind convolutions.
    """
    if env.observation_spec.kind == "images":
        return image_torso(env.observation_spec.shape, hidden), hidden
    torso, size = parts_torso(env, hidden, torch.relu)
    return torso, (size, *hidden)


def torso_network(env: Env, hidden: tuple[int, ...], outputs: int, gain: float = 1.0) -> Network:
    """A torso and ReLU layers for an environment's images or parts.

    Args:
        env: whose observations are images or dictionaries.
        hidden: sizes of the hidden layers.
        outputs: size of the output.
        gain: of the last layer's weights.

    Returns:
        A network of observations to [..., outputs] float32.

    Raises:
        ValueError: if there is no hidden layer behind convolutions.
    """
    torso, sizes = torso_of(env, hidden)
    return sequential(torso, mlp(*sizes, outputs, activation=torch.relu, final_gain=gain))


def image_torso(
    shape: tuple[int, ...], hidden: tuple[int, ...], make_network: Callable[..., Network] = cnn
) -> Network:
    """Convolutions for images of a shape, and the first hidden layer, of size ``hidden[0]``.

    Args:
        shape: of an image: (channels, height, width).
        hidden: sizes of the hidden layers.
        make_network: ``(shape, features, layers) -> network``, such as ``cnn``.

    Returns:
        A network of images to [..., hidden[0]].

    Raises:
        ValueError: if there is no hidden layer.
    """
    if not hidden:
        raise ValueError(
            "convolutions need a hidden layer behind them, such as (512,); hidden is ()"
        )
    layers = next(layers for side, layers in CONVOLUTIONS if min(shape[1:]) >= side)
    return make_network(shape, hidden[0], layers)


def parts_torso(env: Env, hidden: tuple[int, ...], activation: Activation) -> tuple[Network, int]:
    """A torso for each part of an environment's observations, whose features are joined.

    Args:
        env: whose observations are dictionaries.
        hidden: sizes of the hidden layers, of which each torso has the first one.
        activation: of the torsos of vectors.

    Returns:
        A network of dictionaries to [..., F], and F.
    """
    if env.observation_spec.warning:
        warnings.warn(f"{env.name} has observations {env.observation_spec.warning}", stacklevel=2)
    width = hidden[0] if hidden else WIDTH
    return _joined_parts(env.observation_spec, width, activation)


def _joined_parts(spec: ObservationSpec, width: int, activation: Activation) -> tuple[Network, int]:
    visible = {key: part for key, part in spec.parts.items() if part.size}
    torsos = {key: part_torso(key, part, width, activation) for key, part in visible.items()}
    network = joined({key: torso for key, (torso, _) in torsos.items()})
    return network, sum(size for _, size in torsos.values())


def part_torso(
    key: str, spec: ObservationSpec, width: int, activation: Activation
) -> tuple[Network | Callable[[Any], Tensor], int]:
    """The torso of one part of an observation.

    Args:
        key: the name of the part; goals are seen as they are.
        spec: of the part.
        width: of the torso.
        activation: of a vector's layer.

    Returns:
        A network, or a function without weights, of the part to features [..., F]; and F.
    """
    if spec.kind == "images":
        return image_torso(spec.shape, (width,)), width
    if spec.kind == "dictionaries":
        return _joined_parts(spec, width, activation)
    if spec.kind == "goals" or key in GOALS:
        return spec.row, spec.size
    layer = sequential(linear(spec.size, width, GAIN), activation)
    return with_view(layer, spec.row), width
