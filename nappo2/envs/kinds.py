"""The kinds of things that a simulator consists of: how each becomes data, and how it is made of them.

What is loaded goes into the things that are there, as far as these are of its kind and free, since
others may look at them. ``saving`` and ``loading`` are the graph of which a thing is a part.
"""

import random
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from enum import Enum
from functools import partial
from hashlib import blake2b
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch
from gymnasium.envs.registration import EnvSpec
from torch import Tensor

from nappo2.envs.mujoco_data import load_mujoco, save_mujoco
from nappo2.saving.unpacking import numpy_generator

NAMED = (FunctionType, BuiltinFunctionType, MethodType, type, ModuleType)
CONSTANTS = (*NAMED, partial, EnvSpec)
CONSTANT_NAMES = (
    "MjModel",
    "MujocoRenderer",
    "BulletClient",
    "Surface",
    "Clock",
)  # of packages that may be missing
LARGE = 1 << 16  # bytes from which an array that has not changed is not saved
PLAIN_SIZE = type("Plain", (), {}).__basicsize__  # of objects that have nothing but attributes
MISSING = object()  # what stands where nothing is


class Opaque(TypeError):
    """Raised for what may hold more than can be seen."""


class Kind(NamedTuple):
    """A kind of things.

    Attributes:
        fits: ``x -> bool``: whether a thing is of this kind.
        save: ``(x, saving, place) -> data``: numbers, texts, arrays, and other nodes.
        load: ``(data, there, loading, place, index) -> x``.
    """

    fits: Callable[[Any], bool]
    save: Callable[[Any, Any, str], Any]
    load: Callable[[Any, Any, Any, str, int], Any]


def is_constant(x: Any) -> bool:
    """Whether a thing does not change while a simulator runs, as functions and models."""
    return isinstance(x, CONSTANTS) or type(x).__name__ in CONSTANT_NAMES


def constant_name(x: Any) -> str:
    """What tells one constant from another."""
    if isinstance(x, NAMED):
        return getattr(x, "__qualname__", None) or x.__name__
    return type(x).__name__


def exactly(*kinds: type) -> Callable[[Any], bool]:
    """Whether a thing is of one of these classes, and of none that derives from them."""
    return lambda x: type(x) in kinds


def memory_of(array: np.ndarray) -> np.ndarray:
    """The array that owns the memory which an array looks at."""
    while type(array.base) is np.ndarray:
        array = array.base
    return array


def digest(array: np.ndarray) -> str:
    """A short text that two arrays share only if they are equal."""
    form = f"{array.dtype.str}{array.shape}".encode()
    return blake2b(form + np.ascontiguousarray(array).tobytes(), digest_size=16).hexdigest()


def save_array(x: np.ndarray, saving: Any, place: str) -> dict[str, Any]:
    owner, form = memory_of(x), {"writeable": bool(x.flags.writeable)}
    if owner is not x:
        offset = x.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
        form |= {"offset": offset, "shape": list(x.shape), "strides": list(x.strides)}
        return {"memory": saving.value(owner, place), "like": np.empty(0, x.dtype), **form}
    if x.nbytes >= LARGE and digest(x) in saving.unchanged:
        return {"unchanged": digest(x)}
    return {"array": x.copy("K"), **form}


def load_array(data: dict, there: Any, loading: Any, place: str, index: int) -> np.ndarray:
    match data:
        case {"unchanged": mark}:
            if type(there) is not np.ndarray or digest(there) != mark:
                raise ValueError(f"{place} is another large array than it was")
            return there
        case {"memory": memory, "like": like, **form}:
            before = memory_of(there) if type(there) is np.ndarray else MISSING
            memory = loading.value(memory, before, place)
            view = np.ndarray(form["shape"], like.dtype, memory, form["offset"], form["strides"])
            view.flags.writeable = form["writeable"]
            return there if is_same_view(view, there) else view
    array = data["array"]
    fits = type(there) is np.ndarray and (there.shape, there.dtype) == (array.shape, array.dtype)
    if fits and there.flags.writeable and id(memory_of(there)) not in loading.used:
        loading.used.add(id(memory_of(there)))
        np.copyto(there, array)
    else:
        there = array.copy("K")
    there.flags.writeable = data["writeable"]
    return there


