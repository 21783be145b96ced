"""da2cs on Ray beside 3cs in one process: PPO on HalfCheetahBullet, 8 environments per collector.

Two collectors, and a learner in this process; meant for two cores. The defaults of ``PPO``. Turns
are of as many rollouts for each scheme; each goes on from where it was, and the workers of one
rest while another takes its turn.
"""

import sys
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

from benchmarks.figures import figure, interleaved, report
from benchmarks.simulators import NUM_ENVS
from nappo2 import envs
from nappo2.recipes import PPO, ppo
from nappo2.runs.learner import Learner
from nappo2.schemes import on_ray, scheme
from nappo2.schemes.workers_state import WorkersState

NUM_ROLLOUTS, COLLECTORS = 8, 2


def learner(name: str, jit: bool = False, **where) -> Learner:
    """One that runs PPO on HalfCheetahBullet without end."""
    recipe = ppo(envs.pybullet("HalfCheetahBulletEnv-v0", NUM_ENVS), PPO(jit=jit))
    return Learner(scheme(name, recipe, **where), recipe.init(0), target_steps=10**9)


def rates(learner: Learner, num_steps: int) -> Iterator[float]:
    """Env steps/s, over ``num_steps`` steps a turn."""
    while True:
        before, start = learner.env_steps, perf_counter()
        for _ in range(num_steps):
            learner.step()
        yield (learner.env_steps - before) / (perf_counter() - start)


def rates_of_cut(learner: Learner, num_steps: int) -> Iterator[float]:
    """The same where collection is cut."""
    turns = rates(learner, num_steps)
    return in_full_swing(learner, lambda: next(turns))


def in_full_swing(learner: Learner, run: Callable[[], Any]) -> Iterator[Any]:
    """What ``run`` returns, turn by turn, while workers are in full swing when its clock starts.

    Before, what they had made since the last turn is taken, and then one rollout of each.
    Afterwards they finish what they have begun, so that they slow nobody else down.
    """
    while True:
        for _ in range(len(_cut(learner).pending) + len(_cut(learner).members)):
            learner.step()
        yield run()
        rest(_cut(learner))


def _cut(learner: Learner) -> WorkersState:
    return learner.state["collectors"]


def rest(cut: WorkersState) -> None:
    """Waits until the workers have nothing to do; what they have made is taken later."""
    cut.backend.wait(list(cut.pending), len(cut.pending))


def measure(rounds: int = 10) -> list[dict]:
    on = on_ray(num_cpus=0.5)  # so that there is room for both cuts, which take turns
    central = learner("3cs")
    cut = learner("da2cs", collectors=COLLECTORS, on=on)
    ahead = learner("da2cs", collectors=COLLECTORS, on=on, ahead=1)
    taken = interleaved(
        rounds,
        warmup=1,
        central=rates(central, NUM_ROLLOUTS // 2),
        cut=rates_of_cut(cut, NUM_ROLLOUTS),
        ahead=rates_of_cut(ahead, NUM_ROLLOUTS),
    )
    cut.close()
    ahead.close()
    alone, two, before = taken.values()
    return [
        figure("env steps/s: da2cs / 3cs", _ratios(two, alone), at_least=1.5),
        figure("env steps/s: da2cs, ahead=1 / 3cs", _ratios(before, alone)),
        figure("env steps/s: 3cs", alone, "1/s"),
        figure("env steps/s: da2cs, 2 collectors", two, "1/s"),
        figure("env steps/s: da2cs, 2 collectors, ahead=1", before, "1/s"),
    ]


def _ratios(a, b) -> list[float]:
    return [x / y for x, y in zip(a, b, strict=True)]


if __name__ == "__main__":
    sys.exit(report(measure))
