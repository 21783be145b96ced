"""Two recorded runs that part: the step, the stage and the leaf where a difference was put."""

from dataclasses import replace

import pytest
import torch

from nappo2 import differ, envs, ppo
from nappo2.seeds import fold_in, split
from tests.makers.recipes import CARTPOLE_PPO, SMALL_PPO
from tests.makers.replays import recorded_run

pytestmark = pytest.mark.usefixtures("without_curves")


def two_runs(recipe, other, name, folder, **options):
    """Recorded runs of two recipes."""
    a = recorded_run(recipe, name, folder / "a")
    return a, recorded_run(other, name, folder / "b", **options)


@pytest.mark.parametrize("name", ["dadaca", "2dacs"])
def test_one_bit_of_a_gradient_is_found(name, tmp_path):
    """In the gradient for params of version 6, whichever worker computes it."""

    def one_bit(params, batch):
        loss, means = CARTPOLE_PPO.loss(params, batch)
        if params["version"] == 6:
            loss = loss * (1 + 2**-22)
        return loss, means

    runs = two_runs(CARTPOLE_PPO, CARTPOLE_PPO.replace(loss=one_bit), name, tmp_path)
    difference = differ(*runs)
    assert (difference.stage, difference.leaf) == ("gradients", "weights")
    assert difference.updates >= 6 and 0 < (difference.a - difference.b).abs().max() < 1e-4


def test_another_seed_of_one_worker_is_found(tmp_path):
    """The first state of its environments is another one."""
    second = split(fold_in(fold_in(1, 1), "collect"), 3)[0]  # of the worker with index 1
    env = envs.cartpole(2)
    other = env._replace(reset=lambda seed: env.reset(seed + (seed == second)))
    runs = two_runs(ppo(env, SMALL_PPO), ppo(other, SMALL_PPO), "da2cs", tmp_path)
    difference = differ(*runs)
    assert (difference.stage, difference.leaf) == ("collect", "observation")
    assert "collect, observation" in repr(difference) and "numbers" in difference._repr_html_()


def test_a_changed_constant_of_a_stage_is_found(tmp_path):
    """By the folders alone: the trace of advantages decays faster."""
    other = ppo(envs.cartpole(2), replace(SMALL_PPO, lambda_=0.5))
    for run in two_runs(CARTPOLE_PPO, other, "da2cs", tmp_path):
        run.close()
    difference = differ(tmp_path / "a", tmp_path / "b")
    assert (difference.step, difference.stage, difference.leaf) == (0, "gae", "advantage")


def test_another_timing_is_a_difference_of_its_cut(tmp_path):
    runs = two_runs(CARTPOLE_PPO, CARTPOLE_PPO, "da2cs", tmp_path, timing=8)
    difference = differ(*runs)
    assert (difference.stage, difference.leaf) == ("collectors", "timing")


def test_other_first_params_and_what_was_set_are_differences(tmp_path):
    a = recorded_run(CARTPOLE_PPO, "da2cs", tmp_path / "a", 3)
    b = recorded_run(CARTPOLE_PPO, "da2cs", tmp_path / "b", 2)
    b.set(learning_rate=0.5)
    b.step()
    assert differ(a, b)[:4] == (2, 8, "params", "set")
    other = ppo(envs.cartpole(2), replace(SMALL_PPO, learning_rate=0.5))
    c = recorded_run(other, "da2cs", tmp_path / "c", 3)
    assert differ(a, c)[:4] == (0, 0, "params", "hyper/learning_rate")


def test_the_same_run_twice_does_not_part(tmp_path):
    a, b = two_runs(CARTPOLE_PPO, CARTPOLE_PPO, "dadaca", tmp_path)
    assert differ(a, b) is None
    assert torch.equal(a.params["version"], b.params["version"])