def is_same_view(view: np.ndarray, there: Any) -> bool:
    """Whether an array that is there looks at the same memory in the same way."""
    if type(there) is not np.ndarray:
        return False
    mine, other = view.__array_interface__, there.__array_interface__
    return view.strides == there.strides and all(
        mine[k] == other[k] for k in ("data", "shape", "typestr")
    )


def save_objects(x: np.ndarray, saving: Any, place: str) -> dict[str, Any]:
    return {"items": saving.values(x.ravel(), place), "shape": list(x.shape)}


def load_objects(data: dict, there: Any, loading: Any, place: str, index: int) -> np.ndarray:
    array = np.empty(len(data["items"]), object)
    array[:] = loading.values(data["items"], MISSING, place)
    return array.reshape(data["shape"])


def save_tensor(x: Tensor, saving: Any, place: str) -> Tensor:
    memory = x.untyped_storage().data_ptr()
    others = (y for _, y in saving.seen.values() if type(y) is Tensor and y is not x)
    if memory and any(y.untyped_storage().data_ptr() == memory for y in others):
        raise Opaque(f"{place} shares its memory with another tensor")
    return x.detach().clone()


def load_tensor(data: Tensor, there: Any, loading: Any, place: str, index: int) -> Tensor:
    fits = type(there) is Tensor and (there.shape, there.dtype) == (data.shape, data.dtype)
    if fits and loading.take(there, Tensor):
        there.detach().copy_(data)
        return there
    return data


def load_list(data: list, there: Any, loading: Any, place: str, index: int) -> list:
    made = there if loading.take(there, list) else []
    old, loading.made[index] = list(made), made  # before its parts, as one may refer to it
    made[:] = loading.values(data, old, place)
    return made


def load_set(data: list, there: Any, loading: Any, place: str, index: int) -> set:
    made = there if loading.take(there, set) else set()
    values = loading.values(data, MISSING, place)
    made.clear()
    made.update(values)
    return made


def save_deque(x: deque, saving: Any, place: str) -> dict[str, Any]:
    return {"items": saving.values(x, place), "maxlen": x.maxlen}


def load_deque(data: dict, there: Any, loading: Any, place: str, index: int) -> deque:
    same = type(there) is deque and there.maxlen == data["maxlen"] and loading.take(there, deque)
    made = there if same else deque(maxlen=data["maxlen"])
    old, loading.made[index] = list(made), made
    values = loading.values(data["items"], old, place)
    made.clear()
    made.extend(values)
    return made


def save_dict(x: dict, saving: Any, place: str) -> list:
    return [
        [saving.value(key, place), saving.value(value, f"{place}[{key!r}]")]
        for key, value in x.items()
    ]


def dict_of(kind: type) -> Kind:
    def load(data, there, loading, place, index):
        made = there if loading.take(there, kind) else kind()
        old, loading.made[index] = dict(made), made
        keys = [loading.value(key, MISSING, place) for key, _ in data]
        values = [
            loading.value(value, old.get(key, MISSING), f"{place}[{key!r}]")
            for key, (_, value) in zip(keys, data, strict=True)
        ]
        made.clear()
        for key, value in zip(keys, values, strict=True):  # Counter.update would count the pairs
            made[key] = value
        return made

    return Kind(exactly(kind), save_dict, load)


FACTORIES = {kind.__name__: kind for kind in (int, float, str, list, dict, set, tuple, bool)}


