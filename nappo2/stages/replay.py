"""Reuse of transitions, off-policy: a ring of them, from which batches are sampled."""

from typing import NamedTuple

import torch
from tensordict import TensorDict

from nappo2.params import Params, walk
from nappo2.pipeline import Pipeline, Transform, positive, stage
from nappo2.reports import Report, join
from nappo2.seeds import fold_in, generator, split
from nappo2.stages.minibatches import take


class ReplayState(NamedTuple):
    ring: TensorDict | None  # [capacity], written in place; None before the first rollout
    count: int  # transitions stored so far
    env_steps: int  # that were taken for them
    owed: float  # batches left before the source's next step
    report: Report  # of rollouts whose last batch is yet to come
    seed: int


@stage
def replay(
    capacity: int, batch_size: int, update_ratio: float = 1.0, start_steps: int = 0
) -> Transform:
    """Stores each rollout in a ring, then samples batches [batch_size] of it (Lin, 1992).

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
            seed, key = split(own.seed)
            size = min(own.count, len(own.ring))  # one that was adopted has a length of its own
            index = torch.randint(size, (batch_size,), generator=generator(key))
            own, report = spent(own._replace(seed=seed))
            return state | {"replay": own}, take(own.ring, index), report

        return Pipeline(init, step)

    return transform


def check_replay(capacity: int, batch_size: int, update_ratio: float) -> None:
    """Refuses what no replay can have."""
    positive(capacity=capacity, batch_size=batch_size)
    if not update_ratio > 0:
        raise ValueError(f"update_ratio is above 0, not {update_ratio}")


def empty(seed: int) -> ReplayState:
    """The state before any rollout."""
    return ReplayState(None, 0, 0, 0.0, Report(), seed)


def filled(
    source: Pipeline,
    params: Params,
    state: dict,
    own: ReplayState,
    capacity: int,
    update_ratio: float,
    start_steps: int,
) -> tuple[dict, ReplayState]:
    """The states once a batch is due: until then the source is stepped, and what comes is stored."""
    ring, count, env_steps, owed, report, seed = own
    while owed < 1:
        state, rollout, new = source.step(params, state)
        flat, report = stored(rollout), join([report, new])
        ring = allocated(flat, capacity) if ring is None else ring
        write(ring, count, flat)
        count, fresh = count + len(flat), int(new.sums.get("env_steps", len(flat)))
        env_steps += fresh  # which hindsight, unlike transitions, makes no more of
        owed += update_ratio * fresh if env_steps >= start_steps else 0
    return state, ReplayState(ring, count, env_steps, owed, report, seed)


def spent(own: ReplayState) -> tuple[ReplayState, Report]:
    """The state after a batch, and the report, if it was the last that is due."""
    now, later = (own.report, Report()) if own.owed < 2 else (Report(), own.report)
    return own._replace(owed=own.owed - 1, report=later), now


def stored(rollout: TensorDict) -> TensorDict:
    """The transitions of a rollout [T, B], [T * B], but those that are masked."""
    flat = rollout.exclude("mask").reshape(-1)
    if "mask" not in rollout.keys():
        return flat
    return take(flat, rollout["mask"].flatten().nonzero().squeeze(-1))


def allocated(flat: TensorDict, capacity: int) -> TensorDict:
    """An empty ring for transitions like these.

    Raises:
        ValueError: if it takes more memory than there is; names both.
    """
    needed = capacity * bytes_each(flat)
    there = available_memory()
    if needed > there:
        raise ValueError(
            f"a replay of {capacity:,} transitions takes {needed / 1e9:.1f} GB, and {there / 1e9:.1f} GB "
            f"are available; {int(capacity * there / needed):,} would fit"
        )
    return flat[:1].apply(
        lambda x: torch.empty(capacity, *x.shape[1:], dtype=x.dtype), batch_size=[capacity]
    )


def bytes_each(flat: TensorDict) -> int:
    """The bytes of one transition."""
    return sum(x[0].numel() * x.element_size() for _, x in walk(flat))


def available_memory() -> float:
    """Bytes that could be allocated, as the kernel estimates them."""
    try:
        with open("/proc/meminfo") as file:
            found = dict(line.split(":") for line in file)
        return 1024 * float(found["MemAvailable"].split()[0])
    except (OSError, KeyError):  # not on Linux
        return float("inf")


def write(ring: TensorDict, count: int, flat: TensorDict) -> None:
    """Writes transitions behind the ``count`` that were written before, in place."""
    capacity = len(ring)
    skipped, flat = max(0, len(flat) - capacity), flat[-capacity:]
    start = (count + skipped) % capacity  # as if they had all been written
    first = min(len(flat), capacity - start)
    for path, x in walk(flat):
        row = ring[path]
        row[start : start + first] = x[:first]
        row[: len(flat) - first] = x[first:]
