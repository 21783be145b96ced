"""States as plain data: a skeleton that is JSON, and arrays.

What a state is made of (dictionaries, tuples, NamedTuples, TensorDicts, tensors, numbers,
generators) is recorded by its structure; classes by their names alone. ``unpacking`` reads it.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from tensordict import TensorDict
from torch import Tensor

AS_INTEGERS = {torch.bfloat16: torch.int16} | {
    dtype: torch.uint8
    for name in ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz")
    if (dtype := getattr(torch, name, None))
}
"""Dtypes that numpy lacks, and the integers as which their bits are saved."""


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
    arrays = _Arrays([], {})
    return Packed(_pack(value, arrays, "state"), arrays.copies)


class _Arrays(NamedTuple):
    copies: list[np.ndarray]
    indices: dict  # id -> (index, and the tensor itself, lest its id be used again)

    def index_of(self, value: Tensor | np.ndarray, place: str) -> int:
        """The index of its copy, which is made when it is first met."""
        if id(value) not in self.indices:
            self.indices[id(value)] = len(self.copies), value
            self.copies.append(_copied(value, place))
        return self.indices[id(value)][0]


def _pack(value: Any, arrays: _Arrays, place: str) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return value.item()
    if isinstance(value, (Tensor, np.ndarray)):
        return _pack_array(value, arrays, place)
    if isinstance(value, Packed):
        first = len(arrays.copies)
        arrays.copies.extend(value.arrays)
        return {"packed": value.skeleton, "first": first, "count": len(value.arrays)}
    if isinstance(value, (TensorDict, dict)):
        return _pack_mapping(value, arrays, place)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        kind, module = type(value).__qualname__, type(value).__module__
        return {"kind": kind, "module": module, "fields": _pack_fields(value, arrays, place)}
    if isinstance(value, (tuple, list, set, frozenset, deque)):
        return _pack_sequence(value, arrays, place)
    return _pack_leaf(value, arrays, place)


def _pack_mapping(value: TensorDict | dict, arrays: _Arrays, place: str) -> dict:
    if isinstance(value, dict) and not all(isinstance(key, str) for key in value):
        pairs = [_pack(pair, arrays, f"{place}[{pair[0]!r}]") for pair in value.items()]
        return {"pairs": pairs}
    items = {key: _pack(x, arrays, f"{place}.{key}") for key, x in value.items()}
    if isinstance(value, TensorDict):
        return {"tensordict": items, "batch_size": list(value.batch_size)}
    return {"dict": items}


def _pack_fields(value: Any, arrays: _Arrays, place: str) -> dict:
    """The fields of a NamedTuple; where it says how many rows are in use, only these rows."""
    used = value.used_rows() if hasattr(value, "used_rows") else {}
    fields = {}
    for name, x in zip(value._fields, value, strict=True):
        if name in used and x is not None:
            rows = _pack(x[: used[name]], arrays, f"{place}.{name}")
            fields[name] = {"rows": rows, "length": len(x)}
        else:
            fields[name] = _pack(x, arrays, f"{place}.{name}")
    return fields


def _pack_sequence(value: Any, arrays: _Arrays, place: str) -> dict:
    parts = [_pack(x, arrays, f"{place}[{i}]") for i, x in enumerate(value)]
    if isinstance(value, deque):
        return {"deque": parts, "maxlen": value.maxlen}
    kinds = (tuple, list, set, frozenset)
    return {next(kind.__name__ for kind in kinds if isinstance(value, kind)): parts}


def _pack_leaf(value: Any, arrays: _Arrays, place: str) -> dict:
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": arrays.index_of(np.frombuffer(value, np.uint8), place)}
    if isinstance(value, (torch.dtype, torch.device)):
        return {type(value).__name__: str(value).removeprefix("torch.")}
    if isinstance(value, torch.Generator):
        return {"generator": arrays.index_of(value.get_state(), place)}
    if isinstance(value, np.random.Generator):
        state = _pack(value.bit_generator.state, arrays, place)
        return {"numpy_generator": type(value.bit_generator).__name__, "state": state}
    raise TypeError(f"{place} is {type(value).__name__}, which is no data that could be saved")


def _pack_array(value: Tensor | np.ndarray, arrays: _Arrays, place: str) -> dict:
    index = arrays.index_of(value, place)
    if isinstance(value, np.ndarray):
        return {"array": index}
    if value.dtype in AS_INTEGERS:
        return {"tensor": index, "dtype": str(value.dtype).removeprefix("torch.")}
    return {"tensor": index}


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
