"""``nappo2 train`` with the presets for Gymnasium's toy texts, greedy over 100 episodes afterwards.

``pytest -m learning -s`` shows the figures, and the seconds that each run took.
"""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.makers.commands import completed

pytestmark = [pytest.mark.learning, pytest.mark.timeout(3600)]

BOUNDS = {
    ("ppo", "FrozenLake-v1"): 0.70,
    ("ppo", "Taxi-v4"): 7.0,
    ("ppo", "Blackjack-v1"): -0.06,
    ("double_dqn", "CliffWalking-v1"): -13.0,
}
"""Mean returns. The best policies reach 0.74, 7.9, -0.05 and -13."""


def greedy_return(folder, algorithm, env_id, seed):
    """The mean return, and the seconds of the training."""
    start = time.monotonic()
    run = completed("train", algorithm, "--env", env_id, "--seed", seed, "--log-dir", folder)
    seconds = time.monotonic() - start
    assert run.returncode == 0, run.stderr
    played = completed("eval", folder, "--episodes", 100, "--seed", 1_000 + seed)
    assert played.returncode == 0, played.stderr
    return json.loads(played.stdout)["mean_return"], seconds


@pytest.mark.parametrize(("algorithm", "env_id"), BOUNDS)
def test_a_toy_text_is_solved_on_five_seeds(algorithm, env_id, tmp_path):
    """The mean over five seeds, two at a time, reaches the bound."""
    with ThreadPoolExecutor(2) as pool:
        folders = [tmp_path / str(i) for i in range(5)]
        runs = [pool.submit(greedy_return, x, algorithm, env_id, i) for i, x in enumerate(folders)]
        results = [run.result() for run in runs]
    for seed, (mean, seconds) in enumerate(results):
        print(f"{env_id}, seed {seed}: {mean:.3f} greedy, trained in {seconds:.0f} s")
    assert sum(mean for mean, _ in results) / len(results) >= BOUNDS[algorithm, env_id]
