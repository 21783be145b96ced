"""Whole runs of ``nappo2 train``, two at a time. ``pytest -m learning -s`` shows the figures."""

import pytest

from tests.makers.commands import trained_with_seeds

pytestmark = pytest.mark.learning


@pytest.mark.timeout(900)
def test_ppo_solves_cartpole_on_five_of_five_seeds(tmp_path):
    """Within 100,000 steps the mean return of the last 100 episodes reaches 475 of 500."""
    solved = []
    for result, rows in trained_with_seeds(tmp_path, range(5), "ppo", "--env", "CartPole-v1"):
        when = [row["env_steps"] for row in rows if row.get("episode_return", 0) >= 475]
        solved.append(bool(when) and when[0] <= 100_000)
        first = f"475 after {when[0]:,.0f} steps" if when else "475 never"
        print(f"CartPole-v1, seed {result['seed']}: {first}, {result['episode_return']} in the end")
    assert all(solved)


@pytest.mark.timeout(3600)
def test_the_main_job_makes_half_cheetah_run(tmp_path):
    """After 300,000 steps the last 100 episodes of seeds 0, 1 and 2 return 1,500 in the mean."""
    found = [result for result, _ in trained_with_seeds(tmp_path, range(3))]
    returns = [result["episode_return"] for result in found]
    for result in found:
        print(f"{result['env']}, seed {result['seed']}: {result['episode_return']} in the end")
    assert all(result["env_steps"] >= 300_000 for result in found)
    assert sum(returns) / len(returns) >= 1500, returns
