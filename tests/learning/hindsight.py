"""Hindsight, with and without: bit flipping with DQN, and PandaReach-v3 with SAC."""

from collections.abc import Iterator

import torch

from evidence.recipes import BITS, flipping, reaching
from nappo2 import Learner, envs, evaluate, scheme
from nappo2.stages import Recipe

REACH = "PandaReach-v3"
Curve = Iterator[tuple[int, float]]


def bits(copies: bool, steps: int = 100_000) -> Curve:
    """Env steps and the share of 100 goals of 20 bits that are met in 20 flips."""
    recipe = flipping(copies)
    return successes(recipe, envs.bit_flipping(100, BITS), 100, BITS, steps, every=10_000)


def reach(copies: bool, steps: int = 30_000) -> Curve:
    """Env steps and the share of 30 goals that a hand comes within 5 cm of in 50 steps."""
    recipe = reaching(copies, REACH)
    return successes(recipe, envs.make(REACH, 3), 30, 50, steps, every=3_000)


def successes(
    recipe: Recipe, test: envs.Env, num: int, limit: int, steps: int, every: int
) -> Curve:
    """Until all goals are met. A step is worth -1 until then, so a return tells."""
    torch.set_num_threads(1)
    learner = Learner(scheme("3cs", recipe), recipe.init(0), 0, steps, progress=False)
    for due in range(every, steps + 1, every):
        while learner.env_steps < due:
            learner.step()
        found = evaluate(test, recipe.greedy, learner.params, num, seed=1)
        yield learner.env_steps, (found.returns > -limit).float().mean().item()
