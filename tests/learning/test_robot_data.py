"""HalfCheetah from recorded data: an expert is cloned, and an agent goes on in the simulator by ``adopt``.

``pytest -m learning -s -k robot`` shows the figures.
"""

from functools import cache, partial

import pytest
import torch
from tensordict import TensorDict

from nappo2 import (
    IQL,
    Clone,
    Learner,
    clone,
    collect,
    envs,
    evaluate,
    iql,
    ppo_gsde,
    preset,
    record,
    recorded,
    replay_with,
    scheme,
)

pytestmark = [pytest.mark.learning, pytest.mark.timeout(3600)]

ROBOT = "HalfCheetahBulletEnv-v0"


def score(recipe, params, seed=100):
    """The mean return of 20 greedy episodes."""
    return float(evaluate(envs.make(ROBOT, 5), recipe.greedy, params, 20, seed).returns.mean())


@cache
def expert() -> tuple[TensorDict, float]:
    """50 greedy episodes of ppo_gsde after 500,000 steps, and what 20 others return."""
    torch.set_num_threads(1)
    best = preset("ppo_gsde", "bullet")
    recipe = ppo_gsde(envs.make(ROBOT, best.num_envs), best.config)
    params = Learner(scheme("3cs", recipe), recipe.init(0), 0, 500_000, progress=False).run().params
    data = record(collect(envs.make(ROBOT, 5), recipe.greedy, 200), params, episodes=50, seed=1)
    return data, score(recipe, params)


@pytest.mark.parametrize("seed", range(3))
def test_a_clone_of_50_episodes_of_a_robot_is_as_good_as_nine_tenths_of_the_expert(seed):
    data, best = expert()
    config = Clone(batch_size=256, hidden=(256, 256), normalize=True)
    recipe = clone(envs.make(ROBOT, 1), config).replace(source=recorded(data))
    learner = Learner(scheme("3cs", recipe), recipe.init(seed), seed, target_updates=10_000)
    cloned = score(recipe, learner.run().params)
    print(
        f"\n{len(data):,} transitions of an expert of {best:.0f}, clone of seed {seed}: {cloned:.0f}"
    )
    assert cloned >= 0.9 * best


@pytest.mark.parametrize("seed", range(3))
def test_a_robot_that_learnt_from_data_goes_on_in_the_simulator_without_a_dip(seed):
    """IQL, 20,000 updates of data; then 20,000 env steps, nine tenths of each batch of data: never below 0.9.

    With half of each batch, of some new transitions again and again, or with a temperature of 3, by which
    weights of actions are at their bound or near 0, single episodes fail now and then.
    """
    data, best = expert()
    config = IQL(hidden=(256, 256), temperature=1.0, num_steps=8, update_ratio=0.5, jit=True)
    online = iql(envs.make(ROBOT, 1), config, replay=partial(replay_with, data, recorded_share=0.9))
    offline = iql(envs.make(ROBOT, 1), config).replace(source=recorded(data))
    learner = Learner(
        scheme("3cs", offline), offline.init(seed), seed, 20_000, target_updates=20_000
    )
    returns = [score(offline, learner.run().params)]
    learner = learner.adopt(scheme("3cs", online))
    for due in range(2_500, 20_001, 2_500):
        while learner.env_steps < due:
            learner.step()
        returns.append(score(online, learner.params))
    learner.close()
    shown = ", ".join(f"{x:.0f}" for x in returns)
    print(f"\nexpert {best:.0f}, seed {seed}: after the data, then every 2,500 env steps: {shown}")
    assert min(returns) >= 0.9 * returns[0]
