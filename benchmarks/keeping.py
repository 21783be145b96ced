"""What it costs to lose nothing: the guard of a minibatch, and a checkpoint of a large replay."""

import shutil
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import torch
from tensordict import TensorDict

from benchmarks.figures import figure, interleaved, ratios, report
from benchmarks.minibatch import CLIPPED_ADAM, microseconds, ours
from nappo2 import optim
from nappo2.reports import Report
from nappo2.saving.checkpoint import Checkpoints
from nappo2.saving.packing import pack
from nappo2.stages.replaying.ring import ReplayState

CAPACITY = 1_000_000  # of HalfCheetah's transitions, 236 MB


def full_replay() -> ReplayState:
    ring = TensorDict(
        observation=torch.randn(CAPACITY, 26),
        action=torch.randn(CAPACITY, 6),
        next=TensorDict(reward=torch.randn(CAPACITY), batch_size=CAPACITY),
        following=torch.randn(CAPACITY, 26),
        batch_size=CAPACITY,
    )
    return ReplayState(ring, CAPACITY, CAPACITY, 0.0, Report(), 0)


def saving(state: ReplayState, folder: Path) -> tuple[float, float]:
    """Seconds in which the run stands still, and in which the file is written behind it."""
    checkpoints, start = Checkpoints(folder), perf_counter()
    checkpoints.begin(pack({"replay": state}), 1, best=False)
    stalled = perf_counter() - start
    checkpoints.finish()
    return stalled, perf_counter() - start


def measure() -> list[dict]:
    guard = optim.apply_if_finite(CLIPPED_ADAM)
    eager, jit = (
        interleaved(40, plain=microseconds(ours(jit)), guarded=microseconds(ours(jit, guard)))
        for jit in (False, True)
    )
    state, folder = full_replay(), Path(tempfile.mkdtemp())
    seconds = [saving(state, folder) for _ in range(4)]
    shutil.rmtree(folder)
    stalled, whole = zip(*seconds, strict=True)
    return [
        figure("guarded / plain minibatch, eager", ratios(eager["guarded"], eager["plain"]), at_most=1.02),
        figure("guarded / plain minibatch, compiled", ratios(jit["guarded"], jit["plain"]), at_most=1.05),
        figure("plain minibatch, eager", eager["plain"], "us"),
        figure("plain minibatch, compiled", jit["plain"], "us"),
        figure("checkpoint of 1,000,000 transitions, the run stands still", stalled, "s"),
        figure("checkpoint of 1,000,000 transitions, until it is on the disk", whole, "s"),
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(report(measure))
