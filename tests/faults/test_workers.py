"""What goes wrong on Ray, beside what ``tests/schemes`` has."""

import ipaddress
import itertools
import os
import random
import subprocess
import sys
import time

import numpy as np
import pytest

from nappo2 import PPO, Learner, envs, ppo, scheme
from tests.makers.environments import faulty
from tests.makers.recipes import SMALL_PPO, run_of
from tests.makers.stepping import step_until

pytestmark = pytest.mark.timeout(300)


def run_alone(code, *args, seconds=240):
    """What a program prints that has a Ray of its own."""
    found = subprocess.run(
        [sys.executable, "-c", code, *map(str, args)],
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


CLOSED = """
import os, sys
import ray
from nappo2 import *
from nappo2.schemes.remote.watchdog import NAME
recipe = ppo(envs.cartpole(2), PPO(num_steps=8, num_minibatches=1, hidden=(4,)))
learner = Learner(scheme("da2cs", recipe, collectors=1, on=on_ray()), recipe.init(0), progress=False)
learner.step()
from tests.makers.processes import listening, sockets_of
from pathlib import Path
pids = [os.getpid()]
for path in Path("/proc").glob("[0-9]*"):
    try:
        if f"{NAME}={os.getpid()}-".encode() in (path / "environ").read_bytes():
            pids.append(int(path.name))
    except OSError:
        pass
there = sockets_of(pids)
hosts = sorted({h for inode, hosts in listening().items() if inode in there for h in hosts})
print(len(pids), os.environ["RAY_AUTH_MODE"], *hosts)
ray.shutdown()
try:
    learner.step()
except RuntimeError as error:
    print(error)
print(ray.is_initialized())
"""


@pytest.mark.faults
def test_ray_listens_to_this_machine_alone_and_is_not_started_again_behind_ones_back():
    """With a token; after ray.shutdown() a step is refused, and no second Ray is started."""
    first, refused, running = run_alone(CLOSED).splitlines()
    num, mode, *hosts = first.split()
    print(f"\n{num} processes of Ray listen at {hosts}, authentication by {mode}")
    assert int(num) > 4 and mode == "token"
    assert hosts and all(ipaddress.ip_address(host).is_loopback for host in hosts)
    assert "Ray was shut down" in refused and running == "False"


@pytest.mark.faults
def test_what_fails_now_and_then_is_replaced_each_time(on_ray):
    """Two that raise at each 2,000th step take 10,000 of them: 4 times, the last perhaps not yet told."""
    run = learner_with(now_and_then, on_ray(max_restarts=10))
    start = time.monotonic()
    step_until(run, lambda: run.env_steps >= 20_000, seconds=200)
    counted = run.params["normalizer", "observation", "moments"][0, 0]
    print(
        f"\n{run.sums['restarts']:.0f} restarts in {run.env_steps} steps, {time.monotonic() - start:.0f} s"
    )
    assert run.env_steps == counted and run.sums["restarts"] >= 3
    assert np.isfinite(run.metrics[-1]["episode_return"])
    run.close()


def now_and_then(num_envs=2):
    env, steps = envs.cartpole(num_envs), itertools.count(1)  # of each life

    def step(state, action):
        if next(steps) == 2_000:
            raise ZeroDivisionError("now and then")
        return env.step(state, action)

    return env._replace(step=step)


def learner_with(make, on):
    recipe = ppo(make(), PPO(num_steps=50, num_minibatches=2, num_epochs=1, hidden=(8,)))
    return Learner(
        scheme("da2cs", recipe, collectors=2, on=on), recipe.init(0), 1, 10**9, progress=False
    )


@pytest.mark.faults
def test_an_environment_that_never_starts_is_given_up(on_ray, ray_instance, monkeypatch):
    monkeypatch.setattr("nappo2.schemes.remote.backend.START_SECONDS", 3.0)

    def reset(seed):
        time.sleep(3600)

    recipe = ppo(envs.cartpole(2)._replace(reset=reset), PPO(num_steps=8, num_minibatches=1))
    start = time.monotonic()
    with pytest.raises(TimeoutError, match="a worker did not answer within 5 s"):
        scheme("da2cs", recipe, on=on_ray(deadline=2.0)).init(recipe.init(0), 0)
    while ray_instance.available_resources().get("CPU") != 5:  # they are ended
        time.sleep(0.05)
    assert time.monotonic() - start < 60


SMALL_STORE = """
import time, ray
ray.init(address="local", num_cpus=2, object_store_memory=80_000_000, include_dashboard=False,
         log_to_driver=False, _node_ip_address="127.0.0.1")
import torch
from nappo2 import *
from gymnasium.spaces import Box, Discrete
wide, plain = 2**14, envs.cartpole(4)
def widened(x):
    return torch.cat([x, torch.zeros(len(x), wide - 4)], -1)
def reset(seed):
    state, x = plain.reset(seed)
    return state, widened(x)
def step(state, action):
    state, x, o = plain.step(state, action)
    return state, widened(x), o._replace(observation=widened(o.observation))
env = plain._replace(reset=reset, step=step, observation_space=Box(-1, 1, (wide,)))
recipe = ppo(env, PPO(num_steps=40, num_minibatches=1, num_epochs=1, hidden=(4,), normalize=False))
pipe = scheme("da2cs", recipe, collectors=2, on=on_ray(), ahead=1)
learner = Learner(pipe, recipe.init(0), 0, 160 * 12, progress=False)
for row in learner:
    time.sleep(0.3)  # a learner that is slow
print(learner.env_steps, int(learner.sums["restarts"]), len(learner.state["collectors"].pending))
learner.close()
"""


@pytest.mark.faults
def test_an_object_store_that_is_too_small_is_enough():
    """80 MB for rollouts of 21 MB, two collectors, each one ahead: at most 4 are on their way."""
    steps, restarts, pending = map(int, run_alone(SMALL_STORE).split())
    print(f"\n{steps} env steps, {restarts} restarts, {pending} rollouts on their way")
    assert steps == 160 * 12 and restarts == 0 and pending <= 4


@pytest.mark.faults
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["3ds", "da2cs", "dadacs"])
def test_a_soak_of_faults(name, on_ray, tmp_path):
    """A fault every 10 s for 3 minutes, a kill, an error and a hang in turn: counts stay exact."""
    chance = random.Random(name)
    run = run_of(ppo(faulty(tmp_path), SMALL_PPO), name, on=on_ray(max_restarts=30, deadline=5.0))
    try:
        faults = soaked(run, chance, tmp_path)
    finally:  # or its workers would keep the places of the next one's
        run.close()
    counted = run.params["normalizer", "observation", "moments"][0, 0]
    losses = [row["loss"] for row in run.metrics if "loss" in row]
    print(
        f"\n{name}: {len(faults)} faults ({faults.count('kill')} kills, {faults.count('raise')} "
        f"errors, {faults.count('hang')} hangs), {run.sums['restarts']:.0f} restarts, "
        f"{run.env_steps} env steps, of which {counted:.0f} are in the normaliser"
    )
    assert run.env_steps == counted and np.isfinite(losses).all() and len(faults) >= 15
    assert run.sums["restarts"] >= 1


def soaked(run, chance, folder):
    """The faults that a run was given in 3 minutes."""
    step_until(run, lambda: run.env_steps >= 160)
    faults, end, due = [], time.monotonic() + 180, time.monotonic()
    while time.monotonic() < end:
        if time.monotonic() >= due:
            kind = ("kill", "raise", "hang")[len(faults) % 3]
            due += 10
            faults.append(kind)
            killed(chance) if kind == "kill" else (folder / kind).write_text("")
        run.step()
    return faults


def killed(chance) -> int:
    """Kills one of this test's actors, learner or collector."""
    import signal

    import psutil

    names = [p for p in psutil.Process().children(recursive=True) if p.is_running()]
    actors = [p.pid for p in names if "ray::Actor" in " ".join(p.cmdline())]
    if actors:
        os.kill(chance.choice(sorted(actors)), signal.SIGKILL)
    return bool(actors)
