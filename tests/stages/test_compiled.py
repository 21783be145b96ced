"""Compiled learning, which is learning."""

import warnings

import pytest
import torch

from nappo2 import PPO, envs, ppo, ravel, scheme
from tests.stages.test_learn import fused
from tests.stages.test_learn_batches import RECIPES, train


def test_compiled_learning_is_learning():
    """Within 1e-5, over three rollouts."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "learn cannot be compiled")
        params, reports = fused(jit=True)
    expected, their_reports = fused()
    ours, theirs = (ravel(p["weights"])[0] for p in (params, expected))
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    for name, mean in reports[-1].means.items():
        theirs = their_reports[-1].means[name].value
        torch.testing.assert_close(mean.value, theirs, atol=1e-4, rtol=1e-3)


@pytest.mark.learning  # as compiling takes long
@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_compiled_replayed_learning_is_learning(recipe):
    """Within 1e-5; the actor of TD3 moves at every other update only."""
    found = []
    for jit in (False, True):
        s = recipe(jit=jit)
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "learn.* cannot be compiled")
            params, _ = train(s.collect | s.prepare | s.learn, s.init(0), 3)
        found.append(ravel({name: params[name].to_dict() for name in ("weights", "target")})[0])
    torch.testing.assert_close(*found, atol=1e-5, rtol=0)


@pytest.mark.learning
def test_compiled_gradients_are_gradients():
    """Of PPO, in 2dacs with two learners, within 1e-5 after 8 updates."""
    found = []
    for jit in (False, True):
        s = ppo(envs.pendulum(2), PPO(num_steps=32, num_minibatches=4, hidden=(8,), jit=jit))
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "gradients cannot be compiled")
            params, _ = train(scheme("2dacs", s), s.init(0), 8)
        found.append(ravel(params["weights"])[0])
    torch.testing.assert_close(*found, atol=1e-5, rtol=0)
