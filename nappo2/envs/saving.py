"""Live simulators of Gymnasium as plain data, where that is all there is to them.

An environment is its wrappers and what is inside, each with attributes. Numbers, arrays,
generators and the data of MuJoCo are saved; spaces, functions and models do not change in an
episode and stay those of the environment that is loaded into. Anything else may hold what cannot
be seen from here (a physics server, a socket), and then nothing is saved.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec

CONSTANTS = (gymnasium.Space, EnvSpec, type, FunctionType, BuiltinFunctionType, MethodType)
CONSTANT_NAMES = ("MjModel", "MujocoRenderer")  # classes of packages that may not be installed
SCRATCH = ("efc_", "efm_", "island", "map_")  # what each step of MuJoCo writes before it reads it


class Opaque(TypeError):
    """Raised for what may hold more than can be seen."""


def save_envs(envs: list[gymnasium.Env]) -> list | None:
    """Where each of ``envs`` is, as arrays and numbers; None if one of them may hold more."""
    try:
        return [[save_layer(layer) for layer in layers(env)] for env in envs]
    except Opaque:
        return None


def load_envs(envs: list[gymnasium.Env], saved: list) -> None:
    """Moves ``envs`` to where those were that are saved.

    Raises:
        ValueError: if they are others.
    """
    for env, parts in zip(envs, saved, strict=True):
        for layer, part in zip(layers(env), parts, strict=True):
            load_layer(layer, part)


def load_layer(layer: Any, saved: dict[str, Any]) -> None:
    """Gives a layer the attributes that are saved: data alone, no file replaces what is called."""
    for name, value in saved.items():
        if callable(getattr(layer, name, None)):
            raise ValueError(f"{name} of {layer} is a function, and no data to load")
        setattr(layer, name, _load(getattr(layer, name, None), value))


def layers(env: Any) -> Iterator[Any]:
    """An environment's wrappers, from the outermost one, and what is in the innermost."""
    while isinstance(env, gymnasium.Wrapper):
        yield env
        env = env.env
    yield env


def save_layer(layer: Any) -> dict[str, Any]:
    """The attributes of a layer that may change.

    Raises:
        Opaque: if one may hold more than can be seen.
    """
    return {name: _save(x) for name, x in attributes(layer).items() if not _constant(x)}


def save_known(layer: Any, *without: str) -> dict[str, Any]:
    """The attributes of a layer that are data, where the rest is known not to matter."""
    found = {}
    for name, x in attributes(layer).items():
        if name not in without and not _constant(x):
            with suppress(Opaque):
                found[name] = _save(x)
    return found


def attributes(layer: Any) -> dict[str, Any]:
    """What a layer has, but the one within."""
    inner = ("env",) if isinstance(layer, gymnasium.Wrapper) else ()
    return {name: x for name, x in vars(layer).items() if name not in inner}


def _constant(value: Any) -> bool:
    named = type(value).__name__ in CONSTANT_NAMES
    return named or isinstance(value, (*CONSTANTS, ModuleType))


def _save(value: Any) -> Any:
    """A value with a word for what it is; what JSON and arrays know is itself."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return value.copy()
    if isinstance(value, np.generic):
        return {"scalar": np.asarray(value)}
    if isinstance(value, np.random.Generator):
        return {"generator": value.bit_generator.state}
    if type(value).__name__ == "MjData":
        return {"mujoco": _save_mujoco(value)}
    if type(value) in (list, tuple):
        return type(value)(map(_save, value))
    if type(value) is deque:
        return {"deque": [_save(x) for x in value]}
    if type(value) is dict and all(type(key) is str for key in value):
        return {"dict": {key: _save(x) for key, x in value.items() if not _constant(x)}}
    raise Opaque(type(value).__name__)


def _load(there: Any, saved: Any) -> Any:
    """The value that was saved; generators, simulators and dictionaries are moved, not replaced."""
    match saved:
        case {"scalar": array}:
            return array[()]
        case {"generator": state}:
            there.bit_generator.state = state
            return there
        case {"mujoco": arrays}:
            _load_mujoco(there, arrays)
            return there
        case {"deque": parts}:
            return deque(map(_load, [None] * len(parts), parts), maxlen=there.maxlen)
        case {"dict": items}:
            there = {} if there is None else there
            return {**there, **{key: _load(there.get(key), x) for key, x in items.items()}}
        case list() | tuple():
            return type(saved)(_load(None, x) for x in saved)
    return saved


def _save_mujoco(data: Any) -> dict[str, np.ndarray]:
    """All arrays, as rewards look at what the last step derived from the state before it."""
    names = [name for name in dir(data) if not name.startswith("_")]
    kept = [name for name in names if not any(word in name for word in SCRATCH)]
    found = ((name, getattr(data, name)) for name in kept)
    arrays = {name: x.copy() for name, x in found if isinstance(x, np.ndarray)}
    return arrays | {"time": np.asarray(data.time)}


def _load_mujoco(data: Any, saved: dict[str, np.ndarray]) -> None:
    import mujoco

    _copy_mujoco(data, saved)
    mujoco.mj_forward(data.model, data)  # so that there are as many contacts and constraints
    _copy_mujoco(data, saved)


def _copy_mujoco(data: Any, saved: dict[str, np.ndarray]) -> None:
    for name, x in saved.items():
        there = getattr(data, name)
        if isinstance(there, np.ndarray) and there.shape == x.shape:
            there[...] = x
    data.time = float(saved["time"])
