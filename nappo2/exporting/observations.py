"""Observations as bare environments give them, and as policies get them.

Those of several parts have a tensor for each, called by its path: ``pole.angle``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from nappo2.envs import Env, ObservationSpec
from nappo2.envs.observations import part_of
from nappo2.envs.wrappers import turning
from nappo2.trees import nested, walk

Path = tuple[str, ...]
Shape = tuple[int, ...]


def turn_of(env: Env, path: Path) -> Callable[[Tensor], Tensor] | None:
    """How images ``[B, *bare]`` of a part of the bare environment are turned for policies; None if not."""
    if env.bare_space is None or env.observation_spec.kind == "goals":
        return None
    return turning(part_of(env.bare_space, path))


def bare_tensors(env: Env) -> Iterator[tuple[str, Shape, ObservationSpec]]:
    """The name, the shape as the bare environment gives it, and the spec of each tensor of an observation."""
    for path, spec in env.observation_spec.tensors.items():
        turned = turn_of(env, path) is not None
        shape = tuple(part_of(env.bare_space, path).shape) if turned else spec.shape
        yield name_of(path), shape, spec


def bare_zeros(env: Env, size: int) -> dict[str, Tensor]:
    """Tensors of zeros ``[size, *bare]`` by name, as the bare environment gives them."""
    return {name: torch.zeros(size, *shape, dtype=x.dtype) for name, shape, x in bare_tensors(env)}


def name_of(path: Path) -> str:
    """The name of a part of an observation; ``observation`` if it is the whole."""
    return ".".join(path) or "observation"


def as_observation(env: Env, tensors: Sequence[Tensor]) -> Any:
    """The observation ``[B, *shape]`` of tensors ``[B, *bare]``."""
    paths = list(env.observation_spec.tensors)
    turns = [turn_of(env, path) for path in paths]
    pairs = zip(turns, tensors, strict=True)
    leaves = [x if turn is None else turn(x) for turn, x in pairs]
    return leaves[0] if paths == [()] else nested(paths, leaves)


def as_bare(env: Env, observation: Any) -> dict[str, Tensor]:
    """The tensors ``[B, *bare]`` by name of an observation, the inverse of ``as_observation``."""
    parts = walk(observation) if isinstance(observation, Mapping) else [((), observation)]
    return {name_of(path): _bare(env, path, x) for path, x in parts}


def _bare(env: Env, path: Path, x: Tensor) -> Tensor:
    turn = turn_of(env, path)
    return x if turn is None else turned_back(turn, part_of(env.bare_space, path).shape, x)


def turned_back(turn: partial, shape: Shape, x: Tensor) -> Tensor:
    """Images ``[B, *bare]`` of images ``[B, *shape]`` that were turned.

    Args:
        turn: by which they were turned.
        shape: ``bare``.
        x: the images.

    Returns:
        The images as the bare environment gives them.
    """
    if not turn.keywords["last"]:
        return x.reshape(-1, *shape)
    *stack, height, width, channels = shape
    x = x.reshape(-1, *stack, channels, height, width)
    return x.swapaxes(-3, -2).swapaxes(-2, -1).contiguous()
