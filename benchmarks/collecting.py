"""What ``collect`` costs beside the simulator: acting, bookkeeping and log-probabilities.

Microseconds per vector step of 8, with a normalised agent, 26 inputs, 64-64 tanh actor and critic.
"""

import sys
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import NamedTuple

import gymnasium

from benchmarks.figures import figure, interleaved, report
from benchmarks.locomotion import stable_baselines
from benchmarks.simulators import NUM_ENVS, NUM_STEPS, half_cheetah, stub
from nappo2 import envs
from nappo2.recipes import PPO, ppo
from nappo2.stages.recipe import collect_of

Make = Callable[[list[float]], Callable[[], gymnasium.Env]]


class Beside(NamedTuple):
    """Microseconds per vector step.

    Attributes:
        step: of ``collect``, beside ``env.step``.
        simulator: of ``collect | gae``, beside the step of each simulator, as SB3 collects.
    """

    step: float
    simulator: float


def ours(make: Make) -> Iterator[Beside]:
    spent = []
    recipe = ppo(envs.from_gym(make(spent), NUM_ENVS), PPO(num_steps=NUM_STEPS))
    pipeline, params = collect_of(recipe) | recipe.prepare, recipe.init(0)
    state = pipeline.init(params, 0)
    while True:
        spent.clear()
        state, _, found = pipeline.step(params, state)
        seconds = found.seconds["collect"]
        total = seconds + found.seconds["gae"] - sum(spent)
        yield Beside(_each(seconds - found.seconds["simulator"]), _each(total))


def theirs(make: Make) -> Iterator[float]:
    """SB3's, which computes values and advantages there too, beside the step of each simulator."""
    spent = []
    model = stable_baselines(make(spent))
    model.train = lambda: None
    while True:
        spent.clear()
        start = perf_counter()
        model.learn(NUM_ENVS * NUM_STEPS, log_interval=None, reset_num_timesteps=False)
        yield _each(perf_counter() - start - sum(spent))


def _each(seconds: float) -> float:
    return 1e6 * seconds / NUM_STEPS


def measure(rounds: int = 25) -> list[dict]:
    taken = interleaved(rounds, cheetah=ours(half_cheetah), stub=ours(stub), sb3=theirs(stub))
    cheetah, idle, sb3 = taken.values()
    both = "vector step with advantages, beside the simulators, stub"
    return [
        figure("collect beside env.step: cheetah", (x.step for x in cheetah), "us", at_most=200),
        figure("collect beside env.step: stub", (x.step for x in idle), "us", at_most=90),
        figure(f"{both}: nappo2", (x.simulator for x in idle), "us"),
        figure(f"{both}: SB3", sb3, "us"),
    ]


if __name__ == "__main__":
    sys.exit(report(measure))
