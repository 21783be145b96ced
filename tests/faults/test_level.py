"""Memory and handles stay level over a long run, in the driver and in its workers."""

import os
import signal

import numpy as np
import psutil
import pytest

from nappo2 import PPO, Learner, envs, ppo, scheme

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]
CONFIG = PPO(num_steps=16, num_epochs=1, num_minibatches=2, hidden=(16,))


def actors() -> list[psutil.Process]:
    """The actors of this process, those of its learners too."""
    found = psutil.Process().children(recursive=True)
    return [p for p in found if "ray::Actor" in " ".join(p.cmdline())]


def megabytes(process: psutil.Process) -> float:
    """What a process has for itself; of shared memory each would count the same again."""
    memory = process.memory_info()
    return (memory.rss - memory.shared) / 2**20


def slope(values: list[float], every: int) -> float:
    """Of a line through values that were taken so many updates apart, per 100 updates."""
    return float(np.polyfit(np.arange(len(values)) * every / 100, values, 1)[0])


def check_level(learner, watched, num_updates=2000, warm_up=400, every=50):
    seen = {p.pid: [] for p in watched}
    handles = {p.pid: [] for p in watched}
    while (version := int(learner.params["version"])) < warm_up + num_updates:
        learner.step()
        if version >= warm_up and version // every != int(learner.params["version"]) // every:
            for p in watched:
                seen[p.pid].append(megabytes(p))
                handles[p.pid].append(p.num_fds())
    slopes = [slope(values, every) for values in seen.values()]
    spread = [max(x) - min(x) for x in handles.values()]
    print(
        f"\n{num_updates} updates: MB per 100 updates {', '.join(f'{x:.2f}' for x in slopes)}; ",
        end="",
    )
    print(f"open files {[x[-1] for x in handles.values()]}, which moved by {spread}")
    assert max(slopes) < 1
    # a connection may come or go, but nothing that is opened stays open step by step
    assert all(np.polyfit(range(len(x)), x, 1)[0] * len(x) < 5 for x in handles.values())


@pytest.mark.parametrize("name", ["3cs", "dadacs"])
def test_two_thousand_updates_stay_level(name, on_ray, tmp_path):
    """With a checkpoint every 5,000 env steps; of the driver, and of each of the workers."""
    recipe = ppo(envs.cartpole(2), CONFIG)
    options = {"collectors": 2, "learners": 2, "on": on_ray()} if name == "dadacs" else {}
    learner = Learner(
        scheme(name, recipe, **options), recipe.init(0), 0, 10**9, tmp_path,
        checkpoint_every=5_000, progress=False,
    )  # fmt: skip
    learner.step()
    check_level(learner, [psutil.Process(), *(actors() if options else [])])
    learner.close()


def test_a_worker_that_is_replaced_leaves_no_handle(on_ray):
    """After eight lost collectors the driver has as many open files as after two."""
    recipe = ppo(envs.cartpole(2), CONFIG)
    pipe = scheme("da2cs", recipe, collectors=2, on=on_ray(max_restarts=20))
    learner, counts = Learner(pipe, recipe.init(0), 0, 10**9, progress=False), []
    for lost in range(1, 9):
        learner.step()
        os.kill(actors()[0].pid, signal.SIGKILL)
        while learner.sums.get("restarts", 0) < lost:
            learner.step()
        counts.append(psutil.Process().num_fds())
    print(f"\nopen files of the driver after each of 8 restarts: {counts}")
    assert counts[-1] - counts[1] < 8
    learner.close()
