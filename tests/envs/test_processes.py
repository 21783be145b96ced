"""Environments in processes: equal to those in this process, replaced when lost, and gone at the end."""

import os
import signal
import subprocess
import sys
import threading
from functools import partial
from itertools import chain

import gymnasium
import numpy as np
import psutil
import pytest
import torch
from gymnasium.wrappers import TimeLimit

from nappo2 import PPO, Learner, envs, ppo, scheme
from nappo2.envs import Env
from tests.makers.environments import zero_action
from tests.makers.processes import check_all_gone, environ_with, until
from tests.makers.walks import TellsTorch, Walk

pytestmark = pytest.mark.usefixtures("without_curves")

FAMILIES = {
    "CartPole-v1": {"frame_stack": 2},
    "InvertedPendulumBulletEnv-v0": {},
    "ALE/Breakout-v5": {},
}
MORE_FAMILIES = {
    "Hopper-v5": {"time_feature": True},
    "FetchReach-v4": {},
    "MiniGrid-Empty-5x5-v0": {},
    "CarRacing-v3": {"frame_skip": 2},
}


def outputs(env: Env, num_steps: int) -> list:
    """All tensors of the first steps, with actions that are drawn."""
    state, observation = env.reset(3)
    rng, tensors = torch.Generator().manual_seed(0), [observation]
    try:
        for _ in range(num_steps):
            action = env.action_spec.uniform(env.num_envs, rng)
            state, observation, transition = env.step(state, action)
            game = transition.game or ()
            tensors += [observation, *transition[:4], *game, *transition.info.values()]
    finally:
        env.close(state)
    return tensors


def is_equal(x, y) -> bool:
    if isinstance(x, dict):
        return x.keys() == y.keys() and all(is_equal(x[key], y[key]) for key in x)
    return x.dtype == y.dtype and x.numpy().tobytes() == y.numpy().tobytes()


@pytest.mark.parametrize(("env_id", "arguments"), FAMILIES.items(), ids=FAMILIES)
def test_what_processes_step_is_equal_to_the_last_bit(env_id, arguments):
    """Five environments in shares of two and three."""
    here = outputs(envs.make(env_id, 5, **arguments), 60)
    there = outputs(envs.make(env_id, 5, processes=2, **arguments), 60)
    assert len(here) == len(there) and all(map(is_equal, here, there))


def test_a_process_may_be_waited_for_for_ever():
    env = envs.make("CartPole-v1", 2, processes=1, deadline=float("inf"))
    assert all(map(is_equal, outputs(env, 2), outputs(envs.make("CartPole-v1", 2), 2)))


@pytest.mark.faults
@pytest.mark.parametrize(("env_id", "arguments"), MORE_FAMILIES.items(), ids=MORE_FAMILIES)
def test_of_other_families_too(env_id, arguments):
    test_what_processes_step_is_equal_to_the_last_bit(env_id, arguments)


def learner(folder, steps=96, **arguments):
    env = envs.make(Walk, 4, **arguments)
    recipe = ppo(env, PPO(num_steps=8, num_epochs=1, num_minibatches=2, hidden=(8,)))
    return Learner(scheme("3cs", recipe), recipe.init(0), 0, steps, folder, checkpoint_every=32)


def test_a_run_with_processes_is_the_run_without(tmp_path):
    """Of three, which have two, one and one of the four environments."""
    runs = [learner(tmp_path / str(n), processes=n).run() for n in (0, 3)]
    here, there = (run.params["weights"] for run in runs)
    assert (here == there).all()
    here, there = ([row.get("episode_return") for row in run.metrics] for run in runs)
    assert here == there
    for run in runs:
        run.close()


def test_a_run_that_is_resumed_goes_on_to_the_last_bit(tmp_path):
    """40 steps are in the middle of the second episode."""
    whole = learner(tmp_path / "whole").run()
    first = learner(tmp_path / "part", steps=64, processes=2).run()
    first.close()
    again = learner(tmp_path / "again", processes=2)
    again.resume(tmp_path / "part")
    again.run()
    assert (whole.params["weights"] == again.params["weights"]).all()
    assert not any("begin anew" in str(row.get("event", "")) for row in again.metrics)
    again.close()
    whole.close()


