"""SAC on HalfCheetahBullet, one update per env step, beside Stable-Baselines3, in as many threads.

256-256 perceptrons, batches of 256, a thousand transitions before the first update. A turn is 32 env
steps of one environment, in rollouts of 8, and 32 updates.
"""

import sys
from collections.abc import Iterator

import torch

from benchmarks.cartpole import rates
from benchmarks.figures import figure, interleaved, ratios, report
from benchmarks.simulators import half_cheetah
from nappo2 import envs
from nappo2.recipes import SAC, sac
from nappo2.runs.learner import Learner
from nappo2.schemes import scheme
from nappo2.stages import Recipe

TURN, START = 32, 1000


def ours(jit: bool, threads: int) -> Iterator[float]:
    config = SAC(num_steps=8, start_steps=START, capacity=100_000, jit=jit)
    return running(sac(envs.from_gym(half_cheetah([]), 1), config), START, threads)


def running(recipe: Recipe, start: int, threads: int = 1, turn: int = TURN) -> Iterator[float]:
    """Env steps per second of a run of ``turn`` steps per turn, after ``start`` without an update."""
    learner = Learner(scheme("3cs", recipe), recipe.init(0), target_steps=10**9, threads=threads)
    while learner.env_steps < start:
        learner.step()

    def run():
        aim = learner.env_steps + turn
        while learner.env_steps < aim:
            learner.step()

    return rates(run, turn)


def theirs(threads: int) -> Iterator[float]:
    from stable_baselines3 import SAC
    from stable_baselines3.common.logger import Logger
    from stable_baselines3.common.vec_env import DummyVecEnv

    model = SAC(
        "MlpPolicy", DummyVecEnv([half_cheetah([])]), learning_starts=START, batch_size=256,
        buffer_size=100_000, train_freq=8, gradient_steps=8, seed=0, device="cpu",
    )  # fmt: skip
    model.set_logger(Logger(None, []))
    model.learn(START)

    def run():
        torch.set_num_threads(threads)
        model.learn(TURN, reset_num_timesteps=False)
        torch.set_num_threads(1)

    return rates(run, TURN)


def measure(rounds: int = 12) -> list[dict]:
    return [found for threads in (1, 2) for found in measured(threads, rounds)]


def measured(threads: int, rounds: int) -> list[dict]:
    found = interleaved(
        rounds, eager=ours(False, threads), jit=ours(True, threads), sb3=theirs(threads)
    )
    eager, jit, sb3 = found.values()
    name, least = f"SAC, {threads} threads", {1: 1.8, 2: 2.0}[threads]
    plain = {"at_least": 1.4} if threads == 1 else {}
    return [
        figure(f"{name}: nappo2 / SB3", ratios(eager, sb3), **plain),
        figure(f"{name}: nappo2, jit / SB3", ratios(jit, sb3), at_least=least),
        *(figure(f"{name}, env steps and updates/s: {key}", x, "1/s") for key, x in found.items()),
    ]


if __name__ == "__main__":
    sys.exit(report(measure))
