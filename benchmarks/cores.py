"""da2cs on Ray and two cores, compiled, beside two bare simulators that run at the same time.

PPO on HalfCheetahBullet as ``distributed`` has it, with ``jit``, and with ``ahead`` 0 and 1. How much
of both cores is inside of the simulators' step, and env steps/s over the bare ones'.
"""

import multiprocessing
import sys
from collections.abc import Iterator
from time import perf_counter
from typing import NamedTuple

from benchmarks.distributed import COLLECTORS, in_full_swing, learner
from benchmarks.figures import figure, interleaved, ratios, report
from benchmarks.locomotion import BARE_STEPS, bare_run
from benchmarks.simulators import half_cheetah
from nappo2.runs.learner import Learner
from nappo2.schemes import on_ray

NUM_ROLLOUTS, NUM_BARE = 8, 4


class Turn(NamedTuple):
    """How much of two cores was in the simulators' step, and env steps/s."""

    share: float
    rate: float


def turns(learner: Learner) -> Iterator[Turn]:
    def run():
        before = learner.env_steps, learner.sums.get("simulator_seconds", 0.0)
        start = perf_counter()
        for _ in range(NUM_ROLLOUTS):
            learner.step()
        seconds = perf_counter() - start
        inside = learner.sums["simulator_seconds"] - before[1]
        return Turn(inside / (COLLECTORS * seconds), (learner.env_steps - before[0]) / seconds)

    return in_full_swing(learner, run)


def bare() -> Iterator[float]:
    """Env steps/s of two simulators in processes of their own."""
    with multiprocessing.get_context("spawn").Pool(COLLECTORS, _begin) as pool:
        while True:
            yield sum(pool.map(_rate, [NUM_BARE] * COLLECTORS, chunksize=1))


def _begin() -> None:
    global _run  # of a process that does nothing else
    _run = bare_run(half_cheetah([])())


def _rate(times: int) -> float:
    start = perf_counter()
    for _ in range(times):
        _run()
    return times * BARE_STEPS / (perf_counter() - start)


def measure(rounds: int = 8) -> list[dict]:
    on = on_ray(num_cpus=0.5)
    learners = {
        f"ahead={n}": learner("da2cs", jit=True, collectors=COLLECTORS, on=on, ahead=n)
        for n in (0, 1)
    }
    runs = {name: turns(its) for name, its in learners.items()}
    found = interleaved(rounds, warmup=1, **runs, bare=bare())
    for its in learners.values():
        its.close()
    alone = found.pop("bare")
    figures = [figure("env steps/s: two bare simulators", alone, "1/s")]
    for name, taken in found.items():
        share, rate = zip(*taken, strict=True)
        figures += [
            figure(f"da2cs, jit, {name}: simulators' share of 2 cores", share, at_least=0.80),
            figure(f"da2cs, jit, {name}: rate / bare", ratios(rate, alone), at_least=0.75),
            figure(f"da2cs, jit, {name}: env steps/s", rate, "1/s"),
        ]
    return figures


if __name__ == "__main__":
    sys.exit(report(measure))
