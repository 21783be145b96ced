"""What it costs to lose nothing: the guard of a minibatch, and a checkpoint of a large replay."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter

import torch
from tensordict import TensorDict

from benchmarks.figures import figure, interleaved, ratios, report
from benchmarks.minibatch import HYPER, NUM_EPOCHS, NUM_MINIBATCHES, rollout
from nappo2 import losses, optim
from nappo2.maths.distributions import normal
from nappo2.networks import actor_critic, mlp, with_log_std
from nappo2.params import make_params
from nappo2.pipeline import Pipeline
from nappo2.reports import Report
from nappo2.saving.checkpoint import Checkpoints
from nappo2.saving.packing import pack
from nappo2.stages import all_minibatches, learn
from nappo2.stages.replaying.ring import ReplayState

CAPACITY = 1_000_000  # of HalfCheetah's transitions, 236 MB


def descent(guarded: bool, jit: bool = False) -> Callable[[], None]:
    """A function that takes 64 minibatches, with or without a look at each gradient."""
    agent = with_log_std(actor_critic(mlp(26, 64, 64, 6), mlp(26, 64, 64, 1)), 6)
    optimizer = optim.chain(optim.clip_by_global_norm(0.5), optim.adam(eps=1e-5))
    optimizer = optim.apply_if_finite(optimizer) if guarded else optimizer
    same = rollout()
    source = Pipeline(lambda params, seed: {}, lambda params, state: (state, same, Report()))
    loss = losses.ppo(agent, normal())
    pipeline = (
        source | all_minibatches(NUM_EPOCHS, NUM_MINIBATCHES) | learn(loss, optimizer, jit=jit)
    )
    params = make_params(agent.init(0), **HYPER)
    state = pipeline.init(params, 0)

    def run():
        nonlocal params, state
        state, params, _ = pipeline.step(params, state)

    return run


def timed(run: Callable[[], None], per: int = NUM_EPOCHS * NUM_MINIBATCHES) -> Iterator[float]:
    """Microseconds per minibatch, again and again."""
    while True:
        start = perf_counter()
        run()
        yield (perf_counter() - start) / per * 1e6


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
    eager = interleaved(40, plain=timed(descent(False)), guarded=timed(descent(True)))
    jit = interleaved(40, plain=timed(descent(False, True)), guarded=timed(descent(True, True)))
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
