"""Five random kills in each asynchronous scheme."""

import os
import random
import signal
import time
from functools import partial

import pytest

from nappo2 import ppo
from tests.makers.environments import faulty, pids
from tests.makers.recipes import SMALL_PPO, run_of
from tests.makers.stepping import step_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]


@pytest.mark.parametrize("name", ["2daca", "da2cs", "dadacs", "dadaca"])
def test_five_of_five_kills_are_survived(name, on_ray, tmp_path):
    """Of whoever holds environments, at random moments; each replaced within 30 s, counts exact."""
    chance = random.Random(name)
    learner = run_of(ppo(faulty(tmp_path), SMALL_PPO), name, on=on_ray())
    step_until(learner, lambda: learner.env_steps >= 160)
    seconds = []
    for kill in range(5):
        end = time.monotonic() + chance.uniform(0.1, 2.0)
        step_until(learner, partial(passed, end))
        victim = chance.choice(sorted(pids(tmp_path)))
        start = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        step_until(learner, partial(replaced, learner, tmp_path, victim, kill + 1))
        seconds.append(time.monotonic() - start)
    print(f"\n{name}: replaced after {', '.join(f'{x:.1f}' for x in seconds)} s")
    assert max(seconds) < 30
    counted = learner.params["normalizer", "observation", "moments"][0, 0]
    assert learner.env_steps == counted and learner.sums["restarts"] == 5
    learner.close()


def passed(end):
    return time.monotonic() > end


def replaced(learner, folder, victim, restarts):
    return len(pids(folder) - {victim}) == 2 and learner.sums["restarts"] == restarts
