"""3ds on Ray: learners that take all updates of a rollout among themselves, beside one call per update.

PPO on CartPole with the preset, 8 environments of 32 steps and 20 updates per rollout, for each of two
learners; meant for two cores. Turns are of as many updates; the learners of one rest while those of the
other take their turn.
"""

import sys
from collections.abc import Iterator
from time import perf_counter
from typing import NamedTuple

import psutil

from benchmarks.figures import figure, interleaved, ratios, report
from nappo2 import Pipeline, all_reduce, envs, ppo, scheme, workers
from nappo2.recipes import PRESETS
from nappo2.runs.learner import Learner
from nappo2.schemes import Backend, on_ray
from nappo2.stages import Recipe
from nappo2.stages.recipe import batches_of, collect_of, gradients_of, update_of

LEARNERS, ROLLOUTS = 2, 10


def recipe_of() -> Recipe:
    """The preset of CartPole."""
    preset = PRESETS["ppo"]["cartpole"]
    return ppo(envs.cartpole(preset.num_envs), preset.config)


def one_by_one(recipe: Recipe, on: Backend) -> Pipeline:
    """3ds whose learners report after each update."""
    line = collect_of(recipe) | recipe.prepare | batches_of(recipe) | gradients_of(recipe)
    return line | all_reduce() | update_of(recipe) | workers(LEARNERS, on=on, name="learners")


class Turn(NamedTuple):
    """Updates per second of the clock, and per second of all cores that this process and Ray use."""

    wall: float
    cpu: float


def cpu_seconds() -> float:
    """Seconds of all cores that this process and those it started have used so far."""
    mine = psutil.Process()
    times = [process.cpu_times() for process in (mine, *mine.children(recursive=True))]
    return sum(x.user + x.system for x in times)


def turns(recipe: Recipe, pipe: Pipeline) -> Iterator[Turn]:
    """A turn of some rollouts each."""
    learner = Learner(pipe, recipe.init(0), target_steps=10**9, progress=False)
    try:
        while True:
            before, rows = int(learner.params["version"]), len(learner.metrics)
            start, cpu = perf_counter(), cpu_seconds()
            while len(learner.metrics) < rows + ROLLOUTS:
                learner.step()
            num = int(learner.params["version"]) - before
            yield Turn(num / (perf_counter() - start), num / (cpu_seconds() - cpu))
    finally:
        learner.close()


def measure(rounds: int = 15) -> list[dict]:
    recipe, on = recipe_of(), on_ray(num_cpus=0.5)  # so that there is room for all who take turns
    taken = interleaved(
        rounds,
        warmup=1,
        together=turns(recipe, scheme("3ds", recipe, learners=LEARNERS, on=on)),
        one_by_one=turns(recipe, one_by_one(recipe, on)),
        central=turns(recipe, scheme("3cs", recipe)),
    )
    wall = {name: [turn.wall for turn in column] for name, column in taken.items()}
    cpu = {name: [turn.cpu for turn in column] for name, column in taken.items()}
    return [
        figure(
            "updates/s: 3ds / one call per update",
            ratios(wall["together"], wall["one_by_one"]),
            at_least=2.0,
        ),
        figure(
            "updates per CPU second: 3ds / one call per update",
            ratios(cpu["together"], cpu["one_by_one"]),
        ),
        figure("updates/s: 3ds, 2 learners / 3cs", ratios(wall["together"], wall["central"])),
        figure("updates/s: 3ds, 2 learners", wall["together"], "1/s"),
        figure("updates/s: 3ds, 2 learners, one call per update", wall["one_by_one"], "1/s"),
    ]


if __name__ == "__main__":
    sys.exit(report(measure))
