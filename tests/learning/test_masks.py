"""Where half of all actions end the episode, recipes learn with masks and not without.

The best return is 20; random allowed actions have 5 on average, and who cannot see what is forbidden
survives each step by chance, one half, and so gets about 1.
"""

import pytest

from nappo2 import Learner, evaluate, scheme
from nappo2 import recipes as a
from tests.makers.masks import hidden_mines, mines

pytestmark = [pytest.mark.learning, pytest.mark.timeout(3600)]

ON = {"num_steps": 32, "hidden": (32, 32)}
OFF = {"num_steps": 4, "capacity": 20_000, "batch_size": 64, "start_steps": 1_000}
OFF |= {"hidden": (32, 32), "learning_rate": 1e-3}
STEPS = 40_000
CONFIGS = {
    "ppo": a.PPO(**ON, num_minibatches=4, num_epochs=4, learning_rate=1e-3, normalize=False),
    "a2c": a.A2C(**ON | {"num_steps": 8}, learning_rate=3e-3),
    "vpg": a.VPG(**ON),
    "impala": a.Impala(**ON),
    "pqn": a.PQN(**ON, num_epochs=4, learning_rate=1e-3, gamma=0.9),
    "recurrent_ppo": a.PPO(
        **ON, num_minibatches=4, num_epochs=4, learning_rate=1e-3, gamma=0.9, normalize=False
    ),
    "recurrent_impala": a.Impala(**ON, gamma=0.9),
    "dqn": a.DQN(**OFF, update_ratio=0.125, exploration_updates=1_000),
    "double_dqn": a.DQN(**OFF, update_ratio=0.125, exploration_updates=1_000),
    "rainbow": a.Rainbow(
        **OFF, update_ratio=0.125, gamma=0.9, lowest=0.0, highest=10.0, beta_updates=5_000
    ),
    "sac": a.SAC(**OFF, update_ratio=0.125, gamma=0.9, discrete_entropy_share=0.2),
    "r2d2": a.R2D2(num_steps=16, length=8, period=8, burn_in=0, hidden=(32, 32), gamma=0.9),
}


def learnt(name, env, test, seed):
    """The mean return of 100 greedy episodes after training."""
    recipe = a.RECIPES[name](env, CONFIGS[name])
    run = Learner(
        scheme("3cs", recipe), recipe.init(seed), seed, target_steps=STEPS, progress=False
    )
    return evaluate(test, recipe.greedy, run.run().params, 100, seed=seed + 1).returns.mean()


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", CONFIGS)
def test_mines_are_crossed_with_masks_and_not_without(name, seed):
    with_masks = learnt(name, mines(8), mines(20), seed)
    without = learnt(name, hidden_mines(8), hidden_mines(20), seed)
    print(f"{name}, seed {seed}: {with_masks:.1f} with masks, {without:.1f} without")
    assert with_masks >= 18 and without <= 5
