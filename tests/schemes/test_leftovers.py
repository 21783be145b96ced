"""Nothing is left: after a run on Ray, after Ctrl-C, after an error."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nappo2.schemes.remote.watchdog import alive, children
from tests.makers.commands import NAPPO2, SHORT, rows_written
from tests.makers.processes import check_all_gone, environ_with, marked, until

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("ray")]  # which needs cores


ONE_EACH = ("--collectors", "1", "--learners", "1")  # a learner, which has a collector


def start(folder, *args):
    """A run on Ray, all of whose processes carry a mark in their environment."""
    command = [*NAPPO2, "train", "ppo", *SHORT, "--backend", "ray", *args]
    return subprocess.Popen(
        [*command, "--log-dir", "x"],
        cwd=folder,
        env=environ_with(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_run_leaves_no_process(tmp_path):
    with start(tmp_path, "--scheme", "dadacs", *ONE_EACH, "--total-steps", "256") as run:
        printed, errors = run.communicate(timeout=240)
    assert run.returncode == 0, errors
    result = json.loads(printed.splitlines()[-1])
    assert result["restarts"] == 0 and result["gradient_lag"] == 0
    check_all_gone(tmp_path)


@pytest.mark.faults
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_who_ends_a_run_ends_its_workers(tmp_path, ending):
    """Ctrl-C, with what was learnt; a driver that is killed takes its workers along."""
    with start(
        tmp_path, "--scheme", "da2cs", "--collectors", "1", "--total-steps", "100000000"
    ) as run:
        until(lambda: rows_written(tmp_path / "x") >= 3, seconds=150)
        assert len(marked(tmp_path)) > 3
        run.send_signal(ending)
        printed, errors = run.communicate(timeout=240)
    if ending == signal.SIGINT:
        assert run.returncode == 130, errors
        assert json.loads(printed.splitlines()[-1])["interrupted"]
        assert (tmp_path / "x" / "params.npz").exists()
    check_all_gone(tmp_path)


@pytest.mark.faults
def test_an_error_leaves_no_process(tmp_path):
    """The environment is refused on the worker, by its own sentence."""
    code = """
import os, gymnasium, numpy as np
from nappo2 import *
class Broken(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1, 1, (2,))
    action_space = gymnasium.spaces.Discrete(2)
    def reset(self, seed=None, options=None): return np.zeros(2, np.float32), {}
    def step(self, action): return np.full(2, np.nan, np.float32), 0.0, False, False, {}
recipe = ppo(envs.from_gym(Broken, 2), PPO(num_steps=8, num_minibatches=1))
list(Learner(scheme("da2cs", recipe, collectors=1, on=on_ray()), recipe.init(0), progress=False))
"""
    env = environ_with(tmp_path)
    process = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=240
    )
    assert process.returncode == 1
    assert "environment 0 of Broken gave an observation that is not finite" in process.stderr
    check_all_gone(tmp_path)


def test_what_a_killed_driver_started_is_ended(tmp_path):
    """Even a process that looks for its parent by no means of its own; what it did not watch goes on."""
    code = """
import subprocess, sys, time
from nappo2.schemes.remote.watchdog import watched
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
with watched():
    subprocess.Popen(sleep, stdout=subprocess.DEVNULL, start_new_session=True)
quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
free = subprocess.Popen(sleep, start_new_session=True, **quiet)
print(free.pid, flush=True)
time.sleep(600)
"""
    env = environ_with(tmp_path)
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        free = int(run.stdout.readline())
        assert len(marked(tmp_path)) == 4  # with the watchdog and the driver
        run.kill()
        assert b"The checkpoints of the run are good" in run.stderr.read()
    try:
        until(lambda: len(marked(tmp_path)) == 1)
        assert Path(f"/proc/{free}").exists()
    finally:
        os.kill(free, signal.SIGKILL)


ENDS = ("", "raise ValueError", "sys.exit(3)", "raise KeyboardInterrupt")


@pytest.mark.faults
def test_nothing_is_said_of_a_driver_that_ends_in_order():
    """Four drivers, one after the other: forks of a process that has imported what they need."""
    code = f"""
import os, subprocess, sys
from nappo2.schemes.remote.watchdog import watched
for end in {ENDS}:
    if not os.fork():
        break
    os.wait()
else:
    sys.exit(0)
with watched():
    subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print("ended by", repr(end), flush=True)
exec(end)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240)
    assert run.stdout.count("ended by") == len(ENDS) and run.returncode == 0, run.stderr
    assert run.stderr.count("ValueError") >= 1 and "nappo2:" not in run.stderr


@pytest.mark.faults
@pytest.mark.parametrize("daemon", ["raylet", "gcs_server"])
def test_a_daemon_that_is_killed_is_told_of(daemon, tmp_path):
    """Ray ends the driver; of what has happened and how to go on the watchdog tells."""
    psutil = pytest.importorskip("psutil")
    with start(
        tmp_path, "--scheme", "da2cs", "--checkpoint-every", "64", "--total-steps", "100000000"
    ) as run:
        until(lambda: rows_written(tmp_path / "x") >= 10, seconds=150)
        for process in psutil.Process(run.pid).children(recursive=True):
            if process.name() == daemon:
                process.kill()
        _, errors = run.communicate(timeout=150)
    assert f"as Ray ends it when its {'raylet' if daemon == 'raylet' else ''}" in errors
    assert "The checkpoints of the run are good: `nappo2 train --resume LOG_DIR`" in errors
    check_all_gone(tmp_path)


def test_who_was_started_by_a_carrier_is_known_whatever_its_environment_says():
    """By number and start, so that nobody is ended who is given the number later."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env={}) as child:
        processes = {known for known in children([os.getpid()]) if known[0] == child.pid}
        assert len(processes) == 1 and processes <= alive()
        child.kill()
        child.wait()
        assert not processes & alive()
