"""Asynchronous runs that were resumed are the uninterrupted ones: three points in six words."""

from itertools import product

import pytest

from nappo2 import envs, ppo, record_timing, rewind, serial
from tests.makers.comparing import equal, states, timeless
from tests.makers.recipes import CARTPOLE_PPO, SMALL_PPO, run_of
from tests.makers.stepping import step

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("without_curves")]

WORDS = ["da2cs", "2daca", "dadacs", "dadaca", "dsdaca", "da2ds"]
POINTS = [1, 5, 11]
CASES = list(product(WORDS, POINTS))


def interrupted(name, folder, point, on, recipe=CARTPOLE_PPO):
    """A run that takes 16 steps, and is saved, closed and resumed after some of them."""
    run = step(run_of(recipe, name, folder, on=on()), point)
    run.save()
    run.close()
    run = run_of(recipe, name, folder, on=on())
    run.resume(folder)
    return step(run, 16 - point)


@pytest.mark.parametrize(("name", "point"), CASES)
def test_a_resumed_run_is_the_uninterrupted_one(name, point, tmp_path):
    """In one process: params, rows and the states of all stages, to the last bit."""
    are_one(name, tmp_path, point, CARTPOLE_PPO)


@pytest.mark.parametrize("name", ["da2cs", "dadaca"])
def test_a_resumed_run_of_pong_is_the_uninterrupted_one(name, tmp_path):
    """The emulators' states, also those in workers, are in the checkpoint."""
    are_one(name, tmp_path, 5, ppo(envs.make("PongNoFrameskip-v4", 2), SMALL_PPO))


def are_one(name, folder, point, recipe):
    whole = step(run_of(recipe, name, folder / "whole"), 16)
    resumed = interrupted(name, folder / "resumed", point, lambda: serial, recipe)
    assert equal(whole.params, resumed.params)
    assert equal(timeless(whole.metrics), timeless(resumed.metrics))
    assert equal(*map(states, (whole, resumed)))


@pytest.mark.parametrize(("name", "point"), CASES)
def test_a_resumed_run_on_ray_is_the_uninterrupted_replay_of_its_record(
    name, point, on_ray, tmp_path
):
    """A replay in one process from the first params, which no checkpoint helps, does not see the resume."""
    run = interrupted(name, tmp_path, point, lambda: record_timing(on_ray()))
    run.close()
    for path in (tmp_path / "checkpoints").iterdir():
        path.unlink()
    again = rewind(tmp_path)
    assert equal(run.params, again.params)
    assert equal(timeless(run.metrics), timeless(again.metrics))
    assert run.env_steps == again.env_steps


def test_there_are_eighteen_of_them():
    assert len(CASES) == 18
