"""SAC on HalfCheetahBullet beside Stable-Baselines3's, one update per step; the replay beside TorchRL's."""

import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import torch
from tensordict import TensorDict

from nappo2 import envs
from nappo2.algorithms import SAC, sac
from nappo2.learner import Learner
from nappo2.params import walk
from nappo2.schemes import scheme
from nappo2.seeds import generator
from nappo2.stages.replay import empty, extended, read
from tests.benchmarks.figures import figure, interleaved, report
from tests.benchmarks.simulators import half_cheetah

START, STEPS = 300, 40  # before the first update; of a turn
CAPACITY, BATCH = 100_000, 256


def ours() -> Iterator[float]:
    """Steps per second, with an update after each: 256-256, batches of 256."""
    config = SAC(capacity=CAPACITY, start_steps=START)
    stages = sac(envs.from_gym(half_cheetah([])), config)
    learner = Learner(scheme("3cs", stages), stages.init(0), target_steps=10**9)
    learner.step()  # all of the start
    while True:
        start = perf_counter()
        for _ in range(STEPS):
            learner.step()
        yield STEPS / (perf_counter() - start)


def theirs() -> Iterator[float]:
    """The same of Stable-Baselines3; its default networks and batches are these."""
    from stable_baselines3 import SAC as Theirs
    from stable_baselines3.common.logger import Logger

    model = Theirs(
        "MlpPolicy", half_cheetah([])(), buffer_size=CAPACITY, learning_starts=START, seed=0,
        device="cpu",
    )  # fmt: skip
    model.set_logger(Logger(None, []))
    model.learn(START + STEPS)
    while True:
        start = perf_counter()
        model.learn(STEPS, reset_num_timesteps=False)
        yield STEPS / (perf_counter() - start)


def half_cheetahs(num: int) -> TensorDict:
    """Transitions as ``collect`` makes them."""
    rng = torch.Generator().manual_seed(0)
    flags = {
        name: torch.zeros(num, dtype=torch.bool) for name in ("terminated", "truncated", "done")
    }
    reached = {"observation": torch.randn(num, 26, generator=rng), "reward": torch.zeros(num)}
    return TensorDict(
        observation=torch.randn(num, 26, generator=rng),
        action=torch.randn(num, 6, generator=rng),
        action_log_prob=torch.zeros(num),
        params_version=torch.zeros(num, dtype=torch.int64),
        next=reached | flags,
        batch_size=[num],
    )


def our_samples() -> Iterator[float]:
    """Seconds of a sample of 256 from 100,000."""
    own, rng = extended(empty(0), half_cheetahs(CAPACITY), CAPACITY), generator(0)
    return timed(lambda: read(own, torch.randint(CAPACITY, (BATCH,), generator=rng)))


def their_samples() -> Iterator[float]:
    from torchrl.data import LazyTensorStorage, ReplayBuffer

    buffer = ReplayBuffer(storage=LazyTensorStorage(CAPACITY), batch_size=BATCH)
    buffer.extend(half_cheetahs(CAPACITY))
    return timed(buffer.sample)


def timed(sample, num: int = 200) -> Iterator[float]:
    while True:
        start = perf_counter()
        for _ in range(num):
            sample()
        yield (perf_counter() - start) / num


def memory(num: int = 1_000_000) -> float:
    """What a ring of a million takes of the machine, over the bytes of two observations, an action,
    a reward and whether it terminated or was truncated."""
    bare = num * (4 * (26 + 26 + 6 + 1) + 2)
    part, before = half_cheetahs(10_000), resident()
    own = empty(0)
    for _ in range(num // len(part)):
        own = extended(own, part, num)
    taken = resident() - before
    assert own.count == num and sum(x.nbytes for _, x in walk(own.ring)) <= taken + 2**20
    return taken / bare


def resident() -> int:
    """The bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def measure(rounds: int = 20) -> list[dict]:
    space = memory()
    taken = interleaved(rounds, nappo2=ours(), sb3=theirs())
    mine, other = taken.values()
    samples = interleaved(rounds, nappo2=our_samples(), torchrl=their_samples())
    quick, slow = samples.values()
    ratios = [a / b for a, b in zip(mine, other, strict=True)]
    speedups = [b / a for a, b in zip(quick, slow, strict=True)]
    return [
        figure("SAC, steps/s with an update each, eager: nappo2 / SB3", ratios, at_least=1.4),
        figure("SAC, steps/s with an update each: nappo2", mine, "1/s"),
        figure("SAC, steps/s with an update each: SB3", other, "1/s"),
        figure("replay, a sample of 256 from 100,000: TorchRL / nappo2", speedups, at_least=3),
        figure("replay, a sample: nappo2", [1e6 * x for x in quick], "us"),
        figure("replay, a sample: TorchRL", [1e6 * x for x in slow], "us"),
        figure("replay, memory of a million HalfCheetahs / their bytes", [space] * 2, at_most=1.1),
    ]


if __name__ == "__main__":
    sys.exit(report(measure))
