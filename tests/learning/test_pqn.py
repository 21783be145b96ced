"""PQN by its presets. ``pytest -m learning -s -k pqn`` shows the figures."""

import time

import pytest
import torch

from nappo2 import Learner, envs, evaluate, pqn, preset, scheme

pytestmark = [pytest.mark.learning, pytest.mark.timeout(1800)]


def learnt(name: str, env_id: str, seed: int) -> tuple[float, float]:
    """The mean return of 100 greedy episodes after a preset's run, and the seconds of the run."""
    torch.set_num_threads(1)
    its = preset("pqn", name)
    recipe, start = pqn(envs.make(env_id, its.num_envs), its.config), time.perf_counter()
    pipe = scheme("3cs", recipe)
    params = Learner(pipe, recipe.init(seed), seed, its.total_steps, progress=False).run().params
    seconds = time.perf_counter() - start
    test = envs.make(env_id, 20)
    found = evaluate(test, recipe.greedy, params, 100, seed=seed + 1_000).returns.mean().item()
    print(
        f"pqn, {env_id}, seed {seed}: {found:.1f} after {its.total_steps:,} steps, {seconds:.0f} s"
    )
    return found, seconds


def test_pqn_balances_a_pole_on_ten_of_ten_seeds():
    """475 of 500 in 100 greedy episodes, within a minute on one core."""
    results = [learnt("cartpole", "torch/CartPole-v1", seed) for seed in range(10)]
    assert all(found >= 475 and seconds <= 60 for found, seconds in results), results


@pytest.mark.parametrize("seed", range(3))
def test_pqn_catches_what_it_sees(seed):
    """0.95 of 1."""
    assert learnt("catch", "torch/Catch-v0", seed)[0] >= 0.95
