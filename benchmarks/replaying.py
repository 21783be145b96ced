"""The replay beside TorchRL's: samples of 256 from 100,000 and from a million, and what a million take.

Prioritised, a turn is a sample by priorities, the transitions themselves, and a new priority for each;
it stands beside a uniform sample, as TorchRL's needs a C++ extension that is not built for every torch.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import torch
from tensordict import TensorDict

from benchmarks.figures import figure, interleaved, ratios, report
from nappo2.seeds import generator
from nappo2.stages.replaying.prioritized import assigned, importance, none, sampled
from nappo2.stages.replaying.ring import ReplayState, empty, extended, read
from nappo2.trees import walk

BATCH, ALPHA, BETA = 256, 0.6, 0.4


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


def our_samples(capacity: int) -> Iterator[float]:
    """Seconds of a uniform sample."""
    own, rng = filled(capacity), generator(0)
    return timed(lambda: read(own, torch.randint(capacity, (BATCH,), generator=rng)))


def their_samples(capacity: int) -> Iterator[float]:
    """Seconds of a uniform sample of TorchRL."""
    from torchrl.data import LazyTensorStorage, ReplayBuffer

    buffer = ReplayBuffer(storage=LazyTensorStorage(capacity), batch_size=BATCH)
    buffer.extend(half_cheetahs(capacity))
    return timed(buffer.sample)


def our_priorities(capacity: int) -> Iterator[float]:
    """Seconds of a sample by priorities, and of as many new ones."""
    own, rng = filled(capacity), generator(0)
    new = torch.rand(BATCH, generator=rng) ** ALPHA
    state = [assigned(none(capacity), torch.arange(capacity), first_priorities(capacity) ** ALPHA)]

    def turn():
        index, chance = sampled(state[0], BATCH, rng)
        read(own, index)
        importance(chance, capacity, BETA)
        state[0] = assigned(state[0], index, new)

    return timed(turn)


def filled(capacity: int) -> ReplayState:
    """A ring that is full."""
    return extended(empty(0), half_cheetahs(capacity), capacity)


def first_priorities(capacity: int) -> torch.Tensor:
    """Priorities [capacity] of all that is stored."""
    return torch.rand(capacity, generator=generator(1)) + 1e-3


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
    return [
        *compared("from 100,000", rounds, 10**5, at_least=3),
        *compared("from a million", rounds, 10**6, at_least=3),
        *by_priorities(rounds),
        figure("replay, memory of a million HalfCheetahs / their bytes", [space] * 2, at_most=1.1),
    ]


def compared(what: str, rounds: int, capacity: int, at_least: float) -> list[dict]:
    """Figures of a uniform sample beside TorchRL's."""
    turns = {"nappo2": our_samples(capacity), "torchrl": their_samples(capacity)}
    quick, slow = interleaved(rounds, **turns).values()
    name = f"replay, a sample of 256 {what}"
    return [
        figure(f"{name}: TorchRL / nappo2", ratios(slow, quick), at_least=at_least),
        figure(f"{name}: nappo2", [1e6 * x for x in quick], "us"),
        figure(f"{name}: TorchRL", [1e6 * x for x in slow], "us"),
    ]


def by_priorities(rounds: int, capacity: int = 10**6) -> list[dict]:
    """Figures of a prioritised sample and its new priorities beside a uniform sample."""
    turns = {"uniform": our_samples(capacity), "prioritised": our_priorities(capacity)}
    plain, prioritized = interleaved(rounds, **turns).values()
    name = "replay, 256 of a million by priorities, and new ones"
    return [
        figure(f"{name}: over a uniform sample", ratios(prioritized, plain)),
        figure(name, [1e6 * x for x in prioritized], "us"),
    ]


if __name__ == "__main__":
    sys.exit(report(measure))
