"""Rollouts to sequences, for replay of what an agent with a memory has seen."""

import torch
from tensordict import TensorDict

from nappo2.batch import valid
from nappo2.pipeline import Transform, described, positive, stage
from nappo2.stages.rollouts import map_rollouts


@stage
def windows(length: int, period: int, burn_in: int = 0) -> Transform:
    """Overlapping sequences of each rollout [T, B], as items [N] of tensors [N, length, ...].

    They begin every ``period`` steps, each with the ``memory`` that was recorded there. What is
    learnt of the first begins with the rollout, where its memory was recorded: instead of a
    burn-in it has ``padding``. So with ``period`` up to ``length - burn_in`` each step is learnt.
    The key ``learnt`` says which steps losses are of: those behind ``burn_in``, and not masked or
    beyond the end of a rollout. Replay stores such a sequence as it does a transition, so its
    counts are of sequences then
    (Kapturowski et al., 2019, https://openreview.net/forum?id=r1lyTjAqYX).

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
    """One sequence of each environment, [B]; what is beyond the rollout repeats its nearest step."""
    steps = torch.arange(start, start + length)
    part = rollout[steps.clamp(0, len(rollout) - 1)].transpose(0, 1)
    learnt = ((steps < len(rollout)) & (steps >= start + burn_in)).expand(part.shape)
    if (which := valid(part)) is not None:
        learnt = learnt & which
    padding = (steps < 0).expand(part.shape)
    part = part.exclude("mask").update({"learnt": learnt, "padding": padding})
    return TensorDict(part.to_dict(), batch_size=part.shape[:1])
