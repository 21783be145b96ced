"""3cs with environments in two processes, beside two bare simulators that run at the same time.

PPO on HalfCheetahBullet, compiled, as ``locomotion`` has it; env steps/s over the bare ones', and over
those of the same run in one process. And how much longer a run with processes takes until its first
update, from the start of its own process on.
"""

import subprocess
import sys
from collections.abc import Iterator
from time import perf_counter

from benchmarks.cores import bare
from benchmarks.figures import figure, interleaved, ratios, report
from nappo2 import envs
from nappo2.recipes import PPO, ppo
from nappo2.runs.learner import Learner
from nappo2.schemes import scheme

BULLET, NUM_ENVS, PROCESSES = "HalfCheetahBulletEnv-v0", 8, 2
NUM_ROLLOUTS = 3

PROGRAM = """
import sys
from nappo2 import PPO, Learner, envs, ppo, scheme
env = envs.make("HalfCheetahBulletEnv-v0", 8, processes=int(sys.argv[1]))
recipe = ppo(env, PPO(num_steps=64))
learner = Learner(scheme("3cs", recipe), recipe.init(0), target_steps=512)
learner.step()
assert learner.params["version"] > 0
"""


def rates(processes: int) -> Iterator[float]:
    """Env steps/s of a run that goes on from where it was."""
    env = envs.make(BULLET, NUM_ENVS, processes=processes)
    recipe = ppo(env, PPO(jit=True))
    learner = Learner(scheme("3cs", recipe), recipe.init(0), target_steps=10**9)
    try:
        while True:
            before, start = learner.env_steps, perf_counter()
            for _ in range(NUM_ROLLOUTS):
                learner.step()
            yield (learner.env_steps - before) / (perf_counter() - start)
    finally:
        learner.close()


def starts(processes: int) -> Iterator[float]:
    """Seconds from the start of a process to the end of its first update."""
    while True:
        start = perf_counter()
        subprocess.run([sys.executable, "-c", PROGRAM, str(processes)], check=True)
        yield perf_counter() - start


def measure(rounds: int = 8) -> list[dict]:
    runs = {"one": rates(0), "two": rates(PROCESSES), "simulators": bare()}
    taken = interleaved(rounds, warmup=2, **runs)
    for run in runs.values():
        run.close()
    one, two, simulators = taken.values()
    here, there = interleaved(4, warmup=1, here=starts(0), there=starts(PROCESSES)).values()
    longer = [x - y for x, y in zip(there, here, strict=True)]
    over_bare, over_one = ratios(two, simulators), ratios(two, one)
    return [
        figure("3cs, jit, 2 processes: rate / two bare simulators", over_bare, at_least=0.80),
        figure("3cs, jit, 2 processes: rate / one process", over_one),
        figure("3cs, jit, 2 processes: env steps/s", two, "1/s"),
        figure("env steps/s: two bare simulators", simulators, "1/s"),
        figure("start with 2 processes, over without", longer, "s", at_most=2),
        figure("start without processes", here, "s"),
    ]


if __name__ == "__main__":
    sys.exit(report(measure))
