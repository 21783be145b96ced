"""How long a run with ``jit`` takes from its process's start to its first update.

PPO on torch CartPole, 8 x 128, 4 epochs of 4 minibatches. The first start on a machine compiles the
headers of all programs, once for all of them, beside its own; the first of a program compiles into an empty
cache on disk; the others find it there. CPU seconds are of the process and what it starts.
"""

import os
import resource
import subprocess
import sys
import tempfile
from time import perf_counter

from benchmarks.figures import figure, report

PROGRAM = """
import warnings
warnings.filterwarnings("error", ".*cannot be compiled")
from nappo2 import PPO, Learner, envs, ppo, scheme
recipe = ppo(envs.cartpole(8), PPO(num_steps=128, num_epochs=4, num_minibatches=4, jit=True))
learner = Learner(scheme("3cs", recipe), recipe.init(0), target_steps=1024)
learner.step()
assert learner.params["version"] == 16
"""


def start(cache: str, headers: str) -> tuple[float, float]:
    """Seconds of the clock and of the CPU, with programs and headers in two folders."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = perf_counter()
    env = os.environ | {"TORCHINDUCTOR_CACHE_DIR": cache, "TMPDIR": headers}
    subprocess.run([sys.executable, "-c", PROGRAM], env=env, check=True)
    seconds, after = perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu


def measure(rounds: int = 3) -> list[dict]:
    with tempfile.TemporaryDirectory() as headers, tempfile.TemporaryDirectory() as cache:
        with tempfile.TemporaryDirectory() as other:
            machine = [start(other, headers)] * 2
        first = [start(cache, headers)] * 2
        later = [start(cache, headers) for _ in range(rounds)]
    name = "until the first update, jit"
    return [
        figure(f"{name}: first start on a machine", (s for s, _ in machine), "s"),
        figure(f"{name}: first start", (s for s, _ in first), "s", at_most=10),
        figure(f"{name}: second start", (s for s, _ in later), "s", at_most=3),
        figure(f"{name}: first start, CPU", (c for _, c in first), "s"),
        figure(f"{name}: second start, CPU", (c for _, c in later), "s"),
    ]


if __name__ == "__main__":
    sys.exit(report(measure))
