"""The ring of a replay: transitions stored in place, the oldest overwritten, and its other state.

Images are stored once, in ``frames``, and the ring has their numbers. Members of a population, who
collect as much each, have one ring: a row of it has a transition of each, [n].
"""

import math
from typing import NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.batch import take, take_each
from nappo2.machine.memory import available_memory
from nappo2.reports import Report
from nappo2.seeds import Seeds
from nappo2.stages.recording.checking import kind_of_tensor
from nappo2.stages.replaying import pools
from nappo2.stages.replaying.frames import Frames, no_frames
from nappo2.trees import walk


class ReplayState(NamedTuple):
    """The ring, and the batches that are due from it."""

    ring: (
        TensorDict | None
    )  # [capacity], or [capacity, n] of members, written in place; None at first
    frames: Frames | dict | None  # to which the ring refers, where observations are images; of
    # observations of several parts a pool for each part of images, by its path
    count: int  # transitions stored so far
    env_steps: int  # collected for them
    owed: float  # batches left before the source's next step
    report: Report  # of rollouts whose last batch is yet to come
    seed: Seeds

    def used_rows(self) -> dict[str, int]:
        """The number of rows of the ring that are worth saving, by field."""
        return {} if self.ring is None else {"ring": min(self.count, len(self.ring))}


def empty(seed: Seeds) -> ReplayState:
    """The state before any rollout."""
    return ReplayState(None, None, 0, 0, 0.0, Report(), seed)


def extended(replay_state: ReplayState, flat: TensorDict, capacity: int) -> ReplayState:
    """Writes transitions behind those of the ring, in place.

    Args:
        replay_state: whose ring is written to, or made if there is none.
        flat: transitions [N], or [N, n] of members.
        capacity: of the ring.

    Returns:
        The state with N more transitions counted.

    Raises:
        ValueError: if the ring has transitions of another kind.
    """
    ring, frames, count, *rest = replay_state
    if not len(flat):
        return replay_state
    if ring is None:
        ring, frames = allocated(flat, capacity)
    if frames is not None:
        flat, by_path = pools.stored(flat, _by_path(frames), ring[:count])
        frames = _frames(by_path)
    check_kind(ring, flat)
    write(ring, count, flat)
    return ReplayState(ring, frames, count + len(flat), *rest)


def check_kind(ring: TensorDict, flat: TensorDict) -> None:
    """Refuses transitions of another kind than those of a ring, as of a run that goes on with other pieces.

    A column that new transitions lack would keep the numbers of those that they overwrite.

    Args:
        ring: [capacity], or [capacity, n] of members.
        flat: transitions [N], or [N, n].

    Raises:
        ValueError: names the first key that differs, and how.
    """
    there, new = (dict(walk(data)) for data in (ring, flat))
    for path in dict.fromkeys((*there, *new)):
        one, other = there.get(path), new.get(path)
        if one is None or other is None or _kind(one) != _kind(other):
            raise ValueError(
                f"a replay has transitions of one kind: {'/'.join(path)} of those that it has is "
                f"{_in_words(one)}, and of those that are collected now {_in_words(other)}; a run goes on "
                "with as many steps per transition, and as long sequences, and Learner(pipeline, params) "
                "begins with an empty replay"
            )


def _kind(x: Tensor) -> tuple:
    return x.dtype, x.shape[1:]


def _in_words(x: Tensor | None) -> str:
    return "missing" if x is None else kind_of_tensor(x)


def read(replay_state: ReplayState, index: Tensor) -> TensorDict:
    """The transitions [N] at the rows ``index`` [N] int64 of the ring; of members both are [n, N]."""
    batch = (take if index.ndim == 1 else take_each)(replay_state.ring, index)
    frames = replay_state.frames
    return batch if frames is None else pools.read(batch, _by_path(frames))


def _by_path(frames: Frames | dict) -> dict:
    """The pools by path; of observations of one tensor the path is ()."""
    return {(): frames} if isinstance(frames, Frames) else frames


def _frames(by_path: dict) -> Frames | dict | None:
    """The inverse of ``_by_path``; None if there are no pools."""
    return by_path.get((), by_path) or None


def resized(replay_state: ReplayState, capacity: int) -> ReplayState:
    """The state with a ring of this capacity; one of another capacity, as resumed, keeps its latest rows."""
    if replay_state.ring is None or len(replay_state.ring) == capacity:
        return replay_state
    ring, latest = room_for(replay_state.ring[:1], capacity), latest_rows(replay_state, capacity)
    ring[: len(latest)] = replay_state.ring[latest]
    return replay_state._replace(ring=ring, count=len(latest))


def latest_rows(replay_state: ReplayState, num: int) -> Tensor:
    """The rows of the latest ``num`` transitions, or of all if there are fewer, oldest first, [M] int64."""
    length, count = len(replay_state.ring), replay_state.count
    return torch.arange(max(0, count - min(length, num)), count) % length


def room_for(row: TensorDict, capacity: int) -> TensorDict:
    """An empty ring [capacity] of transitions like ``row`` [1]; of members [capacity, n] like [1, n]."""
    size = [capacity, *row.batch_size[1:]]
    return row.apply(lambda x: torch.empty(capacity, *x.shape[1:], dtype=x.dtype), batch_size=size)


def allocated(flat: TensorDict, capacity: int) -> tuple[TensorDict, Frames | dict | None]:
    """An empty ring [capacity] for transitions like ``flat`` [N], and a pool for the frames of images.

    Of members it is [capacity, n], of transitions [N, n].

    Raises:
        ValueError: if it takes more memory than is available; names both.
    """
    row, shapes = pools.planned(flat, capacity)
    in_pools = sum(map(math.prod, shapes.values()))
    needed, available = capacity * bytes_each(row) + in_pools, available_memory()
    if needed > available:
        raise ValueError(
            f"a replay of {capacity:,} transitions{of_members(row)} takes {needed / 1e9:.1f} GB, and "
            f"{available / 1e9:.1f} GB are available; {int(capacity * available / needed):,} would fit"
        )
    frames = {path: no_frames(shape) for path, shape in shapes.items()}
    return room_for(row, capacity), _frames(frames)


def of_members(row: TensorDict) -> str:
    """Words for a row [1, n] of members; none for one of a run, [1]."""
    return f" of each of {row.shape[1]} members" if row.ndim > 1 else ""


def bytes_each(flat: TensorDict) -> int:
    """The size of one of the rows [N] or [N, n], in bytes."""
    return sum(x[0].numel() * x.element_size() for _, x in walk(flat))


def write(ring: TensorDict, count: int, flat: TensorDict) -> None:
    """Writes transitions into a ring in place, the oldest rows first.

    Args:
        ring: [capacity], or [capacity, n] of members.
        count: rows that were written before.
        flat: transitions [N], or [N, n]; of more than ``capacity`` only the last are written.
    """
    capacity = len(ring)
    skipped, flat = max(0, len(flat) - capacity), flat[-capacity:]
    start = (count + skipped) % capacity  # as if they had all been written
    first = min(len(flat), capacity - start)
    for path, x in walk(flat):
        column = ring[path]
        column[start : start + first] = x[:first]
        if first < len(x):
            column[: len(x) - first] = x[first:]
