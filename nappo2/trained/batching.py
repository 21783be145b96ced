"""Observations as a simulator gives them, one or a batch, as the tensors that policies take."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

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
    if isinstance(spec.shape, tuple):
        return _tensor_batching("an observation", spec.shape, spec.dtype)
    parts = {
        key: _tensor_batching(f"the {key} of an observation", shape, spec.dtype)
        for key, shape in spec.shape.items()
    }

    def batch(observation):
        if not isinstance(observation, Mapping):
            raise ValueError(
                f"an observation is a dictionary of {', '.join(parts)}, not {type(observation).__name__}"
            )
        missing = [key for key in parts if key not in observation]
        if missing:
            raise ValueError(
                f"an observation has the keys {', '.join(parts)}; {missing[0]} is missing"
            )
        pairs = {key: part(observation[key]) for key, part in parts.items()}
        sizes = {(len(x), single) for x, single in pairs.values()}
        if len(sizes) > 1:
            raise ValueError("the parts of an observation are batches of different sizes")
        return {key: x for key, (x, _) in pairs.items()}, sizes.pop()[1]

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
        if not (bytes_ or np.isfinite(array).all()):
            raise ValueError(f"{what} has numbers that are not finite")
        array = np.ascontiguousarray(array[None] if single else array, target)
        return torch.from_numpy(array), single

    return batch


def _array(observation: Any, what: str) -> np.ndarray:
    if isinstance(observation, Tensor):
        return observation.detach().cpu().numpy()
    try:
        array = np.asarray(observation)
    except ValueError:  # of lists of different lengths
        array = np.empty(0, object)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{what} is an array of numbers, not {type(observation).__name__}")
    return array
