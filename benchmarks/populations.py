"""Populations beside the same runs one after the other, each in torch environments.

PPO's preset for CartPole, 16 members: 8 environments x 32 steps, 20 epochs of one minibatch. SAC's preset
for Pendulum, 8 members: one environment, 4 steps and 4 updates with batches of 128. A turn of the
population is a rollout of each member; one of the runs is a rollout of each.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from time import perf_counter

from benchmarks.figures import figure, interleaved, ratios, report
from nappo2 import Learner, Recipe, envs, fold_in, population, ppo, preset, sac, scheme

NUM_MEMBERS = {"PPO, CartPole": 16, "SAC, Pendulum": 8}
LEAST = {"PPO, CartPole": {False: 2, True: 1.2}, "SAC, Pendulum": {False: 2, True: 2}}


def recipe(name: str, jit: bool) -> Recipe:
    if name == "PPO, CartPole":
        return ppo(envs.cartpole(8), replace(preset("ppo", "cartpole").config, jit=jit))
    return sac(envs.pendulum(1), replace(preset("sac", "pendulum").config, jit=jit))


def together(name: str, jit: bool) -> Iterator[float]:
    """Seconds of a turn."""
    many = population(recipe(name, jit), NUM_MEMBERS[name])
    return turns([learner(many, 0)])


def apart(name: str, jit: bool) -> Iterator[float]:
    single = recipe(name, jit)
    return turns([learner(single, fold_in(0, i)) for i in range(NUM_MEMBERS[name])])


def learner(recipe: Recipe, seed: int) -> Learner:
    return Learner(scheme("3cs", recipe), recipe.init(seed), seed, 10**9, progress=False)


def turns(learners: list[Learner]) -> Iterator[float]:
    """Seconds of a step of each, once all have filled their replay."""
    for each in learners:
        while each.params["version"] == 0:
            each.step()
    while True:
        start = perf_counter()
        for each in learners:
            each.step()
        yield perf_counter() - start


def measure(rounds: int = 12) -> list[dict]:
    return [found for name in NUM_MEMBERS for found in measured(name, rounds)]


def measured(name: str, rounds: int) -> list[dict]:
    found = interleaved(
        rounds,
        eager=together(name, False),
        apart=apart(name, False),
        jit=together(name, True),
        jit_apart=apart(name, True),
    )
    eager, alone, jit, jit_alone = found.values()
    n, least = NUM_MEMBERS[name], LEAST[name]
    title = f"{name}: population of {n} / {n} runs"
    return [
        figure(f"{title}, eager", ratios(alone, eager), at_least=least[False]),
        figure(f"{title}, jit", ratios(jit_alone, jit), at_least=least[True]),
        *(figure(f"{name}, seconds a turn: {key}", x, "s") for key, x in found.items()),
    ]


if __name__ == "__main__":
    sys.exit(report(measure))
