"""``nox -s offline``: IQL on a data set that is made here, beside d3rlpy's IQL on the same.

The data are 20,000 transitions of SAC on its way on Pendulum. Both have 64-64 perceptrons, batches of 256
and the paper's numbers. d3rlpy runs in an environment of its own, whose Python is the first argument;
each agent plays 100 greedy episodes here.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from tensordict import TensorDict
from torch import Tensor

from evidence.recipes import mediocre
from evidence.summary import mean_of
from nappo2 import IQL, Learner, envs, evaluate, iql, preset, recorded, scheme

ENV, UPDATES, EPISODES = "torch/Pendulum-v1", 10_000, 100
CONFIG = IQL(hidden=(64, 64), jit=True)


def arrays_of(data: TensorDict) -> dict[str, np.ndarray]:
    """The columns of a data set as d3rlpy calls them."""
    after = data["next"]
    return {
        "observations": data["observation"].numpy(),
        "actions": data["action"].numpy(),
        "rewards": after["reward"].numpy(),
        "terminals": after["terminated"].numpy(),
        "timeouts": after["truncated"].numpy(),
    }


def ours(data: TensorDict, seed: int) -> float:
    """The mean return of an agent of nappo2."""
    recipe = iql(envs.make(ENV, EPISODES), CONFIG).replace(source=recorded(data))
    learner = Learner(
        scheme("3cs", recipe), recipe.init(seed), seed, target_updates=UPDATES, progress=False
    )
    params = learner.run().params
    found = evaluate(recipe.env, recipe.greedy, params, EPISODES, seed=seed + 1_000)
    return float(found.returns.mean())


def theirs(python: str, path: Path, seed: int) -> float:
    """The mean return of an agent of d3rlpy."""
    policy = path.with_suffix(f".{seed}.pt")
    words = ["benchmarks.d3rlpy_iql", str(path), str(UPDATES), str(seed), str(policy)]
    subprocess.run([python, "-m", *words], check=True, capture_output=True)
    return played(torch.jit.load(policy), seed + 1_000)


@torch.no_grad()
def played(act: Callable[[Tensor], Tensor], seed: int) -> float:
    """The mean return of a function from observations to actions, of one episode in each environment."""
    env = envs.make(ENV, EPISODES)
    state, observation = env.reset(seed)
    total = torch.zeros(EPISODES)
    done = torch.zeros(EPISODES, dtype=torch.bool)
    while not done.all():
        state, observation, outcome = env.step(state, act(observation))
        total += torch.where(done, 0.0, outcome.reward)
        done |= outcome.terminated | outcome.truncated
    return float(total.mean())


def measure(python: str, num_seeds: int) -> Iterator[dict]:
    """The returns of each seed, then both means with their intervals."""
    config = preset("sac", "pendulum").config
    with TemporaryDirectory() as folder:
        data = mediocre(Path(folder) / "recorded.npz", config)
        path = Path(folder) / "arrays.npz"
        np.savez(path, **arrays_of(data))
        before = float(data["next", "reward"].sum() / data["next", "done"].sum())
        yield {"transitions": len(data), "return of an episode": round(before, 1)}
        returns: dict[str, list[float]] = {"nappo2": [], "d3rlpy": []}
        for seed in range(num_seeds):
            returns["nappo2"].append(ours(data, seed))
            returns["d3rlpy"].append(theirs(python, path, seed))
            yield {"seed": seed, **{who: round(found[-1], 1) for who, found in returns.items()}}
    yield {who: str(mean_of(found)) for who, found in returns.items()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    for line in measure(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5):
        print(json.dumps(line), flush=True)
