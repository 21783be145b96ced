"""CartPole without its velocities: to be balanced by what is remembered only.

``pytest -m learning -s`` shows the figures.
"""

import pytest

from nappo2 import Learner, envs, scheme
from nappo2.maths.rescaling import hyperbolic
from nappo2.networks import gtrxl
from nappo2.recipes import preset, r2d2, recurrent_ppo
from tests.makers.commands import trained

pytestmark = [pytest.mark.learning, pytest.mark.timeout(3600)]

ENV = ("--env", "torch/MaskedCartPole-v1", "--total-steps", "300000")


def best(rows):
    """The highest mean return of 100 episodes, and after how many steps 400 was reached."""
    reached = [row["env_steps"] for row in rows if row.get("episode_return", 0) >= 400]
    return max(row.get("episode_return", 0) for row in rows), reached[0] if reached else None


@pytest.mark.parametrize("scheme", ["3cs", "da2cs"])
@pytest.mark.parametrize("seed", [0, 1])
def test_ppo_with_memory_balances_what_ppo_without_cannot(scheme, seed, tmp_path):
    """Within 300,000 steps 400 and more in the mean of the last 100 episodes; without below 200."""
    options = (*ENV, "--scheme", scheme, "--seed", str(seed))
    result, rows = trained(tmp_path / "memory", "recurrent_ppo", *options)
    blind, blind_rows = trained(tmp_path / "none", "ppo", *options)
    highest, reached = best(rows)
    print(
        f"\n{scheme}, seed {seed}: with memory {result['episode_return']} in the end, at most "
        f"{highest:.1f}, 400 after {reached} steps, {result['seconds']:.0f} s; without "
        f"{blind['episode_return']}, at most {best(blind_rows)[0]:.1f}"
    )
    assert reached and best(blind_rows)[0] < 200


def test_replay_of_sequences_balances_it_too(tmp_path):
    """r2d2, 100,000 steps: the mean of the last 100 episodes, which explore, reaches 400."""
    options = ("--env", "torch/MaskedCartPole-v1", "--total-steps", "100000")
    result, rows = trained(tmp_path / "run", "r2d2", *options, "--evaluate-every", "20000")
    evaluated = [row["evaluation_return"] for row in rows if row.get("evaluation_return")]
    print(f"\nr2d2: {result['episode_return']} in the end, at most {best(rows)[0]:.1f}")
    print(f"greedy, every 20,000 steps: {evaluated}")
    assert best(rows)[0] >= 400


def test_ppo_with_memory_balances_it_within_100_000_steps(tmp_path):
    """The mean of the last 100 episodes reaches 475, with the preset and another budget."""
    options = ("--env", "torch/MaskedCartPole-v1", "--total-steps", "100000")
    result, rows = trained(tmp_path / "run", "recurrent_ppo", *options)
    print(f"\nrecurrent_ppo: {result['episode_return']} in the end, at most {best(rows)[0]:.1f}")
    assert best(rows)[0] >= 475


@pytest.mark.parametrize(
    "make",
    [
        lambda env: recurrent_ppo(env, preset("recurrent_ppo", "cartpole").config, cell=gtrxl),
        lambda env: r2d2(env, rescaling=hyperbolic()),
    ],
    ids=["a gated transformer", "rescaled values"],
)
def test_other_cells_and_rescaled_values_balance_it_too(make):
    """Within 300,000 steps of 8 environments, 400 in the mean of the last 100 episodes."""
    recipe = make(envs.make("torch/MaskedCartPole-v1", 8))
    run = Learner(scheme("3cs", recipe), recipe.init(0), target_steps=300_000, progress=False)
    rows = list(run.until(episode_return=400))
    print(f"\n{recipe.name}: at most {best(rows)[0]:.1f} after {run.env_steps} steps")
    assert best(rows)[0] >= 400