def test_bullet_in_processes_is_saved_and_loaded(tmp_path):
    env = envs.make("HopperBulletEnv-v0", 2, processes=1)
    state, _ = env.reset(0)
    state, *_ = env.step(state, torch.zeros(2, 3))
    saved = env.save(state)
    after = env.step(state, torch.ones(2, 3))[1]
    env.close(state)
    other, _ = env.reset(1)
    other = env.load(other, saved)
    assert is_equal(after, env.step(other, torch.ones(2, 3))[1])
    env.close(other)
    here = envs.make("HopperBulletEnv-v0", 2)
    state, _ = here.reset(0)
    with pytest.raises(ValueError, match="1 processes saved it, and here is none"):
        here.load(state, saved)
    here.close(state)


def test_monitor_files_and_infos_are_those_of_one_process(tmp_path):
    lines = []
    for n in (0, 2):
        keys = {"monitor": tmp_path / str(n), "info_keywords": ("steps", "absent")}
        outputs(envs.make(Walk, 3, processes=n, **keys), 20)
        files = sorted((tmp_path / str(n)).glob("*.csv"))
        rows = [path.read_text().splitlines()[2:] for path in files]
        lines.append([[x for i, x in enumerate(row.split(",")) if i != 2] for row in chain(*rows)])
    assert lines[0] == lines[1] and lines[0][0][2:] == ["7.0", "nan"] and len(lines[0]) == 6


def test_the_first_environment_is_rendered():
    env = envs.make(Walk, 2, processes=2, render_mode="rgb_array")
    state, _ = env.reset(0)
    for _ in range(2):
        state, *_ = env.step(state, zero_action(env))
    assert (env.render(state) == np.full((4, 6, 3), 2)).all()
    env.close(state)


@pytest.mark.parametrize("fault", ["exit", pytest.param("hang", marks=pytest.mark.faults), "kill"])
def test_a_lost_process_is_replaced_and_its_episodes_are_truncated(tmp_path, fault):
    env = envs.from_gym(Walk, 4, processes=2, deadline=5, env_kwargs={"folder": tmp_path})
    state, before = env.reset(0)
    if fault == "kill":
        pid = state.envs.processes.servers[0].pid
        os.kill(pid, signal.SIGKILL)
    else:
        (tmp_path / fault).touch()
    with pytest.warns(UserWarning, match=r"process [01] of Walk (ended|gave no answer for 5 s)"):
        state, after, transition = env.step(state, zero_action(env))
    lost = transition.truncated
    assert lost.tolist() in ([True, True, False, False], [False, False, True, True])
    assert is_equal(transition.observation[lost], before[lost]) and not transition.reward.any()
    assert not transition.terminated.any() and (after[lost] != before[lost]).all()
    assert env.restarts(state) == 1
    state, _, transition = env.step(state, zero_action(env))
    assert not transition.truncated.any() and env.restarts(state) == 1
    env.close(state)


def test_restarts_are_in_the_report(tmp_path):
    env = envs.make(Walk, 2, processes=2, env_kwargs={"folder": str(tmp_path / "faults")})
    (tmp_path / "faults").mkdir()
    recipe = ppo(env, PPO(num_steps=8, num_epochs=1, num_minibatches=2, hidden=(8,)))
    run = Learner(scheme("3cs", recipe), recipe.init(0), 0, 64, checkpoint_every=None)
    run.step()
    (tmp_path / "faults" / "exit").touch()
    with pytest.warns(UserWarning, match="ended with exit code 3: it is replaced"):
        run.run()
    assert run.sums["restarts"] == 1 and run.env_steps == 64
    run.close()


def test_a_process_that_is_lost_again_and_again_is_an_error(tmp_path):
    def broken():
        env = Walk()
        env.step = lambda action: os._exit(3)
        return env

    env = envs.make(broken, 1, processes=1)
    state, _ = env.reset(0)
    processes = state.envs.processes
    processes.failures[0] = 9
    with pytest.warns(UserWarning, match="it is replaced"):
        state, *_ = env.step(state, zero_action(env))
    with pytest.raises(
        RuntimeError, match="process 0 of broken ended with exit code 3, and was lost 11"
    ):
        env.step(state, zero_action(env))
    env.close(state)


