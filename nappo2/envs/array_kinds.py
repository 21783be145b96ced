"""Arrays, tensors, random generators and the data of MuJoCo, as parts of a simulator that is saved.

Arrays that are views are saved as views, so that two names of one memory stay that. Large arrays
that no simulator has changed since it was made are saved as a digest. Torch is not imported: a
process of simulators without it has no tensors.
"""

import random
import sys
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import numpy as np

from nappo2.envs.kinds import MISSING, Kind, Opaque, exactly, stateful
from nappo2.saving.generators import numpy_generator

LARGE = 1 << 16  # bytes from which an array that has not changed is not saved
SCRATCH = ("efc_", "efm_", "island", "map_")  # of MuJoCo: written in each step before they are read


def digest(array: np.ndarray) -> str:
    """A short text that two arrays share only if they are equal."""
    form = f"{array.dtype.str}{array.shape}".encode()
    return blake2b(form + np.ascontiguousarray(array).tobytes(), digest_size=16).hexdigest()


def _memory_of(array: np.ndarray) -> np.ndarray:
    """The array that owns the memory which an array looks at."""
    while type(array.base) is np.ndarray:
        array = array.base
    return array


def _save_array(x: np.ndarray, saving: Any, path: str) -> dict[str, Any]:
    owner, form = _memory_of(x), {"writeable": bool(x.flags.writeable)}
    if owner is not x:
        offset = x.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
        form |= {"offset": offset, "shape": list(x.shape), "strides": list(x.strides)}
        return {"memory": saving.value(owner, path), "like": np.empty(0, x.dtype), **form}
    if x.nbytes >= LARGE and digest(x) in saving.unchanged:
        return {"unchanged": digest(x)}
    return {"array": x.copy("K"), **form}


def _load_array(data: dict, current: Any, loading: Any, path: str, index: int) -> np.ndarray:
    if "unchanged" in data:
        if type(current) is not np.ndarray or digest(current) != data["unchanged"]:
            raise ValueError(f"{path} is another large array than it was")
        return current
    if "memory" in data:
        return _load_view(data, current, loading, path)
    array = data["array"]
    fits = type(current) is np.ndarray and _form(current) == _form(array)
    if fits and current.flags.writeable and id(_memory_of(current)) not in loading.claimed:
        loading.claimed.add(id(_memory_of(current)))
        np.copyto(current, array)
    else:
        current = array.copy("K")
    current.flags.writeable = data["writeable"]
    return current


def _form(x: Any) -> tuple:
    return x.shape, x.dtype


def _load_view(data: dict, current: Any, loading: Any, path: str) -> np.ndarray:
    memory = _memory_of(current) if type(current) is np.ndarray else MISSING
    memory = loading.value(data["memory"], memory, path)
    view = np.ndarray(data["shape"], data["like"].dtype, memory, data["offset"], data["strides"])
    view.flags.writeable = data["writeable"]
    return current if _is_same_view(view, current) else view


def _is_same_view(view: np.ndarray, x: Any) -> bool:
    """Tests whether a value is an array that looks at the same memory in the same way."""
    if type(x) is not np.ndarray:
        return False
    left, right = view.__array_interface__, x.__array_interface__
    return view.strides == x.strides and all(
        left[key] == right[key] for key in ("data", "shape", "typestr")
    )


def _save_object_array(x: np.ndarray, saving: Any, path: str) -> dict[str, Any]:
    return {"items": saving.values(x.ravel(), path), "shape": list(x.shape)}


def _load_object_array(data: dict, current: Any, loading: Any, path: str, index: int) -> np.ndarray:
    array = np.empty(len(data["items"]), object)
    array[:] = loading.values(data["items"], MISSING, path)
    return array.reshape(data["shape"])


def _of_torch(name: str) -> Callable[[Any], bool]:
    """A test whether a value is of this class of torch, and of no subclass."""
    return lambda x: type(x) is getattr(sys.modules.get("torch"), name, MISSING)