def save_defaultdict(x: defaultdict, saving: Any, place: str) -> dict[str, Any]:
    if x.default_factory not in FACTORIES.values():
        raise Opaque(f"{place} makes its defaults by {x.default_factory!r}, which is no data")
    return {"items": save_dict(x, saving, place), "factory": x.default_factory.__name__}


def load_defaultdict(data: dict, there: Any, loading: Any, place: str, index: int) -> defaultdict:
    made = KINDS["dict"].load(data["items"], MISSING, loading, place, index)
    return defaultdict(FACTORIES[data["factory"]], made)


def save_fields(x: tuple, saving: Any, place: str) -> dict[str, Any]:
    return {"items": saving.values(x, place), "names": list(x._fields)}


def load_fields(data: dict, there: Any, loading: Any, place: str, index: int) -> tuple:
    if getattr(there, "_fields", None) != tuple(data["names"]):
        raise ValueError(f"{place} has no fields {', '.join(data['names'])} here")
    return tuple.__new__(type(there), loading.values(data["items"], there, place))


def save_generator(x: np.random.Generator, saving: Any, place: str) -> dict[str, Any]:
    return {"name": type(x.bit_generator).__name__, "state": x.bit_generator.state}


def load_generator(data: dict, there: Any, loading: Any, place: str, index: int) -> Any:
    made = numpy_generator(data["name"], data["state"])
    same = type(there) is np.random.Generator and (
        type(there.bit_generator) is type(made.bit_generator)
    )
    if same and loading.take(there, np.random.Generator):
        there.bit_generator.state = data["state"]
        return there
    return made


def moved(kind: type, save: Callable[[Any], Any], move: Callable[[Any, Any], Any]) -> Kind:
    """A kind of things that are made without arguments, and then moved to a state."""

    def load(data, there, loading, place, index):
        made = there if loading.take(there, kind) else kind()
        move(made, data)
        return made

    return Kind(exactly(kind), lambda x, saving, place: save(x), load)


SPACE_PARTS = ("_np_random", "spaces", "feature_space", "node_space", "edge_space")


def save_space(x: gymnasium.Space, saving: Any, place: str) -> dict[str, Any]:
    """Its generators, as it is drawn from; the rest of a space is a constant."""
    parts = {name: part for name, part in vars(x).items() if name in SPACE_PARTS}
    return {name: saving.value(part, f"{place}.{name}") for name, part in parts.items()}


def load_space(data: dict, there: Any, loading: Any, place: str, index: int) -> Any:
    if not isinstance(there, gymnasium.Space):
        raise ValueError(f"{place} was a space, and is none here")
    loading.made[index] = there
    for name, part in data.items():
        vars(there)[name] = loading.value(part, vars(there).get(name), f"{place}.{name}")
    return there


def save_enum(x: Enum, saving: Any, place: str) -> dict[str, Any]:
    return {"name": x.name, "of": type(x).__qualname__}


def load_enum(data: dict, there: Any, loading: Any, place: str, index: int) -> Enum:
    if not isinstance(there, Enum) or type(there).__qualname__ != data["of"]:
        raise ValueError(f"{place} was of {data['of']}, and is another here")
    return type(there)[data["name"]]


def is_plain_class(kind: type) -> bool:
    """Whether objects have nothing but attributes: a class and all its bases are written in Python."""
    return kind.__basicsize__ <= PLAIN_SIZE and kind.__dictoffset__ != 0


def is_plain_object(x: Any) -> bool:
    """Whether an object has nothing but attributes."""
    return is_plain_class(type(x)) and hasattr(x, "__dict__")


def save_object(x: Any, saving: Any, place: str) -> dict[str, Any]:
    parts = {name: saving.value(part, f"{place}.{name}") for name, part in vars(x).items()}
    return {
        "of": type(x).__qualname__,
        "module": getattr(type(x), "__module__", ""),
        "attributes": parts,
    }


