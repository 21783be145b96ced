"""How many workers one driver commands: workers that sleep, on Ray, and nested in threads of Ray's workers.

A worker's step sleeps and then delivers a rollout. Measured are the driver's CPU seconds per call and per
byte, and the calls per second of cuts of up to 1,000 workers. Beside them stands what a model says: a driver
that serves one worker after the other, and workers that think in between (mean value analysis of a closed
queue; Reiser & Lavenberg, https://doi.org/10.1145/322186.322195). All processes share the cores of this
machine, whereas those of a cluster bring cores of their own.
"""

import sys
from collections.abc import Iterator
from time import perf_counter, process_time, sleep
from typing import Any

import torch
from tensordict import TensorDict

from benchmarks.figures import figure, report
from nappo2.params import make_params
from nappo2.pipeline import Pipeline
from nappo2.reports import Report
from nappo2.saving.snapshots import close_state
from nappo2.schemes import on_ray, workers
from tests.extensions.threads import in_threads

PARAMS = make_params(TensorDict(bias=torch.zeros(1)))
SMALL, LARGE = 1_000, 10_000_000  # bytes of a rollout
FLAT = {8: 0.2, 32: 1.0, 64: 2.0}  # workers on Ray, seconds of sleep
THREADS, GROUPS, SLEEP = 100, 10, 4.0  # 1,000 workers in ten processes


def sleeper(seconds: float, num_bytes: int = SMALL) -> Pipeline:
    """A source of rollouts of so many bytes, each after so many seconds."""

    def step(params, state):
        sleep(seconds)
        return state, state["rollout"], Report(sums={"env_steps": 1})

    def init(params, seed):
        columns = torch.zeros(1, 1, num_bytes // 4)
        return {"rollout": TensorDict(observation=columns, batch_size=[1, 1])}

    return Pipeline(init, step)


def calls(pipe: Pipeline, num: int, warmup: int) -> Iterator[tuple[float, float]]:
    """Seconds of the clock, and CPU seconds of this process, per call of a worker, turn by turn."""
    state: Any = pipe.init(PARAMS, 0)
    try:
        for _ in range(warmup):
            state, _, _ = pipe.step(PARAMS, state)
        while True:
            start, cpu, done = perf_counter(), process_time(), 0
            while done < num:
                state, _, taken = pipe.step(PARAMS, state)
                done += int(taken.sums["env_steps"])
            yield (perf_counter() - start) / done, (process_time() - cpu) / done
    finally:
        close_state(pipe, state)


def taken(pipe: Pipeline, num: int, warmup: int, rounds: int) -> list[tuple[float, float]]:
    """As many turns of ``calls``; then its workers are ended."""
    turns = calls(pipe, num, warmup)
    found = [next(turns) for _ in range(rounds)]
    turns.close()
    return found


def queue(num_workers: int, think: float, service: float) -> float:
    """Calls per second of workers that think so many seconds, served one by one in ``service`` seconds.

    ``X[k] = k / (think + R[k])``, ``R[k] = service (1 + Q[k - 1])``, ``Q[k] = X[k] R[k]``.
    """
    waiting = rate = 0.0
    for k in range(1, num_workers + 1):
        response = service * (1 + waiting)
        rate = k / (think + response)
        waiting = rate * response
    return rate


def threads(inner: int) -> Pipeline:
    """Workers in threads of the process that begins it, of whose rollouts ``inner`` make one."""

    def init(params, seed):
        cut = workers(THREADS, wait_for=inner, on=in_threads(THREADS), name="threads")
        pipe = sleeper(SLEEP) | cut  # made where its threads are, as these do not travel
        return {"pipe": pipe, "state": pipe.init(params, seed)}

    def step(params, state):
        inside, rollout, taken = state["pipe"].step(params, state["state"])
        return state | {"state": inside}, rollout, taken

    return Pipeline(init, step)


def measure(rounds: int = 8) -> list[dict]:
    free, figures, service = on_ray(num_cpus=0.1), [], {}
    for size in (SMALL, LARGE):
        pipe = sleeper(0, size) | workers(2, wait_for=1, ahead=1, on=free)
        seconds, cpu = zip(*taken(pipe, 50 if size == LARGE else 300, 50, rounds), strict=True)
        service[size], name = sorted(cpu)[rounds // 2], f"driver, rollouts of {size / 1e6:g} MB"
        figures += [
            figure(f"{name}: CPU of a call", (1e3 * x for x in cpu), "ms"),
            figure(
                f"{name}: calls/s of two workers that are always ready",
                (1 / x for x in seconds),
                "1/s",
            ),
        ]
    for num, think in FLAT.items():
        pipe = sleeper(think) | workers(num, wait_for=1, on=free)
        found = [1 / x for x, _ in taken(pipe, 4 * num, 2 * num, rounds)]
        figures += compared(f"{num} workers on Ray", num, think, service[SMALL], found)
    for inner in (1, 50):
        pipe = threads(inner) | workers(GROUPS, wait_for=1, on=free)
        num, warmup = 2 * GROUPS * THREADS, 2 * GROUPS * THREADS // inner
        found = [1 / x for x, _ in taken(pipe, num, warmup, rounds // 2)]
        name = f"{GROUPS * THREADS:,} workers in {GROUPS} processes, {inner} rollouts a call"
        figures += compared(name, GROUPS * THREADS, SLEEP, service[SMALL] / inner, found)
    return figures


def compared(name: str, num: int, think: float, service: float, found: list[float]) -> list[dict]:
    """Rollouts per second that were measured, over those of the model and over those without a driver."""
    model = queue(num, think, service)
    return [
        figure(f"{name}: rollouts/s", found, "1/s"),
        figure(f"{name}: rollouts/s over the model's", (x / model for x in found)),
        figure(f"{name}: of {num} alone", (x * think / num for x in found)),
    ]


if __name__ == "__main__":
    sys.exit(report(measure))
