"""Replay for off-policy learning: rollouts are stored in a ring, and batches are sampled from it.

Members of a population have rollouts [n, T, B] and n seeds. They collect and owe as much each, so that
counts are those of one member; of a batch, [n, N], each samples its own rows.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from tensordict import TensorDict

from nappo2.batch import valid_transitions
from nappo2.machine.stop import current_stop
from nappo2.params import Params
from nappo2.pipeline import (
    Pipeline,
    Transform,
    described,
    is_empty,
    is_recorded,
    positive,
    stage,
)
from nappo2.reports import Report, counting, held_back, join
from nappo2.seeds import draw_each, fold_in_each, num_members, split, split_each
from nappo2.stages.recording.sampling import sampled
from nappo2.stages.replaying.ring import ReplayState, empty, extended, read, resized

LONGEST = 100_000  # env steps without a transition to store


@stage
def replay(
    capacity: int, batch_size: int, update_ratio: float = 1.0, start_steps: int = 0
) -> Transform:
    """Stores each rollout in a ring, then samples batches [batch_size] from it (Lin, 1992).

    A step collects until a batch is due. A Learner's step collects one rollout at most: while no batch
    is due, as before ``start_steps``, the item is an empty batch [0], from which nothing is learnt.
    Images of bytes, [C, H, W], are stored once per frame, however many transitions share it. Right of
    ``recorded``, the dataset itself is the ring: each step samples a batch of it, and capacity, ratio
    and ``start_steps`` mean nothing.

    Args:
        capacity: transitions in the ring; older ones are overwritten.
        batch_size: transitions in a batch, drawn with replacement.
        update_ratio: batches per env step; fractions are carried over.
        start_steps: env steps before the first batch.

    Returns:
        A transform from rollouts to batches.

    Raises:
        ValueError: for counts that are not at least 1, or a ratio that is not above 0; in the
            first step, if the ring would not fit into the memory that is available.

    Example:
        >>> recipe = dqn(envs.cartpole(4), DQN(num_steps=4, hidden=(8,)))
        >>> first(collect_of(recipe) | replay(1_000, batch_size=32), recipe.init(0)).item.batch_size
        torch.Size([32])
    """
    check_replay(capacity, batch_size, update_ratio)

    def transform(source):
        def init(params, seed):
            return source.init(params, seed) | {"replay": empty(fold_in_each(seed, "replay"))}

        def sample(params, state):
            inner, data, report = source.step(params, state)
            seed, key = split(state["replay"].seed)
            replay_state = state["replay"]._replace(seed=seed)
            return inner | {"replay": replay_state}, sampled(data, batch_size, key), report

        def step(params, state):
            state, replay_state = filled(
                source, params, state, state["replay"], capacity, update_ratio, start_steps
            )
            if replay_state.owed < 1:
                replay_state, report = waiting(replay_state)
                return state | {"replay": replay_state}, TensorDict(batch_size=[0]), report
            seed, key = split_each(replay_state.seed)
            size = min(replay_state.count, capacity)
            index = draw_each(lambda rng: torch.randint(size, (batch_size,), generator=rng), key)
            replay_state, report = spent(replay_state._replace(seed=seed))
            return state | {"replay": replay_state}, read(replay_state, index), report

        return Pipeline(init, sample if is_recorded(source) else step)

    facts = {"batches": "replay", "update_ratio": update_ratio, "batches_left": num_due}
    return described(transform, **facts)


def check_replay(capacity: int, batch_size: int, update_ratio: float) -> None:
    """Refuses arguments that no replay can have.

    Args:
        capacity: transitions in the ring.
        batch_size: transitions in a batch.
        update_ratio: batches per env step.

    Raises:
        ValueError: if a count is not at least 1, or the ratio not above 0.
    """
    positive(capacity=capacity, batch_size=batch_size)
    if not update_ratio > 0:
        raise ValueError(f"update_ratio is above 0, not {update_ratio}")


def filled(
    source: Pipeline,
    params: Params,
    state: dict,
    replay_state: ReplayState,
    capacity: int,
    update_ratio: float,
    start_steps: int,
) -> tuple[dict, ReplayState]:
    """Steps the source and stores its rollouts until a batch is due.

    Where a step ends with each rollout, a batch may not be due yet.

    Args:
        source: of rollouts.
        params: with which it collects.
        state: of the source.
        replay_state: of the replay.
        capacity: transitions in the ring.
        update_ratio: batches per env step.
        start_steps: env steps before the first batch.

    Returns:
        The states of the source and of the replay.
    """
    replay_state = resized(replay_state, capacity)
    while replay_state.owed < 1:
        state, rollout, report = source.step(params, state)
        n = num_members(replay_state.seed)
        flat = stored(rollout) if n is None else stored_rows(rollout)
        report = counting(report, flat.numel())
        new_steps = int(report.sums["env_steps"]) // (n or 1)  # of one member
        env_steps = replay_state.env_steps + new_steps  # hindsight makes no more of these
        replay_state = extended(replay_state, flat, capacity)
        check_stored(replay_state, env_steps)
        due = update_ratio * new_steps if env_steps >= start_steps and replay_state.count else 0
        owed, report = whole(replay_state.owed + due), join([replay_state.report, report])
        replay_state = replay_state._replace(env_steps=env_steps, owed=owed, report=report)
        if current_stop().each_rollout:
            break
    return state, replay_state


def check_stored(replay_state: ReplayState, env_steps: int) -> None:
    """Refuses to wait any longer for a transition that is not masked.

    Raises:
        ValueError: if nothing is stored after 100,000 env steps.
    """
    if not replay_state.count and env_steps >= LONGEST:
        raise ValueError(
            f"nothing of {env_steps:,} env steps could be kept: all of it is masked, as `mask` masks "
            "what is not finite"
        )


def whole(owed: float) -> float:
    """Rounds the batches owed, where they miss a whole number only by the rounding of a sum.

    Ten rollouts of 0.3 batches are owed 3, and not the 2.9999999999999996 that floats add up to.
    """
    nearest = round(owed)
    return float(nearest) if nearest and math.isclose(owed, nearest, rel_tol=1e-9) else owed


def num_due(state: Mapping[str, Any]) -> int:
    """The number of batches that are due, by the state of the pipeline."""
    return int(state["replay"].owed)


def spent(replay_state: ReplayState) -> tuple[ReplayState, Report]:
    """The state after a batch, and the report to hand on: all of it with the last batch that is due."""
    report = replay_state.report
    now, later = (report, Report()) if replay_state.owed < 2 else held_back(report)
    return replay_state._replace(owed=replay_state.owed - 1, report=later), now


def waiting(replay_state: ReplayState) -> tuple[ReplayState, Report]:
    """The state while no batch is due, and the report without moments, which are handed on with a batch."""
    report = replay_state.report
    later = Report(moments=report.moments)
    return replay_state._replace(report=later), report._replace(moments={})


def stored(rollout: TensorDict) -> TensorDict:
    """The transitions of a rollout [T, B] that are not masked, [N]; sequences of which a step is learnt."""
    if is_empty(rollout):
        return rollout
    flat = valid_transitions(rollout)
    if "learnt" not in flat.keys():
        return flat
    some = flat["learnt"].any(-1)
    return flat if some.all() else flat[some]


def stored_rows(rollouts: TensorDict) -> TensorDict:
    """The transitions of members' rollouts [n, T, B], or sequences [n, N], as rows of the ring, [N, n]."""
    flat = rollouts.flatten(1) if rollouts.ndim > 2 else rollouts
    return flat.transpose(0, 1)
