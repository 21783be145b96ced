"""Reuse of transitions, off-policy: a ring of them, from which batches are sampled."""

import math
from typing import NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.batch import take, valid_transitions
from nappo2.machine.memory import available_memory
from nappo2.machine.stop import current_stop
from nappo2.params import Params
from nappo2.pipeline import Pipeline, Transform, described, is_empty, positive, stage
from nappo2.reports import Report, counting, held_back, join
from nappo2.seeds import fold_in, generator, split
from nappo2.stages.replaying.frames import (
    Frames,
    has_images,
    images,
    images_in_place,
    no_frames,
    numbered,
    numbers_in_place,
    pool_shape,
)
from nappo2.trees import walk

LONGEST = 100_000  # env steps of which nothing is kept


class ReplayState(NamedTuple):
    """The ring, and what is due of it."""

    ring: TensorDict | None  # [capacity], written in place; None before the first rollout
    frames: Frames | None  # to which it refers, where observations are images
    count: int  # transitions stored so far
    env_steps: int  # that were taken for them
    owed: float  # batches left before the source's next step
    report: Report  # of rollouts whose last batch is yet to come
    seed: int

    def used_rows(self) -> dict[str, int]:
        """How much of the ring is worth saving."""
        return {} if self.ring is None else {"ring": min(self.count, len(self.ring))}


@stage
def replay(
    capacity: int, batch_size: int, update_ratio: float = 1.0, start_steps: int = 0
) -> Transform:
    """Stores each rollout in a ring, then samples batches [batch_size] of it (Lin, 1992).

    A step collects until a batch is due. A Learner's step takes one rollout at most: while none is
    due, as before ``start_steps``, the item is an empty batch [0], from which nothing is learnt.
    Images of bytes, [C, H, W], are stored once per frame, whatever the transitions that share it.

    Args:
        capacity: transitions in the ring; older ones are overwritten.
        batch_size: transitions in a batch, drawn with replacement.
        update_ratio: batches per env step; fractions are carried over.
        start_steps: env steps before the first batch.

    Raises:
        ValueError: for counts that are not at least 1, or a ratio that is not above 0; in the
            first step, if the ring would not fit into the memory that is available.
    """
    check_replay(capacity, batch_size, update_ratio)

    def transform(source):
        def init(params, seed):
            return source.init(params, seed) | {"replay": empty(fold_in(seed, "replay"))}

        def step(params, state):
            state, own = filled(
                source, params, state, state["replay"], capacity, update_ratio, start_steps
            )
            if own.owed < 1:
                own, report = waiting(own)
                return state | {"replay": own}, TensorDict(batch_size=[0]), report
            seed, key = split(own.seed)
            size = min(own.count, capacity)
            index = torch.randint(size, (batch_size,), generator=generator(key))
            own, report = spent(own._replace(seed=seed))
            return state | {"replay": own}, read(own, index), report

        return Pipeline(init, step)

    return described(transform, batches="replay", update_ratio=update_ratio)


def check_replay(capacity: int, batch_size: int, update_ratio: float) -> None:
    """Refuses what no replay can have."""
    positive(capacity=capacity, batch_size=batch_size)
    if not update_ratio > 0:
        raise ValueError(f"update_ratio is above 0, not {update_ratio}")


def empty(seed: int) -> ReplayState:
    """The state before any rollout."""
    return ReplayState(None, None, 0, 0, 0.0, Report(), seed)


def filled(
    source: Pipeline,
    params: Params,
    state: dict,
    own: ReplayState,
    capacity: int,
    update_ratio: float,
    start_steps: int,
) -> tuple[dict, ReplayState]:
    """The states once a batch is due: until then the source is stepped, and what comes is stored.

    Where a step ends with each rollout, a batch may not be due yet.
    """
    own = resized(own, capacity)
    while own.owed < 1:
        state, rollout, new = source.step(params, state)
        flat = stored(rollout)
        new = counting(new, len(flat))
        fresh = int(new.sums["env_steps"])
        env_steps = own.env_steps + fresh  # which hindsight, unlike transitions, makes no more of
        own = extended(own, flat, capacity)
        check_kept(own, env_steps)
        due = update_ratio * fresh if env_steps >= start_steps and own.count else 0
        own = own._replace(
            env_steps=env_steps, owed=whole(own.owed + due), report=join([own.report, new])
        )
        if current_stop().each_rollout:
            break
    return state, own


def check_kept(own: ReplayState, env_steps: int) -> None:
    """Refuses to wait any longer for a transition that is not masked.

    Raises:
        ValueError: after 100,000 env steps without any.
    """
    if not own.count and env_steps >= LONGEST:
        raise ValueError(
            f"nothing of {env_steps:,} env steps could be kept: all of it is masked, as `mask` masks "
            "what is not finite"
        )


