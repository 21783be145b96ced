"""The kinds of things that a simulator consists of: how each becomes data, and how it is made of them.

A simulator is a graph: two names may be of one list, two arrays views of one memory. So each thing
is one node, and whoever refers to it says so. What is loaded goes into the things that are there,
as far as these are of its kind and free, since others may look at them.
"""

import random
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
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
from nappo2.packing import numpy_generator

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


class Saving:
    """A graph while it is saved.

    Attributes:
        nodes: the things that are not plain numbers and texts, each once.
        seen: the index of each by its identity, and the thing itself, so that it stays alive.
        unchanged: digests of large arrays that every simulator of this kind is made with.
        most: nodes, beyond which it is given up.
    """

    def __init__(self, unchanged: frozenset[str] = frozenset(), most: float = float("inf")):
        self.nodes: list = []
        self.seen: dict[int, tuple[int, Any]] = {}
        self.unchanged, self.most = unchanged, most

    def stand(self, layers: Iterable[Any]) -> None:
        """Has things stand for themselves: who refers to one, refers to the one that is loaded into."""
        for layer in layers:
            self.seen[id(layer)] = len(self.nodes), layer
            self.nodes.append({"kind": "layer", "data": type(layer).__qualname__})

    def value(self, x: Any, place: str) -> Any:
        """A value as it is, if it is a number or a text; else where its node is.

        Raises:
            Opaque: if it may hold more than can be seen; names its place.
        """
        if x is None or type(x) in (bool, int, float, str):
            return x
        if is_constant(x):
            return {"constant": constant_name(x)}
        if id(x) not in self.seen:
            if len(self.nodes) >= self.most:
                raise Opaque(f"{place} is one of more than {self.most:,} things")
            index = len(self.nodes)
            self.seen[id(x)] = index, x
            self.nodes.append(None)
            self.nodes[index] = self._node(x, place)
        return {"node": self.seen[id(x)][0]}

    def _node(self, x: Any, place: str) -> dict[str, Any]:
        for name, kind in KINDS.items():
            if kind.fits(x):
                return {"kind": name, "data": kind.save(x, self, place)}
        kind = type(x)
        raise Opaque(
            f"{place} is {kind.__module__}.{kind.__qualname__}, which may hold more than data"
        )

    def values(self, parts: Any, place: str) -> list:
        """Each of some parts."""
        return [self.value(x, f"{place}[{i}]") for i, x in enumerate(parts)]

    def known(self, parts: dict[str, Any], place: str) -> dict[str, Any]:
        """Those of some parts that are data."""
        known = {}
        for name, x in parts.items():
            nodes, seen = list(self.nodes), dict(self.seen)
            try:
                known[name] = self.value(x, f"{place}.{name}")
            except Opaque:
                self.nodes, self.seen = nodes, seen
        return known


class Loading:
    """A graph while it is loaded.

    Attributes:
        nodes: as they were saved.
        made: what each has become, by its index.
        used: identities of things that were there before, and stand for a node now.
        modules: of the classes of the layers.
    """

    def __init__(self, nodes: list):
        self.nodes = nodes
        self.made: dict[int, Any] = {}
        self.used: set[int] = set()
        self.modules: set[str] = set()

    def stand(self, layers: Iterable[Any]) -> None:
        """Has things stand for those of the same number that were saved."""
        for layer in layers:
            self.made[len(self.made)] = layer
            self.modules.add(type(layer).__module__)

    def value(self, saved: Any, there: Any, place: str) -> Any:
        """The value that was saved, made of what is there, where that is of its kind.

        Raises:
            ValueError: if it cannot be made here; names its place.
        """
        match saved:
            case {"constant": name}:
                if not is_constant(there) or constant_name(there) != name:
                    raise ValueError(f"{place} was {name}, and is another here")
                return there
            case {"node": index}:
                if index not in self.made:
                    node = self.nodes[index]
                    self.made[index] = KINDS[node["kind"]].load(
                        node["data"], there, self, place, index
                    )
                return self.made[index]
        return saved

    def values(self, parts: list, there: Any, place: str) -> list:
        """Each of some parts, made of those that are there."""
        old = list(there) if isinstance(there, (list, tuple, deque)) else []
        old += [MISSING] * (len(parts) - len(old))
        return [self.value(x, old[i], f"{place}[{i}]") for i, x in enumerate(parts)]

    def plain_class(self, module: str, name: str, place: str) -> type:
        """A class of which an object can be made that nothing here stands for.

        Of a module that a layer is of, and such that making and deleting an object runs no code.

        Raises:
            ValueError: if it is another one.
        """
        kind = sys.modules.get(module) if module in self.modules else None
        for part in name.split("."):
            kind = vars(kind).get(part) if hasattr(kind, "__dict__") else None
        if not isinstance(kind, type) or not is_plain_class(kind) or hasattr(kind, "__del__"):
            raise ValueError(f"{place} was {name}, and there is none here to be moved")
        return kind

    def take(self, there: Any, kind: type) -> bool:
        """Whether what is there is of this kind and free; from now on it stands for a node."""
        if type(there) is not kind or id(there) in self.used:
            return False
        self.used.add(id(there))
        return True


