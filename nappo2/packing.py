"""States as plain data: a skeleton that is JSON, and arrays.

What a state is made of (dictionaries, tuples, NamedTuples, TensorDicts, tensors, numbers) is
recorded by its structure; classes by their names alone. Unpacking compares these names with the
classes it is given and imports nothing, so that reading a file runs no code.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.reports import Mean, Report

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
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (Tensor, np.ndarray)):
        return _packed_array(value, packing, len(value) if value.ndim else None)
    if isinstance(value, Packed):
        first = len(packing.arrays)
        packing.arrays.extend(value.arrays)
        return {"packed": value.skeleton, "first": first, "count": len(value.arrays)}
    if isinstance(value, TensorDict):
        items = _pack_items(value, packing, place)
        return {"tensordict": items, "batch_size": list(value.batch_size)}
    if isinstance(value, dict):
        return {"dict": _pack_items(value, packing, place)}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {"kind": type(value).__name__, "fields": _pack_fields(value, packing, place)}
    if isinstance(value, (tuple, list)):
        parts = [_pack(x, packing, f"{place}[{i}]") for i, x in enumerate(value)]
        return {"list" if isinstance(value, list) else "tuple": parts}
    raise TypeError(f"{place} is {type(value).__name__}, which is no data that could be saved")


def _pack_items(value: Mapping, packing: _Packing, place: str) -> dict:
    odd = [key for key in value.keys() if not isinstance(key, str)]
    if odd:
        raise TypeError(f"{place} has the key {odd[0]!r}; only names can be saved")
    return {key: _pack(x, packing, f"{place}.{key}") for key, x in value.items()}


def _pack_fields(value: Any, packing: _Packing, place: str) -> dict:
    """Of what says how many of its rows are in use, only these."""
    used = value.used_rows() if hasattr(value, "used_rows") else {}
    fields = {}
    for name, x in zip(value._fields, value, strict=True):
        if name in used and x is not None:
            rows = {key: _packed_array(leaf, packing, used[name]) for key, leaf in _leaves(x)}
            fields[name] = {"rows": rows, "length": len(x)}
        else:
            fields[name] = _pack(x, packing, f"{place}.{name}")
    return fields


def _leaves(tree: TensorDict) -> Iterator[tuple[str, Tensor]]:
    for key, leaf in tree.items(include_nested=True, leaves_only=True):
        yield key if isinstance(key, str) else "/".join(key), leaf


def _packed_array(value: Tensor | np.ndarray, packing: _Packing, rows: int | None) -> dict:
    if id(value) not in packing.seen:
        packing.seen[id(value)] = len(packing.arrays), value
        packing.arrays.append(_copied(value if rows is None else value[:rows]))
    index, _ = packing.seen[id(value)]
    if isinstance(value, np.ndarray):
        return {"array": index}
    if value.dtype == torch.bfloat16:
        return {"tensor": index, "bfloat16": True}
    return {"tensor": index}


def _copied(value: Tensor | np.ndarray) -> np.ndarray:
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise TypeError("an array of objects is no data that could be saved")
        return value.copy()
    value = value.detach().cpu()
    if value.dtype == torch.bfloat16:  # which numpy does not know
        value = value.view(torch.int16)
    return value.numpy().copy()


class UnknownKind(ValueError):
    """Raised for a class of which only the name is known."""


def unpack(packed: Packed, kinds: Kinds | None = None) -> Any:
    """The value; its NamedTuples are made of ``kinds``, by name.

    Raises:
        UnknownKind: for a class that is not among these, or has other fields.
    """
    tensors: dict[int, Tensor] = {}

    def tensor(index, bfloat16=False):
        if index not in tensors:
            found = torch.from_numpy(packed.arrays[index].copy())
            tensors[index] = found.view(torch.bfloat16) if bfloat16 else found
        return tensors[index]

    return _unpack(packed, packed.skeleton, {**KINDS, **(kinds or {})}, tensor)


KINDS: Kinds = {"Report": Report, "Mean": Mean}


def _unpack(packed: Packed, skeleton: Any, kinds: Kinds, tensor: Callable) -> Any:
    def inner(part):
        return _unpack(packed, part, kinds, tensor)

    match skeleton:
        case {"tensor": index, **options}:
            return tensor(index, **options)
        case {"array": index}:
            return packed.arrays[index].copy()
        case {"packed": part, "first": first, "count": count}:
            return Packed(part, packed.arrays[first : first + count])
        case {"tensordict": items, "batch_size": size}:
            return TensorDict({k: inner(x) for k, x in items.items()}, batch_size=size)
        case {"rows": rows, "length": length}:
            return _lengthened({k: inner(x) for k, x in rows.items()}, length)
        case {"dict": items}:
            return {k: inner(x) for k, x in items.items()}
        case {"kind": name, "fields": fields}:
            known = kinds.get(name)
            if known is None or known._fields != tuple(fields):
                raise UnknownKind(f"{name}({', '.join(fields)}) is not known here")
            return known(**{k: inner(x) for k, x in fields.items()})
        case {"tuple": parts}:
            return tuple(inner(x) for x in parts)
        case {"list": parts}:
            return [inner(x) for x in parts]
    return skeleton


def _lengthened(rows: dict[str, Tensor], length: int) -> TensorDict:
    """Tensors of ``length`` rows, the first of which are these."""
    tree = TensorDict(batch_size=[length])
    for key, first in rows.items():
        whole = torch.empty(length, *first.shape[1:], dtype=first.dtype)
        whole[: len(first)] = first
        tree[tuple(key.split("/"))] = whole
    return tree


def kinds_of(value: Any) -> dict[str, type]:
    """The NamedTuples in a value, by the names of their classes."""
    if isinstance(value, (Tensor, TensorDict)):
        return {}
    if isinstance(value, dict):
        return _joined(value.values())
    if isinstance(value, (tuple, list)):
        own = {type(value).__name__: type(value)} if hasattr(value, "_fields") else {}
        return own | _joined(value)
    return {}


def _joined(values) -> dict[str, type]:
    return {name: kind for value in values for name, kind in kinds_of(value).items()}
