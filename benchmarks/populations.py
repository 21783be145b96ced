"""A population of 16 members on torch CartPole, beside 16 runs one after the other.

PPO's preset for CartPole: 8 environments x 32 steps, 20 epochs of one minibatch. A turn of the
population is a rollout of each member; one of the runs is a rollout of each.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from time import perf_counter

from benchmarks.figures import figure, interleaved, ratios, report
from nappo2 import envs, fold_in, population, ppo, preset, scheme

NUM_MEMBERS = 16


def together(jit: bool) -> Iterator[float]:
    """Seconds of a turn."""
    recipe = population(_stages(jit), NUM_MEMBERS)
    return turns([(scheme("3cs", recipe), recipe.init(0), 0)])


def apart(jit: bool) -> Iterator[float]:
    recipe, seeds = _stages(jit), [fold_in(0, i) for i in range(NUM_MEMBERS)]
    return turns([(scheme("3cs", recipe), recipe.init(seed), seed) for seed in seeds])


def _stages(jit: bool):
    return ppo(envs.cartpole(8), replace(preset("ppo", "cartpole").config, jit=jit))


def turns(runs: list[tuple]) -> Iterator[float]:
    states = [pipe.init(params, seed) for pipe, params, seed in runs]
    params = [params for _, params, _ in runs]
    while True:
        start = perf_counter()
        for i, (pipe, _, _) in enumerate(runs):
            states[i], params[i], _ = pipe.step(params[i], states[i])
        yield perf_counter() - start


def measure(rounds: int = 12) -> list[dict]:
    found = interleaved(
        rounds,
        eager=together(False),
        apart=apart(False),
        jit=together(True),
        jit_apart=apart(True),
    )
    eager, alone, jit, jit_alone = found.values()
    return [
        figure("population of 16 / 16 runs, eager", ratios(alone, eager), at_least=2),
        figure("population of 16 / 16 runs, jit", ratios(jit_alone, jit), at_least=1.2),
        *(figure(f"seconds a turn: {name}", x, "s") for name, x in found.items()),
    ]


if __name__ == "__main__":
    sys.exit(report(measure))
