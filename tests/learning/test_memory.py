"""CartPole without its velocities: to be balanced by what is remembered only.

``pytest -m learning -s`` shows the figures.
"""

import math
from dataclasses import replace

import pytest
import torch
from gymnasium.spaces import Box

from nappo2 import Learner, envs, evaluate, scheme
from nappo2.maths.rescaling import hyperbolic
from nappo2.networks import gtrxl
from nappo2.recipes import (
    RecurrentSAC,
    RecurrentTD3,
    preset,
    r2d2,
    recurrent_ppo,
    recurrent_sac,
    recurrent_td3,
)
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


def greedy_return(recipe, params, seed):
    """The mean return of 20 greedy episodes."""
    test = envs.make("torch/MaskedCartPole-v1", 20)
    return float(evaluate(test, recipe.greedy, params, 20, seed=seed + 1_000).returns.mean())


@pytest.mark.parametrize("seed", range(3))
def test_replay_of_sequences_balances_it_too(seed):
    """400 of 500 in 20 greedy episodes after 100,000 steps of the preset; also shown every 20,000."""
    torch.set_num_threads(1)
    chosen, returns = preset("r2d2", "default"), []
    recipe = r2d2(envs.make("torch/MaskedCartPole-v1", chosen.num_envs), chosen.config)
    run = Learner(scheme("3cs", recipe), recipe.init(seed), seed, 100_000, progress=False)
    for due in range(20_000, 100_001, 20_000):
        while run.env_steps < due:
            run.step()
        returns.append(greedy_return(recipe, run.params, seed))
    run.close()
    print(f"\nr2d2, seed {seed}: every 20,000 steps {returns} in 20 greedy episodes")
    assert returns[-1] >= 400


@pytest.mark.parametrize("seed", range(5))
def test_ppo_with_memory_balances_it_within_100_000_steps(seed):
    """475 of 500 in 20 greedy episodes; the preset, whose rate and clip range fall over these steps."""
    torch.set_num_threads(1)
    best, steps = preset("recurrent_ppo", "cartpole"), 100_000
    num_rollouts = steps // (best.num_envs * best.config.num_steps)
    config = replace(best.config, anneal_updates=num_rollouts * best.config.num_epochs)
    recipe = recurrent_ppo(envs.make("torch/MaskedCartPole-v1", best.num_envs), config)
    run = Learner(scheme("3cs", recipe), recipe.init(seed), seed, steps, progress=False)
    found = greedy_return(recipe, run.run().params, seed)
    print(f"\nrecurrent_ppo, seed {seed}: {found:.1f} in 20 greedy episodes")
    assert found >= 475


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


TURN = 2.4  # rad per step


def echo(num_envs, time_limit=20):
    """Observes the sine of an angle, and is to answer with that of a step ago: -(action - answer)^2.

    Without a memory the cosine's sign is not known, so that the best mean reward is -sin(2.4)^2 / 2 = -0.228.
    """

    def start(num, rng):
        return 2 * math.pi * torch.rand(num, 1, generator=rng, dtype=torch.float64)

    def step(angle, action):
        error = action[:, 0] - (angle[:, 0] - TURN).sin()
        return angle + TURN, -error.square().float(), torch.zeros(len(angle), dtype=torch.bool)

    def observe(angle):
        return angle.sin().float()

    return envs.physics_env(
        "echo", num_envs, start, step, observe, time_limit, Box(-1, 1, (1,)), Box(-1, 1, (1,))
    )


SMALL = {
    **{"num_steps": 8, "length": 8, "period": 6, "burn_in": 2, "hidden": (32, 32)},
    **{"batch_size": 32, "start_steps": 500, "learning_rate": 3e-3, "gamma": 0.1},
}


@pytest.mark.parametrize(
    ("make", "config"), [(recurrent_sac, RecurrentSAC), (recurrent_td3, RecurrentTD3)]
)
def test_actors_with_memory_answer_with_what_they_saw(make, config):
    """3,000 env steps: greedily above -1.5 per episode of 20 steps, where without memory -4.6 is the best."""
    recipe = make(echo(4), config(**SMALL))
    run = Learner(scheme("3cs", recipe), recipe.init(0), target_steps=3_000, progress=False).run()
    returns = evaluate(echo(20), recipe.greedy, run.params, num_episodes=20).returns
    print(f"\n{recipe.name}: {returns.mean():.2f} per episode")
    assert returns.mean() > -1.5
