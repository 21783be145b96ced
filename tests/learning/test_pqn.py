"""PQN by its presets. ``pytest -m learning -s -k pqn`` shows the figures."""

import time

import pytest
import torch

from nappo2 import Learner, envs, evaluate, pqn, preset, scheme

pytestmark = [pytest.mark.learning, pytest.mark.timeout(1800)]


def balanced(seed: int) -> tuple[float, float]:
    """The mean return of 100 greedy episodes after the preset's run, and the seconds of the run."""
    torch.set_num_threads(1)
    its, env_id = preset("pqn", "cartpole"), "torch/CartPole-v1"
    recipe, start = pqn(envs.make(env_id, its.num_envs), its.config), time.perf_counter()
    pipe = scheme("3cs", recipe)
    params = Learner(pipe, recipe.init(seed), seed, its.total_steps, progress=False).run().params
    seconds = time.perf_counter() - start
    test = envs.make(env_id, 20)
    final = evaluate(test, recipe.greedy, params, 100, seed=seed + 1_000).returns.mean().item()
    print(f"pqn, seed {seed}: {final:.1f} after {its.total_steps:,} steps, {seconds:.0f} s")
    return final, seconds


def test_pqn_balances_a_pole_on_ten_of_ten_seeds():
    """475 of 500 in 100 greedy episodes, within a minute on one core."""
    results = [balanced(seed) for seed in range(10)]
    assert all(final >= 475 and seconds <= 60 for final, seconds in results), results


@pytest.mark.parametrize("seed", range(3))
def test_pqn_catches_what_it_sees_sooner_than_ppo(seed):
    """0.95 of 1 in the last 100 episodes within 17,000 steps, as PPO takes; and greedily in the end."""
    torch.set_num_threads(1)
    its, env_id = preset("pqn", "catch"), "torch/Catch-v0"
    recipe = pqn(envs.make(env_id, its.num_envs), its.config)
    run = Learner(scheme("3cs", recipe), recipe.init(seed), seed, its.total_steps, progress=False)
    steps = [row["env_steps"] for row in run if row.get("episode_return", -1) >= 0.95]
    final = evaluate(envs.make(env_id, 50), recipe.greedy, run.params, 100, seed=seed + 1_000)
    print(
        f"pqn, {env_id}, seed {seed}: 0.95 after {steps[:1]} steps, {final.returns.mean():.2f} last"
    )
    assert steps[0] < 17_000 and final.returns.mean() >= 0.95
