"""Specs of observations of several parts: dictionaries and tuples.

A batch is a dictionary of the batches of the parts, in a rollout a TensorDict; a tuple's parts have their
positions as names. A simulator's observation is gathered in one row of bytes, in which each part has its
own dtype. A part called ``action_mask`` says which actions are allowed: networks do not see it.
"""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box, Dict, MultiBinary, Space, Tuple
from torch import Tensor

from nappo2.checks import explained
from nappo2.envs.boxes import has_goals
from nappo2.envs.choices import pack_switches, text_of
from nappo2.envs.goal_observations import goal_spec
from nappo2.envs.observations import ObservationSpec, observation_spec, tensor_spec
from nappo2.envs.outputs import described
from nappo2.maths.masks import MASK

Parts = Mapping[str, ObservationSpec]


@observation_spec.register
def _(space: Dict) -> ObservationSpec:
    """Parts by their keys; those of a goal environment are packed and seen as one row."""
    if has_goals(space):
        return goal_spec(space)
    strange = [key for key in space.spaces if not isinstance(key, str)]
    if strange:
        raise NotImplementedError(f"observations in {space}, whose key {strange[0]!r} is no text")
    return parts_spec(space, space.spaces)


@observation_spec.register
def _(space: Tuple) -> ObservationSpec:
    """Parts by their positions, ``"0"``, ``"1"``, ..."""
    return parts_spec(space, {str(i): part for i, part in enumerate(space.spaces)})


def parts_spec(space: Space, spaces: Mapping[str, Space]) -> ObservationSpec:
    """The spec of observations of several parts.

    Args:
        space: of the whole, in messages.
        spaces: of the parts by name.

    Returns:
        The spec; a batch is a dictionary.

    Raises:
        NotImplementedError: if a part has no spec, or networks would see none.
    """
    parts = {key: part_spec(key, part) for key, part in spaces.items()}
    size = sum(part.size for part in parts.values())
    if size == 0:
        raise NotImplementedError(f"observations in {space}, which has no numbers at all")
    return ObservationSpec(
        kind="dictionaries",
        size=size,
        shape={key: part.shape for key, part in parts.items()},
        dtype=torch.uint8,
        row=partial(joined_row, parts),
        packed_shape=(sum(num_bytes(part) for part in parts.values()),),
        pack=partial(pack_parts, parts, {key: numpy_dtype(part) for key, part in parts.items()}),
        unpack=partial(unpack_parts, parts),
        warning=next((part.warning for part in parts.values() if part.warning), ""),
        parts=parts,
        normalizable=False,
    )


def part_spec(key: str, space: Space) -> ObservationSpec:
    """The spec of a part; that of a mask of actions has bools, and no row."""
    has_flags = isinstance(space, MultiBinary) or (
        isinstance(space, Box) and space.dtype.kind in "biu"
    )
    if key != MASK or not has_flags:
        return observation_spec(space)
    pack = partial(pack_switches, text_of(space), space.shape)
    spec = tensor_spec("masks", space.shape, torch.bool, pack)
    return spec._replace(size=0, normalizable=False)


@explained
def joined_row(parts: Parts, observation: Mapping) -> Tensor:
    """All parts that networks see, side by side, [..., n] float32."""
    rows = [spec.row(observation[key]) for key, spec in parts.items() if spec.size]
    return torch.cat(rows, -1)


def num_bytes(spec: ObservationSpec) -> int:
    """The number of bytes of a packed observation."""
    return math.prod(spec.packed_shape) * spec.dtype.itemsize


def numpy_dtype(spec: ObservationSpec) -> np.dtype:
    """The dtype of a packed observation."""
    return torch.empty(0, dtype=spec.dtype).numpy().dtype


def pack_parts(parts: Parts, dtypes: Mapping[str, np.dtype], observation: Any) -> np.ndarray:
    """The bytes of all parts of an observation, in one row.

    Args:
        parts: the spec of each part.
        dtypes: of each part, packed.
        observation: of a simulator: a dictionary, or a tuple.

    Returns:
        An array [n] uint8.

    Raises:
        ValueError: if there are other parts, or one is none of its space.
    """
    values = by_name(parts, observation)
    data = [part_bytes(key, spec, dtypes[key], values[key]) for key, spec in parts.items()]
    return np.frombuffer(b"".join(data), np.uint8)


def by_name(parts: Mapping[str, Any], observation: Any) -> Mapping[str, Any]:
    """The parts of an observation by name.

    Raises:
        ValueError: if there are others.
    """
    if isinstance(observation, (tuple, list)):
        observation = {str(i): part for i, part in enumerate(observation)}
    if not isinstance(observation, Mapping):
        raise ValueError(f"gave {described(observation)}, which has no parts {', '.join(parts)}")
    if observation.keys() != parts.keys():
        keys = ", ".join(map(str, observation)) or "none"
        raise ValueError(f"gave parts {keys}, and not {', '.join(parts)}")
    return observation


def part_bytes(key: str, spec: ObservationSpec, dtype: np.dtype, value: Any) -> bytes:
    """The bytes of one part of an observation.

    Args:
        key: the name of the part.
        spec: of the part.
        dtype: of the part, packed.
        value: of a simulator.

    Returns:
        The bytes.

    Raises:
        ValueError: if it is none of its space; names the part.
    """
    try:
        array = np.asarray(spec.pack(value))
        if array.shape != spec.packed_shape:
            raise ValueError(f"gave shape {array.shape}, and not {spec.packed_shape}")
        return (array if array.dtype == dtype else exact(array, dtype)).tobytes()
    except (TypeError, ValueError) as error:
        text = str(error) if str(error).startswith("gave ") else f"gave {described(value)}"
        joint = " of" if ", as '" in text else ", as"
        raise ValueError(f"{text}{joint} {key!r}") from error


def exact(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """An array [...] with another dtype.

    Raises:
        ValueError: if it holds something else than numbers, or numbers that the dtype has not.
    """
    if array.dtype.kind not in "biuf":
        raise ValueError(f"gave values of {array.dtype}, which are no numbers")
    with np.errstate(over="ignore", invalid="ignore"):
        converted = array.astype(dtype)
    if dtype.kind != "f" and not np.array_equal(converted, array):
        raise ValueError(f"gave numbers of {array.dtype} that are not of {dtype}")
    return converted


def unpack_parts(parts: Parts, rows: Tensor) -> dict[str, Any]:
    """Splits rows [B, n] of bytes that ``pack_parts`` made into the batches of the parts."""
    columns = rows.split([num_bytes(spec) for spec in parts.values()], -1)
    named = zip(parts.items(), columns, strict=True)
    return {key: unpack_part(spec, column) for (key, spec), column in named}


def unpack_part(spec: ObservationSpec, column: Tensor) -> Any:
    """The batch of one part, in memory of its own, of bytes [B, n]."""
    numbers = column.clone(memory_format=torch.contiguous_format).view(spec.dtype)
    return spec.unpack(numbers.reshape(len(column), *spec.packed_shape))