_is_tensor = _of_torch("Tensor")


def _save_tensor(x: Any, saving: Any, path: str) -> Any:
    memory = x.untyped_storage().data_ptr()
    others = (y for _, y in saving.index_and_value.values() if _is_tensor(y) and y is not x)
    if memory and any(y.untyped_storage().data_ptr() == memory for y in others):
        raise Opaque(f"{path} shares its memory with another tensor")
    return x.detach().clone()


def _load_tensor(data: Any, current: Any, loading: Any, path: str, index: int) -> Any:
    fits = type(current) is type(data) and _form(current) == _form(data)
    if fits and loading.claim(current, type(data)):
        current.detach().copy_(data)
        return current
    return data


def _load_torch_generator(data: Any, current: Any, loading: Any, path: str, index: int) -> Any:
    import torch

    x = current if loading.claim(current, torch.Generator) else torch.Generator()
    x.set_state(data)
    return x


def _save_generator(x: np.random.Generator, saving: Any, path: str) -> dict[str, Any]:
    return {"name": type(x.bit_generator).__name__, "state": x.bit_generator.state}


def _load_generator(data: dict, current: Any, loading: Any, path: str, index: int) -> Any:
    generator = numpy_generator(data["name"], data["state"])
    same = type(current) is np.random.Generator and (
        type(current.bit_generator) is type(generator.bit_generator)
    )
    if same and loading.claim(current, np.random.Generator):
        current.bit_generator.state = data["state"]
        return current
    return generator


def _is_mujoco(x: Any) -> bool:
    return type(x).__name__ == "MjData"  # by name, as mujoco may not be installed


def _save_mujoco(x: Any, saving: Any, path: str) -> dict[str, np.ndarray]:
    """All arrays, as rewards look at what the last step derived from the state before it."""
    public = [name for name in dir(x) if not name.startswith("_")]
    names = [name for name in public if not any(word in name for word in SCRATCH)]
    values = ((name, getattr(x, name)) for name in names)
    arrays = {name: value.copy() for name, value in values if isinstance(value, np.ndarray)}
    return arrays | {"time": np.asarray(x.time)}


def _load_mujoco(data: dict, current: Any, loading: Any, path: str, index: int) -> Any:
    if not _is_mujoco(current):
        raise ValueError(f"{path} was MjData, and is another here")
    import mujoco

    _copy_mujoco(current, data)
    mujoco.mj_forward(current.model, current)  # so that there are as many contacts and constraints
    _copy_mujoco(current, data)
    return current


def _copy_mujoco(x: Any, saved: dict[str, np.ndarray]) -> None:
    for name, value in saved.items():
        array = getattr(x, name)
        if isinstance(array, np.ndarray) and array.shape == value.shape:
            array[...] = value
    x.time = float(saved["time"])


ARRAYS: dict[str, Kind] = {
    "objects": Kind(
        lambda x: type(x) is np.ndarray and x.dtype == object,
        _save_object_array,
        _load_object_array,
    ),
    "array": Kind(
        lambda x: type(x) is np.ndarray and not x.dtype.hasobject, _save_array, _load_array
    ),
    "scalar": Kind(
        lambda x: isinstance(x, np.generic), lambda x, *_: np.asarray(x), lambda data, *_: data[()]
    ),
    "tensor": Kind(_is_tensor, _save_tensor, _load_tensor),
    "generator": Kind(exactly(np.random.Generator), _save_generator, _load_generator),
    "legacy generator": stateful(
        np.random.RandomState,
        lambda x: x.get_state(legacy=False),
        lambda x, state: x.set_state(state),
    ),
    "random": stateful(random.Random, random.Random.getstate, random.Random.setstate),
    "torch generator": Kind(
        _of_torch("Generator"), lambda x, *_: x.get_state(), _load_torch_generator
    ),
    "mujoco": Kind(_is_mujoco, _save_mujoco, _load_mujoco),
}
"""Kinds of arrays, tensors and generators by name."""
