"""All schemes learn on Ray: CartPole-v1, 2 collectors, 2 learners.

``pytest -m learning -s`` shows when each got there.
"""

import pytest

from nappo2.schemes import SCHEMES
from tests.makers.commands import trained

pytestmark = [pytest.mark.learning, pytest.mark.timeout(3600)]


RUNS = [("ppo", name) for name in SCHEMES]
RUNS += [("impala", name) for name in ("da2cs", "da2ds", "dadacs", "dadaca")]


@pytest.mark.parametrize(("recipe", "name"), RUNS)
def test_every_scheme_balances_the_pole_on_ray(recipe, name, tmp_path):
    """The mean of the last 100 episodes reaches 450 within 200,000 steps."""
    args = [recipe, "--env", "CartPole-v1", "--scheme", name, "--backend", "ray"]
    args += ["--collectors", "2", "--learners", "2", "--total-steps", "200000"]
    result, rows = trained(tmp_path / "run", *args)
    reached = [row["env_steps"] for row in rows if row.get("episode_return", 0) >= 450]
    print(
        f"\n{recipe} {name}: 450 after {reached[0] if reached else None} steps, final mean "
        f"{result['episode_return']}, {result['seconds']:.0f} s, lags "
        f"{result['collection_lag']} and {result['gradient_lag']}, restarts {result['restarts']}"
    )
    assert reached and reached[0] <= 200_000


def test_asynchronously_collected_ppo_learns_to_run(tmp_path):
    """da2cs with 2 collectors on Ray, HalfCheetahBullet, 300,000 steps: 1,200 over three seeds.

    Shorter rollouts lag less: 4 environments x 128 steps per collector, in minibatches of 64.
    """
    returns = []
    for seed in range(3):
        args = ["ppo", "--scheme", "da2cs", "--backend", "ray", "--collectors", "2"]
        args += ["--preset", "asynchronous", "--seed", str(seed)]
        result, _ = trained(tmp_path / str(seed), *args)
        print(
            f"\nda2cs, seed {seed}: {result['episode_return']}, {result['steps_per_second']} steps/s"
        )
        returns.append(result["episode_return"])
    assert sum(returns) / 3 >= 1200
