"""The pools of a replay's images: one, or of observations of several parts one for each part of images.

The ring has the numbers of frames under ``frames``, or under ``frames`` and the path of a part.
"""

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.stages.replaying import frames
from nappo2.stages.replaying.frames import Frames
from nappo2.trees import walk

Path = tuple[str, ...]
Pools = dict[Path, Frames]
"""A pool for each part of images, by the path of the part; of an observation of one tensor it is ()."""


def image_paths(flat: TensorDict) -> list[Path]:
    """The paths of images in the observations of transitions [N] or [N, n]; () for the observation itself."""
    observation = flat.get("observation", None)
    if observation is None or isinstance(observation, Tensor):
        return [()] if frames.has_images(flat) else []
    rank = flat.ndim + 3
    return [path for path, x in walk(observation) if x.dtype == torch.uint8 and x.ndim == rank]


def _keys(path: Path) -> tuple[Path, Path]:
    return ("observation", *path), ("next", "observation", *path)


def only(flat: TensorDict, path: Path) -> TensorDict:
    """Transitions [...] with nothing but the images of one part, as their observations."""
    now, following = (flat[key] for key in _keys(path))
    after = TensorDict({"observation": following}, batch_size=flat.batch_size)
    return TensorDict({"observation": now, "next": after}, batch_size=flat.batch_size)


def with_numbers(flat: TensorDict, numbers: dict[Path, Tensor]) -> TensorDict:
    """Transitions [...] with numbers [..., 2, k] int64 in place of the images of each part."""
    rest = flat.exclude(*(key for path in numbers for key in _keys(path)))
    for path, x in numbers.items():
        rest["frames", *path] = x
    return rest


def stored(flat: TensorDict, pools: Pools, ring: TensorDict) -> tuple[TensorDict, Pools]:
    """Stores the images of transitions in the pools.

    Args:
        flat: transitions [N], or [N, n] of members.
        pools: written to.
        ring: the part of the ring that is in use.

    Returns:
        The transitions with numbers for images, and the pools.
    """
    numbers, grown = {}, {}
    for path, pool in pools.items():
        in_use = ring["frames", *path].flatten(0, flat.ndim - 1)
        part, grown[path] = frames.numbered(only(flat, path).reshape(-1), pool, in_use)
        numbers[path] = part["frames"].reshape(*flat.shape, *part["frames"].shape[1:])
    return with_numbers(flat, numbers), grown


def read(batch: TensorDict, pools: Pools) -> TensorDict:
    """Replaces the numbers of a batch, [N] or [n, N], by images, in place."""
    numbers = batch.pop("frames")
    for path, pool in pools.items():
        x = numbers if isinstance(numbers, Tensor) else numbers[path]
        part = frames.with_images(TensorDict({"frames": x}, batch_size=batch.batch_size), pool)
        for key, source in zip(_keys(path), _keys(()), strict=True):
            batch[key] = part[source]
    return batch


def planned(flat: TensorDict, capacity: int) -> tuple[TensorDict, dict[Path, tuple[int, ...]]]:
    """What a ring for transitions like ``flat`` [N], or [N, n], stores, without any memory for it yet.

    Args:
        flat: transitions.
        capacity: of the ring.

    Returns:
        A row [1] or [1, n] of the ring, and the shapes of the pools.
    """
    row, shapes, numbers = flat[:1], {}, {}
    for path in image_paths(flat):
        one = only(row, path).reshape(-1)
        shapes[path] = frames.pool_shape(only(flat, path).reshape(-1), capacity * row.numel())
        zeros = torch.zeros(frames.images(one).shape[:3], dtype=torch.int64)
        numbers[path] = zeros.view(*row.shape, *zeros.shape[1:])
    return with_numbers(row, numbers) if numbers else row, shapes
