"""``nox -s jax``: PPO on CartPole in torch beside the same program in JAX, one core for both, in turns.

``benchmarks.jax_ppo`` is the other program. It runs in an environment of its own, whose Python is the
first argument. A turn of each is the same number of updates; a turn of a population is an update of each
member.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from time import perf_counter
from typing import NamedTuple

from benchmarks import starting
from benchmarks.cartpole import CONFIG
from benchmarks.figures import figure, interleaved, ratios, report
from nappo2 import Learner, Transform, envs, in_one_program, population, ppo, scheme
from nappo2.pipeline import compose


class Case(NamedTuple):
    """The size of a race, and the least ratio of env steps/s."""

    num_envs: int
    num_members: int
    num_updates: int  # in a turn
    at_least: float


CASES = {
    "1,024 envs": Case(1024, 1, 1, 0.95),
    "4 envs": Case(4, 1, 100, 0.6),
    "population of 16 x 8 envs": Case(8, 16, 10, 0.75),
}


def ours(case: Case, *last: Transform) -> Iterator[float]:
    """Env steps/s of a pipeline that ends with these stages."""
    recipe = ppo(envs.cartpole(case.num_envs), CONFIG)
    recipe = recipe if case.num_members == 1 else population(recipe, case.num_members)
    pipe = scheme("3cs", recipe) | compose(*last)
    learner = Learner(pipe, recipe.init(0), target_steps=10**9, progress=False)
    steps = case.num_envs * case.num_members * CONFIG.num_steps * case.num_updates
    while True:
        start = perf_counter()
        for _ in range(case.num_updates):
            learner.step()
        yield steps / (perf_counter() - start)


def theirs(python: str, *sizes: int) -> Iterator[float]:
    """Env steps/s of the program in JAX."""
    command = [python, "-m", "benchmarks.jax_ppo", *map(str, sizes)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        while True:
            print("turn", file=process.stdin, flush=True)
            yield float(process.stdout.readline().split()[0])


def first_update(python: str) -> Iterator[float]:
    """Seconds from the start of a process of JAX until its first update."""
    while True:
        start = perf_counter()
        next(theirs(python, 8, 1, 1))
        yield perf_counter() - start


def measure(python: str, rounds: int = 12) -> list[dict]:
    found = []
    for name, case in CASES.items():
        runs = {"nappo2": ours(case)}
        if case.num_members == 1:
            runs["nappo2, in_one_program"] = ours(case, in_one_program())
        taken = interleaved(rounds, **runs, JAX=theirs(python, *case[:3]))
        over = {who: ratios(taken[who], taken["JAX"]) for who in runs}
        found += [
            *(
                figure(f"CartPole, {name}, steps/s: {who} / JAX", x, at_least=case.at_least)
                for who, x in over.items()
            ),
            *(figure(f"CartPole, {name}, steps/s: {who}", x, "1/s") for who, x in taken.items()),
        ]
    (seconds,) = interleaved(3, 0, jax=first_update(python)).values()
    return [*found, figure("until the first update: JAX", seconds, "s"), *starting.measure()]


if __name__ == "__main__":
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    os.environ |= {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}
    sys.exit(report(partial(measure, sys.argv[1])))
