"""The replay beside TorchRL's: a sample of 256 from 100,000, and the memory that a million take."""

import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import torch
from tensordict import TensorDict

from benchmarks.figures import figure, interleaved, report
from nappo2.seeds import generator
from nappo2.stages.replaying.replay import empty, extended, read
from nappo2.trees import walk

CAPACITY, BATCH = 100_000, 256


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
    samples = interleaved(rounds, nappo2=our_samples(), torchrl=their_samples())
    quick, slow = samples.values()
    speedups = [b / a for a, b in zip(quick, slow, strict=True)]
    return [
        figure("replay, a sample of 256 from 100,000: TorchRL / nappo2", speedups, at_least=3),
        figure("replay, a sample: nappo2", [1e6 * x for x in quick], "us"),
        figure("replay, a sample: TorchRL", [1e6 * x for x in slow], "us"),
        figure("replay, memory of a million HalfCheetahs / their bytes", [space] * 2, at_most=1.1),
    ]


if __name__ == "__main__":
    sys.exit(report(measure))
