"""Values of plain data, as ``packing`` makes it.

Names of classes are looked up among the classes that are given, and among the NamedTuples of modules
that are imported already. Nothing is imported and no constructor of a class is called, so that reading
a file runs no code.
"""

import sys
from collections import deque
from collections.abc import Callable, Mapping
from functools import cache
from types import UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

import numpy as np
import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2 import trees
from nappo2.machine.memory import available_memory
from nappo2.saving.generators import numpy_generator
from nappo2.saving.packing import Packed

Kinds = Mapping[str, type]
"""NamedTuples by the names of their classes."""


class UnknownKind(ValueError):
    """Raised for a class of which only the name is known."""


def unpack(packed: Packed, kinds: Kinds | None = None) -> Any:
    """The packed value; NamedTuples are of ``kinds``, by name, or of classes of imported modules.

    Raises:
        UnknownKind: for a class that is not among these, or has other fields.
    """
    array = cache(lambda index: packed.arrays[index].copy())  # cached: a shared tensor stays shared
    tensor = cache(lambda index, dtype: _tensor(array(index), dtype))
    return _unpack(packed, packed.skeleton, _Unpacking(kinds or {}, array, tensor))


class _Unpacking(NamedTuple):
    kinds: Kinds
    array: Callable[[int], np.ndarray]
    tensor: Callable[[int, str | None], Tensor]


def _tensor(array: np.ndarray, dtype: str | None) -> Tensor:
    tensor = torch.from_numpy(array)
    return tensor if dtype is None else tensor.view(_dtype(dtype))


def _unpack(packed: Packed, skeleton: Any, unpacking: _Unpacking) -> Any:
    def inner(part):
        return _unpack(packed, part, unpacking)

    match skeleton:
        case {"tensor": index, **options}:
            return unpacking.tensor(index, options.get("dtype"))
        case {"array": index}:
            return unpacking.array(index)
        case {"packed": part, "first": first, "count": count}:
            return Packed(part, packed.arrays[first : first + count])
        case {"tensordict": items, "batch_size": size}:
            return TensorDict({k: inner(x) for k, x in items.items()}, batch_size=size)
        case {"rows": rows, "length": length}:
            return _lengthened(inner(rows), length)
        case {"dict": items}:
            return {k: inner(x) for k, x in items.items()}
        case {"pairs": pairs}:
            return dict(map(inner, pairs))
        case {"kind": name, "fields": fields, **module}:
            kind = _kind(name, module.get("module", ""), tuple(fields), unpacking.kinds)
            values = [inner(x) for x in fields.values()]
            return _checked(tuple.__new__(kind, [*values, *_later_defaults(kind, len(values))]))
        case {"deque": parts, "maxlen": maxlen}:
            return deque(map(inner, parts), maxlen)
        case {"complex": [real, imaginary]}:
            return complex(real, imaginary)
        case {"bytes": index}:
            return unpacking.array(index).tobytes()
        case {"dtype": name}:
            return _dtype(name)
        case {"device": name}:
            return torch.device(name)
        case {"generator": index}:
            generator = torch.Generator()
            generator.set_state(torch.from_numpy(unpacking.array(index)))
            return generator
        case {"numpy_generator": name, "state": state}:
            return numpy_generator(name, inner(state))
        case dict():
            (name, parts), *more = skeleton.items()
            if more or name not in SEQUENCES:
                raise ValueError(f"{sorted(skeleton)} is nothing that was packed")
            return SEQUENCES[name](map(inner, parts))
    return skeleton


SEQUENCES = {kind.__name__: kind for kind in (tuple, list, set, frozenset)}


def _kind(name: str, module: str, fields: tuple[str, ...], kinds: Kinds) -> type:
    """The NamedTuple of this name and these fields: one of ``kinds``, or of an imported module.

    It may have further fields with defaults, which it got since it was packed.
    """
    kind = kinds.get(name)
    if kind is None:
        kind = sys.modules.get(module)
        for part in name.split("."):
            kind = vars(kind).get(part) if hasattr(kind, "__dict__") else None
    is_tuple = isinstance(kind, type) and issubclass(kind, tuple)
    names = getattr(kind, "_fields", ()) if is_tuple else ()
    later = names[len(fields) :]
    if not names or names[: len(fields)] != fields or not {*later} <= {*kind._field_defaults}:
        raise UnknownKind(f"{name}({', '.join(fields)}) is not known here")
    return kind


def _later_defaults(kind: Any, num: int) -> list[Any]:
    """The defaults of all fields of a NamedTuple behind the first ``num``."""
    return [kind._field_defaults[name] for name in kind._fields[num:]]


def _checked(value: Any) -> Any:
    """Returns a NamedTuple; a class of nappo2 must have fields of the types it declares.

    Raises:
        ValueError: names the field.
    """
    if not type(value).__module__.startswith("nappo2."):
        return value
    for name, hint in get_type_hints(type(value)).items():
        kinds = [get_origin(x) or x for x in (get_args(hint) if is_union(hint) else (hint,))]
        kinds += [int] if float in kinds else []
        testable = all(isinstance(kind, type) and kind is not Any for kind in kinds)
        field = getattr(value, name)
        if testable and not isinstance(field, tuple(kinds)):
            raise ValueError(f"{type(value).__name__}.{name} is {field!r:.60}, not of {hint}")
    return value


def is_union(hint: Any) -> bool:
    """Tests for a union of types, such as ``int | None``."""
    return isinstance(hint, UnionType) or get_origin(hint) is Union


def _dtype(name: str) -> torch.dtype:
    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype):
        raise ValueError(f"{name!r} is no dtype of torch")
    return dtype


def _lengthened(rows: Tensor | TensorDict, length: int) -> Tensor | TensorDict:
    """Tensors of ``length`` rows, which begin with ``rows``; the others are not initialised."""
    if len(rows) > length:
        raise ValueError(f"{len(rows)} rows are in use, of {length}")
    leaves = [rows] if isinstance(rows, Tensor) else list(rows.values(True, True))
    size = length * sum(x.element_size() * x[:1].numel() for x in leaves)
    if size > available_memory():
        raise ValueError(
            f"a state of {size / 1e9:.1f} GB, where {available_memory() / 1e9:.1f} are"
        )

    def lengthened(first):
        tensor = first.new_empty(length, *first.shape[1:])
        tensor[: len(first)] = first
        return tensor

    if isinstance(rows, Tensor):
        return lengthened(rows)
    return rows.apply(lengthened, batch_size=[length, *rows.batch_size[1:]])


def kinds_of(value: Any) -> dict[str, type]:
    """The NamedTuples in a value, by the names of their classes."""
    if isinstance(value, (Tensor, TensorDict)):
        return {}
    kinds = {type(value).__qualname__: type(value)} if hasattr(value, "_fields") else {}
    for _, part in trees.children(value) or ():
        kinds |= kinds_of(part)
    return kinds