def test_an_error_is_raised_as_in_this_process_and_says_where_it_was(tmp_path):
    env = envs.make(Walk, 2, processes=2, folder=tmp_path)
    state, _ = env.reset(0)
    (tmp_path / "raise").touch()
    with pytest.raises(ZeroDivisionError, match="the simulator broke") as error:
        env.step(state, zero_action(env))
    assert "in obey" in error.value.__notes__[0]
    state, _, transition = env.step(state, zero_action(env))  # nothing of the failed step is left
    assert transition.reward.tolist() == [0, 0]
    pids = [server.pid for server in state.envs.processes.servers]
    env.close(state)
    assert not any(map(psutil.pid_exists, pids))


def test_an_environment_that_cannot_begin_is_an_error():
    driver = os.getpid()

    def leaving():
        if os.getpid() != driver:
            os._exit(4)
        return Walk()

    with pytest.raises(RuntimeError, match="a process that begins leaving ended with exit code 4"):
        envs.make(leaving, 1, processes=1).reset(0)


@pytest.mark.parametrize("make", ["CartPole-v1", "HopperBulletEnv-v0"])
def test_a_process_of_simulators_begins_and_is_saved_without_torch(make):
    """Its import would take seconds, and 200 MB."""
    wrappers, keys = [partial(TimeLimit, max_episode_steps=2), TellsTorch], ["torch"]
    env = envs.make(make, 1, processes=1, wrappers=wrappers, info_keywords=keys)
    state, _ = env.reset(0)
    state = env.load(state, env.save(state))
    for _ in range(2):
        state, _, transition = env.step(state, zero_action(env))
    assert transition.truncated and transition.info["torch"].tolist() == [0]
    env.close(state)


def test_what_no_process_can_have_is_refused():
    lock = threading.Lock()
    with pytest.raises(ValueError, match="locked cannot be sent to another process"):
        envs.make(_locked(lock), 1, processes=1)
    with pytest.raises(ValueError, match=r"share 2 environments, from 0 .* to 2, not 3"):
        envs.make("CartPole-v1", 2, processes=3)
    with pytest.raises(ValueError, match="torch/CartPole-v1 takes no argument 'processes'"):
        envs.make("torch/CartPole-v1", 2, processes=1)


def _locked(lock):
    def locked():
        with lock:
            return Walk()

    return locked


DRIVER = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell may have set to be ignored
from nappo2 import envs
from tests.makers.walks import Walk
from tests.makers.environments import zero_action
env = envs.make(Walk, 2, processes=2, folder=sys.argv[1])
state, _ = env.reset(0)
print("begun", flush=True)
while True:
    state, *_ = env.step(state, zero_action(env))
"""


@pytest.mark.parametrize(
    "signum",
    [
        signal.SIGKILL,
        pytest.param(signal.SIGTERM, marks=pytest.mark.faults),
        pytest.param(signal.SIGINT, marks=pytest.mark.faults),
    ],
)
def test_no_process_is_left_when_the_driver_is_ended_while_one_hangs(tmp_path, signum):
    command = [sys.executable, "-c", DRIVER, str(tmp_path)]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=environ_with(tmp_path), **streams) as driver:
        assert driver.stdout.readline() == b"begun\n"
        (tmp_path / "hang").touch()
        until((tmp_path / "hang-taken").exists)
        driver.send_signal(signum)
    check_all_gone(tmp_path, 20)


def test_functions_take_frames_and_any_names_of_arguments():
    def named(processes, num_envs=0):
        return gymnasium.wrappers.TimeLimit(Walk(), processes)

    env = envs.make(named, 2, frame_stack=3, env_kwargs={"processes": 4, "num_envs": 1})
    assert env.observation_space.shape == (6,)
    state, _ = env.reset(0)
    for _ in range(4):
        state, _, transition = env.step(state, zero_action(env))
    assert transition.truncated.all()
    env = envs.from_gym(
        "FrozenLake-v1",
        env_kwargs={"map_name": "8x8"},
        wrappers=[gymnasium.wrappers.FlattenObservation],
    )
    assert env.observation_space.shape == (64,)
