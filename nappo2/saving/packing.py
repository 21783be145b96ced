"""States as plain data: a skeleton that is JSON, and arrays.

What a state is made of (dictionaries, tuples, NamedTuples, TensorDicts, tensors, numbers,
generators) is recorded by its structure; classes by their names alone. Unpacking looks for these
names among the classes it is given, and among the NamedTuples of modules that are imported
already; it imports nothing and calls no constructor of a class, so that reading a file runs no code.
"""

import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

import numpy as np
import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2 import trees
from nappo2.machine.memory import available_memory

Kinds = Mapping[str, type]


class Packed(NamedTuple):
    """A value as plain data.

    Attributes:
        skeleton: its structure and numbers, as JSON has them.
        arrays: the data of its tensors; one that is used twice is in it once.
    """

    skeleton: Any
    arrays: list[np.ndarray]

    def items(self) -> Iterator[tuple[str, "Packed"]]:
        """The parts of a dictionary, each packed."""
        for name, part in self.skeleton["dict"].items():
            match part:
                case {"packed": inner, "first": first, "count": count}:
                    yield name, Packed(inner, self.arrays[first : first + count])
                case _:
                    yield name, Packed(part, self.arrays)


def pack(value: Any) -> Packed:
    """Copies ``value`` into plain data.

    Raises:
        TypeError: if something in it is no data; names its place.
    """
    packing = _Packing([], {})
    return Packed(_pack(value, packing, "state"), packing.arrays)


class _Packing(NamedTuple):
    arrays: list
    seen: dict  # id -> (index, and the tensor itself, lest its id be used again)


def _pack(value: Any, packing: _Packing, place: str) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return value.item()
    if isinstance(value, (Tensor, np.ndarray)):
        return _packed_array(value, packing, place)
    if isinstance(value, Packed):
        first = len(packing.arrays)
        packing.arrays.extend(value.arrays)
        return {"packed": value.skeleton, "first": first, "count": len(value.arrays)}
    if isinstance(value, TensorDict):
        items = _pack_items(value, packing, place)
        return {"tensordict": items, "batch_size": list(value.batch_size)}
    if isinstance(value, dict):
        if all(isinstance(key, str) for key in value):
            return {"dict": _pack_items(value, packing, place)}
        pairs = [_pack(pair, packing, f"{place}[{pair[0]!r}]") for pair in value.items()]
        return {"pairs": pairs}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        fields = _pack_fields(value, packing, place)
        kind, module = type(value).__qualname__, type(value).__module__
        return {"kind": kind, "module": module, "fields": fields}
    if isinstance(value, (tuple, list, set, frozenset, deque)):
        parts = [_pack(x, packing, f"{place}[{i}]") for i, x in enumerate(value)]
        if isinstance(value, deque):
            return {"deque": parts, "maxlen": value.maxlen}
        sequences = (tuple, list, set, frozenset)
        return {next(kind.__name__ for kind in sequences if isinstance(value, kind)): parts}
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": _index_of(np.frombuffer(value, np.uint8), packing, place)}
    if isinstance(value, (torch.dtype, torch.device)):
        return {type(value).__name__: str(value).removeprefix("torch.")}
    if isinstance(value, torch.Generator):
        return {"generator": _index_of(value.get_state(), packing, place)}
    if isinstance(value, np.random.Generator):
        state = _pack(value.bit_generator.state, packing, place)
        return {"numpy_generator": type(value.bit_generator).__name__, "state": state}
    raise TypeError(f"{place} is {type(value).__name__}, which is no data that could be saved")


def _pack_items(value: Mapping, packing: _Packing, place: str) -> dict:
    return {key: _pack(x, packing, f"{place}.{key}") for key, x in value.items()}


def _pack_fields(value: Any, packing: _Packing, place: str) -> dict:
    """Of what says how many of its rows are in use, only these."""
    used = value.used_rows() if hasattr(value, "used_rows") else {}
    fields = {}
    for name, x in zip(value._fields, value, strict=True):
        if name in used and x is not None:
            first = x[: used[name]]
            rows = _pack(first, packing, f"{place}.{name}")
            fields[name] = {"rows": rows, "length": len(x)}
        else:
            fields[name] = _pack(x, packing, f"{place}.{name}")
    return fields


def _packed_array(value: Tensor | np.ndarray, packing: _Packing, place: str) -> dict:
    index = _index_of(value, packing, place)
    if isinstance(value, np.ndarray):
        return {"array": index}
    if value.dtype in AS_INTEGERS:
        return {"tensor": index, "dtype": str(value.dtype).removeprefix("torch.")}
    return {"tensor": index}


def _index_of(value: Tensor | np.ndarray, packing: _Packing, place: str) -> int:
    """The index of its array, which is copied when it is first met."""
    if id(value) not in packing.seen:
        packing.seen[id(value)] = len(packing.arrays), value
        packing.arrays.append(_copied(value, place))
    return packing.seen[id(value)][0]


AS_INTEGERS = {torch.bfloat16: torch.int16} | {
    dtype: torch.uint8
    for name in ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz")
    if (dtype := getattr(torch, name, None))
}
"""Which numpy does not know, and as what their bits are kept."""