def load_object(data: dict, there: Any, loading: Any, place: str, index: int) -> Any:
    same = is_plain_object(there) and type(there).__qualname__ == data["of"]
    if not same or not loading.take(there, type(there)):
        there = object.__new__(loading.plain_class(data["module"], data["of"], place))
    loading.made[index] = there
    load_attributes(there, data["attributes"], loading, place)
    for name in set(vars(there)) - set(data["attributes"]):
        del vars(there)[name]
    return there


def load_attributes(x: Any, saved: dict[str, Any], loading: Any, place: str) -> None:
    """Gives an object the attributes that are saved; data alone, as no file replaces what is called.

    Raises:
        ValueError: if one of them is a function here, or cannot be made.
    """
    before = vars(x)
    for name, value in saved.items():
        there, was_constant = before.get(name, MISSING), type(value) is dict and "constant" in value
        covers = name not in before and callable(getattr(type(x), name, None))
        if covers or (is_constant(there) and not was_constant):
            raise ValueError(f"{place}.{name} is a function, and no data to load")
        before[name] = loading.value(value, there, f"{place}.{name}")


def load_mujoco_data(data: dict, there: Any, loading: Any, place: str, index: int) -> Any:
    if type(there).__name__ != "MjData":
        raise ValueError(f"{place} was MjData, and is another here")
    load_mujoco(there, data)
    return there


KINDS: dict[str, Kind] = {
    "objects": Kind(
        lambda x: type(x) is np.ndarray and x.dtype == object, save_objects, load_objects
    ),
    "array": Kind(
        lambda x: type(x) is np.ndarray and not x.dtype.hasobject, save_array, load_array
    ),
    "scalar": Kind(
        lambda x: isinstance(x, np.generic), lambda x, *_: np.asarray(x), lambda data, *_: data[()]
    ),
    "plain": Kind(exactly(complex, bytes), lambda x, *_: x, lambda data, *_: data),
    "bytearray": moved(bytearray, bytes, lambda x, data: x.__setitem__(slice(None), data)),
    "list": Kind(exactly(list), lambda x, saving, place: saving.values(x, place), load_list),
    "tuple": Kind(
        exactly(tuple),
        lambda x, saving, place: saving.values(x, place),
        lambda data, there, loading, place, _: tuple(loading.values(data, there, place)),
    ),
    "frozenset": Kind(
        exactly(frozenset),
        lambda x, saving, place: saving.values(x, place),
        lambda data, there, loading, place, _: frozenset(loading.values(data, MISSING, place)),
    ),
    "set": Kind(exactly(set), lambda x, saving, place: saving.values(x, place), load_set),
    "deque": Kind(exactly(deque), save_deque, load_deque),
    "dict": dict_of(dict),
    "OrderedDict": dict_of(OrderedDict),
    "Counter": dict_of(Counter),
    "defaultdict": Kind(exactly(defaultdict), save_defaultdict, load_defaultdict),
    "fields": Kind(
        lambda x: isinstance(x, tuple) and hasattr(x, "_fields"), save_fields, load_fields
    ),
    "generator": Kind(exactly(np.random.Generator), save_generator, load_generator),
    "legacy generator": moved(
        np.random.RandomState,
        lambda x: x.get_state(legacy=False),
        lambda x, data: x.set_state(data),
    ),
    "random": moved(random.Random, random.Random.getstate, random.Random.setstate),
    "torch generator": moved(torch.Generator, torch.Generator.get_state, torch.Generator.set_state),
    "tensor": Kind(exactly(Tensor), save_tensor, load_tensor),
    "mujoco": Kind(
        lambda x: type(x).__name__ == "MjData", lambda x, *_: save_mujoco(x), load_mujoco_data
    ),
    "space": Kind(lambda x: isinstance(x, gymnasium.Space), save_space, load_space),
    "enum": Kind(lambda x: isinstance(x, Enum), save_enum, load_enum),
    "object": Kind(is_plain_object, save_object, load_object),
}
"""All that a simulator may consist of, by name."""
