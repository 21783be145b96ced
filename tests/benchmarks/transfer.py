"""A rollout of 13.6 MB from an actor to this process: as nappo2 sends it, and as Ray does by itself.

In two forms, frames of 84 x 84 bytes and vectors of 26 floats. A turn is one call of an actor that
has the rollout already, until it is a TensorDict here: for nappo2, one that looks at shared memory.
"""

import sys
from collections.abc import Callable, Iterator
from time import perf_counter

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.schemes.parcels import pack, unpack
from nappo2.schemes.remote.cluster import start_ray
from tests.benchmarks.figures import figure, interleaved, report


def frames() -> TensorDict:
    """As eight Atari games give them."""
    return rollout(torch.randint(256, (120, 8, 1, 84, 84), dtype=torch.uint8), torch.zeros(120, 8))


def vectors() -> TensorDict:
    """As 64 HalfCheetahs give them."""
    return rollout(torch.randn(846, 64, 26), torch.zeros(846, 64, 6))


def rollout(observation: Tensor, action: Tensor) -> TensorDict:
    size = observation.shape[:2]
    flags = {name: torch.zeros(size, dtype=torch.bool) for name in ("terminated", "truncated")}
    reached = {"observation": observation.clone(), "reward": torch.zeros(size)} | flags
    return TensorDict(
        observation=observation,
        action=action,
        action_log_prob=torch.zeros(size),
        params_version=torch.zeros(size, dtype=torch.int64),
        next=reached | {"done": torch.zeros(size, dtype=torch.bool)},
        batch_size=size,
    )


class Sender:
    """An actor that has a rollout, and returns it in one form or the other."""

    def __init__(self, make: Callable[[], TensorDict]):
        torch.set_num_threads(1)
        self.rollout = make()

    def packed(self):
        return pack(self.rollout)

    def unaided(self):
        return self.rollout


def milliseconds(receive: Callable[[], TensorDict]) -> Iterator[float]:
    while True:
        start = perf_counter()
        receive()
        yield 1e3 * (perf_counter() - start)


def compared(make: Callable[[], TensorDict], rounds: int) -> list[dict]:
    import ray  # after nappo2 has, which has it ask for a token

    sender, name = ray.remote(Sender).remote(make), f"a rollout of {make.__name__} from an actor"
    turns = {
        "nappo2": milliseconds(lambda: unpack(ray.get(sender.packed.remote()))),
        "ray": milliseconds(lambda: ray.get(sender.unaided.remote())),
    }
    warmup = 200  # Ray frees memory once per second only, and what is new is slow at first
    mine, plain = interleaved(rounds, warmup, **turns).values()
    ratios = (b / a for a, b in zip(mine, plain, strict=True))
    return [
        figure(f"{name}: Ray / nappo2", ratios, at_least=4),
        figure(f"{name}: nappo2", mine, "ms"),
        figure(f"{name}: Ray", plain, "ms"),
    ]


def measure(rounds: int = 100) -> list[dict]:
    start_ray(1, logs=False)
    return compared(frames, rounds) + compared(vectors, rounds)


if __name__ == "__main__":
    sys.exit(report(measure))