class Kind(NamedTuple):
    """A kind of things.

    Attributes:
        fits: ``x -> bool``: whether a thing is of this kind.
        save: ``(x, saving, place) -> data``: numbers, texts, arrays, and other nodes.
        load: ``(data, there, loading, place, index) -> x``.
    """

    fits: Callable[[Any], bool]
    save: Callable[[Any, Saving, str], Any]
    load: Callable[[Any, Any, Loading, str, int], Any]


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


def save_array(x: np.ndarray, saving: Saving, place: str) -> dict[str, Any]:
    owner, form = memory_of(x), {"writeable": bool(x.flags.writeable)}
    if owner is not x:
        offset = x.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
        form |= {"offset": offset, "shape": list(x.shape), "strides": list(x.strides)}
        return {"memory": saving.value(owner, place), "like": np.empty(0, x.dtype), **form}
    if x.nbytes >= LARGE and digest(x) in saving.unchanged:
        return {"unchanged": digest(x)}
    return {"array": x.copy("K"), **form}


def load_array(data: dict, there: Any, loading: Loading, place: str, index: int) -> np.ndarray:
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


def save_objects(x: np.ndarray, saving: Saving, place: str) -> dict[str, Any]:
    return {"items": saving.values(x.ravel(), place), "shape": list(x.shape)}


def load_objects(data: dict, there: Any, loading: Loading, place: str, index: int) -> np.ndarray:
    array = np.empty(len(data["items"]), object)
    array[:] = loading.values(data["items"], MISSING, place)
    return array.reshape(data["shape"])


def save_tensor(x: Tensor, saving: Saving, place: str) -> Tensor:
    memory = x.untyped_storage().data_ptr()
    others = (y for _, y in saving.seen.values() if type(y) is Tensor and y is not x)
    if memory and any(y.untyped_storage().data_ptr() == memory for y in others):
        raise Opaque(f"{place} shares its memory with another tensor")
    return x.detach().clone()


def load_tensor(data: Tensor, there: Any, loading: Loading, place: str, index: int) -> Tensor:
    fits = type(there) is Tensor and (there.shape, there.dtype) == (data.shape, data.dtype)
    if fits and loading.take(there, Tensor):
        there.detach().copy_(data)
        return there
    return data


def load_list(data: list, there: Any, loading: Loading, place: str, index: int) -> list:
    made = there if loading.take(there, list) else []
    old, loading.made[index] = list(made), made  # before its parts, as one may refer to it
    made[:] = loading.values(data, old, place)
    return made


def load_set(data: list, there: Any, loading: Loading, place: str, index: int) -> set:
    made = there if loading.take(there, set) else set()
    values = loading.values(data, MISSING, place)
    made.clear()
    made.update(values)
    return made


def save_deque(x: deque, saving: Saving, place: str) -> dict[str, Any]:
    return {"items": saving.values(x, place), "maxlen": x.maxlen}


