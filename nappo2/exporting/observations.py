"""Observations as bare environments give them, and as policies get them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from nappo2.envs import Env
from nappo2.envs.wrappers import turning

Shape = tuple[int, ...]


def turn_of(env: Env) -> Callable[[Tensor], Tensor] | None:
    """How images [B, *bare] of the bare environment are turned for policies; None if they are not."""
    return None if env.bare_space is None else turning(env.bare_space)


def bare_shapes(env: Env) -> dict[str, Shape]:
    """The shapes of the tensors of an observation by name, as the bare environment gives them."""
    shape = env.observation_spec.shape
    if isinstance(shape, Mapping):
        return dict(shape)
    return {"observation": shape if turn_of(env) is None else tuple(env.bare_space.shape)}


def as_observation(env: Env, tensors: Sequence[Tensor]) -> Any:
    """The observation [B, *shape] of tensors [B, *bare]."""
    shape, turn = env.observation_spec.shape, turn_of(env)
    if isinstance(shape, Mapping):
        return dict(zip(shape, tensors, strict=True))
    return tensors[0] if turn is None else turn(tensors[0])


def as_bare(env: Env, observation: Any) -> dict[str, Tensor]:
    """The tensors [B, *bare] by name of an observation [B, *shape]: the inverse of ``as_observation``."""
    if isinstance(observation, Mapping):
        return dict(observation)
    turn = turn_of(env)
    return {"observation": observation if turn is None else turned_back(env, observation)}


def turned_back(env: Env, x: Tensor) -> Tensor:
    """Images [B, *bare] of images [B, *shape] that were turned."""
    shape = tuple(env.bare_space.shape)
    if not turn_of(env).keywords["last"]:
        return x.reshape(-1, *shape)
    *stack, height, width, channels = shape
    x = x.reshape(-1, *stack, channels, height, width)
    return x.swapaxes(-3, -2).swapaxes(-2, -1).contiguous()
