"""``nappo2 train --seeds``: as a population beside one seed, and as processes beside one after the other.

Whole commands, start and compilation included; each was run once before, so that compiled programs are
found on disk.
"""

import subprocess
import sys
import tempfile
from time import perf_counter

from benchmarks.figures import figure, ratios, report

POLE = ["ppo", "--env", "torch/CartPole-v1", "--jit", "--total-steps", "400000"]
CHEETAH = ["ppo", "--env", "HalfCheetahBulletEnv-v0", "--total-steps", "20480"]


def command(*words: str) -> float:
    """The seconds of a command."""
    with tempfile.TemporaryDirectory() as folder:
        line = [sys.executable, "-m", "nappo2.cli", "train", *words, "--log-dir", f"{folder}/run"]
        start = perf_counter()
        subprocess.run(line, check=True, capture_output=True)
        return perf_counter() - start


def measure(rounds: int = 3) -> list[dict]:
    for words in (POLE, [*POLE, "--seeds", "5"]):
        command(*words)
    one, five, apart, together = [], [], [], []
    for _ in range(rounds):
        one.append(command(*POLE))
        five.append(command(*POLE, "--seeds", "5"))
        apart.append(sum(command(*CHEETAH, "--seed", str(seed)) for seed in range(2)))
        together.append(command(*CHEETAH, "--seeds", "2"))
    return [
        figure("5 seeds of torch/CartPole-v1 / one, jit", ratios(five, one), at_most=1.5),
        figure("2 seeds of HalfCheetahBullet, one after the other / side by side",
               ratios(apart, together), at_least=1.6),
        figure("one seed of torch/CartPole-v1", one, "s"),
        figure("5 seeds of torch/CartPole-v1", five, "s"),
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(report(measure))
