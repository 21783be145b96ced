"""Where rewards are rare, bonuses for what is new find them. ``pytest -m learning -s -k explor`` tells."""

from dataclasses import fields

import pytest
import torch

from nappo2 import (
    ICM,
    PPO,
    RND,
    Counts,
    Learner,
    envs,
    evaluate,
    ppo,
    ppo_rnd,
    preset,
    scheme,
    with_counts,
    with_icm,
    with_rnd,
)
from tests.makers.seas import deep_sea

pytestmark = [pytest.mark.learning, pytest.mark.timeout(3600)]

DEPTH, DIVES = 20, 100_000
CONFIG = PPO(
    num_steps=32,
    num_epochs=4,
    num_minibatches=4,
    learning_rate=1e-3,
    entropy_coef=0.01,
    hidden=(64,),
    normalize=False,
)
RARE = {"novelty_hidden": (64,), "novelty_rate": 1e-3, "scale_bonus": True}
EXPLORING = {
    "rnd": lambda recipe: with_rnd(recipe, RND(**RARE)),
    "icm": lambda recipe: with_icm(recipe, ICM(**RARE)),
    "counts": lambda recipe: with_counts(recipe, Counts(**RARE)),
}


def learnt(recipe, test, total_steps, seed):
    """The mean return of 100 greedy episodes after training."""
    torch.set_num_threads(1)
    run = Learner(scheme("3cs", recipe), recipe.init(seed), seed, total_steps, progress=False)
    found = evaluate(test, recipe.greedy, run.run().params, 100, seed=seed + 1_000)
    return found.returns.mean().item()


@pytest.mark.parametrize("seed", range(3))
def test_a_treasure_in_a_deep_sea_is_found_by_who_explores_and_by_nobody_else(seed):
    """Chance finds it once in 2^18 episodes, and 100,000 steps have 5,000."""
    plain = ppo(deep_sea(16, DEPTH), CONFIG)
    results = {"ppo": learnt(plain, deep_sea(16, DEPTH), DIVES, seed)}
    for name, exploring in EXPLORING.items():
        results[name] = learnt(exploring(plain), deep_sea(16, DEPTH), DIVES, seed)
    print(f"a sea of depth {DEPTH}, seed {seed}: {results}")
    assert results.pop("ppo") == 0 and min(results.values()) >= 0.9


MAZE = "MiniGrid-MultiRoom-N4-S5-v0"  # six rooms, in spite of its name


@pytest.mark.parametrize("seed", range(3))
def test_six_rooms_are_crossed_by_who_explores(seed):
    """1,000,000 steps of the preset ``minigrid``, and of PPO with the same numbers."""
    pytest.importorskip("minigrid")
    best = preset("ppo_rnd", "minigrid")
    same = PPO(**{field.name: getattr(best.config, field.name) for field in fields(PPO)})
    results = {
        make.__name__: learnt(
            make(envs.make(MAZE, 16), config), envs.make(MAZE, 16), best.total_steps, seed
        )
        for make, config in ((ppo, same), (ppo_rnd, best.config))
    }
    print(f"{MAZE}, seed {seed}: {results}")
    assert results["ppo"] < 0.1 and results["ppo_rnd"] > 0.5
