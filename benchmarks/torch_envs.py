"""Environments in torch: env steps per second of 1, 64, 1,024 and 4,096 at once, with one thread."""

import sys
from collections.abc import Iterator
from time import perf_counter

import torch

from benchmarks.figures import figure, interleaved, report
from nappo2 import envs
from nappo2.envs import TORCH

SIZES = (1, 64, 1024, 4096)


def rates(env_id: str, num_envs: int, num_steps: int = 50) -> Iterator[float]:
    """Env steps per second, of random actions that are drawn beforehand."""
    env, rng = envs.make(env_id, num_envs), torch.Generator().manual_seed(0)
    if env.action_space.shape:
        actions = torch.rand(num_steps, num_envs, *env.action_space.shape, generator=rng) * 2 - 1
    else:
        actions = torch.randint(env.action_space.n, (num_steps, num_envs), generator=rng)
    state, _ = env.reset(0)
    while True:
        start = perf_counter()
        for action in actions:
            state, _, _ = env.step(state, action)
        yield num_steps * num_envs / (perf_counter() - start)


def measure(rounds: int = 10) -> list[dict]:
    cases = {f"{env_id} x {num:,}": (env_id, num) for env_id in TORCH for num in SIZES}
    taken = interleaved(rounds, **{name: rates(*case) for name, case in cases.items()})
    return [figure(f"env steps/s: {name}", found, "1/s") for name, found in taken.items()]


if __name__ == "__main__":
    sys.exit(report(measure))