def whole(owed: float) -> float:
    """The batches owed, a whole number where they miss one by the rounding of their sum alone.

    Ten rollouts of 0.3 batches are owed 3, and not the 2.9999999999999996 that floats add up to.
    """
    nearest = round(owed)
    return float(nearest) if nearest and math.isclose(owed, nearest, rel_tol=1e-9) else owed


def resized(own: ReplayState, capacity: int) -> ReplayState:
    """The state with a ring of this capacity: of a resumed one with another the latest transitions."""
    if own.ring is None or len(own.ring) == capacity:
        return own
    ring, latest = room_for(own.ring[:1], capacity), latest_rows(own, capacity)
    ring[: len(latest)] = own.ring[latest]
    return own._replace(ring=ring, count=len(latest))


def latest_rows(own: ReplayState, num: int) -> Tensor:
    """Where the latest ``num`` transitions are in the ring, or as many as there are, in order."""
    length = len(own.ring)
    return torch.arange(max(0, own.count - min(length, num)), own.count) % length


def room_for(each: TensorDict, capacity: int) -> TensorDict:
    """An empty ring of entries like this one."""
    return each.apply(
        lambda x: torch.empty(capacity, *x.shape[1:], dtype=x.dtype), batch_size=[capacity]
    )


def extended(own: ReplayState, flat: TensorDict, capacity: int) -> ReplayState:
    """The state once transitions are written behind those that are there, in place."""
    ring, frames, count, *rest = own
    if not len(flat):
        return own
    if ring is None:
        ring, frames = allocated(flat, capacity)
    if frames is not None:
        flat, frames = numbered(flat, frames, ring["frames"][:count])
    write(ring, count, flat)
    return ReplayState(ring, frames, count + len(flat), *rest)


def read(own: ReplayState, index: Tensor) -> TensorDict:
    """The transitions at these places of the ring."""
    batch = take(own.ring, index)
    return batch if own.frames is None else images_in_place(batch, own.frames)


def spent(own: ReplayState) -> tuple[ReplayState, Report]:
    """The state after a batch, and the report, if it was the last that is due."""
    now, later = (own.report, Report()) if own.owed < 2 else held_back(own.report)
    return own._replace(owed=own.owed - 1, report=later), now


def waiting(own: ReplayState) -> tuple[ReplayState, Report]:
    """The state while no batch is due, and the report but for moments, which come with a batch."""
    later = Report(moments=own.report.moments)
    return own._replace(report=later), own.report._replace(moments={})


def stored(rollout: TensorDict) -> TensorDict:
    """The transitions of a rollout [T, B], [T * B], but those that are masked."""
    return rollout if is_empty(rollout) else valid_transitions(rollout)


def allocated(flat: TensorDict, capacity: int) -> tuple[TensorDict, Frames | None]:
    """An empty ring for transitions like these, and for the frames of images.

    Raises:
        ValueError: if it takes more memory than there is; names both.
    """
    each, shape = flat[:1], (0,)
    if has_images(flat):
        shape = pool_shape(flat, capacity)
        each = numbers_in_place(each, torch.zeros(images(each).shape[:3], dtype=torch.int64))
    needed, there = capacity * bytes_each(each) + math.prod(shape), available_memory()
    if needed > there:
        raise ValueError(
            f"a replay of {capacity:,} transitions takes {needed / 1e9:.1f} GB, and {there / 1e9:.1f} GB "
            f"are available; {int(capacity * there / needed):,} would fit"
        )
    return room_for(each, capacity), no_frames(shape) if has_images(flat) else None


def bytes_each(flat: TensorDict) -> int:
    """The bytes of one transition."""
    return sum(x[0].numel() * x.element_size() for _, x in walk(flat))


def write(ring: TensorDict, count: int, flat: TensorDict) -> None:
    """Writes transitions behind the ``count`` that were written before, in place."""
    capacity = len(ring)
    skipped, flat = max(0, len(flat) - capacity), flat[-capacity:]
    start = (count + skipped) % capacity  # as if they had all been written
    copy(ring, start, flat, min(len(flat), capacity - start))


def copy(ring: TensorDict, start: int, flat: TensorDict, first: int) -> None:
    """Copies the ``first`` of some transitions to ``start``, and the rest to the front."""
    for path, x in walk(flat):
        column = ring[path]
        column[start : start + first] = x[:first]
        if first < len(x):
            column[: len(x) - first] = x[first:]
