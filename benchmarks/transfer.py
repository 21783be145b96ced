"""A rollout of 13.6 MB from an actor to this process: as nappo2 sends it, and as Ray does by itself.

In two forms, frames of 84 x 84 bytes and vectors of 26 floats. A turn is one step of a worker
that has the rollout already, until it is a TensorDict here.
"""

import sys
from collections.abc import Callable, Iterator
from time import perf_counter

import torch
from tensordict import TensorDict
from torch import Tensor

from benchmarks.figures import figure, interleaved, report
from nappo2.params import make_params
from nappo2.pipeline import Pipeline
from nappo2.reports import Report
from nappo2.schemes import on_ray
from nappo2.schemes.backend import Worker

PARAMS = make_params(TensorDict(bias=torch.zeros(1)))


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


def sender(make: Callable[[], TensorDict]) -> Pipeline:
    """A pipeline whose item is always the same."""
    return Pipeline(
        init=lambda params, seed: {"item": make()},
        step=lambda params, state: (state, state["item"], Report()),
    )


def through_nappo2(pipe: Pipeline) -> Callable[[], TensorDict]:
    on = on_ray(num_cpus=0)  # so that there is room for all
    (worker,) = on.spawn(pipe, PARAMS, [0], None)
    handle = on.put(PARAMS)

    def receive():
        ((item, _),) = on.get(on.wait([on.call(worker, handle)], 1))
        return item

    return receive


def through_ray(pipe: Pipeline) -> Callable[[], TensorDict]:
    """The same without parcels."""
    import ray  # only now, as nappo2 has Ray ask for a token when it imports it first

    worker = ray.remote(Worker).remote()
    worker.start.remote(pipe, None, 0)
    return lambda: ray.get(worker.step.remote(None))[0]


def milliseconds(receive: Callable[[], TensorDict]) -> Iterator[float]:
    while True:
        start = perf_counter()
        receive()
        yield 1e3 * (perf_counter() - start)


def compared(make: Callable[[], TensorDict], rounds: int) -> list[dict]:
    pipe, name = sender(make), f"a rollout of {make.__name__} from an actor"
    turns = {"nappo2": through_nappo2(pipe), "ray": through_ray(pipe)}
    turns = {key: milliseconds(receive) for key, receive in turns.items()}
    mine, plain = interleaved(rounds, warmup=200, **turns).values()
    ratios = (b / a for a, b in zip(mine, plain, strict=True))
    return [
        figure(f"{name}: Ray / nappo2", ratios, at_least=4),
        figure(f"{name}: nappo2", mine, "ms"),
        figure(f"{name}: Ray", plain, "ms"),
    ]


def measure(rounds: int = 100) -> list[dict]:
    return compared(frames, rounds) + compared(vectors, rounds)


if __name__ == "__main__":
    sys.exit(report(measure))
