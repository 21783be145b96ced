"""Off-policy recipes by their presets: SAC and TD3 on Pendulum, SAC and double DQN on CartPole."""

from collections.abc import Iterator

import torch

from nappo2 import Learner, envs, evaluate, recipes, scheme
from nappo2.recipes import preset_for
from nappo2.runs.evaluate import Evaluation
from nappo2.stages import Recipe
from tests.makers.recipes import scheme_arguments

TASKS = {"Pendulum-v1": ("sac", "td3"), "CartPole-v1": ("sac", "double_dqn")}
EVERY = {"Pendulum-v1": 2_500, "CartPole-v1": 10_000}
SEEDS, GOALS = range(3), {"Pendulum-v1": -200, "CartPole-v1": 450}
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
