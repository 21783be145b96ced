"""How the objects of a simulator become data and are made of it again: the common parts, and objects.

A ``Kind`` saves and loads the values of a class; ``array_kinds`` and ``container_kinds`` hold more of
them. Loading writes into the values that a simulator already has, as far as these are of the same
kind and stand for no other node, since other objects may refer to them. ``saving`` and ``loading`` are
the graphs (``envs.graph``) of which a value is a node; ``path`` is its name in messages.
"""

import logging
import re
from collections.abc import Callable
from enum import Enum
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec

NAMED = (FunctionType, BuiltinFunctionType, MethodType, type, ModuleType)
CONSTANTS = (*NAMED, partial, EnvSpec, np.dtype, re.Pattern, logging.Logger)
CONSTANT_NAMES = (
    *("mujoco.MjModel", "gymnasium.MujocoRenderer", "pybullet_utils.BulletClient"),
    *("pygame.Surface", "pygame.Clock", "torch.dtype", "torch.device"),
)  # of packages that may be missing; a simulator's own Clock is another
PLAIN_SIZE = type("Plain", (), {}).__basicsize__  # of objects that have nothing but attributes
MISSING = object()  # stands where a simulator has no value


class Opaque(TypeError):
    """Raised for a value that may hold more than its Python attributes show."""


class Kind(NamedTuple):
    """How values of some classes are saved and loaded.

    Attributes:
        fits: ``x -> bool``: tests whether a value is of this kind.
        save: ``(x, saving, path) -> data``: numbers, texts, arrays, and other nodes.
        load: ``(data, current, loading, path, index) -> x``: the value of node ``index``, where the
            simulator has ``current`` now.
    """

    fits: Callable[[Any], bool]
    save: Callable[[Any, Any, str], Any]
    load: Callable[[Any, Any, Any, str, int], Any]


def is_constant(x: Any) -> bool:
    """Tests whether a value never changes while a simulator runs, as functions and models."""
    package, _, _ = str(getattr(type(x), "__module__", "")).partition(".")
    return isinstance(x, CONSTANTS) or f"{package}.{type(x).__name__}" in CONSTANT_NAMES


def constant_name(x: Any) -> str:
    """The name by which a constant is compared with another."""
    if isinstance(x, NAMED):
        return getattr(x, "__qualname__", None) or x.__name__
    shows_all = isinstance(x, (np.dtype, re.Pattern)) or type(x).__module__ == "torch"
    return repr(x) if shows_all else type(x).__name__


def exactly(*classes: type) -> Callable[[Any], bool]:
    """A test whether a value is of one of these classes, and of no subclass."""
    return lambda x: type(x) in classes


def stateful(cls: type, get: Callable[[Any], Any], set_: Callable[[Any, Any], Any]) -> Kind:
    """The kind of objects that are made without arguments and then moved to a state.

    Args:
        cls: their class.
        get: ``x -> state``.
        set_: ``(x, state) -> None``.

    Returns:
        A kind whose data is the state.
    """

    def load(data, current, loading, path, index):
        x = current if loading.claim(current, cls) else cls()
        set_(x, data)
        return x

    return Kind(exactly(cls), lambda x, saving, path: get(x), load)


SPACE_PARTS = ("_np_random", "spaces", "feature_space", "node_space", "edge_space")


def _save_space(x: gymnasium.Space, saving: Any, path: str) -> dict[str, Any]:
    """Only the generators, which change when the space is sampled."""
    parts = {name: part for name, part in vars(x).items() if name in SPACE_PARTS}
    return {name: saving.value(part, f"{path}.{name}") for name, part in parts.items()}


def _load_space(data: dict, current: Any, loading: Any, path: str, index: int) -> Any:
    if not isinstance(current, gymnasium.Space):
        raise ValueError(f"{path} was a space, and is none here")
    loading.values_by_index[index] = current
    for name, part in data.items():
        vars(current)[name] = loading.value(part, vars(current).get(name), f"{path}.{name}")
    return current


def _save_enum(x: Enum, saving: Any, path: str) -> dict[str, Any]:
    return {"name": x.name, "class": type(x).__qualname__}


def _load_enum(data: dict, current: Any, loading: Any, path: str, index: int) -> Enum:
    if not isinstance(current, Enum) or type(current).__qualname__ != data["class"]:
        raise ValueError(f"{path} was of {data['class']}, and is another here")
    return type(current)[data["name"]]


def is_plain_class(cls: type) -> bool:
    """Tests whether objects have nothing but attributes: a class and its bases are written in Python."""
    return cls.__basicsize__ <= PLAIN_SIZE and cls.__dictoffset__ != 0


def is_plain_object(x: Any) -> bool:
    """Tests whether an object has nothing but attributes."""
    return is_plain_class(type(x)) and hasattr(x, "__dict__")


def _save_object(x: Any, saving: Any, path: str) -> dict[str, Any]:
    attributes = {name: saving.value(value, f"{path}.{name}") for name, value in vars(x).items()}
    return {
        "class": type(x).__qualname__,
        "module": getattr(type(x), "__module__", ""),
        "attributes": attributes,
    }


def _load_object(data: dict, current: Any, loading: Any, path: str, index: int) -> Any:
    same = is_plain_object(current) and type(current).__qualname__ == data["class"]
    if not same or not loading.claim(current, type(current)):
        current = object.__new__(loading.plain_class(data["module"], data["class"], path))
    loading.values_by_index[index] = current
    load_attributes(current, data["attributes"], loading, path)
    for name in set(vars(current)) - set(data["attributes"]):
        del vars(current)[name]
    return current


def load_attributes(x: Any, saved: dict[str, Any], loading: Any, path: str) -> None:
    """Sets the saved attributes of an object; only data, so that no file replaces a function.

    Args:
        x: the object.
        saved: the values by name, as ``Saving.value`` returned them.
        loading: the graph that these refer to.
        path: the name of the object in messages.

    Raises:
        ValueError: if an attribute is a function here, or cannot be made.
    """
    values = vars(x)
    for name, value in saved.items():
        current = values.get(name, MISSING)
        was_constant = type(value) is dict and "constant" in value
        hides_method = name not in values and callable(getattr(type(x), name, None))
        if hides_method or (is_constant(current) and not was_constant):
            raise ValueError(f"{path}.{name} is a function, and no data to load")
        values[name] = loading.value(value, current, f"{path}.{name}")


OBJECTS: dict[str, Kind] = {
    "space": Kind(lambda x: isinstance(x, gymnasium.Space), _save_space, _load_space),
    "enum": Kind(lambda x: isinstance(x, Enum), _save_enum, _load_enum),
    "object": Kind(is_plain_object, _save_object, _load_object),
}
"""Kinds of objects by name, the most general last."""
