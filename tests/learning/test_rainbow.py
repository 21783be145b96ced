"""CartPole with double DQN, with each piece of Rainbow beside it, and with Rainbow without each.

``pytest -m learning -s -k rainbow`` shows the figures; none of them is a bound, but that all learn.
"""

from dataclasses import replace
from functools import partial

import pytest
import torch

from nappo2 import (
    Learner,
    double_dqn,
    envs,
    evaluate,
    losses,
    mlp,
    optim,
    preset,
    prioritized_replay,
    rainbow,
    replay,
    rolling_n_step,
    scheme,
)
from nappo2.networks import dueling, implicit_quantiles, noisy_mlp, sequential
from nappo2.recipes import categorical_returns, expected, munchausen, quantiles, random_quantiles

pytestmark = [pytest.mark.learning, pytest.mark.timeout(7200)]

SEEDS, STEPS = range(5), 60_000
PLAIN, WHOLE = preset("double_dqn", "cartpole").config, preset("rainbow", "cartpole").config
TORSO = sequential(mlp(4, 128, final_gain=2**0.5), torch.relu)
ATOMS = categorical_returns(51, 0.0, 50.0)


def with_priorities(env):
    """Double DQN with prioritised replay, whose beta rises over the run."""
    q = mlp(4, 128, 128, 2, activation=torch.relu)
    error = losses.double_dqn_error(lambda weights, x: q.apply(weights["q"], x))
    beta = optim.linear(0.4, 1.0, 30_000)
    ring = partial(prioritized_replay, priority=error, alpha=0.5, beta=beta)
    return double_dqn(env, PLAIN, q=q, replay=ring)


CASES = {
    "double dqn": lambda env: double_dqn(env, PLAIN),
    "with the distribution": lambda env: double_dqn(env, PLAIN, returns=ATOMS),
    "with quantiles": lambda env: double_dqn(env, PLAIN, returns=quantiles(50)),
    "with random quantiles": lambda env: double_dqn(
        env, PLAIN, q=implicit_quantiles(TORSO, 128, 2, 32), returns=random_quantiles(32)
    ),
    "with munchausen": lambda env: double_dqn(env, PLAIN, returns=munchausen()),
    "with dueling": lambda env: double_dqn(
        env, PLAIN, q=dueling(TORSO, mlp(128, 128, 1), mlp(128, 128, 2), 2)
    ),
    "with noise": lambda env: double_dqn(
        env, replace(PLAIN, epsilon=0.0, exploration_updates=1), q=noisy_mlp(4, 128, 128, 2)
    ),
    "with priorities": with_priorities,
    "with n steps": lambda env: double_dqn(env, PLAIN).replace(rollouts=rolling_n_step(3)),
    "rainbow": lambda env: rainbow(env, WHOLE),
    "rainbow without the distribution": lambda env: rainbow(env, WHOLE, returns=expected()),
    "rainbow without dueling": lambda env: rainbow(env, WHOLE, q=noisy_mlp(4, 128, 128, 2 * 51)),
    "rainbow without noise": lambda env: rainbow(
        env, replace(WHOLE, sigma=0.0, epsilon=0.05, exploration_updates=3_000)
    ),
    "rainbow without priorities": lambda env: rainbow(env, WHOLE, replay=replay),
    "rainbow without n steps": lambda env: rainbow(env, replace(WHOLE, n_step=1)),
}


def learnt(make, seed: int) -> float:
    """The mean return of 100 greedy episodes after 60,000 steps."""
    torch.set_num_threads(1)
    recipe = make(envs.make("torch/CartPole-v1", 4))
    run = Learner(scheme("3cs", recipe), recipe.init(seed), seed, STEPS, progress=False).run()
    test = envs.make("torch/CartPole-v1", 20)
    return evaluate(test, recipe.greedy, run.params, 100, seed=seed + 1_000).returns.mean().item()


@pytest.mark.parametrize("case", CASES)
def test_cartpole_with_and_without_each_piece_of_rainbow(case):
    returns = [learnt(CASES[case], seed) for seed in SEEDS]
    print(f"{case}: {', '.join(f'{x:.0f}' for x in returns)}; {sum(returns) / 5:.0f} in the mean")
    assert sum(returns) / 5 > 100  # a random policy is near 22
