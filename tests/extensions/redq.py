"""REDQ (Chen et al., https://arxiv.org/abs/2101.05982): five critics, and the least of two random ones."""

from dataclasses import dataclass

import torch

from nappo2 import SAC, Recipe, compose, envs, losses, noise, sac
from nappo2.recipes.agents import soft_perceptrons
from nappo2.stages import all_due


@dataclass(frozen=True)
class REDQ(SAC):
    num_steps: int = 4
    capacity: int = 10_000
    batch_size: int = 32
    start_steps: int = 64
    learning_rate: float = 1e-3
    hidden: tuple[int, ...] = (32,)
    num_critics: int = 5
    num_chosen: int = 2


def redq(env: envs.Env, config: REDQ = REDQ()) -> Recipe:
    c, (size,) = config, env.action_space.shape
    agent = soft_perceptrons(env, c.hidden, c.initial_alpha, c.num_critics)
    recipe = sac(env, c, agent=agent)

    def draw(batch, rng):
        """For each transition some critics of K, [N, M]."""
        order = torch.rand(len(batch), c.num_critics, generator=rng).argsort(-1)
        return {"chosen": order[:, : c.num_chosen]}

    def least_of_chosen(values, batch):
        return values.gather(0, batch["chosen"].T).amin(0)

    def mean(values, batch):
        return values.mean(0)

    def batches(num):
        return compose(recipe.batches(num), noise(draw, name="chosen"))

    loss = losses.sac(agent, target_entropy=-size, next_value=least_of_chosen, policy_value=mean)
    everything = compose(batches(1), all_due())
    return recipe.replace(name="redq", loss=loss, batches=batches, all_batches=everything)
