"""Rollouts to overlapping sequences, for replay with a recurrent agent."""

import torch
from tensordict import TensorDict

from nappo2.batch import valid
from nappo2.pipeline import Transform, described, positive, stage
from nappo2.stages.rollouts import map_rollouts


@stage
def windows(length: int, period: int, burn_in: int = 0) -> Transform:
    """Cuts each rollout [T, B] into overlapping sequences, items [N] of tensors [N, length, ...].

    As R2D2 (Kapturowski et al., 2019, https://openreview.net/forum?id=r1lyTjAqYX): a sequence begins
    every ``period`` steps, with the ``memory`` that was recorded there, and its first ``burn_in`` steps
    only restore the memory. The first sequence of a rollout has ``padding`` [N, length] bool in place
    of them, so that with a ``period`` of up to ``length - burn_in`` each step is learnt from.
    ``learnt`` [N, length] bool marks the steps of losses: those behind ``burn_in`` that are not masked
    and not beyond the end of the rollout. A replay right of it counts sequences, not transitions.

    Args:
        length: steps of a sequence.
        period: steps from the beginning of a sequence to that of the next.
        burn_in: steps at its beginning that losses leave out.

    Returns:
        A transform from rollouts to sequences.

    Raises:
        ValueError: if a count is not at least 1, nothing is behind ``burn_in``, or ``n_step`` or
            ``hindsight`` stands left of it.
    """
    positive(length=length, period=period)
    if not 0 <= burn_in < length:
        raise ValueError(f"burn_in is at least 0 and below length {length}, not {burn_in}")

    def fn(_, rollout):
        starts = range(-burn_in, len(rollout) - burn_in, period)
        return torch.cat([window(rollout, start, length, burn_in) for start in starts])

    return described(map_rollouts("windows", fn), regroups=True)


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
    part = rollout[steps.clamp(0, len(rollout) - 1)].transpose(0, 1)
    learnt = ((steps < len(rollout)) & (steps >= start + burn_in)).expand(part.shape)
    if (which := valid(part)) is not None:
        learnt = learnt & which
    padding = (steps < 0).expand(part.shape)
    part = part.exclude("mask").update({"learnt": learnt, "padding": padding})
    return TensorDict(part.to_dict(), batch_size=part.shape[:1])
