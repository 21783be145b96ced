"""Recipes with small networks and short rollouts, and runs of them."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache, partial
from itertools import product
from pathlib import Path

import pytest
import torch
from gymnasium.spaces import Box

from nappo2 import Learner, Params, Pipeline, envs, generator, prioritized_replay, scheme
from nappo2 import recipes as a
from nappo2.recipes import PRESETS, RECIPES
from nappo2.schemes import SCHEMES, parse
from nappo2.schemes.words import TAKES
from nappo2.stages import Recipe
from nappo2.stages.recipe import batches_of, collect_of, gradients_of, learn_of, update_of
from tests.makers.environments import Rooms

SMALL_PPO = a.PPO(num_steps=8, num_epochs=2, num_minibatches=2, hidden=(8,))
CARTPOLE_PPO = a.ppo(envs.cartpole(2), SMALL_PPO)
"""A rollout is 16 env steps and feeds 4 updates."""

PENDULUM_PPO = a.PPO(num_steps=32, num_epochs=2, num_minibatches=4, hidden=(8,))


def pendulum_ppo(**changes: object) -> Recipe:
    """PPO of which a rollout is 64 env steps and feeds 8 updates."""
    return a.ppo(envs.pendulum(2), replace(PENDULUM_PPO, **changes))


def fused(recipe: Recipe) -> Pipeline:
    """The line whose step learns from all batches of a rollout."""
    return collect_of(recipe) | recipe.prepare | learn_of(recipe)


def composed(recipe: Recipe) -> Pipeline:
    """The line whose step is one update."""
    line = collect_of(recipe) | recipe.prepare | batches_of(recipe)
    return line | gradients_of(recipe) | update_of(recipe)


REPLAY = {"num_steps": 4, "batch_size": 8, "start_steps": 16, "capacity": 64, "hidden": (8,)}
SHORT = {
    **{"num_steps": 8, "length": 4, "period": 3, "burn_in": 1},
    **{"hidden": (8, 8), "update_ratio": 0.25},
}
"""Of recipes that learn from sequences."""
REPLAYED: dict[str, Callable[..., Recipe]] = {
    "sac": lambda **c: a.sac(envs.pendulum(2), a.SAC(**REPLAY, **c)),
    "discrete sac": lambda **c: a.sac(envs.cartpole(2), a.SAC(**REPLAY, **c)),
    "td3": lambda **c: a.td3(envs.pendulum(2), a.TD3(**REPLAY, **c)),
    "td3, delayed": lambda **c: a.td3(envs.pendulum(2), a.TD3(target_delay=2, **REPLAY, **c)),
    "tqc": lambda **c: a.tqc(
        envs.pendulum(2), a.TQC(num_quantiles=5, critic_hidden=(8,), normalize=True, **REPLAY, **c)
    ),
    "redq": lambda **c: a.redq(
        envs.pendulum(2),
        a.REDQ(update_ratio=1.0, num_critics=3, policy_delay=3, dropout=0.1, **REPLAY, **c),
    ),
    "crossq": lambda **c: a.crossq(
        envs.pendulum(2),
        a.CrossQ(critic_hidden=(8,), policy_delay=2, warm_up=2, update_ratio=0.5, **REPLAY, **c),
    ),
    "dqn": lambda **c: a.dqn(envs.cartpole(2), a.DQN(**REPLAY | {"update_ratio": 0.7}, **c)),
    "double dqn": lambda **c: a.double_dqn(envs.cartpole(2), a.DQN(**REPLAY, **c)),
    "recurrent sac": lambda **c: a.recurrent_sac(
        envs.masked_pendulum(2), a.RecurrentSAC(**REPLAY | SHORT, normalize=True, **c)
    ),
    "recurrent td3": lambda **c: a.recurrent_td3(
        envs.masked_pendulum(2), a.RecurrentTD3(**REPLAY | SHORT, **c)
    ),
}
"""Recipes that learn from replay after two rollouts."""

ANNEALED = a.PPO(num_steps=16, num_minibatches=2, num_epochs=2, hidden=(8,), anneal_updates=60)
RESUMED: dict[str, Callable[[], Recipe]] = {
    "ppo": lambda: a.ppo(envs.cartpole(2, time_limit=20), ANNEALED),
    "sac": lambda: a.sac(
        envs.pendulum(2, time_limit=20),
        a.SAC(num_steps=2, capacity=64, batch_size=8, start_steps=16, hidden=(8,)),
    ),
}
"""Recipes whose runs are saved and go on: a step is 32 env steps of PPO, 4 of SAC."""

ON = {"num_steps": 8, "hidden": (8,)}
OFF = {"num_steps": 2, "capacity": 40, "batch_size": 4, "start_steps": 12, "hidden": (8,)}
PASSES = {"num_minibatches": 2, "num_epochs": 2}
SEQUENCES = {
    **{"num_steps": 8, "length": 8, "period": 8, "burn_in": 2},
    **{"hidden": (8, 8), "start_steps": 16, "capacity": 6},
}
CONFIGS = {
    "ppo": a.PPO(**ON, **PASSES, normalize=True, anneal_updates=50),
    "impala": a.Impala(**ON, normalize=True),
    "a2c": a.A2C(**ON),
    "vpg": a.VPG(**ON),
    "pqn": a.PQN(**ON, **PASSES, normalize=True, exploration_updates=50),
    "ppo_gsde": a.GsdePPO(**ON, **PASSES, resample_every=3),
    "ppo_rnd": a.RndPPO(
        **ON, **PASSES, normalize=True, novelty_hidden=(8,), novelty_features=4, novelty_share=0.5
    ),
    "recurrent_ppo": a.PPO(**ON | {"hidden": (8, 8)}, **PASSES),
    "recurrent_impala": a.Impala(**ON | {"hidden": (8, 8)}),
    "recurrent_pqn": a.PQN(**ON | {"hidden": (8, 8)}, **PASSES, normalize=True),
    "sac": a.SAC(**OFF),
    "td3": a.TD3(**OFF),
    "tqc": a.TQC(**OFF, num_quantiles=5, critic_hidden=(8,), normalize=True),
    "crossq": a.CrossQ(**OFF, critic_hidden=(8,), policy_delay=2, warm_up=1),
    "redq": a.REDQ(
        **OFF, update_ratio=1.0, num_critics=3, policy_delay=3, dropout=0.1, normalize_layers=True
    ),
    "dqn": a.DQN(**OFF),
    "double_dqn": a.DQN(**OFF),
    "rainbow": a.Rainbow(**OFF, num_atoms=5),
    "sac_gsde": a.GsdeSAC(**OFF),
    "a2c_gsde": a.GsdeA2C(**ON, resample_every=3),
    "tqc_gsde": a.GsdeTQC(**OFF, num_quantiles=5, critic_hidden=(8,)),
    "r2d2": a.R2D2(**SEQUENCES),
    "recurrent_sac": a.RecurrentSAC(**SEQUENCES, batch_size=4),
    "recurrent_td3": a.RecurrentTD3(**SEQUENCES, batch_size=4, normalize=True),
}
ENVS = {
    "numbers, discrete": lambda: envs.cartpole(2, time_limit=9),
    "numbers, continuous": lambda: envs.pendulum(2, time_limit=9),
    "images": lambda: envs.catch(2),
    "in part": lambda: envs.masked_cartpole(2, 9),
    "goals": lambda: envs.bit_flipping(2, num_bits=4),
    "gymnasium": lambda: envs.make("CartPole-v1", 2, max_episode_steps=9),
    "gymnasium, continuous": lambda: envs.make("Pendulum-v1", 2, max_episode_steps=9),
    "parts": lambda: envs.from_gym(Rooms, 2),
    "parts, continuous": lambda: envs.from_gym(Rooms, 2, action_space=Box(-1, 1, (2,))),
    "choices": lambda: envs.make("FrozenLake-v1", 2, max_episode_steps=9),
    "bullet": lambda: envs.make("InvertedPendulumBulletEnv-v0", 2),
    "lost": lambda: envs.cartpole(2, time_limit=9)._replace(save=None, load=None),
}
RINGS = {"uniform": None, "prioritized": prioritized_replay}


def surprise(params, batch):
    return batch["next", "reward"].flatten(1).sum(1) if batch.ndim > 1 else batch["next", "reward"]


def surprise_of_sequences(params, batch):
    return batch["next", "reward"].sum(-1)


def recipe_in(name: str, env: str, ring: str) -> Recipe | None:
    """The recipe of a name in CONFIGS; None where it does not go with the environment or the replay."""
    priority = surprise_of_sequences if hasattr(CONFIGS[name], "burn_in") else surprise
    replay = {} if RINGS[ring] is None else {"replay": partial(RINGS[ring], priority=priority)}
    try:
        return a.RECIPES[name](ENVS[env](), CONFIGS[name], **replay)
    except (ValueError, NotImplementedError, TypeError):
        return None


def with_other_numbers(params: Params, seed: int = 0) -> Params:
    """Params after 40 updates, whose weights and statistics are far from the first ones."""
    rng = generator(seed)
    params = params.clone()
    params["version"].fill_(40)
    for leaf in params["weights"].values(True, True):
        leaf += 0.3 * torch.randn(leaf.shape, generator=rng)
    for statistics in params["normalizer"].values():
        statistics["mean"] += torch.randn(statistics["mean"].shape, generator=rng)
        statistics["std"] *= torch.rand(statistics["std"].shape, generator=rng) + 0.5
    return params


LIKE_ANOTHER = {"recurrent_td3": "recurrent_sac"}
"""Recipes of the same pieces as another, but for the loss: long tests try them among the faults."""

NAMES = [
    pytest.param(name, marks=[pytest.mark.faults] if name in LIKE_ANOTHER else [])
    for name in RECIPES
]
"""All recipes, for long tests."""


QUICK = {
    "num_steps": 8,
    "num_epochs": 1,
    "num_minibatches": 2,
    "hidden": (8, 8),
    "critic_hidden": (8, 8),
    "num_critics": 2,
    "batch_size": 8,
    "capacity": 1_000,
    "start_steps": 0,
    "update_ratio": 0.1,
    "length": 4,
    "period": 2,
    "burn_in": 1,
}


SYNCHRONOUS = tuple(
    name for name in SCHEMES if "one" not in (parse(name).collectors, parse(name).learners)
)
"""The words whose cuts wait for all of their workers."""


@cache
def fits(recipe, env, ring):
    """Whether a recipe goes with an environment and a replay."""
    return recipe_in(recipe, env, ring) is not None


def combinations():
    """What goes together: of on-policy recipes, replays mean nothing."""
    for recipe, env, ring, name in product(RECIPES, ENVS, RINGS, SCHEMES):
        on_policy = not hasattr(CONFIGS[recipe], "capacity")
        if on_policy and ring != "uniform":
            continue
        if name not in a.RECIPES[recipe].compatible.scheme:
            continue
        yield recipe, env, ring, name


def covering(combinations: Iterable[tuple], pairs: Callable[..., Iterable[tuple]]) -> list[tuple]:
    """Some of the combinations, in which each pair that one of them has is there: a greedy choice."""
    all_of_them = list(combinations)
    left = {pair for combination in all_of_them for pair in pairs(*combination)}
    most = max(len(list(pairs(*combination))) for combination in all_of_them)
    chosen = []
    for num_new in range(most, 0, -1):
        for combination in all_of_them:
            new = left.intersection(pairs(*combination))
            if len(new) >= num_new:
                chosen.append(combination)
                left -= new
    return chosen


def quick(name: str, **changes: object):
    """The default configuration of a recipe, that learns from its first rollout."""
    default = PRESETS[name]["default"].config
    fields = {key: x for key, x in (QUICK | changes).items() if hasattr(default, key)}
    return replace(default, **fields)


def scheme_arguments(name: str, **given: object) -> dict[str, object]:
    """Those of the arguments that this scheme takes."""
    return {key: value for key, value in given.items() if key in TAKES[name]}


def run_of(
    recipe: Recipe, name: str = "3cs", log_dir: Path | None = None, seed: int = 1, **options: object
) -> Learner:
    """A run without an end, of two collectors and two learners where the scheme has some.

    It writes a checkpoint when it is told to.
    """
    two = scheme_arguments(name, collectors=2, learners=2)
    every = {"checkpoint_every": 10**9} if log_dir else {}
    pipe = scheme(name, recipe, **two | options)
    return Learner(pipe, recipe.init(0), seed, 10**9, log_dir, progress=False, **every)
