"""What ``record_timing`` costs: seconds beside the same run without it, in turns, and bytes.

Workers on Ray, two of each kind, as ``nappo2 train --record-timing`` has them.
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

from benchmarks.figures import figure, interleaved, ratios, report
from nappo2 import Learner, Recipe, envs, on_ray, ppo, preset, record_timing, scheme
from nappo2.recipes import PPO
from nappo2.schemes.words import TAKES

CHEETAH = "HalfCheetahBulletEnv-v0"
SECONDS = 1.0  # of a turn


def pole() -> Recipe:
    return ppo(envs.make("torch/CartPole-v1", 8), preset("ppo", "cartpole").config)


CASES = {
    "da2cs, HalfCheetahBullet": ("da2cs", lambda: ppo(envs.make(CHEETAH, 4), PPO(num_steps=128))),
    "2daca, CartPole": ("2daca", pole),
    "dadaca, CartPole": ("dadaca", pole),
}


def run_of(name: str, recipe: Recipe, folder: Path, recorded: bool) -> Learner:
    on = record_timing(on_ray()) if recorded else on_ray()
    two = {key: 2 for key in ("collectors", "learners") if key in TAKES[name]}
    pipe = scheme(name, recipe, on=on, **two)
    return Learner(pipe, recipe.init(0), 0, 10**9, folder, progress=False, checkpoint_every=10**9)


def turns(run: Learner) -> Iterator[float]:
    """Seconds per update, in turns of about a second."""
    while True:
        start, first = perf_counter(), int(run.params["version"])
        while perf_counter() - start < SECONDS or int(run.params["version"]) == first:
            run.step()
        yield (perf_counter() - start) / (int(run.params["version"]) - first)


def measured(case: str, folder: Path, rounds: int) -> list[dict]:
    name, make = CASES[case]
    runs = {
        key: run_of(name, make(), folder / key, key == "recorded") for key in ("plain", "recorded")
    }
    seconds = interleaved(rounds, **{key: turns(run) for key, run in runs.items()})
    updates = int(runs["recorded"].params["version"])
    for run in runs.values():
        run.close()
    workers = 4 if name == "dadaca" else 2
    size = (folder / "recorded" / "timing.bin").stat().st_size * 1_000 / updates / workers
    return [
        figure(f"{case}: recorded / plain", ratios(seconds["recorded"], seconds["plain"]), at_most=1.01),
        figure(f"{case}: record per 1,000 updates and worker", [size] * 2, "B", at_most=1_000),
    ]  # fmt: skip


def measure(rounds: int = 20) -> list[dict]:
    folder = Path(tempfile.mkdtemp())
    found = [x for i, case in enumerate(CASES) for x in measured(case, folder / str(i), rounds)]
    shutil.rmtree(folder)
    return found


if __name__ == "__main__":
    sys.exit(report(measure))
