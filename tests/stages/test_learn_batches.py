"""One step for all batches that a rollout feeds, and the pipe of which it is the sum."""

import pytest
import torch

from nappo2 import DQN, SAC, TD3, double_dqn, dqn, envs, repeat, sac, td3
from nappo2.stages.recipe import batches_of, collect_of, gradients_of, learn_of, update_of

SMALL = {"num_steps": 4, "batch_size": 8, "start_steps": 16, "capacity": 64, "hidden": (8,)}
RECIPES = {
    "sac": lambda **c: sac(envs.pendulum(2), SAC(**SMALL, **c)),
    "discrete sac": lambda **c: sac(envs.cartpole(2), SAC(**SMALL, **c)),
    "td3": lambda **c: td3(envs.pendulum(2), TD3(**SMALL, **c)),
    "td3, delayed": lambda **c: td3(envs.pendulum(2), TD3(target_delay=2, **SMALL, **c)),
    "dqn": lambda **c: dqn(envs.cartpole(2), DQN(**SMALL | {"update_ratio": 0.7}, **c)),
    "double dqn": lambda **c: double_dqn(envs.cartpole(2), DQN(**SMALL, **c)),
}


def train(pipe, params, num_steps):
    state, reports = pipe.init(params, 1), []
    for _ in range(num_steps):
        state, params, report = pipe.step(params, state)
        reports.append(report)
    return params, reports


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_learning_in_one_step_is_learning_in_many(recipe, same):
    """To the last bit, targets and all, also where the number of batches is not always the same."""
    s = recipe()
    params, reports = train(collect_of(s) | s.prepare | learn_of(s), s.init(0), 4)
    pipe = collect_of(s) | s.prepare | batches_of(s) | gradients_of(s) | update_of(s)
    pipe = pipe | repeat(int(params["version"]))
    expected, (theirs,) = train(pipe, s.init(0), 1)
    assert params["version"] > 10 and same(params, expected)
    assert sum(report.sums["env_steps"] for report in reports) == theirs.sums["env_steps"]
    mean = sum(r.means["loss"].value * r.means["loss"].weight for r in reports)
    mean = mean / sum(r.means["loss"].weight for r in reports)
    torch.testing.assert_close(mean, theirs.means["loss"].value, rtol=1e-4, atol=1e-6)
    assert set(reports[0].means) == set(theirs.means)
