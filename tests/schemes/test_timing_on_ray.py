"""Runs on Ray, with kills and preemption, are replayed to the last bit in one process."""

import os
import signal
from functools import partial

import pytest

from nappo2 import between, ppo, read_timing, record_timing, replay_timing, rewind
from nappo2.schemes.obeying import RecordEnded
from tests.makers.environments import faulty, pids
from tests.makers.recipes import CARTPOLE_PPO, SMALL_PPO, run_of
from tests.makers.stepping import step, step_until


def is_replayed(run, recipe, name, same, **options):
    """Whether a run's record leads to the same params, rows and restarts, also from its checkpoint."""
    run.close()
    later = rewind(run.log_dir, recipe=recipe)
    assert same(run.params, later.params) and later.env_steps == run.env_steps
    later.close()
    again = run_of(recipe, name, on=replay_timing(run.log_dir), **options)
    with pytest.raises(RecordEnded):
        step_until(again, lambda: False, pause=0.0)
    assert same(run.params, again.params) and again.env_steps == run.env_steps
    assert again.sums["restarts"] == run.sums["restarts"]
    again.close()


PREEMPTED = {"wait_for": 1, "preempt": 0.25}
CASES = {
    "dadaca": {},
    **{name: {} for name in ("da2cs", "2daca", "dadacs", "dsdaca", "da2ds")},
    **dict.fromkeys(("3ds", "2dacs", "ds2cs"), PREEMPTED),
}


@pytest.mark.faults
@pytest.mark.usefixtures("without_curves")
@pytest.mark.parametrize("name", CASES)
def test_a_run_on_ray_is_replayed_in_one_process(name, on_ray, same, tmp_path):
    options = CASES[name] | ({"ahead": 1} if name == "da2cs" else {})
    run = step(run_of(CARTPOLE_PPO, name, tmp_path, on=record_timing(on_ray()), **options), 20)
    run.save()
    step(run, 20)
    assert len(read_timing(tmp_path).steps) == 40
    is_replayed(run, CARTPOLE_PPO, name, same, **options)


@pytest.mark.faults
@pytest.mark.usefixtures("without_curves")
@pytest.mark.parametrize("name", ["da2cs", "2daca", "dadaca", "dadacs", "3ds"])
def test_a_run_with_kills_is_replayed_without_any(name, on_ray, same, tmp_path):
    """Two workers that hold environments are killed, where Ray says so at any moment."""
    recipe = ppo(faulty(tmp_path), SMALL_PPO)
    run = run_of(recipe, name, tmp_path / "run", on=record_timing(on_ray()))
    step_until(run, lambda: run.env_steps >= 96)
    for restarts in (1, 2):
        os.kill(min(pids(tmp_path)), signal.SIGKILL)
        step_until(run, partial(is_back, run, tmp_path, restarts))
        step_until(run, partial(has_steps, run, run.env_steps + 96))
        run.save()
    step_until(run, partial(has_steps, run, run.env_steps + 96))
    is_replayed(run, recipe, name, same)


@pytest.mark.faults
@pytest.mark.usefixtures("without_curves")
@pytest.mark.parametrize("name", ["da2cs", "2daca", "dadaca", "3ds"])
def test_a_run_with_errors_and_hangs_is_replayed_without_any(name, on_ray, same, tmp_path):
    """A worker that hangs is replaced after five seconds."""
    recipe = ppo(faulty(tmp_path), SMALL_PPO)
    on = record_timing(on_ray(deadline=5.0))
    run = run_of(recipe, name, tmp_path / "run", on=on)
    step_until(run, lambda: run.env_steps >= 96)
    for kind in ("raise", "hang"):
        is_replaced = partial(is_back, run, tmp_path, run.sums["restarts"] + 1)
        (tmp_path / kind).write_text("")
        step_until(run, is_replaced)
        run.save()
    step_until(run, partial(has_steps, run, run.env_steps + 96))
    is_replayed(run, recipe, name, same)


@pytest.mark.faults
@pytest.mark.usefixtures("without_curves")
@pytest.mark.parametrize(("name", "cut"), [("da2cs", "collectors"), ("2daca", "learners")])
def test_a_run_that_workers_leave_and_join_is_replayed(name, cut, on_ray, same, tmp_path):
    """Between one and three; who is killed is absent for a while, and joins again."""
    recipe, options = ppo(faulty(tmp_path), SMALL_PPO), {cut: between(1, 3)}
    run = run_of(recipe, name, tmp_path / "run", on=record_timing(on_ray()), **options)
    column = f"num_{cut}"
    all_there = lambda: run.metrics and run.metrics[-1][column] == 3
    step_until(run, all_there)
    for lost in (1, 2):
        os.kill(min(pids(tmp_path)), signal.SIGKILL)
        step_until(run, partial(has_lost, run, lost))
        step_until(run, all_there)
    is_replayed(run, recipe, name, same, **options)


def is_back(run, folder, restarts):
    return has_lost(run, restarts) and len(pids(folder)) == 2


def has_steps(run, env_steps):
    return run.env_steps >= env_steps


def has_lost(run, num):
    return run.sums["restarts"] >= num
