"""Datasets for tests, and recipes that learn from them."""

from collections.abc import Callable
from functools import cache

import torch
from tensordict import TensorDict

from nappo2 import collect_of, envs, record, recorded
from nappo2 import recipes as a
from nappo2.stages import Recipe

SMALL = {"batch_size": 8, "hidden": (8,)}
MADE: dict[str, Callable[[], Recipe]] = {
    "clone": lambda: a.clone(envs.cartpole(2), a.Clone(**SMALL)),
    "clone, continuous": lambda: a.clone(envs.pendulum(2), a.Clone(normalize=True, **SMALL)),
    "iql": lambda: a.iql(envs.pendulum(2), a.IQL(normalize=True, **SMALL)),
    "iql, discrete": lambda: a.iql(envs.cartpole(2), a.IQL(**SMALL)),
    "iql, masks": lambda: a.iql(envs.masked_cartpole(2, 9), a.IQL(**SMALL)),
    "td3_bc": lambda: a.td3_bc(envs.pendulum(2), a.TD3BC(**SMALL)),
    "sac": lambda: a.sac(envs.pendulum(2), a.SAC(**SMALL)),
    "dqn, goals": lambda: a.dqn(envs.bit_flipping(2, num_bits=4), a.DQN(**SMALL)),
}
"""Recipes that learn from a dataset of their environment."""


@cache
def data_of(name: str) -> TensorDict:
    """100 transitions or more of a recipe's first params."""
    recipe = MADE[name]()
    return record(collect_of(recipe), recipe.init(0), 100, seed=1)


def offline(name: str) -> Recipe:
    """A recipe that learns from its dataset alone."""
    return MADE[name]().replace(source=recorded(data_of(name)))


def chain(num: int = 6) -> dict:
    """Columns of a walk along 0, 1, 2, ... whose last step terminates."""
    here = torch.arange(num).float()[:, None]
    ends = torch.arange(num) == num - 1
    columns = {"observation": here, "next_observation": here + 1, "action": torch.ones(num).long()}
    return columns | {"reward": torch.ones(num), "terminated": ends}
