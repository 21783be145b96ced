"""Images of a replay, each frame stored once.

A frame is part of several transitions: the next observation of one is the observation of the next, and a
stack of frames shares all but one with the stack before. So the ring of a replay has numbers of frames,
and the frames are in a pool. They are looked up by checksums and compared byte by byte, so that
transitions may come in any order: of several collectors, of several steps, or after a reset.
"""

from typing import NamedTuple
from zlib import crc32

import torch
from tensordict import TensorDict
from torch import Tensor

LARGEST_STACK = 16  # an image whose first dimension is larger is one frame
REACH = 16  # a frame is looked for among those of so many rollouts: one of each of 16 collectors


class Frames(NamedTuple):
    """A pool of frames, and the numbers of the latest ones."""

    pool: Tensor  # [frames, ...] uint8; frame n is in row n % frames; written in place
    known: dict[int, int]  # checksum to number, of the latest frames; written in place
    total: int  # frames stored so far
    oldest: int  # no transition in the ring has an older frame than this number

    def used_rows(self) -> dict[str, int]:
        """The number of rows of the pool that are worth saving, by field."""
        return {"pool": min(self.total, len(self.pool))}


def has_images(flat: TensorDict) -> bool:
    """Tests whether the observations of transitions [N], or [N, n], are images [..., C, H, W] uint8."""
    x = flat.get("observation", None)
    return isinstance(x, Tensor) and x.dtype == torch.uint8 and x.ndim == flat.ndim + 3


def images(flat: TensorDict) -> Tensor:
    """The frames of transitions [N], [N, 2, k, ...] uint8: k of ``observation``, and k of the next one."""
    both = torch.stack([flat["observation"], flat["next", "observation"]], 1)
    return both if both.shape[2] <= LARGEST_STACK else both.unsqueeze(2)


def numbers_in_place(flat: TensorDict, numbers: Tensor) -> TensorDict:
    """Transitions [...] with ``numbers`` [..., 2, k] int64 under ``frames``, in place of their images."""
    rest = flat.exclude("observation", ("next", "observation"))
    return rest.update({"frames": numbers})


def with_images(batch: TensorDict, frames: Frames) -> TensorDict:
    """Replaces the numbers of a batch, [N] or [n, N], by its images, in place."""
    numbers = batch.pop("frames")
    rows = frames.pool.index_select(0, numbers.flatten() % len(frames.pool))
    shape = rows.shape[1:] if rows.ndim == 4 else (numbers.shape[-1], *rows.shape[1:])
    both = rows.view(*batch.shape, 2, *shape)
    observation, next_observation = both.unbind(batch.ndim)
    batch["observation"] = observation
    batch["next", "observation"] = next_observation
    return batch


def pool_shape(flat: TensorDict, capacity: int) -> tuple[int, ...]:
    """The shape of a pool of frames for ``capacity`` transitions like ``flat`` [N].

    A frame for each, a sixteenth more for the ends of episodes, and the reach of the search.
    """
    rows = images(flat)
    size = capacity + capacity // 16 + REACH * len(flat) + rows.shape[:3].numel()
    return size, *rows.shape[3:]


def no_frames(shape: tuple[int, ...]) -> Frames:
    """A pool without frames."""
    return Frames(torch.empty(shape, dtype=torch.uint8), {}, 0, 0)


def numbered(flat: TensorDict, frames: Frames, in_use: Tensor) -> tuple[TensorDict, Frames]:
    """Stores the frames of transitions, each that is not among the latest ones already.

    Args:
        flat: transitions [N] with images.
        frames: the pool, written to.
        in_use: numbers of frames in the ring, [M, 2, k] int64.

    Returns:
        The transitions with numbers for images, and the pool with the frames that are new.
    """
    stacks = images(flat)
    rows, back = stacks.flatten(0, 2), REACH * len(flat)
    pool, known, total, oldest = with_room(frames, len(rows), back, in_use)
    first, numbers = max(oldest, total - back), []
    while known and known[check := next(iter(known))] < first:
        del known[check]
    for row in rows:
        check = crc32(row.numpy())
        number = known.get(check)
        if number is None or not torch.equal(pool[number % len(pool)], row):
            known.pop(check, None)  # so that the latest are last
            known[check] = number = total
            pool[number % len(pool)] = row
            total += 1
        numbers.append(number)
    numbers = torch.tensor(numbers).view(stacks.shape[:3])
    return numbers_in_place(flat, numbers), Frames(pool, known, total, oldest)


def with_room(frames: Frames, num: int, back: int, in_use: Tensor) -> Frames:
    """The frames with room for ``num`` more: a larger pool, if those to keep would be overwritten.

    Args:
        frames: stored so far.
        num: of frames to store.
        back: of the latest frames, which stay.
        in_use: numbers of frames in the ring, [M, 2, k] int64, which stay.

    Returns:
        The frames, in a copy of the pool if it had to grow.
    """
    pool, known, total, oldest = frames
    if total + num - len(pool) > oldest:
        oldest = min([max(0, total - back), int(in_use.min())])
    if total + num - len(pool) <= oldest:
        return frames._replace(oldest=oldest)
    size = max(total + num - oldest, len(pool) + len(pool) // 8)  # episodes are very short
    larger = pool.new_zeros(
        size, *pool.shape[1:]
    )  # equal runs have equal bytes, in unused rows, too
    numbers = torch.arange(oldest, total)
    larger[numbers % size] = pool[numbers % len(pool)]
    return Frames(larger, known, total, oldest)