def load_deque(data: dict, there: Any, loading: Loading, place: str, index: int) -> deque:
    same = type(there) is deque and there.maxlen == data["maxlen"] and loading.take(there, deque)
    made = there if same else deque(maxlen=data["maxlen"])
    old, loading.made[index] = list(made), made
    values = loading.values(data["items"], old, place)
    made.clear()
    made.extend(values)
    return made


def save_dict(x: dict, saving: Saving, place: str) -> list:
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


def save_defaultdict(x: defaultdict, saving: Saving, place: str) -> dict[str, Any]:
    if x.default_factory not in FACTORIES.values():
        raise Opaque(f"{place} makes its defaults by {x.default_factory!r}, which is no data")
    return {"items": save_dict(x, saving, place), "factory": x.default_factory.__name__}


def load_defaultdict(
    data: dict, there: Any, loading: Loading, place: str, index: int
) -> defaultdict:
    made = KINDS["dict"].load(data["items"], MISSING, loading, place, index)
    return defaultdict(FACTORIES[data["factory"]], made)


def save_fields(x: tuple, saving: Saving, place: str) -> dict[str, Any]:
    return {"items": saving.values(x, place), "names": list(x._fields)}


def load_fields(data: dict, there: Any, loading: Loading, place: str, index: int) -> tuple:
    if getattr(there, "_fields", None) != tuple(data["names"]):
        raise ValueError(f"{place} has no fields {', '.join(data['names'])} here")
    return tuple.__new__(type(there), loading.values(data["items"], there, place))


def save_generator(x: np.random.Generator, saving: Saving, place: str) -> dict[str, Any]:
    return {"name": type(x.bit_generator).__name__, "state": x.bit_generator.state}


def load_generator(data: dict, there: Any, loading: Loading, place: str, index: int) -> Any:
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


def save_space(x: gymnasium.Space, saving: Saving, place: str) -> dict[str, Any]:
    """Its generators, as it is drawn from; the rest of a space is a constant."""
    parts = {name: part for name, part in vars(x).items() if name in SPACE_PARTS}
    return {name: saving.value(part, f"{place}.{name}") for name, part in parts.items()}


def load_space(data: dict, there: Any, loading: Loading, place: str, index: int) -> Any:
    if not isinstance(there, gymnasium.Space):
        raise ValueError(f"{place} was a space, and is none here")
    loading.made[index] = there
    for name, part in data.items():
        vars(there)[name] = loading.value(part, vars(there).get(name), f"{place}.{name}")
    return there


def save_enum(x: Enum, saving: Saving, place: str) -> dict[str, Any]:
    return {"name": x.name, "of": type(x).__qualname__}


def load_enum(data: dict, there: Any, loading: Loading, place: str, index: int) -> Enum:
    if not isinstance(there, Enum) or type(there).__qualname__ != data["of"]:
        raise ValueError(f"{place} was of {data['of']}, and is another here")
    return type(there)[data["name"]]


def is_plain_class(kind: type) -> bool:
    """Whether objects have nothing but attributes: a class and all its bases are written in Python."""
    return kind.__basicsize__ <= PLAIN_SIZE and kind.__dictoffset__ != 0


def is_plain_object(x: Any) -> bool:
    """Whether an object has nothing but attributes."""
    return is_plain_class(type(x)) and hasattr(x, "__dict__")


def save_object(x: Any, saving: Saving, place: str) -> dict[str, Any]:
    parts = {name: saving.value(part, f"{place}.{name}") for name, part in vars(x).items()}
    return {"of": type(x).__qualname__, "module": type(x).__module__, "attributes": parts}


def load_object(data: dict, there: Any, loading: Loading, place: str, index: int) -> Any:
    same = is_plain_object(there) and type(there).__qualname__ == data["of"]
    if not same or not loading.take(there, type(there)):
        there = object.__new__(loading.plain_class(data["module"], data["of"], place))
    loading.made[index] = there
    load_attributes(there, data["attributes"], loading, place)
    for name in set(vars(there)) - set(data["attributes"]):
        del vars(there)[name]
    return there


def load_attributes(x: Any, saved: dict[str, Any], loading: Loading, place: str) -> None:
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


def load_mujoco_data(data: dict, there: Any, loading: Loading, place: str, index: int) -> Any:
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
