"""Images of a replay, each stored once.

A frame is part of several transitions: what one reaches the next one sees, and a stack of frames
shares all but one with the stack before. So a ring of images has the numbers of their frames, and
these are in a pool, found again by their checksums and compared byte by byte: in whatever order
transitions come, of several collectors, of several steps, or after a reset.
"""

from typing import NamedTuple
from zlib import crc32

import torch
from tensordict import TensorDict
from torch import Tensor

LARGEST_STACK = 16  # an image whose first dimension is larger is one frame
REACH = 16  # a frame is looked for among those of so many rollouts: one of each of 16 collectors


class Frames(NamedTuple):
    pool: Tensor  # [frames, ...] uint8; frame n is in row n % frames; written in place
    known: dict[int, int]  # the number of each of the latest frames by its checksum; likewise
    total: int  # frames stored so far
    oldest: int  # at least; no transition in the ring has an older one

    def used_rows(self) -> dict[str, int]:
        """How much of the pool is worth saving."""
        return {"pool": min(self.total, len(self.pool))}


def has_images(flat: TensorDict) -> bool:
    """Whether the observations of transitions [N] are images [N, C, H, W] of bytes."""
    seen = flat.get("observation", None)
    return isinstance(seen, Tensor) and seen.dtype == torch.uint8 and seen.ndim == 4


def images(flat: TensorDict) -> Tensor:
    """The frames of all transitions, [N, 2, k, ...]: k of what is seen, and of what is reached."""
    both = torch.stack([flat["observation"], flat["next", "observation"]], 1)
    return both if both.shape[2] <= LARGEST_STACK else both.unsqueeze(2)


def numbers_in_place(flat: TensorDict, numbers: Tensor) -> TensorDict:
    """Transitions that have ``frames``, the numbers of their frames, in place of their images."""
    rest = flat.exclude("observation", ("next", "observation"))
    return rest.update({"frames": numbers})


def images_in_place(batch: TensorDict, frames: Frames) -> TensorDict:
    """A batch that has its images again, which is written to."""
    numbers = batch.pop("frames")
    found = frames.pool.index_select(0, numbers.flatten() % len(frames.pool))
    shape = found.shape[1:] if found.ndim == 4 else (numbers.shape[2], *found.shape[1:])
    seen, reached = found.view(len(batch), 2, *shape).unbind(1)
    batch["observation"] = seen
    batch["next", "observation"] = reached
    return batch


def pool_shape(flat: TensorDict, capacity: int) -> tuple[int, ...]:
    """The shape of a pool for so many transitions like these.

    A frame for each, a sixteenth more for the ends of episodes, and the reach of the search.
    """
    found = images(flat)
    size = capacity + capacity // 16 + REACH * len(flat) + found.shape[:3].numel()
    return size, *found.shape[3:]


def no_frames(shape: tuple[int, ...]) -> Frames:
    """A pool without frames."""
    return Frames(torch.empty(shape, dtype=torch.uint8), {}, 0, 0)


def numbered(flat: TensorDict, frames: Frames, in_use: Tensor) -> tuple[TensorDict, Frames]:
    """Transitions with numbers for images, and the frames, with those that are new.

    Args:
        flat: transitions [N].
        frames: of the transitions before.
        in_use: the numbers in the ring.
    """
    found = images(flat)
    rows, back = found.flatten(0, 2), REACH * len(flat)
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
    numbers = torch.tensor(numbers).view(found.shape[:3])
    return numbers_in_place(flat, numbers), Frames(pool, known, total, oldest)


def with_room(frames: Frames, num: int, back: int, in_use: Tensor) -> Frames:
    """Frames whose pool takes ``num`` more, and keeps those in use and the last ``back`` of them."""
    pool, known, total, oldest = frames
    if total + num - len(pool) > oldest:
        oldest = min([max(0, total - back), int(in_use.min())])
    if total + num - len(pool) <= oldest:
        return frames._replace(oldest=oldest)
    size = max(total + num - oldest, len(pool) + len(pool) // 8)  # episodes are very short
    larger = torch.empty(size, *pool.shape[1:], dtype=pool.dtype)
    kept = torch.arange(oldest, total)
    larger[kept % size] = pool[kept % len(pool)]
    return Frames(larger, known, total, oldest)
