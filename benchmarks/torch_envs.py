"""Environments in torch: env steps per second of 1, 64, 1,024 and 4,096 at once, with one thread.

Actions are drawn beforehand. Eager steps are those of ``Env.step``, with resets; compiled ones are a scan of
the physics, 50 steps in one program, without resets. Beside them stands the wall of arithmetic: how many
numbers a step computes, over how many multiplications with an addition this core makes per second in a
product of matrices. A sine, an exponential and a byte of an image count as one number, too.
"""

import sys
from collections.abc import Callable, Iterator
from time import perf_counter

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.figures import figure, interleaved, report
from nappo2 import envs
from nappo2.envs import TORCH, Env
from nappo2.machine.compiling import compiled

SIZES, STEPS = (1, 64, 1024, 4096), 50
MANY = 4096
GOAL = {"torch/FourRooms-v0": {"at_least": 1e6}}  # a grid world with pixels


def actions_of(env: Env) -> Tensor:
    """Random actions [STEPS, B, ...]."""
    rng, size = torch.Generator().manual_seed(0), (STEPS, env.num_envs)
    if env.action_space.shape:
        return torch.rand(*size, *env.action_space.shape, generator=rng) * 2 - 1
    return torch.randint(env.action_space.n, size, generator=rng)


def rates(run: Callable[[], object], num_steps: int) -> Iterator[float]:
    """Env steps per second of a function that takes so many."""
    while True:
        start = perf_counter()
        run()
        yield num_steps / (perf_counter() - start)


def eager(env_id: str, num_envs: int) -> Iterator[float]:
    env = envs.make(env_id, num_envs)
    actions, state = actions_of(env), env.reset(0)[0]

    def run():
        nonlocal state
        for action in actions:
            state, _, _ = env.step(state, action)

    return rates(run, STEPS * num_envs)


def scanned(env_id: str, num_envs: int) -> Iterator[float]:
    from torch._higher_order_ops.scan import scan

    env = envs.make(env_id, num_envs)
    physics, actions = env.physics, actions_of(env)

    def body(state, action):
        state, reward, terminated = physics.step(state, action)
        return state, (physics.observe(state), reward, terminated)

    program = compiled(lambda state, actions: scan(body, state, actions))
    state = physics.start(num_envs, torch.Generator().manual_seed(0))
    return rates(lambda: program(state, actions), STEPS * num_envs)


class Counting(TorchDispatchMode):
    """Counts the numbers that operations compute; views and what is copied as it is are free."""

    def __init__(self):
        super().__init__()
        self.computed = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        given = {x.untyped_storage().data_ptr() for x in args if isinstance(x, Tensor)}
        for x in result if isinstance(result, tuple | list) else [result]:
            if isinstance(x, Tensor) and x.untyped_storage().data_ptr() not in given:
                self.computed += x.numel()
        return result


def numbers_per_step(env_id: str) -> float:
    """The numbers that one environment computes in a step, with its observation."""
    env = envs.make(env_id, MANY)
    state = env.physics.start(MANY, torch.Generator().manual_seed(0))
    with Counting() as counting:
        state, _, _ = env.physics.step(state, actions_of(env)[0])
        env.physics.observe(state)
    return counting.computed / MANY


def products() -> Iterator[float]:
    """Multiplications with an addition per second, in a product of matrices that stay in the cache."""
    a, b, num = torch.rand(256, 256), torch.rand(256, 256), 20

    def run():
        for _ in range(num):
            torch.mm(a, b)

    return rates(run, 256**3 * num)


def measure(rounds: int = 10) -> list[dict]:
    cases = {f"{env_id} x {num:,}": eager(env_id, num) for env_id in TORCH for num in SIZES}
    programs = {f"{env_id} x {MANY:,}, compiled": scanned(env_id, MANY) for env_id in TORCH}
    taken = interleaved(rounds, **cases, **programs, wall=products())
    wall = taken.pop("wall")
    figures = [figure(f"env steps/s: {name}", found, "1/s") for name, found in taken.items()]
    for env_id in TORCH:
        steps, program = taken[f"{env_id} x {MANY:,}"], taken[f"{env_id} x {MANY:,}, compiled"]
        best = [max(pair) for pair in zip(steps, program, strict=True)]
        name, count = f"{env_id} x {MANY:,}, at best", numbers_per_step(env_id)
        share = [x * count / peak for x, peak in zip(best, wall, strict=True)]
        figures += [
            figure(f"env steps/s: {name}", best, "1/s", **GOAL.get(env_id, {})),
            figure(f"{name}: share of arithmetic, {count:.0f} numbers per step", share),
        ]
    return [*figures, figure("multiplications with an addition/s", wall, "1/s")]


if __name__ == "__main__":
    sys.exit(report(measure))
