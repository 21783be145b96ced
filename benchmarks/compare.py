"""``nox -s compare``: PPO beside Stable-Baselines3 and TorchRL, as a table and a picture for the docs.

The same environments, networks and hyper-parameters, one torch thread, in turns; medians over the
rounds with their quartiles, kept in benchmarks/results/compare.json. CPU seconds stand beside wall
seconds, as they show what waits.
"""

import json
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter, process_time
from typing import NamedTuple

import torch

from benchmarks import cartpole, locomotion
from benchmarks.comparison import DOCS, KEPT, PEER, kept, page, table
from benchmarks.figures import interleaved
from benchmarks.simulators import NUM_ENVS, NUM_STEPS, half_cheetah
from benchmarks.torchrl_ppo import torchrl
from nappo2 import envs
from nappo2.machine.silence import silent
from nappo2.recipes import PPO, ppo
from nappo2.runs.learner import Learner
from nappo2.schemes import scheme

PACKAGES = {"sb3": "stable-baselines3", "torchrl": "torchrl", "torch": "torch"}
TICKS = (0.1, 0.25, 0.5, 1, 2, 4, 8, 16)


class Turn(NamedTuple):
    """Env steps per second of the clock, and per second of the CPU."""

    wall: float
    cpu: float


def turns(run: Callable[[], None], steps: int) -> Iterator[Turn]:
    while True:
        start, cpu = perf_counter(), process_time()
        run()
        yield Turn(steps / (perf_counter() - start), steps / (process_time() - cpu))


def learner(env: envs.Env, config: PPO) -> Iterator[Turn]:
    recipe = ppo(env, config)
    made = Learner(scheme("3cs", recipe), recipe.init(0), target_steps=10**9)
    return turns(made.step, env.num_envs * config.num_steps)


def half_cheetahs() -> dict[str, Iterator[Turn]]:
    steps = NUM_ENVS * NUM_STEPS
    model = locomotion.stable_baselines(half_cheetah([]))
    bare = locomotion.bare_run(half_cheetah([])())
    return {
        "nappo2": learner(envs.from_gym(half_cheetah([]), NUM_ENVS), PPO()),
        "nappo2, jit": learner(envs.from_gym(half_cheetah([]), NUM_ENVS), PPO(jit=True)),
        PEER: turns(lambda: model.learn(steps, reset_num_timesteps=False), steps),
        "TorchRL": turns(torchrl(half_cheetah([]), NUM_ENVS, NUM_STEPS, 10, 64, True), steps),
        "the bare simulator": turns(bare, locomotion.BARE_STEPS),
    }


def cartpoles() -> dict[str, Iterator[Turn]]:
    model, config = cartpole.stable_baselines(), cartpole.CONFIG
    return {
        "nappo2": learner(envs.from_gym("CartPole-v1", 8), replace(config, jit=False)),
        "nappo2, jit": learner(envs.from_gym("CartPole-v1", 8), config),
        "nappo2, jit, torch x 1,024": learner(envs.cartpole(1024), config),
        PEER: turns(lambda: model.learn(1024, reset_num_timesteps=False), 1024),
        "TorchRL": turns(torchrl(cartpole.make, 8, 128, 4, 256, False), 1024),
    }


def rows(title: str, found: dict[str, tuple[Turn, ...]]) -> list[dict]:
    """A row for each of who took turns; ratios are to Stable-Baselines3, round by round."""
    peer = found[PEER]
    return [
        {
            "what": title,
            "who": who,
            "wall": _spread([turn.wall for turn in mine]),
            "cpu": _spread([turn.cpu for turn in mine]),
            "ratio": _spread([a.wall / b.wall for a, b in zip(mine, peer, strict=True)]),
        }
        for who, mine in found.items()
    ]


def _spread(values: list[float]) -> tuple[float, float, float]:
    low, _, high = quantiles(values)
    return low, median(values), high


def draw(found: list[dict], path: Path) -> None:
    """Bars of the ratios, with their quartiles."""
    from matplotlib.figure import Figure

    found = [row for row in found if row["who"] != PEER]  # whose ratio to itself is 1
    figure = Figure(figsize=(8, 0.55 * len(found) + 0.8), layout="constrained")
    axes = figure.add_subplot()
    names = [f"{row['who']}\n{row['what']}" for row in found]
    middle = [row["ratio"][1] for row in found]
    errors = [[abs(row["ratio"][i] - row["ratio"][1]) for row in found] for i in (0, 2)]
    axes.barh(names, middle, xerr=errors, color="#1f5fa8", height=0.6, ecolor="grey")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
    axes.minorticks_off()
    axes.set_xlabel("env steps/s over Stable-Baselines3's")
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def cpu_of_this_machine() -> str:
    """The name of the CPU, as Linux has it, and its widest vector instructions."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name} with {torch.backends.cpu.get_cpu_capability()}"


def main(rounds: int = 15) -> None:
    torch.set_num_threads(1)
    with silent(1):
        cheetah = interleaved(rounds, **half_cheetahs())
        pole = interleaved(rounds, **cartpoles())
    found = rows("HalfCheetahBullet, 8 x 256, 10 epochs of 32 minibatches", cheetah)
    found += rows("CartPole-v1, 8 x 128, 4 epochs of 4 minibatches", pole)
    print(table(found))
    versions = {name: version(package) for name, package in PACKAGES.items()}
    facts = {"rounds": rounds, "cpu": cpu_of_this_machine(), "versions": versions}
    lines = ",\n ".join(map(json.dumps, found))
    KEPT.write_text(f'{json.dumps(facts)[:-1]}, "rows": [\n {lines}\n]}}\n')
    draw(found, DOCS / "pictures" / "comparison.png")
    (DOCS / "comparison.md").write_text(page(kept()))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
