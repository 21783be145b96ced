"""What masks cost: a step of a run with masks that allow everything, beside the same run without.

CartPole in torch and of Gymnasium; on-policy, with replay and with memory. Both runs take the same
actions with the same networks, in simulators that do the same, so that all that differs is that the
mask is read.
"""

import sys
from collections.abc import Iterator
from functools import partial
from time import perf_counter
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Dict, Discrete, MultiBinary

from benchmarks.figures import figure, interleaved, ratios, report
from nappo2 import envs
from nappo2.recipes import DQN, PPO, dqn, ppo, recurrent_ppo
from nappo2.runs.learner import Learner
from nappo2.schemes import scheme
from nappo2.stages import Recipe

NUM_ENVS = 8


class Telling(gymnasium.Wrapper):
    """Tells in its info that both actions are allowed, under a key that is read as a mask, or another."""

    def __init__(self, env: gymnasium.Env, key: str):
        super().__init__(env)
        self.key = key

    def reset(self, **options: Any) -> tuple:
        observation, info = self.env.reset(**options)
        return observation, {**info, self.key: np.ones(2, np.int8)}

    def step(self, action: Any) -> tuple:
        *result, info = self.env.step(action)
        return *result, {**info, self.key: np.ones(2, np.int8)}


def with_masks() -> envs.Env:
    """CartPole in torch with masks that allow both actions."""
    bare = envs.cartpole(NUM_ENVS)
    physics = bare.physics

    def see(state):
        x = physics.observe(state)
        return {"observation": x, "action_mask": torch.ones(len(x), 2, dtype=torch.bool)}

    space = Dict({"observation": bare.observation_space, "action_mask": MultiBinary(2)})
    start, step, limit = physics.start, physics.step, physics.time_limit
    return envs.physics_env("masked", NUM_ENVS, start, step, see, limit, space, Discrete(2))


def seconds(recipe: Recipe) -> Iterator[float]:
    """The seconds of three steps of a run."""
    run = Learner(scheme("3cs", recipe), recipe.init(0), 0, 10**9, progress=False)
    while True:
        start = perf_counter()
        for _ in range(3):
            run.step()
        yield perf_counter() - start


PAIRS = {
    "torch": lambda: (with_masks(), envs.cartpole(NUM_ENVS)),
    "Gymnasium": lambda: (
        envs.from_gym("CartPole-v1", NUM_ENVS, wrappers=[partial(Telling, key="action_mask")]),
        envs.from_gym("CartPole-v1", NUM_ENVS, wrappers=[partial(Telling, key="unread")]),
    ),
}
RECIPES = {
    "PPO": lambda env: ppo(env, PPO(num_steps=128, num_minibatches=4, num_epochs=4)),
    "recurrent PPO": lambda env: recurrent_ppo(
        env, PPO(num_steps=32, num_minibatches=4, num_epochs=4)
    ),
    "DQN": lambda env: dqn(env, DQN(start_steps=100)),
}


def measure(rounds: int = 9) -> list[dict]:
    figures = []
    for where, make in PAIRS.items():
        for name, make_recipe in RECIPES.items():
            masked, bare = (make_recipe(env) for env in make())
            taken = interleaved(rounds, masked=seconds(masked), bare=seconds(bare))
            ratio = ratios(taken["masked"], taken["bare"])
            figures.append(figure(f"{name} in {where}: with masks / without", ratio, at_most=1.05))
    return figures


if __name__ == "__main__":
    sys.exit(report(measure))
