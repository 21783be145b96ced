"""Observations as a simulator gives them, one or a batch, as the tensors that policies take."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nappo2 import trees
from nappo2.envs import ObservationSpec

Batching = Callable[[Any], tuple[Any, bool]]
"""``observation -> (batch [B, *shape], whether it was a single one)``."""


def batching_of(spec: ObservationSpec) -> Batching:
    """The function that makes batches of observations with this spec.

    It takes arrays, tensors and lists, ``[*shape]`` or ``[B, *shape]``, images with their channels first or
    last, and where there are several tensors a dictionary of these.

    Raises:
        ValueError: in a call with another shape, other keys, numbers that are not finite, or floats
            for bytes.
    """
    return _batching(spec, "an observation")


def _batching(spec: ObservationSpec, what: str) -> Batching:
    if not spec.parts:
        number = spec.dtype.is_floating_point or spec.dtype == torch.uint8
        return _tensor_batching(what, spec.shape, spec.dtype) if number else _choices(what, spec)
    parts = {key: _batching(part, f"the {key} of {what}") for key, part in spec.parts.items()}

    def batch(observation):
        if isinstance(observation, tuple):
            observation = {str(i): part for i, part in enumerate(observation)}
        if not isinstance(observation, Mapping):
            raise ValueError(
                f"{what} is a dictionary of {', '.join(parts)}, not {type(observation).__name__}"
            )
        missing = [key for key in parts if key not in observation]
        if missing:
            raise ValueError(f"{what} has the keys {', '.join(parts)}; {missing[0]} is missing")
        pairs = {key: part(observation[key]) for key, part in parts.items()}
        sizes = {(len(trees.leaves(x)[0]), single) for x, single in pairs.values()}
        if len(sizes) > 1:
            raise ValueError(f"the parts of {what} are batches of different sizes")
        return {key: x for key, (x, _) in pairs.items()}, sizes.pop()[1]

    return batch


def _choices(what: str, spec: ObservationSpec) -> Batching:
    """Batches of choices, switches or text, as the space has them: numbers may begin at another than 0."""
    rank = len(spec.packed_shape)

    def batch(observation):
        array = as_array(observation)
        single = array.ndim == (0 if array.dtype.kind == "U" else rank)
        rows = [array[()]] if single else list(array)
        if not rows:
            raise ValueError(f"{what} is one at least, not an empty batch")
        try:
            packed = [spec.pack(str(row) if array.dtype.kind == "U" else row) for row in rows]
        except ValueError as error:
            raise ValueError(f"{what} {str(error).replace('gave', 'is', 1)}") from error
        return spec.unpack(torch.from_numpy(np.stack(packed))), single

    return batch


def _tensor_batching(what: str, shape: tuple[int, ...], dtype: torch.dtype) -> Batching:
    rank, bytes_ = len(shape), dtype == torch.uint8
    target = torch.empty(0, dtype=dtype).numpy().dtype
    turned = (*shape[1:], shape[0]) if bytes_ and rank == 3 else shape

    def batch(observation):
        array = _array(observation, what)
        if array.shape[-rank:] != shape and array.shape[-rank:] == turned:
            array = np.moveaxis(array, -1, -3)
        single = array.shape == shape
        if not single and (array.shape[1:] != shape or array.ndim != rank + 1):
            raise ValueError(f"{what} has shape {shape}, or (B, *{shape}), not {array.shape}")
        if bytes_ and array.dtype != np.uint8:
            raise ValueError(f"{what} is of bytes (uint8), not {array.dtype}")
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused
            array = np.ascontiguousarray(array[None] if single else array, target)
        if not (bytes_ or np.isfinite(array).all()):
            raise ValueError(f"{what} has numbers that are not finite in {target}")
        return torch.from_numpy(array), single

    return batch


def _array(observation: Any, what: str) -> np.ndarray:
    try:
        array = as_array(observation)
    except ValueError:  # of lists of different lengths
        array = np.empty(0, object)
    if array.dtype.kind not in "fiub":
        given = type(observation).__name__
        of = f" of {array.dtype}" if isinstance(observation, (Tensor, np.ndarray)) else ""
        raise ValueError(f"{what} is an array of numbers, not {given}{of}")
    return array


def as_array(value: Any) -> np.ndarray:
    """A tensor, on any device and with a gradient or without, or what NumPy takes, as an array."""
    if not isinstance(value, Tensor):
        return np.asarray(value)
    plain = value.detach().cpu().resolve_conj()
    return (plain.float() if plain.dtype == torch.bfloat16 else plain).numpy()
