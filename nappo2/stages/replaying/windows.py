"""Rollouts to overlapping sequences, for replay with a recurrent agent."""

from typing import NamedTuple

import torch
from tensordict import TensorDict

from nappo2.batch import valid
from nappo2.pipeline import Pipeline, Transform, described, positive, stage
from nappo2.stages.replaying.n_step import check_uncut, joined
from nappo2.stages.rollouts import check_left, check_rollout, map_rollouts


@stage
def windows(length: int, period: int, burn_in: int = 0) -> Transform:
    """Cuts each rollout [T, B] into overlapping sequences, items [N] of tensors [N, length, ...].

    As R2D2 (Kapturowski et al., 2019, https://openreview.net/forum?id=r1lyTjAqYX): a sequence begins
    every ``period`` steps, with the memory that was recorded there, and its first ``burn_in`` steps
    only restore the memory. The first sequence of a rollout has ``padding`` [N, length] bool in place
    of them, so that with a ``period`` of up to ``length - burn_in`` each step is learnt from.
    ``learnt`` [N, length] bool marks the steps of losses: those behind ``burn_in`` that are not masked
    and not beyond the end of the rollout. ``memory`` [N, 2, memory_size] is that of the first step, and
    of the one behind ``burn_in``. A replay right of it counts sequences, not transitions.

    Args:
        length: steps of a sequence.
        period: steps from the beginning of a sequence to that of the next.
        burn_in: steps at its beginning that losses leave out.

    Returns:
        A transform from rollouts to sequences.

    Raises:
        ValueError: if a count is not at least 1, nothing is behind ``burn_in``, or ``n_step`` or
            ``hindsight`` stands left of it.

    Example:
        >>> from nappo2.stages import windows
        >>> recipe = r2d2(envs.masked_cartpole(2), R2D2(hidden=(8, 8)))
        >>> pipe = collect(recipe.env, recipe.policy, num_steps=6) | windows(length=4, period=2, burn_in=2)
        >>> sequences = first(pipe, recipe.init(0)).item  # two environments; they begin at -2, 0, 2
        >>> sequences.batch_size, sequences["padding"][0].tolist()
        (torch.Size([6]), [True, True, False, False])
        >>> sequences["learnt"][0].tolist()
        [False, False, True, True]
    """
    check_windows(length, period, burn_in)

    def fn(_, rollout):
        return sequences_at(
            rollout, range(-burn_in, len(rollout) - burn_in, period), length, burn_in
        )

    return described(map_rollouts("windows", fn), regroups=True)


class WindowsState(NamedTuple):
    """The steps with which the next sequences begin."""

    waiting: TensorDict | None  # [W, B]; None at first
    start: int  # at which of them the next sequence begins; below 0 with padding
    first_start: int  # of a run

    def episodes_begun(self) -> "WindowsState":
        """The state for environments that begin new episodes: without steps of those before."""
        return WindowsState(None, self.first_start, self.first_start)


@stage
def rolling_windows(length: int, period: int, burn_in: int = 0) -> Transform:
    """``windows`` over the borders of rollouts, as in R2D2: the last steps of one begin the next one's.

    Sequences are handed on with the rollout that completes them, so that all are full, and their burn-in
    is of steps that were made; if a rollout completes none, the item is empty, [0]. Only the first
    sequence of a run has ``padding``. With a ``period`` of ``length - burn_in`` each step is learnt from
    in exactly one sequence. It stands right of ``collect`` and left of any cut, where the columns of a
    rollout are the same environments from step to step.

    Args:
        length: steps of a sequence.
        period: steps from the beginning of a sequence to that of the next.
        burn_in: steps at its beginning that losses leave out.

    Returns:
        A transform from rollouts to sequences.

    Raises:
        ValueError: if a count is not at least 1, nothing is behind ``burn_in``, or ``n_step``,
            ``hindsight`` or a cut stands left of it.

    Example:
        >>> from nappo2.stages import rolling_windows
        >>> recipe = r2d2(envs.masked_cartpole(2), R2D2(hidden=(8, 8)))
        >>> pipe = collect(recipe.env, recipe.policy, num_steps=3) | rolling_windows(length=4, period=2)
        >>> params = recipe.init(0)
        >>> state, few, _ = pipe.step(params, pipe.init(params, 0))  # 3 steps complete no sequence
        >>> state, sequences, _ = pipe.step(params, state)  # 6 steps: those from 0 and from 2
        >>> len(few), len(sequences)  # of two environments
        (0, 4)
    """
    check_windows(length, period, burn_in)

    def transform(source):
        check_left("rolling_windows", source)
        check_uncut("rolling_windows", source)

        def init(params, seed):
            return source.init(params, seed) | {
                "rolling_windows": WindowsState(None, -burn_in, -burn_in)
            }

        def step(params, state):
            waiting, start, _ = state["rolling_windows"]
            state, rollout, report = source.step(params, state)
            check_rollout("rolling_windows", rollout)
            steps = rollout if waiting is None else joined(waiting, rollout)
            starts = range(start, len(steps) - length + 1, period)
            item = (
                sequences_at(steps, starts, length, burn_in)
                if starts
                else TensorDict(batch_size=[0])
            )
            start += len(starts) * period
            first = min(max(start, 0), len(steps))
            rest = WindowsState(steps[first:].clone(), start - first, -burn_in)
            return state | {"rolling_windows": rest}, item, report

        return Pipeline(init, step)

    return described(transform, regroups=True)


def check_windows(length: int, period: int, burn_in: int) -> None:
    """Refuses sequences in which nothing is learnt from.

    Args:
        length: steps of a sequence.
        period: steps from the beginning of a sequence to that of the next.
        burn_in: steps at its beginning that losses leave out.

    Raises:
        ValueError: if a count is not at least 1, or nothing is behind ``burn_in``.
    """
    positive(length=length, period=period)
    if not 0 <= burn_in < length:
        raise ValueError(f"burn_in is at least 0 and below length {length}, not {burn_in}")


def sequences_at(rollout: TensorDict, starts: range, length: int, burn_in: int) -> TensorDict:
    """The sequences of all environments that begin at some steps.

    Args:
        rollout: [T, B].
        starts: S steps, which may be negative.
        length: steps of a sequence.
        burn_in: steps at its beginning that losses leave out.

    Returns:
        Sequences [S * B] of tensors [S * B, length, ...].
    """
    return torch.cat([window(rollout, start, length, burn_in) for start in starts])


def window(rollout: TensorDict, start: int, length: int, burn_in: int) -> TensorDict:
    """The sequences of all environments that begin at step ``start``.

    Steps outside of the rollout repeat its nearest step.

    Args:
        rollout: [T, B].
        start: may be negative.
        length: steps of a sequence.
        burn_in: steps at its beginning that losses leave out.

    Returns:
        Sequences [B] of tensors [B, length, ...].
    """
    steps = torch.arange(start, start + length)
    nearest = steps.clamp(0, len(rollout) - 1)
    part = rollout.exclude("memory")[nearest].transpose(0, 1)
    learnt = ((steps < len(rollout)) & (steps >= start + burn_in)).expand(part.shape)
    if (which := valid(part)) is not None:
        learnt = learnt & which
    padding = (steps < 0).expand(part.shape)
    part = part.exclude("mask").update({"learnt": learnt, "padding": padding})
    sequences = TensorDict(part.to_dict(), batch_size=part.shape[:1])
    if "memory" in rollout.keys():
        sequences["memory"] = rollout["memory"][nearest[[0, burn_in]]].transpose(0, 1)
    return sequences