def _copied(value: Tensor | np.ndarray, place: str) -> np.ndarray:
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise TypeError(f"{place} is an array of objects, which is no data that could be saved")
        return value.copy()
    if value.layout != torch.strided or value.is_quantized or value.is_meta:
        raise TypeError(
            f"{place} is a tensor of layout {value.layout} on {value.device}; only dense tensors "
            "with values can be saved"
        )
    value = value.detach().cpu().resolve_conj().resolve_neg()
    if value.dtype in AS_INTEGERS:
        value = value.view(AS_INTEGERS[value.dtype])
    return value.numpy().copy()


class UnknownKind(ValueError):
    """Raised for a class of which only the name is known."""


def unpack(packed: Packed, kinds: Kinds | None = None) -> Any:
    """The value; its NamedTuples are made of ``kinds``, by name, or of imported modules' classes.

    Raises:
        UnknownKind: for a class that is not among these, or has other fields.
    """
    array = cache(lambda index: packed.arrays[index].copy())  # what was one thing is one again
    tensor = cache(lambda index, dtype: _tensor(array(index), dtype))
    return _unpack(packed, packed.skeleton, _Unpacking(kinds or {}, array, tensor))


class _Unpacking(NamedTuple):
    kinds: Kinds
    array: Callable[[int], np.ndarray]
    tensor: Callable[[int, str | None], Tensor]


def _tensor(array: np.ndarray, dtype: str | None) -> Tensor:
    plain = torch.from_numpy(array)
    return plain if dtype is None else plain.view(_dtype(dtype))


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
            return _checked(tuple.__new__(kind, [inner(x) for x in fields.values()]))
        case {"deque": parts, "maxlen": most}:
            return deque(map(inner, parts), most)
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
    """The NamedTuple of this name and these fields: one that was given, or of an imported module."""
    kind = kinds.get(name)
    if kind is None:
        kind = sys.modules.get(module)
        for part in name.split("."):
            kind = vars(kind).get(part) if hasattr(kind, "__dict__") else None
    plain = isinstance(kind, type) and issubclass(kind, tuple)
    if not plain or getattr(kind, "_fields", None) != fields:
        raise UnknownKind(f"{name}({', '.join(fields)}) is not known here")
    return kind


def _checked(value: Any) -> Any:
    """A NamedTuple; of nappo2's own only if its fields are of the types that the class says.

    Raises:
        ValueError: names the field.
    """
    if not type(value).__module__.startswith("nappo2."):
        return value
    for name, hint in get_type_hints(type(value)).items():
        kinds = [get_origin(x) or x for x in (get_args(hint) if is_union(hint) else (hint,))]
        kinds += [int] if float in kinds else []
        plain = all(isinstance(kind, type) and kind is not Any for kind in kinds)
        if plain and not isinstance(getattr(value, name), tuple(kinds)):
            found = getattr(value, name)
            raise ValueError(f"{type(value).__name__}.{name} is {found!r:.60}, not of {hint}")
    return value


def is_union(hint: Any) -> bool:
    """Whether a type is one of several, as ``int | None`` is."""
    return isinstance(hint, UnionType) or get_origin(hint) is Union


def _dtype(name: str) -> torch.dtype:
    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype):
        raise ValueError(f"{name!r} is no dtype of torch")
    return dtype


BIT_GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")  # of numpy


def numpy_generator(name: str, state: Any) -> np.random.Generator:
    """The generator of numpy that is in this state.

    Raises:
        ValueError: if numpy has no bit generator of this name, or it has other states.
    """
    if name not in BIT_GENERATORS:
        raise ValueError(f"numpy has no bit generator {name!r}; it has {', '.join(BIT_GENERATORS)}")
    bits = getattr(np.random, name)()
    bits.state = state
    return np.random.Generator(bits)


def _lengthened(rows: Tensor | TensorDict, length: int) -> Tensor | TensorDict:
    """Tensors of ``length`` rows, the first of which are these."""
    if len(rows) > length:
        raise ValueError(f"{len(rows)} rows are in use, of {length}")
    leaves = [rows] if isinstance(rows, Tensor) else list(rows.values(True, True))
    size = length * sum(x.element_size() * x[:1].numel() for x in leaves)
    if size > available_memory():
        raise ValueError(
            f"a state of {size / 1e9:.1f} GB, where {available_memory() / 1e9:.1f} are"
        )

    def longer(first):
        longer = first.new_empty(length, *first.shape[1:])
        longer[: len(first)] = first
        return longer

    if isinstance(rows, Tensor):
        return longer(rows)
    return rows.apply(longer, batch_size=[length])


def kinds_of(value: Any) -> dict[str, type]:
    """The NamedTuples in a value, by the names of their classes."""
    if isinstance(value, (Tensor, TensorDict)):
        return {}
    kinds = {type(value).__qualname__: type(value)} if hasattr(value, "_fields") else {}
    for _, part in trees.children(value) or ():
        kinds |= kinds_of(part)
    return kinds
