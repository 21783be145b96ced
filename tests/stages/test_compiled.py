"""Compiled learning, which is learning."""

import warnings

import pytest
import torch
from torch._dynamo.utils import counters
from torch.utils._pytree import tree_flatten

from nappo2 import PPO, envs, ppo, ravel, scheme
from nappo2.stages.scanned import scan_program
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


def test_a_program_is_found_again_on_disk_and_not_taken_for_another(tmp_path, monkeypatch):
    """Three scans of two steps from 1: times 2, times 3, and times 2 again: 4, 9 and 4."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    spec, found = tree_flatten((torch.ones(3),))[1], []
    for factor in (2.0, 3.0, 2.0):
        torch._dynamo.reset()  # forgets what is in memory, as a new process would

        def times(still, carry, batch, x, factor=factor):
            return (carry[0] * factor + x,), {"sum": carry[0].sum()}

        run = scan_program(times, spec)
        before = counters["inductor"]["fxgraph_cache_hit"]
        (value,), _ = run({}, (torch.ones(3),), {}, torch.zeros(2, 3))
        found.append((value[0].item(), counters["inductor"]["fxgraph_cache_hit"] - before))
    assert found == [(4.0, 0), (9.0, 0), (4.0, 1)]
