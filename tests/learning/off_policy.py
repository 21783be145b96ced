"""Off-policy recipes by their presets: SAC and TD3 on Pendulum, SAC and double DQN on CartPole.

``python -m tests.learning.off_policy`` runs all of them on three seeds and draws
docs/pictures/off_policy.png; ``... sac Pendulum-v1`` runs one of them and prints its points.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from nappo2 import Learner, envs, evaluate, recipes, scheme
from nappo2.recipes import preset_for
from nappo2.runs.evaluate import Evaluation
from nappo2.stages import Recipe
from tests.makers.recipes import scheme_arguments

PICTURE = Path(__file__).parents[2] / "docs/pictures/off_policy.png"
TASKS = {"Pendulum-v1": ("sac", "td3"), "CartPole-v1": ("sac", "double_dqn")}
EVERY = {"Pendulum-v1": 2_500, "CartPole-v1": 10_000}
SEEDS, GOALS = range(3), {"Pendulum-v1": -200, "CartPole-v1": 450}
COLORS = {"sac": "#1f5fa8", "td3": "#c8551b", "double_dqn": "#c8551b"}
Curve = list[tuple[int, float]]


def chosen(recipe: str, env_id: str) -> tuple[Recipe, int]:
    """The recipe as its preset for the environment has it, and the steps of that."""
    its = preset_for(recipe, env_id)
    return recipes.RECIPES[recipe](envs.make(env_id, its.num_envs), its.config), its.total_steps


def learnt(
    recipe: Recipe, test: envs.Env, steps: list[int], seed: int, name: str = "3cs", **options
) -> Iterator[tuple[int, Evaluation]]:
    """What 20 episodes came to, or as many as there are environments, after so many env steps each."""
    learner = Learner(
        scheme(name, recipe, **scheme_arguments(name, **options)),
        recipe.init(seed),
        seed,
        steps[-1],
        progress=False,
    )
    for due in steps:
        while learner.env_steps < due:
            learner.step()
        num = max(20, test.num_envs)
        yield learner.env_steps, evaluate(test, recipe.greedy, learner.params, num, seed=seed)
    learner.close()


def curve(make_recipe: str, env_id: str, seed: int) -> Curve:
    """Env steps and the mean return of 20 greedy episodes; all are printed."""
    torch.set_num_threads(1)
    (recipe, steps), every, found = chosen(make_recipe, env_id), EVERY[env_id], []
    for env_steps, result in learnt(
        recipe, envs.make(env_id, 20), list(range(every, steps + 1, every)), seed
    ):
        print(f"{make_recipe}, {env_id}, seed {seed}: {env_steps:,} steps, {result}", flush=True)
        found.append((env_steps, result.returns.mean().item()))
    return found


def draw(curves: dict[tuple[str, str, int], Curve]) -> None:
    """The picture of all curves, by (recipe, environment, seed)."""
    import matplotlib.pyplot as plt

    figure, both = plt.subplots(1, len(TASKS), figsize=(9, 3.2), layout="constrained")
    for axes, (env_id, names) in zip(both, TASKS.items(), strict=True):
        for recipe, seed in ((recipe, seed) for recipe in names for seed in SEEDS):
            label = recipe.replace("_", " ") if seed == 0 else None
            points = curves[recipe, env_id, seed]
            axes.plot(*zip(*points, strict=True), ".-", color=COLORS[recipe], label=label, lw=1)
        axes.axhline(GOALS[env_id], color="grey", linewidth=0.8, linestyle="--")
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.locator_params(axis="x", nbins=5)
        axes.set(title=env_id, xlabel="env steps")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    both[0].set_ylabel("return of 20 greedy episodes")
    figure.savefig(PICTURE, dpi=130)


def main(recipe: str = "", env_id: str = "") -> None:
    if recipe:
        for seed in SEEDS:
            curve(recipe, env_id, seed)
        return
    tasks = [(name, env, seed) for env, names in TASKS.items() for name in names for seed in SEEDS]
    draw({task: curve(*task) for task in tasks})


if __name__ == "__main__":
    main(*sys.argv[1:])
