"""Two to sixteen collectors on a cluster that grows and shrinks, three minutes of sleeping environments."""

import json
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

RUN = """
import json, os, random, signal, sys, time
from pathlib import Path
folder, (least, most, kills, seconds) = Path(sys.argv[1]), map(int, sys.argv[2:])
from nappo2 import PPO, Learner, between, envs, on_ray, ppo, record_timing, rewind, scheme
import ray
from ray.cluster_utils import Cluster

SECONDS = 0.05

def sleeping(seconds):
    '''CartPole that sleeps; with seconds, its process writes down when it lived.'''
    env = envs.cartpole(1)
    def step(state, action):
        if seconds:
            time.sleep(seconds)
            with open(folder / f"env-{os.getpid()}", "a") as file:
                file.write(f"{time.time()}\\n")
        return env.step(state, action)
    return env._replace(step=step)

def recipe_of(seconds):
    return ppo(sleeping(seconds), PPO(num_steps=25, num_epochs=1, num_minibatches=1, hidden=(8,)))

def lives():
    return {path: [float(x) for x in path.read_text().split()] for path in folder.glob("env-*")}

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": least, "include_dashboard": False})
ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
recipe, chance = recipe_of(SECONDS), random.Random(0)
pipe = scheme("da2cs", recipe, collectors=between(least, most), ahead=1, on=record_timing(on_ray()))
run = Learner(pipe, recipe.init(0), 1, 10**9, folder / "run", progress=False, checkpoint_every=None)

def run_for(seconds, until=lambda: False):
    end = time.monotonic() + seconds
    while time.monotonic() < end and not until():
        run.step()

killed = set()

def alive():
    paths = set(folder.glob("env-*")) - killed
    return [path for path in sorted(paths) if time.time() - path.stat().st_mtime < 2]

run_for(seconds)
node = cluster.add_node(num_cpus=most - least)
run_for(240, until=lambda: len(alive()) == most)
for _ in range(kills):
    run_for(seconds)
    killed.add(path := chance.choice(alive()))
    before = run.sums["restarts"]
    os.kill(int(path.name.split("-")[1]), signal.SIGKILL)
    run_for(240, until=lambda: run.sums["restarts"] > before)  # it is not lost with its node
run_for(240, until=lambda: len(alive()) == most)
cluster.remove_node(node)
run_for(seconds)
run_for(120, until=lambda: run.metrics[-1]["num_collectors"] == least)
run_for(seconds)
counts = [row["num_collectors"] for row in run.metrics]
env_steps, params, restarts = run.env_steps, run.params, run.sums["restarts"]
lived = sum(times[-1] - times[0] + SECONDS for times in lives().values())
run.close()
ray.shutdown()
cluster.shutdown()
again = rewind(folder / "run", recipe=recipe_of(0))
same = all(bool((x == y).all()) for x, y in zip(params.values(True, True), again.params.values(True, True)))
print(json.dumps({
    "counts": [counts[0], max(counts), counts[-1]], "restarts": restarts,
    "env_steps": env_steps, "counted": float(params["normalizer", "observation", "moments"][0, 0]),
    "utilisation": env_steps * SECONDS / lived, "lived": lived, "seconds": run.seconds,
    "same": same, "steps_again": again.env_steps, "record": (folder / "run" / "timing.bin").stat().st_size,
    "updates": int(params["version"]),
}))
"""


def test_collectors_join_and_leave_with_a_node_and_the_run_is_replayed(tmp_path):
    """From 2 to 16 and back to 2, five kills: env steps exact, 0.9 of the time used, replay bitwise."""
    run = subprocess.run(
        [sys.executable, "-c", RUN, str(tmp_path), "2", "16", "5", "18"],
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout.splitlines()[-1])
    print(f"\n{found}")
    assert found["counts"] == [2, 16, 2] and found["restarts"] >= 5 + 14
    assert found["env_steps"] == found["counted"] == found["steps_again"]
    assert found["utilisation"] >= 0.9 and found["same"]
