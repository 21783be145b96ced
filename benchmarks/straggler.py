"""A synchronous cut of 8 sleeping collectors, one of them 10 times slower, with and without preemption.

With it, a step waits for 7, and the last one stops with a quarter of its rollout. Env steps are
those of the reports, in which what pads a rollout is none.
"""

import sys
from collections.abc import Iterator
from time import perf_counter

from benchmarks.figures import figure, interleaved, report
from benchmarks.sleeping import CONFIG, SECONDS, sleeping
from nappo2.recipes import ppo
from nappo2.schemes import on_ray, workers
from nappo2.seeds import fold_in, split
from nappo2.stages import Recipe
from nappo2.stages.recipe import collect_of

COLLECTORS, SLOWER, SEED = 8, 10, 1
SLOW = split(fold_in(fold_in(SEED, COLLECTORS - 1), "collect"), 3)[0]  # of the last one's reset


def rates(recipe: Recipe, **patience) -> Iterator[float]:
    """Env steps/s of each step of the cut."""
    pipe, params = collect_of(recipe) | workers(COLLECTORS, **patience), recipe.init(0)
    state = pipe.init(params, SEED)
    try:
        while True:
            start = perf_counter()
            state, _, found = pipe.step(params, state)
            yield found.sums["env_steps"] / (perf_counter() - start)
    finally:
        state["workers"].stop()


def measure(rounds: int = 10) -> list[dict]:
    env = sleeping(lambda seed: SECONDS * (SLOWER if seed == SLOW else 1))
    recipe, on = ppo(env, CONFIG), on_ray(num_cpus=0.5)  # so that there is room for both
    early = rates(recipe, wait_for=COLLECTORS - 1, preempt=0.25, on=on)
    taken = interleaved(rounds, warmup=1, early=early, late=rates(recipe, on=on))
    early, late = taken.values()
    ratios = (a / b for a, b in zip(early, late, strict=True))
    return [
        figure("env steps/s with a straggler: preempted / waited for", ratios, at_least=3),
        figure("env steps/s with a straggler: preempted", early, "1/s"),
        figure("env steps/s with a straggler: waited for", late, "1/s"),
    ]


if __name__ == "__main__":
    sys.exit(report(measure))
