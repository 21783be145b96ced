"""Many collectors whose environments sleep 5 ms per step: what is left of their number.

da2cs on Ray, one environment per collector; beside it, the environment alone. Simulators that
wait share cores, so that what nappo2 costs per step and per rollout is what can be seen.
"""

import sys
from collections.abc import Callable, Iterator
from time import perf_counter, sleep

import torch

from benchmarks.distributed import rates_of_cut
from benchmarks.figures import figure, interleaved, report
from nappo2 import envs
from nappo2.envs import Env, Transition
from nappo2.recipes import PPO, ppo
from nappo2.runs.learner import Learner
from nappo2.schemes import on_ray, scheme

SECONDS = 0.005
CONFIG = PPO(num_steps=100, num_epochs=1, num_minibatches=1, hidden=(8,))


def sleeping(seconds: Callable[[int], float] = lambda seed: SECONDS) -> Env:
    """One environment of CartPole's spaces that only sleeps, ``seed -> seconds`` per step."""
    observation, never = torch.zeros(1, 4), torch.zeros(1, dtype=torch.bool)
    outcome = Transition(observation, torch.ones(1), never, never)

    def step(seconds, action):
        sleep(seconds)
        return seconds, observation, outcome

    spaces = envs.cartpole(1)[2:4]
    return Env(lambda seed: (seconds(seed), observation), step, *spaces, 1, "sleeping")


def bare(num_steps: int = 200) -> Iterator[float]:
    """Steps/s of one such environment, and nothing around it."""
    env, action = sleeping(), torch.zeros(1, dtype=torch.int64)
    state, _ = env.reset(0)
    while True:
        start = perf_counter()
        for _ in range(num_steps):
            state, _, _ = env.step(state, action)
        yield num_steps / (perf_counter() - start)


def many(collectors: int, rounds: int) -> tuple[tuple[float, ...], list[float]]:
    """Env steps/s of so many collectors, and their ratios to so many environments alone."""
    recipe = ppo(sleeping(), CONFIG)
    pipe = scheme("da2cs", recipe, collectors=collectors, ahead=1, on=on_ray())
    learner = Learner(pipe, recipe.init(0), target_steps=10**9)
    turns = {"cut": rates_of_cut(learner, 4 * collectors), "alone": bare()}
    cut, alone = interleaved(rounds, warmup=1, **turns).values()
    learner.close()
    return cut, [a / (collectors * b) for a, b in zip(cut, alone, strict=True)]


def measure(rounds: int = 15) -> list[dict]:
    some, share = many(16, rounds)
    more, share_of_more = many(32, rounds)
    return [
        figure("env steps/s: 16 sleeping collectors / 16 x alone", share, at_least=0.85),
        figure("env steps/s: 16 sleeping collectors", some, "1/s"),
        figure("env steps/s: 32 sleeping collectors / 32 x alone", share_of_more),
        figure("env steps/s: 32 sleeping collectors", more, "1/s"),
    ]


if __name__ == "__main__":
    sys.exit(report(measure))
